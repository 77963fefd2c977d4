"""Laws of editing in place, over files as people write them."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atlas_mcp.install import jsonc_edit, toml
from atlas_mcp.install.jsonc import DEEPEST, read_json
from atlas_mcp.install.spot import Unreadable
from tests.install.writing import KEYS, VALUES, json_text, toml_text

PATH = ("servers", "atlas")
ENTRY = st.fixed_dictionaries(
    {"command": st.text(max_size=9), "args": st.lists(st.text(max_size=5), max_size=3)},
    optional={"env": st.dictionaries(KEYS, st.text(max_size=5), max_size=2), "timeout": st.integers(0, 99)},
)


def is_within(part: str, whole: str) -> bool:
    """Whether a text is another one with characters left out, in order."""
    rest = iter(whole)
    return all(character in rest for character in part)


@given(json_text(comments=True))
def test_what_is_read_is_what_was_written(written: tuple[str, Any]) -> None:
    text, value = written
    assert read_json(text, comments=True).value == value
    assert read_json(text, comments=True, path=PATH).value == value, "read fast, it is the same"


@given(json_text(comments=False))
def test_plain_json_is_read_as_pythons_own_reader_reads_it(written: tuple[str, Any]) -> None:
    text, _ = written
    assert read_json(text, comments=False).value == json.loads(text)


@example("NaN")
@example('{"a": [-Infinity]}')
@example('{"a": 01}')
@given(st.text(alphabet='{}[]",:/* \n\\u01.e-trufalsn', max_size=30))
def test_what_python_refuses_as_json_is_refused_and_the_rest_is_not(text: str) -> None:
    try:
        wished = json.loads(text, parse_constant=int)  # `int` refuses NaN and its like
    except ValueError:
        for path in (None, (), PATH):
            with pytest.raises(Unreadable):
                read_json(text, comments=False, path=path)
    else:
        for path in (None, (), PATH):
            assert read_json(text, comments=False, path=path).value == wished


@given(json_text(comments=True), ENTRY)
def test_an_entry_is_added_and_nothing_else_changes(written: tuple[str, Any], entry: Any) -> None:
    text, value = written
    changed = jsonc_edit.put(text, PATH, entry, comments=True)
    servers = {**value.get("servers", {}), "atlas": entry}
    assert read_json(changed, comments=True).value == {**value, "servers": servers}
    assert is_within(text, changed)


@given(json_text(comments=True), ENTRY)
def test_an_entry_among_others_is_added_and_taken_out_without_a_trace(
    written: tuple[str, Any], entry: Any
) -> None:
    text, value = written
    if not value.get("servers"):
        return
    changed = jsonc_edit.put(text, PATH, entry, comments=True)
    assert jsonc_edit.drop(changed, PATH, comments=True) == text


@given(json_text(comments=False), ENTRY, ENTRY)
def test_plain_json_stays_plain_json(written: tuple[str, Any], entry: Any, later: Any) -> None:
    text, value = written
    changed = jsonc_edit.put(text, PATH, entry, comments=False)
    changed = jsonc_edit.put(changed, PATH, later, comments=False)
    assert json.loads(changed)["servers"]["atlas"] == later
    without = json.loads(jsonc_edit.drop(changed, PATH, comments=False))
    assert without == {**value, "servers": value.get("servers", {})}


@given(json_text(comments=True), ENTRY, st.dictionaries(KEYS, VALUES, min_size=1, max_size=3), st.data())
def test_an_entry_is_taken_out_from_any_place(
    written: tuple[str, Any], entry: Any, others: dict[str, Any], data: st.DataObject
) -> None:
    others.pop("atlas", None)
    keys = data.draw(st.permutations([*others, "atlas"]))
    text = "{"
    for key in keys:
        text += data.draw(st.sampled_from(["\n", " ", "/* x */", "\n// y\n"]))
        text += f"{json.dumps(key)}: {json.dumps(others.get(key, entry))}, "
    text = text.removesuffix(", ") + "\n}"
    left = read_json(jsonc_edit.drop(text, ("atlas",), comments=True), comments=True).value
    assert left == others


@given(toml_text(), ENTRY)
@example("", {"command": "c", "args": []})
@example("a = 1", {"command": "c", "args": []})
def test_a_table_is_added_and_taken_out_without_a_trace(text: str, entry: Any) -> None:
    value = tomllib.loads(text)
    changed = toml.put(text, PATH, entry)
    wished = {**value, "servers": {**value.get("servers", {}), "atlas": entry}}
    assert tomllib.loads(changed) == wished
    assert changed.startswith(text)
    assert ("\r\n" in text) <= (changed.count("\n") == changed.count("\r\n"))
    assert toml.drop(changed, PATH) == text


@given(toml_text(), ENTRY, ENTRY, toml_text())
def test_a_table_is_brought_up_to_date_where_it_stands(text: str, entry: Any, later: Any, more: str) -> None:
    before = toml.put(text, PATH, entry)
    if not before.endswith("\n"):
        before += "\n"
    after = "\n# later\n[later]\nx = 1\n"
    changed = toml.put(before + after, PATH, later)
    assert changed.startswith(text)
    assert changed.endswith(after)
    assert tomllib.loads(changed)["servers"]["atlas"] == later


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ('{"a": 1,}', 1, 8, "no comma behind the last"),
        ('{\n  // c\n  "a": 1\n}', 2, 3, "no comments"),
        ('{\r\n  "a" 1\r\n}', 2, 7, "a colon"),
        ('{"a": tru}', 1, 7, "a value should stand here"),
        ('{"a": 1', 1, 8, "a comma or }"),
        ('{"a": "b\n"}', 1, 7, "does not end on its line"),
        ("{'a': 1}", 1, 2, "a key in double quotes"),
        ("{} {}", 1, 4, "there is more"),
        ("[" * (DEEPEST + 5), 1, DEEPEST + 2, "within one another"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_column(text: str, line: int, column: int, says: str) -> None:
    with pytest.raises(Unreadable, match=says) as told:
        read_json(text, comments=False)
    assert (told.value.line, told.value.column) == (line, column)


def test_a_mistake_in_toml_is_named_with_its_line_and_column() -> None:
    with pytest.raises(Unreadable) as told:
        toml.read_toml("a = 1\n[b\nc = 2\n")
    assert told.value.line == 2
    with pytest.raises(Unreadable) as told:
        toml.read_toml('a = """\n')
    assert told.value.line == 2
