"""JSON and TOML as people write them: any spacing, any comments, commas where they need not be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KEYS", "VALUES", "json_text", "toml_text"]

KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
_GAPS = ["", " ", "\n", "\n  ", "\t", "\r\n    "]
_COMMENTS = ["/* a, } ] */", '/* "b": 1 */', "// c { [\n", '// "d"\r\n', " /* e\n f */ "]


def _spelled(draw: Callable[[Any], Any], value: Any, gap: Callable[[], str], *, commas: bool) -> str:
    def last(written: bool) -> str:
        return "," + gap() if commas and written and draw(st.booleans()) else ""

    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        each = [
            f"{gap()}{json.dumps(key, ensure_ascii=draw(st.booleans()))}{gap()}:{gap()}"
            f"{_spelled(draw, one, gap, commas=commas)}{gap()}"
            for key, one in table.items()
        ]
        return "{" + (",".join(each) or gap()) + last(bool(each)) + "}"
    if isinstance(value, list):
        items = cast("list[Any]", value)
        each = [f"{gap()}{_spelled(draw, one, gap, commas=commas)}{gap()}" for one in items]
        return "[" + (",".join(each) or gap()) + last(bool(each)) + "]"
    return json.dumps(value)


@st.composite
def json_text(draw: Callable[[Any], Any], *, comments: bool, servers: str = "servers") -> tuple[str, Any]:
    """A text and the value that it holds; under `servers` there may be an object."""
    value: dict[str, Any] = draw(st.dictionaries(KEYS, VALUES, max_size=3))
    value.pop(servers, None)
    if draw(st.booleans()):
        others = draw(st.dictionaries(KEYS, VALUES, max_size=3))
        value[servers] = {key: one for key, one in others.items() if key != "atlas"}
        keys = draw(st.permutations(list(value)))
        value = {key: value[key] for key in keys}

    def gap() -> str:
        pieces = _GAPS + _COMMENTS if comments else _GAPS
        return "".join(draw(st.lists(st.sampled_from(pieces), max_size=2)))

    return gap() + _spelled(draw, value, gap, commas=comments) + gap(), value


_PLAIN = st.text("abcXYZ 0#[]{}=,.'\u00e9", max_size=8)
_BARE = st.sampled_from(["a", "b-c", "d_1", "E", "7"])
_TOML_VALUES = st.one_of(
    st.integers(-9, 99).map(str),
    _PLAIN.map(lambda text: json.dumps(text, ensure_ascii=False)),
    _PLAIN.map(lambda text: "'" + text.replace("'", "") + "'"),
    _PLAIN.map(lambda text: '"""\n[servers.atlas]\n' + text + '\n"""'),
    _PLAIN.map(lambda text: "'''" + text.replace("'", "") + "\nx = 1 # [[y]]'''"),
    st.just('[\n  1, # ], one\n  "two]",\n]'),
    st.just("{ x = 1, y.z = [2, 3] }"),
    st.just("1979-05-27T07:32:00Z"),
)


@st.composite
def toml_text(draw: Callable[[Any], Any]) -> str:
    """A text with tables, some of them servers, in any order."""
    parts = list[str]()
    headers = ["top", "servers.one", "servers.two", "servers.'th ree'", "other.deep", "[many]", "[many]"]
    for header in ["", *draw(st.permutations(headers))[: draw(st.integers(0, 7))]]:
        parts.append(draw(st.sampled_from(["", "\n", "# [servers.atlas]\n", '\n\n# why = "so"\n'])))
        if header:
            parts.append(f"[{header}]{draw(st.sampled_from(['', ' # atlas']))}\n")
        for key in draw(st.lists(_BARE, max_size=3, unique=True)):
            ending = draw(st.sampled_from(["", " # so = 1", "\t"]))
            parts.append(f"{draw(st.sampled_from(['', '  ']))}{key} = {draw(_TOML_VALUES)}{ending}\n")
    text = "".join(parts)
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text
