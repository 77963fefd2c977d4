"""What a server's tool found, as documents with addresses, by the `Shape` that the server's file gives it.

A result that does not have that shape (an error in words, nothing, JSON that is cut off) has no documents
and is no failure: it is then shown as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.downstream.addresses import address, made, page
from atlas_mcp.downstream.blocks import asked_pages, blocks
from atlas_mcp.downstream.screening.suspecting import Suspicion, cleaned, concealed
from atlas_mcp.errors import UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from atlas_mcp.downstream.entry import Entry, Shape

__all__ = ["Document", "address", "documents"]

MOST_DOCUMENTS = 200
LONGEST = 2_000_000
"""Characters of a document; the rest is left out."""
LONGEST_TITLE = 300
MOST_MATCHED = 1_000_000
"""Characters that a pattern is tried on: a bad one takes long, and no longer."""

POSES_AS_ANOTHER = "holds, or is followed by, what poses as another result"

_PAGE = re.compile(r"\s*(?:<\?xml[^>]{0,200}>\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_TAG = re.compile(r"</(?:p|div|span|table|td|li|ul|h[1-6]|body|a|section)\s*>", re.IGNORECASE)
_NESTED = re.compile(
    r"<(/?)(?!(?:area|base|body|br|col|dd|dt|embed|head|hr|html|img|input|li|link|meta|option|p|param|source|tbody"
    r"|td|tfoot|th|thead|track|tr|wbr|!)\b)[a-z]",
    re.IGNORECASE,
)
DEEPEST = 1_000
"""Elements within each other in a page that is read: a tree that is deeper takes quadratic time."""
_FEW_TAGS = 3
_LOOKED_AT = 20_000


@dataclass(frozen=True, slots=True)
class Document:
    """A source that a tool found: its address, title and text, and when it was published, where known.

    `published` is an ISO 8601 date or time, of a year or month alone where no day is said, or empty. `hidden`
    is what its text hid, or what posed as another source beside it, which is not in it any more.
    """

    uri: str
    title: str
    text: str
    published: str = ""
    hidden: tuple[Suspicion, ...] = ()


def documents(
    entry: Entry, tool: str, arguments: Mapping[str, Any], text: str, structured: Any | None = None
) -> tuple[Document, ...]:
    """The documents of a result, each address and each text once, 200 at most; none without a shape.

    It computes: use a worker thread for large results.
    """
    shape = entry.results.get(tool)
    if shape is None:
        return ()
    found: dict[str, Document] = {}
    texts: set[bytes] = set()
    asked = asked_pages(entry, tool, arguments)
    for item in _items(shape, arguments, text, structured, asked):
        document = _document(shape, arguments, item)
        if document is None or document.uri in found:
            continue
        if asked is not None and page(document.uri) not in asked:
            continue
        digest = hashlib.sha256(document.text.encode("utf-8", "replace")).digest()
        if digest not in texts:
            texts.add(digest)
            found[document.uri] = document
        if len(found) >= MOST_DOCUMENTS:
            break
    return tuple(found.values())


def _document(shape: Shape, arguments: Mapping[str, Any], said: _Item) -> Document | None:
    given = {name: words[0] for name, value in arguments.items() if (words := _words(value))}
    uri = next((made(each, shape.prefix, given) for each in said.values("uri", shape.uri)), "")
    raw = "\n\n".join(said.values("text", shape.text))
    if not uri or not raw.strip():
        return None
    text, name = _read(raw, uri)
    text = cleaned(text[:LONGEST]).strip()
    if not text:
        return None
    titles = [*said.values("title", shape.title), name, uri]
    title = next(filter(None, (" ".join(cleaned(each[:2_000]).split()) for each in titles)))
    time = next((moment for each in said.values("time", shape.time) if (moment := _moment(each))), "")
    posing = (Suspicion(POSES_AS_ANOTHER, said.posing),) if said.posing else ()
    return Document(uri, title[:LONGEST_TITLE], text, time, (*posing, *concealed(raw[:LONGEST])))


# Items: what the sources are read from --------------------------------------------------------------------


def _items(
    shape: Shape, arguments: Mapping[str, Any], text: str, structured: Any | None,
    asked: frozenset[str] | None,
) -> Iterator[_Item]:  # fmt: skip
    """What the shape says of which there is one for each source."""
    if shape.pattern:
        for block in blocks(shape, text[:MOST_MATCHED], arguments, asked):
            yield _Item(arguments, text, (), block.groups, block.posing)
    elif shape.lines:
        for value in map(_json, text.splitlines()):
            if isinstance(value, dict):
                yield _Item(arguments, text, (cast("dict[str, Any]", value),))
    elif shape.items:
        for whole in ([structured], _values(text)):
            each = [item for path in shape.items for root in whole for item in _elements(_found(root, path))]
            if each:
                yield from (_Item(arguments, text, (item,)) for item in each)
                return
    else:
        yield _Item(arguments, text, (structured, *_values(text)))


@dataclass(frozen=True, slots=True)
class _Item:
    """What one source is read from: values of JSON, or what a pattern matched, and the call's arguments."""

    arguments: Mapping[str, Any]
    text: str
    roots: tuple[Any, ...]
    groups: dict[str, str | None] | None = None
    posing: str = ""

    def values(self, field: str, paths: tuple[str, ...]) -> list[str]:
        """The values of a field: by its group, then by its paths, the first that has any."""
        if self.groups is not None and (value := self.groups.get(field)):
            return [value]
        for path in paths:
            if words := self._words(path):
                return words
        return []

    def _words(self, path: str) -> list[str]:
        if path.startswith("@"):
            return _words(self.arguments.get(path[1:]))
        if self.groups is not None:
            return []
        if not path:
            return [self.text]
        for root in self.roots:
            if words := [word for part in path.split("+") for word in _words(_at(root, part))]:
                return words
        return []


