"""Reads JSON, with comments and trailing commas where a client allows them, and says where everything lies.

It does not know how to change anything: `jsonc_edit` does, by the places found here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.install.spot import Unreadable, spot

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEEPEST", "Member", "Node", "read_json"]

DEEPEST = 100
"""Objects and lists within one another that are read."""

Value: TypeAlias = Any

_SPACE = re.compile(r"[ \t\r\n]+")
_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"true|false|null")
_WORDS = {"true": True, "false": False, "null": None}


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are Python's own


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


@dataclass(slots=True)
class Member:
    """A key of an object and its value; `start` is where the key begins."""

    key: str
    start: int
    node: Node


@dataclass(slots=True)
class Node:
    """A value and where it lies: `text[start:end]`."""

    value: Value
    start: int
    end: int
    members: list[Member] = field(default_factory=list[Member])
    """Of an object, in order; a key may stand twice, and the last one counts."""


def read_json(
    text: str, *, comments: bool, commas: bool | None = None, path: Sequence[str] | None = None
) -> Node:
    """The value that a text holds.

    `comments` lets comments pass, `commas` one behind the last of an object or list; by default as comments.
    With `path`, members are told of the objects on it alone, and large files are read fast.

    Raises:
        Unreadable: it is not valid; names line and column.
    """
    reader = _Reader(text, comments=comments, commas=comments if commas is None else commas)
    reader.skip()
    node = reader.value(0, path)
    reader.skip()
    if reader.at < len(text):
        raise reader.wrong("there is more after the end of the value")
    return node


class _Reader:
    def __init__(self, text: str, *, comments: bool, commas: bool) -> None:
        self._text = text
        self._comments = comments
        self._commas = commas
        self.at = 0

    def wrong(self, says: str, at: int | None = None) -> Unreadable:
        return Unreadable(says, *spot(self._text, self.at if at is None else at))

    def skip(self) -> None:
        """Go on to the next thing that is neither space nor comment."""
        while True:
            if found := _SPACE.match(self._text, self.at):
                self.at = found.end()
            if not self._text.startswith("/", self.at):
                return
            if not (found := _COMMENT.match(self._text, self.at)):
                raise self.wrong("a comment begins and does not end, or a slash stands alone")
            if not self._comments:
                raise self.wrong("JSON knows no comments, and this client reads none")
            self.at = found.end()

    def value(self, depth: int, path: Sequence[str] | None) -> Node:
        if path is not None and not (path and self._text.startswith("{", self.at)) and (node := self._fast()):
            return node
        if depth > DEEPEST:
            raise self.wrong(f"more than {DEEPEST} objects and lists lie within one another")
        match self._text[self.at : self.at + 1]:
            case "{":
                return self._object(depth, path)
            case "[":
                return self._list(depth)
            case '"':
                return self._string()
            case "":
                raise self.wrong("the file ends where a value should stand")
            case _:
                return self._plain()

    def _fast(self) -> Node | None:
        """A value as Python's own reader has it; None where it is no plain JSON, and is read here."""
        try:
            value, end = _DECODER.raw_decode(self._text, self.at)
        except (ValueError, RecursionError):
            return None
        # What follows a number may belong to it, and then it was none.
        if re.match(r"[\w.+-]", self._text[end : end + 1]):
            return None
        node = Node(value, self.at, end)
        self.at = end
        return node

    def _plain(self) -> Node:
        start = self.at
        if found := _NUMBER.match(self._text, start) or _WORD.match(self._text, start):
            self.at = found.end()
            if not re.match(r"[\w.+-]", self._text[self.at : self.at + 1]):
                said = found[0]
                return Node(_WORDS[said] if said in _WORDS else _number(said), start, self.at)
        raise self.wrong("a value should stand here: text in double quotes, a number, { or [", start)

    def _string(self) -> Node:
        start = self.at
        found = _STRING.match(self._text, start)
        if not found:
            raise self.wrong("text in double quotes does not end on its line")
        self.at = found.end()
        try:
            return Node(json.loads(found[0]), start, self.at)
        except json.JSONDecodeError as error:
            raise self.wrong("a backslash is followed by what it may not be", start + error.pos) from None

    def _object(self, depth: int, path: Sequence[str] | None) -> Node:
        start, members = self.at, list[Member]()
        while self._another("}", first=not members):
            if not self._text.startswith('"', self.at):
                raise self.wrong("a key in double quotes should stand here")
            key = self._string()
            self.skip()
            if not self._text.startswith(":", self.at):
                raise self.wrong("a colon should stand here, behind the key")
            self.at += 1
            self.skip()
            further = path[1:] if path and path[0] == key.value else None if path is None else ()
            members.append(Member(key.value, key.start, self.value(depth + 1, further)))
        return Node({each.key: each.node.value for each in members}, start, self.at, members)

    def _list(self, depth: int) -> Node:
        start, values = self.at, list[Value]()
        while self._another("]", first=not values):
            values.append(self.value(depth + 1, None).value)
        return Node(values, start, self.at)

    def _another(self, close: str, *, first: bool) -> bool:
        """Whether one more stands before `close`, and go to where it begins; otherwise go behind `close`."""
        if first:
            self.at += 1  # the opening bracket
        self.skip()
        if not first and not self._text.startswith(close, self.at):
            if not self._text.startswith(",", self.at):
                raise self.wrong(f"a comma or {close} should stand here")
            comma = self.at
            self.at += 1
            self.skip()
            if self._text.startswith(close, self.at) and not self._commas:
                raise self.wrong("this client takes no comma behind the last one", comma)
        if self._text.startswith(close, self.at):
            self.at += 1
            return False
        return True


def _number(said: str) -> int | float:
    try:
        return json.loads(said)
    except ValueError:  # more digits than Python turns into a number
        return float(said)
