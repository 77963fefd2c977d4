"""The media types of documents, as `Document.media_type` names them."""

from __future__ import annotations

__all__ = [
    "CHAT",
    "EBOOK",
    "MAIL",
    "MBOX",
    "OPEN_SHEET",
    "OPEN_SLIDES",
    "OPEN_TEXT",
    "SHEET",
    "SLIDES",
    "SOURCE_CODE",
    "TABLE",
    "WORD",
]

SOURCE_CODE = "text/x-source"
TABLE = "text/x-table"
CHAT = "text/x-chat"
MAIL = "message/rfc822"
MBOX = "application/mbox"
EBOOK = "application/epub+zip"

_OPEN_XML = "application/vnd.openxmlformats-officedocument."
WORD = f"{_OPEN_XML}wordprocessingml.document"
SLIDES = f"{_OPEN_XML}presentationml.presentation"
SHEET = f"{_OPEN_XML}spreadsheetml.sheet"

_OPEN = "application/vnd.oasis.opendocument."
OPEN_TEXT = f"{_OPEN}text"
OPEN_SLIDES = f"{_OPEN}presentation"
OPEN_SHEET = f"{_OPEN}spreadsheet"