def _values(text: str) -> list[Any]:
    """The JSON in a text: one value, or several in a row, as of several blocks; nothing where it is prose."""
    decoder, at, values = json.JSONDecoder(), 0, list[Any]()
    while at < len(text):
        start = _SPACE.match(text, at).end()  # pyright: ignore[reportOptionalMemberAccess] - it matches nothing, too
        if start == len(text):
            break
        if text[start] not in "[{":
            return []
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            return []
        values.append(value)
    return values


_SPACE = re.compile(r"\s*")


def _json(line: str) -> Any:
    try:
        return json.loads(line) if line.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None


def _at(value: Any, path: str) -> Any:
    """What stands at a path; in a list on the way a figure is a place, and a key is looked for in each."""
    for number, key in enumerate(keys := path.split(".")):
        if isinstance(value, dict):
            value = cast("dict[str, Any]", value).get(key)
        elif isinstance(value, list):
            each = cast("list[Any]", value)
            if not key.isdecimal():
                rest = ".".join(keys[number:])
                inner = [_at(item, rest) for item in each if isinstance(item, dict)]
                return [leaf for leaf in inner if leaf is not None]
            value = each[int(key)] if len(key) < _LONGEST_PLACE and int(key) < len(each) else None
        else:
            return None
    return value


def _found(value: Any, path: str) -> Any:
    """What stands at a path of `items`, of which the empty one is the whole.

    Structured content has to be an object, so that servers put a list into one, under `result`.
    """
    if path:
        return _at(value, path)
    if not isinstance(value, dict):
        return value
    told = cast("dict[str, Any]", value)
    return told["result"] if told.keys() == {"result"} else told


_LONGEST_PLACE = 7


def _elements(value: Any) -> list[Any]:
    """The items where a path leads: of one list, or of a list of lists; a single object is one."""
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        return []
    each = cast("list[Any]", value)
    return [item for part in each for item in (cast("list[Any]", part) if isinstance(part, list) else [part])]


def _words(value: Any) -> list[str]:
    """A text, or the texts of a list; a number as it is written, and a list of rows as one text of lines."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [str(value)]
    if not isinstance(value, list):
        return []
    each = cast("list[Any]", value)
    if each and all(isinstance(row, list) for row in each):
        rows = [[_cell(cell) for cell in row] for row in each]
        return ["\n".join(" | ".join(row) for row in rows if any(cell.strip() for cell in row))]
    return [word for inner in each if isinstance(inner, str) for word in _words(inner)]


def _cell(value: Any) -> str:
    return "" if value is None or isinstance(value, list | dict) else str(value)


# What they say --------------------------------------------------------------------------------------------


def _read(raw: str, uri: str) -> tuple[str, str]:
    """A text and its title; a page of HTML as what it says."""
    if not _is_page(raw):
        return raw, ""
    if _depth(raw) > DEEPEST:
        return "", ""
    from atlas_mcp.text.readers import read_bytes

    try:
        # The mark says what the bytes are, whatever the page declares.
        page = read_bytes(
            b"\xef\xbb\xbf" + raw.encode("utf-8", "replace"), uri, media_type="text/html", limit=len(raw) * 5
        )
    except (UnreadableDocument, RecursionError):
        return "", ""
    return page.text, page.title


def _is_page(raw: str) -> bool:
    if _PAGE.match(raw):
        return True
    start = raw[:_LOOKED_AT]
    return start.lstrip().startswith("<") and len(_TAG.findall(start)) >= _FEW_TAGS


def _depth(raw: str) -> int:
    """How deep elements lie within each other at most, as far as tags that have to be closed say so."""
    depth = deepest = 0
    for closing in _NESTED.findall(raw):
        depth = max(0, depth - 1) if closing else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _moment(value: str) -> str:
    """A date or time in ISO 8601, as far as it is said; empty where it is none, or counts from today."""
    value = cleaned(value[:200]).strip()
    for read in _READINGS:
        try:
            if moment := read(value):
                return moment
        except (ValueError, TypeError, OverflowError, OSError, IndexError):
            continue
    return ""


def _iso(value: str) -> str:
    if len(value) == len("2026-03-01"):
        return date.fromisoformat(value).isoformat()
    return datetime.fromisoformat(value).isoformat() if value[4:5] == "-" else ""


def _epoch(value: str) -> str:
    if not re.fullmatch(r"\d{10}(?:\d{3})?(?:\.\d{1,9})?", value):
        return ""
    seconds = float(value) if len(value.partition(".")[0]) == len("1700000000") else float(value) / 1000
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _of_mail(value: str) -> str:
    return parsedate_to_datetime(value).isoformat()


def _in_words(value: str) -> str:
    from atlas_mcp.text.times import periods

    # What is meant whenever it is said is a date; "two days ago" is not.
    found, other = periods(value, "2001-03-07"), periods(value, "2024-10-16")
    if len(found) != 1 or found != other:
        return ""
    first, behind = (date.fromisoformat(each) for each in (found[0].start, found[0].end))
    days = (behind - first).days
    return found[0].start[: 10 if days == 1 else 7 if days <= 31 else 4]  # noqa: PLR2004 - of a month


_READINGS: tuple[Callable[[str], str], ...] = (_iso, _epoch, _of_mail, _in_words)
