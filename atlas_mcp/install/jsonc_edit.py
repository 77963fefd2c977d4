"""Puts a value into a JSON text, or takes it out, and leaves every other character as it is.

Comments, order, indentation and trailing commas of others stay; what is put in follows the habits of the text
around it: its indentation, its line endings, a comma behind the last one where there was one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.install.jsonc import Member, Node, read_json
from atlas_mcp.install.spot import Unreadable, spot

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["drop", "put", "written"]

_INDENT = re.compile(r'^([ \t]+)["{\[]', re.MULTILINE)
_REST_OF_LINE = re.compile(r"(?:[ \t]*/\*(?:(?!\*/)[^\r\n])*\*/)*(?:[ \t]*//[^\r\n]*)?")
"""Comments that belong to what stands before them on the line."""
_WIDEST_LIST = 80


@dataclass(frozen=True, slots=True)
class _Style:
    """How a text is laid out: one step of its indentation, and its line endings."""

    unit: str
    newline: str

    def line(self, key: str, value: Any, indent: str) -> str:
        """A key and its value on lines of their own."""
        return (
            f"{self.newline}{indent}{_text(key)}: {written(value, self.unit, indent, newline=self.newline)}"
        )


def put(text: str, path: Sequence[str], value: Any, *, comments: bool) -> str:
    """The text with `value` at `path`: in place of what is there, or as the last of the innermost object.

    Raises:
        Unreadable: the text is not valid, or something else than an object lies on the way.
    """
    root = read_json(text, comments=comments, path=path) if text.strip() else None
    style = _Style(_unit(text), "\r\n" if "\r\n" in text else "\n")
    if root is None:
        return text + written(_nested(path, value), style.unit, newline=style.newline) + style.newline
    owner, inside = _innermost(text, root, path)
    member = _member(text, owner, path[inside]) if inside < len(path) else None
    if member is not None:  # the path is there to its end
        lines = style.newline if _spread(text, owner) else ""
        new = written(value, style.unit, _indent_of(text, member.start), newline=lines)
        return text[: member.node.start] + new + text[member.node.end :]
    return _added(text, owner, path[inside], _nested(path[inside + 1 :], value), style)


def drop(text: str, path: Sequence[str], *, comments: bool) -> str:
    """The text without what lies at `path`; the objects around it stay, if need be empty.

    Raises:
        Unreadable: the text is not valid, or something else than an object lies on the way.
    """
    root = read_json(text, comments=comments, path=path)
    owner, inside = _innermost(text, root, path)
    member = _member(text, owner, path[inside]) if inside == len(path) - 1 else None
    if member is None:
        return text
    number = owner.members.index(member)
    comma = _comma(text, member.node.end)
    end = member.node.end if comma is None else comma
    if not text[_line(text, member.start) : member.start].strip():
        end = _end_of_line(text, end)  # a remark on a line of its own goes with it
    if number:  # from behind the comma of the one before, which goes, too, if ours had none
        before = cast("int", _comma(text, owner.members[number - 1].node.end))
        start = _end_of_line(text, before)
        kept = text[:start] if comma is not None else text[: before - 1] + text[before:start]
        return kept + text[end:]
    start = _end_of_line(text, owner.start + 1)
    rest = text[owner.start + 1 : start] + text[end : owner.end - 1]
    return text[: owner.start + 1] + (rest if rest.strip() else "") + text[owner.end - 1 :]


def written(value: Any, unit: str = "  ", indent: str = "", *, newline: str = "\n") -> str:
    """A value as JSON: objects over several lines, short lists on one; no `newline` means all on one line."""
    if not newline:
        return json.dumps(value, ensure_ascii=False)
    inner = indent + unit
    if isinstance(value, dict) and value:
        table = cast("dict[str, Any]", value)
        each = (f"{_text(key)}: {written(one, unit, inner, newline=newline)}" for key, one in table.items())
        return "{" + newline + f",{newline}".join(inner + one for one in each) + newline + indent + "}"
    flat = json.dumps(value, ensure_ascii=False)
    if isinstance(value, list) and len(flat) > _WIDEST_LIST:
        items = (written(one, unit, inner, newline=newline) for one in cast("list[Any]", value))
        return "[" + newline + f",{newline}".join(inner + one for one in items) + newline + indent + "]"
    return flat


def _text(key: str) -> str:
    return json.dumps(key, ensure_ascii=False)


def _nested(path: Sequence[str], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _innermost(text: str, root: Node, path: Sequence[str]) -> tuple[Node, int]:
    """The object that is or would be the owner of the first key of `path` that leads no further."""
    owner = root
    for depth, key in enumerate(path):
        if not isinstance(owner.value, dict):
            said = f"{'.'.join(path[:depth])} is no object" if depth else "the file holds no object"
            raise Unreadable(f"{said}; it should begin with {{", *spot(text, owner.start))
        member = _member(text, owner, key)
        if member is None or depth == len(path) - 1:
            return owner, depth
        owner = member.node
    raise AssertionError(path)  # a path has at least one key


def _member(text: str, owner: Node, key: str) -> Member | None:
    found = [member for member in owner.members if member.key == key]
    if len(found) > 1:
        raise Unreadable(f"the key {_text(key)} stands here for a second time", *spot(text, found[1].start))
    return found[0] if found else None


def _unit(text: str) -> str:
    """One step of the text's indentation; two spaces where there is none."""
    found = _INDENT.search(text)
    if not found:
        return "  "
    return "\t" if found[1].startswith("\t") else found[1]


