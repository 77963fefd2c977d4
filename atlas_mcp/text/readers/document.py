"""The nouns `Document` and `Said`, and how bytes become characters."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from atlas_mcp.errors import UnreadableDocument

__all__ = ["BOMS", "Document", "Said", "binary", "decoded"]

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """A message of an archive: characters `start` to `end` of its text, who says it ("Ann: Hello.") included.

    `by` is who said it, "" for a notice of the program's; `at` is ISO 8601, with its zone where that is
    known, else as the clock showed it.
    """

    start: int
    end: int
    by: str
    at: str | None


@dataclass(frozen=True, slots=True)
class Document:
    """What a document says: `text` is its snapshot, `pages` the offsets at which its pages begin, if any.

    `messages` are those of an archive of mail or chat, in order; a heading may stand between them.
    """

    text: str
    title: str
    media_type: str
    pages: tuple[int, ...] | None = None
    messages: tuple[Said, ...] = ()


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
            remedy="If it is text, save it as UTF-8; else save it as PDF.",
        ) from None
    if "\0" in text:
        raise binary(name)
    if not text.strip():
        raise UnreadableDocument(f"{name} is empty.", remedy="Give a document that holds text.")
    return text


def binary(name: str) -> UnreadableDocument:
    """The refusal of a file that is no text."""
    return UnreadableDocument(
        f"{name} is a binary file.", remedy="Give a text, Markdown, HTML, PDF, office or source code file."
    )
