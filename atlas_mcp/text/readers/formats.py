"""Which reader reads a document, and when it is refused."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, TypeAlias

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers.document import BOMS, binary

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.text.readers.document import Document

__all__ = ["LIMIT", "SOURCE_CODE", "TABLE", "load", "read_bytes", "read_document"]

Format: TypeAlias = Literal["markdown", "text", "code", "html", "pdf", "table"]

LIMIT = 20_000_000
SNIFFED = 8_192
SOURCE_CODE = "text/x-source"
TABLE = "text/x-table"
MEDIA_TYPES: dict[Format, str] = {
    "markdown": "text/markdown",
    "text": "text/plain",
    "code": SOURCE_CODE,
    "html": "text/html",
    "pdf": "application/pdf",
    "table": TABLE,
}
TABLE_TYPES = frozenset({
    "text/csv",
    "text/tab-separated-values",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-excel",
    "application/vnd.oasis.opendocument.spreadsheet",
})  # fmt: skip
TABLE_STARTS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
SUFFIXES: dict[Format, str] = {
    "markdown": "md markdown mdx mdown qmd",
    "text": "txt text rst adoc org log srt vtt",
    "code": """py pyi js mjs cjs ts tsx jsx java kt kts scala groovy c h cc cpp cxx hpp hh cs go rs rb php pl
    pm lua r jl swift m mm dart ex exs erl hs ml fs clj lisp el vim sh bash zsh fish ps1 bat cmd sql graphql
    proto tf nix css less scss vue svelte json jsonl ndjson yaml yml toml ini cfg conf xml xsl tex bib cmake""",
    "html": "html htm xhtml",
    "pdf": "pdf",
    "table": "csv tsv tab xlsx xlsm ods xls",
}
CHAT_SUFFIXES = frozenset(["", ".json", ".jsonl", ".ndjson", ".txt"])
FORMATS: dict[str, Format] = {
    f".{suffix}": kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes.split()
}


def load(path: Path, *, limit: int = LIMIT) -> bytes:
    """The bytes of a file, which `read_bytes` makes a document of.

    :raises UnreadableDocument: it is missing, larger than `limit` bytes, or binary by its first bytes.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            raise _too_large(str(path), size, limit)
        with path.open("rb") as file:
            start = file.read(SNIFFED)
            read = (b"%PDF-", *(bom for bom, _ in BOMS), *(TABLE_STARTS if _is_table(path.name) else ()))
            if b"\0" in start and not start.startswith(read):
                raise binary(str(path))
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
    if len(data) > limit:
        raise _too_large(name, len(data), limit)
    kind = _format(data, name, media_type)
    if kind == "pdf":
        from atlas_mcp.text.readers.pdf import read_pdf

        return read_pdf(data, name)
    if kind == "html":
        from atlas_mcp.text.readers.html import read_html

        return read_html(data, name)
    if kind == "table":
        from atlas_mcp.text.readers.table import read_table

        return read_table(data, name, MEDIA_TYPES[kind])
    if _may_be_chat(name, media_type):
        from atlas_mcp.text.readers.chat import read_chat
        from atlas_mcp.text.readers.document import decoded

        if chat := read_chat(decoded(data, name), name):
            return chat
    from atlas_mcp.text.readers.plain import read_plain

    return read_plain(data, name, MEDIA_TYPES[kind])


def _format(data: bytes, name: str, media_type: str | None) -> Format:
    given = (media_type or "").partition(";")[0].strip().lower()
    for kind, known in MEDIA_TYPES.items():
        # Servers call Markdown and code "text/plain" too: then the name knows better.
        if given == known and given != "text/plain":
            return kind
    if given in TABLE_TYPES:
        return "table"
    start = data[:512].lstrip().lower()
    if start.startswith(b"%pdf-"):
        return "pdf"
    by_name = FORMATS.get(PurePath(name).suffix.lower())
    if by_name is not None:
        return by_name
    return "html" if start.startswith((b"<!doctype html", b"<html")) else "text"


def _may_be_chat(name: str, media_type: str | None) -> bool:
    return media_type is None and PurePath(name).suffix.lower() in CHAT_SUFFIXES


def _is_table(name: str) -> bool:
    return FORMATS.get(PurePath(name).suffix.lower()) == "table"


def _too_large(name: str, size: int, limit: int) -> UnreadableDocument:
    return UnreadableDocument(
        f"{name} has {size / 1e6:.1f} MB; at most {limit / 1e6:.0f} MB are read.",
        remedy="Split it, or give the part that matters.",
    )