def _line(text: str, at: int) -> int:
    """Where the line of a place begins."""
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def _indent_of(text: str, at: int) -> str:
    line = text[_line(text, at) : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _spread(text: str, owner: Node) -> bool:
    """Whether an object takes several lines, so that one more key takes a line of its own."""
    first = owner.members[0].start if owner.members else owner.end
    return "\n" in text[owner.start : first]


def _comma(text: str, at: int) -> int | None:
    """The place behind the comma that follows a value, comments aside; None where another thing follows."""
    comment = re.compile(r"\s*(?:(?://[^\r\n]*|/\*.*?\*/)\s*)*", re.DOTALL)
    found = cast("re.Match[str]", comment.match(text, at))
    return found.end() + 1 if text.startswith(",", found.end()) else None


def _end_of_line(text: str, at: int) -> int:
    """The place behind the comments that stand on the rest of the line, if nothing else does."""
    end = cast("re.Match[str]", _REST_OF_LINE.match(text, at)).end()
    return end if re.match(r"[ \t]*(?:[\r\n]|\Z)", text[end:]) else at


def _added(text: str, owner: Node, key: str, value: Any, style: _Style) -> str:
    """The text with one more key at the end of an object."""
    if owner.members:
        return _appended(text, owner, key, value, style)
    inside = text[owner.start + 1 : owner.end - 1]
    outer = _indent_of(text, owner.start)
    if owner.start and not _alone_on_line(text, owner):
        return (
            text[: owner.start + 1] + f"{_text(key)}: {written(value, newline='')}" + text[owner.start + 1 :]
        )
    new = style.line(key, value, outer + style.unit)
    if "\n" in inside:
        at = _end_of_line(text, owner.start + 1)
        return text[:at] + new + text[at:]
    at = owner.end - 1
    return text[:at] + new + style.newline + outer + text[at:]


def _alone_on_line(text: str, owner: Node) -> bool:
    """Whether an empty object is the first value on its line, and no other object was opened there."""
    line = text[_line(text, owner.start) : owner.start]
    return "{" not in line and "[" not in line


def _appended(text: str, owner: Node, key: str, value: Any, style: _Style) -> str:
    last = owner.members[-1]
    end = last.node.end
    comma = _comma(text, end)
    if not _spread(text, owner):
        if comma is None:
            return text[:end] + f", {_text(key)}: {written(value, newline='')}" + text[end:]
        return text[:comma] + f" {_text(key)}: {written(value, newline='')}," + text[comma:]
    indent = _indent_of(text, owner.members[0].start)
    new = style.line(key, value, indent)
    if comma is None:
        at = _end_of_line(text, end)
        return text[:end] + "," + text[end:at] + new + text[at:]
    at = _end_of_line(text, comma)
    return text[:at] + new + "," + text[at:]
