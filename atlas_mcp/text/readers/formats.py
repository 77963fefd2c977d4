"""Which reader reads a document, and when it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers.document import binary, decoded
from atlas_mcp.text.readers.kinds import (
    SNIFFED,
    Kind,
    is_archive,
    is_named_so,
    is_readable,
    kind_of,
    may_be_chat,
)
from atlas_mcp.text.readers.media import SOURCE_CODE, TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.text.readers.document import Document

__all__ = ["ARCHIVES", "LIMIT", "load", "read_bytes", "read_document"]

LIMIT = 20_000_000
"""Bytes of a file at most."""
ARCHIVES = 10
"""Archives of mail and office files other than tables are read in parts; they may be so much larger."""


def load(path: Path, *, limit: int = LIMIT) -> bytes:
    """The bytes of a file, which `read_bytes` makes a document of.

    :raises UnreadableDocument: it is missing, larger than `limit` bytes, or binary by its first bytes.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(SNIFFED)
            _check_size(size, start, str(path), limit)
            if b"\0" in start and not is_readable(start):
                error = binary(str(path))
                error.foreign = not is_named_so(path.name)
                raise error
            return start + file.read()
    except OSError as error:
        raise UnreadableDocument(
            f"{path} cannot be read: {error.strerror or error}.", remedy="Check the path and its permissions."
        ) from error


def read_document(path: Path, *, limit: int = LIMIT) -> Document:
    """Read a file of at most `limit` bytes. It blocks, a PDF for seconds: use a worker thread.

    :raises UnreadableDocument: it is missing, empty, binary, too large, encrypted, damaged or a mere scan.
    """
    return read_bytes(load(path, limit=limit), str(path), limit=limit)


def read_bytes(data: bytes, name: str, *, media_type: str | None = None, limit: int = LIMIT) -> Document:
    """Read what was fetched: `name` (a path or address) says the format, unless `media_type` does.

    :raises UnreadableDocument: as for `read_document`.
    """
    _check_size(len(data), data[:SNIFFED], name, limit)
    if not data:
        raise UnreadableDocument(f"{name} is empty.", remedy="Give a document that holds text.")
    kind = kind_of(data, name, media_type)
    if kind in ("markdown", "text", "code"):
        return _read_text(data, name, kind, may_be_chat(name, media_type))
    return _read_special(data, name, kind)


def _read_text(data: bytes, name: str, kind: Kind, chat: bool) -> Document:
    from atlas_mcp.text.readers.plain import read_plain

    if chat:
        from atlas_mcp.text.readers.chat import read_chat

        if found := read_chat(decoded(data, name), name):
            return found
    types = {"markdown": "text/markdown", "code": SOURCE_CODE}
    return read_plain(data, name, types.get(kind, "text/plain"))


def _read_special(data: bytes, name: str, kind: Kind) -> Document:
    match kind:
        case "pdf":
            from atlas_mcp.text.readers.pdf import read_pdf as read
        case "html":
            from atlas_mcp.text.readers.html import read_html as read
        case "word":
            from atlas_mcp.text.readers.word import read_word as read
        case "slides":
            from atlas_mcp.text.readers.slides import read_slides as read
        case "opendocument":
            from atlas_mcp.text.readers.open_text import read_open_text as read
        case "ebook":
            from atlas_mcp.text.readers.ebook import read_ebook as read
        case "mail":
            from atlas_mcp.text.readers.mail import read_mail as read
        case "mbox":
            from atlas_mcp.text.readers.mail import read_mbox as read
        case _:
            from atlas_mcp.text.readers.table import read_table

            return read_table(data, name, TABLE)
    return read(data, name)


def _check_size(size: int, start: bytes, name: str, limit: int) -> None:
    if size <= limit:
        return
    most = limit * ARCHIVES if is_archive(start, name) else limit
    if size > most:
        raise UnreadableDocument(
            f"{name} has {size / 1e6:,.1f} MB; at most {most / 1e6:,.0f} MB are read.",
            remedy="Split it into smaller files, or give the part that matters.",
        )
