"""Puts a table into a TOML text, or takes it out, and leaves every other character as it is.

A table put in becomes a block at the end of the text. Comments and blank lines before a block belong to it
only where they lie inside it.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.install.spot import Unreadable, spot

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

__all__ = ["drop", "put", "read_toml", "written"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLACE = re.compile(
    r"(?P<says>.*?)(?: \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\))?"
)
_PIECE = re.compile(
    r"""
      (?P<text>\"\"\"(?:[^\\]|\\.)*?\"{3,5} | '''.*?'{3,5} | "(?:[^"\\\n]|\\.)*" | '[^'\n]*')
    | (?P<comment>\#[^\n]*)
    | (?P<open>[\[{]) | (?P<close>[\]}])
    | (?P<newline>\n)
    | (?P<other>[^"'\#\[\]{}\n]+)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Statement:
    """A header or a key with its value: from where its line begins to behind its line's end."""

    path: tuple[str, ...]
    start: int
    end: int
    header: bool


def read_toml(text: str) -> dict[str, Any]:
    """The table that a text holds.

    Raises:
        Unreadable: it is not valid; names line and column.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = cast("re.Match[str]", _PLACE.fullmatch(str(error)))
        place = (int(found["line"]), int(found["column"])) if found["line"] else spot(text, len(text))
        raise Unreadable(found["says"][:1].lower() + found["says"][1:], *place) from None


def put(text: str, path: Sequence[str], value: Mapping[str, Any]) -> str:
    """The text with a table at `path`: in place of what is there, or as a block at the end.

    Raises:
        Unreadable: the text is not valid.
    """
    read_toml(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    block = written(path, value).replace("\n", newline)
    spans = _spans(text, path)
    if spans and spans[0][2]:
        start, end, _ = spans[0]
        rest = _without(text[end:], [(a - end, b - end) for a, b, _ in spans[1:]])
        ending = newline if text[start:end].endswith("\n") else ""
        return text[:start] + block.rstrip("\r\n") + ending + rest
    text = _without(text, [(start, end) for start, end, _ in spans])
    if not text:
        return block
    if text.endswith("\n"):
        return text + newline + block
    return text + newline * 2 + block.rstrip("\r\n")


def drop(text: str, path: Sequence[str]) -> str:
    """The text without the table at `path`, and without the blank line before it.

    Raises:
        Unreadable: the text is not valid.
    """
    read_toml(text)
    for start, end, header in reversed(_spans(text, path)):
        before, rest = text[:start], text[end:]
        last = end == len(text) and not text.endswith("\n")
        for _ in range(2 if last else 1 if header else 0):
            before = _without_blank_line(before, last=last)
        text = before + rest
    return text


def written(path: Sequence[str], table: Mapping[str, Any]) -> str:
    """A table as TOML, under a header of its path; tables within it have headers of their own."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [
        f"[{'.'.join(map(_key, path))}]",
        *(f"{_key(key)} = {_value(one)}" for key, one in plain.items()),
    ]
    text = "\n".join(lines) + "\n"
    for key, value in table.items():
        if isinstance(value, dict):
            text += "\n" + written([*path, key], cast("dict[str, Any]", value))
    return text


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, but for one character that JSON lets stand.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _value(value: Any) -> str:
    match value:
        case str():
            return _quoted(value)
        case list():
            return "[" + ", ".join(map(_value, cast("list[Any]", value))) + "]"
        case dict():
            each = (f"{_key(key)} = {_value(one)}" for key, one in cast("dict[str, Any]", value).items())
            return "{ " + ", ".join(each) + " }"
        case bool() | int() | float():
            return json.dumps(value)
        case _:  # dates and times
            return value.isoformat()


def _without_blank_line(text: str, *, last: bool) -> str:
    """The text without its last line's end, where that line is blank or nothing follows."""
    line = re.search(r"\r?\n\Z", text)
    if line and (last or line.start() == 0 or text[line.start() - 1] == "\n"):
        return text[: line.start()]
    return text


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in reversed(spans):
        text = text[:start] + text[end:]
    return text


def _statements(text: str) -> Generator[_Statement]:
    """The headers and keys of a valid text, in order."""
    table: tuple[str, ...] = ()
    start, depth, head = 0, 0, 0
    for piece in _PIECE.finditer(text):
        depth += (piece.lastgroup == "open") - (piece.lastgroup == "close")
        at_end = piece.end() == len(text)
        if not (piece.lastgroup == "newline" and not depth) and not at_end:
            continue
        said, head = text[start : piece.end()], start
        start = piece.end()
        line = said.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            table = _path(said)
            yield _Statement(table, head, start, header=True)
        else:
            yield _Statement((*table, *_path(said)), head, start, header=False)


def _path(statement: str) -> tuple[str, ...]:
    """The keys that a header, or a key with its value, names."""
    path, inside = list[str](), cast("Any", tomllib.loads(_named(statement)))
    while True:
        if isinstance(inside, list):
            inside = cast("list[Any]", inside)[0]
        if not isinstance(inside, dict) or not inside:
            return tuple(path)
        ((key, inside),) = cast("dict[str, Any]", inside).items()
        path.append(key)


def _named(statement: str) -> str:
    """A header as it is; of a key with its value, the key with a value in which nothing is named."""
    if statement.lstrip().startswith("["):
        return statement
    at = 0
    for piece in _PIECE.finditer(statement):
        if piece.lastgroup == "other" and "=" in piece[0]:
            at = piece.start() + piece[0].index("=")
            break
    return statement[:at] + "= 0"


def _spans(text: str, path: Sequence[str]) -> list[tuple[int, int, bool]]:
    """Where what is at `path` and below it lies: start, end, and whether it begins with a header.

    Blocks that follow one another are one.
    """
    wished = tuple(path)
    spans = list[tuple[int, int, bool]]()
    before = False
    for each in _statements(text):
        ours = each.path[: len(wished)] == wished
        if ours and before:
            start, _, header = spans[-1]
            spans[-1] = (start, each.end, header)
        elif ours:
            spans.append((each.start, each.end, each.header))
        before = ours
    return spans
