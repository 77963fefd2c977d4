"""The noun `Document`, and how bytes become characters."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from atlas_mcp.errors import UnreadableDocument

__all__ = ["BOMS", "Document", "binary", "decoded"]

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """What a document says: `text` is its snapshot, `pages` the offsets at which its pages begin, if any."""

    text: str
    title: str
    media_type: str
    pages: tuple[int, ...] | None = None


def decoded(data: bytes, name: str) -> str:
    """The text of `data`: UTF-8, or what its byte order mark says.

    :raises UnreadableDocument: it is no text in these encodings.
    """
    encoding = next((encoding for bom, encoding in BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            f"{name} is no {encoding} text (byte {error.start}).",
            remedy="If it is text, save it as UTF-8; else give a text, Markdown, HTML or PDF file.",
        ) from None
    if "\0" in text:
        raise binary(name)
    if not text.strip():
        raise UnreadableDocument(f"{name} is empty.", remedy="Give a document that holds text.")
    return text


def binary(name: str) -> UnreadableDocument:
    """The refusal of a file that is no text."""
    return UnreadableDocument(
        f"{name} is a binary file.", remedy="Give a text, Markdown, HTML, PDF or source code file."
    )
