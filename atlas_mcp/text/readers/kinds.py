"""Which kind of document bytes are: what a file holds goes before what it is called.

The name tells text, Markdown and source code apart, and what a damaged file was meant to be.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import PurePath
from typing import Literal, TypeAlias

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers import media
from atlas_mcp.text.readers.document import BOMS

__all__ = [
    "SNIFFED",
    "SUFFIXES",
    "Kind",
    "is_archive",
    "is_envelope",
    "is_named_so",
    "is_readable",
    "kind_of",
    "may_be_chat",
]

Kind: TypeAlias = Literal[
    "markdown",
    "text",
    "code",
    "html",
    "pdf",
    "table",
    "word",
    "slides",
    "opendocument",
    "ebook",
    "mail",
    "mbox",
]

SUFFIXES: dict[Kind, str] = {
    "markdown": "md markdown mdx mdown qmd",
    "text": "txt text rst adoc org log srt vtt",
    "code": """py pyi js mjs cjs ts tsx jsx java kt kts scala groovy c h cc cpp cxx hpp hh cs go rs rb php pl
    pm lua r jl swift m mm dart ex exs erl hs ml fs clj lisp el vim sh bash zsh fish ps1 bat cmd sql graphql
    proto tf nix css less scss vue svelte json jsonl ndjson yaml yml toml ini cfg conf xml xsl tex bib
    cmake""",
    "html": "html htm xhtml",
    "pdf": "pdf",
    "table": "csv tsv tab xlsx xlsm ods xls",
    "word": "docx docm dotx",
    "slides": "pptx pptm ppsx potx",
    "opendocument": "odt odp ott otp",
    "ebook": "epub",
    "mail": "eml",
    "mbox": "mbox mbx",
}
"""How the names of files of each kind end."""
_KINDS: dict[str, Kind] = {
    f".{suffix}": kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes.split()
}
MEDIA_TYPES: dict[str, Kind] = {
    "text/markdown": "markdown",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    media.SOURCE_CODE: "code",
    media.TABLE: "table",
    media.SHEET: "table",
    media.OPEN_SHEET: "table",
    "application/vnd.ms-excel": "table",
    "text/csv": "table",
    "text/tab-separated-values": "table",
    media.WORD: "word",
    media.SLIDES: "slides",
    media.OPEN_TEXT: "opendocument",
    media.OPEN_SLIDES: "opendocument",
    media.EBOOK: "ebook",
    media.MAIL: "mail",
    media.MBOX: "mbox",
}
"""What servers call each kind. They call Markdown and code "text/plain" too: there the name knows better."""

PDF, ZIP, OLD, RTF = b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"{\\rtf"
FOLDERS: dict[str, Kind] = {"word/": "word", "ppt/": "slides", "xl/": "table"}
LONGEST_TYPE = 200

ENVELOPE = re.compile(rb"From [^\r\n]{1,300}\r?\n>?[!-9;-~]{1,76}:")
CLOCK, YEAR = re.compile(rb"\d:\d\d"), re.compile(rb"\b\d{4}\b")
HEADER = re.compile(rb"[!-9;-~]{1,76}:")
MAIL_HEADER = re.compile(
    rb"(?:from|to|cc|subject|date|message-id|received|return-path|delivered-to|mime-version|reply-to"
    rb"|dkim-signature|content-type|x-[\w-]+):",
    re.IGNORECASE,
)
LEAST_HEADERS = 3
SNIFFED = 8_192
# Thunderbird's archives have no suffix; mailing lists publish theirs as .txt.
PLAIN: frozenset[Kind | None] = frozenset([None, "text", "mail", "mbox"])
CHAT_SUFFIXES = frozenset(["", ".json", ".jsonl", ".ndjson", ".txt"])

_SAVE_AS = "Open it in the program it was made with, and save it as {}, without a password."
_OLD_KINDS = (
    ("EncryptedPackage", "needs a password", "Save a copy without a password and give that."),
    ("WordDocument", "is a Word file of before 2007", _SAVE_AS.format(".docx")),
    ("PowerPoint Document", "is a PowerPoint file of before 2007", _SAVE_AS.format(".pptx")),
    ("Workbook", "is an Excel file of before 2007", _SAVE_AS.format(".xlsx or CSV")),
    ("__properties_version1", "is a message in Outlook's own format", "Save it as .eml."),
    ("", "is an office file of before 2007", _SAVE_AS.format(".docx, .xlsx, .pptx or PDF")),
)


def kind_of(data: bytes, name: str, media_type: str | None = None) -> Kind:
    """The kind of document that `data` is; text, where nothing says otherwise.

    :raises UnreadableDocument: it is of a kind that is not read; the remedy says what to save it as.
    """
    given = MEDIA_TYPES.get((media_type or "").partition(";")[0].strip().lower())
    if given is not None:
        return given
    by_name = _KINDS.get(_suffix(name))
    if data.startswith(ZIP):
        return _packed(data) or by_name or _refuse_packed(name)
    if data.startswith(OLD) and by_name != "table":
        raise _old(data, name)
    start = data[:512].lstrip()
    if start.startswith(RTF):
        raise UnreadableDocument(f"{name} is in Rich Text Format.", remedy=_SAVE_AS.format(".docx or PDF"))
    if start[: len(PDF)].upper() == PDF:
        return "pdf"
    if by_name in PLAIN and (found := _mail(data[:SNIFFED])):
        return found
    if by_name is None and start.lower().startswith((b"<!doctype html", b"<html")):
        return "html"
    return by_name or "text"


def may_be_chat(name: str, media_type: str | None) -> bool:
    """Whether a text, by what it is called, may be an archive of chat."""
    return media_type is None and _suffix(name) in CHAT_SUFFIXES


def is_named_so(name: str) -> bool:
    """Whether a file is called like a document of some kind, and so is meant to be read."""
    return _suffix(name) in _KINDS


def is_readable(start: bytes) -> bool:
    """Whether a file that begins so may be read, or refused by its kind, though it has null bytes."""
    return start.startswith((PDF, ZIP, OLD, *(bom for bom, _ in BOMS)))


def is_archive(start: bytes, name: str) -> bool:
    """Whether a file is read in parts, so that it may be larger: mail, office files but no tables."""
    packed = start.startswith(ZIP) and _KINDS.get(_suffix(name)) != "table"
    return packed or is_envelope(start, _first(start))


def is_envelope(data: bytes, at: int) -> bool:
    """Whether a message of an archive begins there: "From …" with a time and a year, then a header."""
    line = ENVELOPE.match(data, at)
    return line is not None and bool(CLOCK.search(line[0]) and YEAR.search(line[0]))


def _first(data: bytes) -> int:
    """Where the first word is."""
    return len(data) - len(data.lstrip())


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower()


def _packed(data: bytes) -> Kind | None:
    """The kind of what is in a zip file; None where that is not known."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = packed.namelist()
            said = b""
            if "mimetype" in names and packed.getinfo("mimetype").file_size < LONGEST_TYPE:
                said = packed.read("mimetype").strip()
    except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError, ValueError, EOFError, zlib.error):
        return None
    if said:
        return MEDIA_TYPES.get(said.decode("latin-1").removesuffix("-template"))
    if "[Content_Types].xml" not in names:
        return None
    return next(
        (kind for folder, kind in FOLDERS.items() if any(each.startswith(folder) for each in names)), None
    )


def _refuse_packed(name: str) -> Kind:
    raise UnreadableDocument(
        f"{name} is a packed file.",
        remedy="Unpack it and name the folder; if a program made it, save it from there as .docx or PDF.",
    )


def _old(data: bytes, name: str) -> UnreadableDocument:
    """The refusal of an office file of before 2007, by the streams in it; one with a password looks alike."""
    _, what, remedy = next(each for each in _OLD_KINDS if each[0].encode("utf-16-le") in data)
    return UnreadableDocument(f"{name} {what}.", remedy=remedy)


def _mail(start: bytes) -> Kind | None:
    """An archive begins with "From ...", a message with "From:" and two more of the headers that mail has."""
    if is_envelope(start, _first(start)):
        return "mbox"
    names: set[bytes] = set()
    for line in start.lstrip(b"\xef\xbb\xbf\r\n").splitlines():
        if known := MAIL_HEADER.match(line):
            names.add(known[0].lower())
        elif not line[:1].isspace() and not HEADER.match(line):
            break
    return "mail" if b"from:" in names and len(names) >= LEAST_HEADERS else None
