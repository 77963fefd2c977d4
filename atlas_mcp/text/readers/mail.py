"""E-mail: a message (.eml), or an archive of messages (.mbox), as what people wrote to each other.

The plain text of a message is read, or its HTML where there is no other; attachments are named. In an archive
a quote of an earlier message and a signature that was there before are left out, as is a second copy.
"""

from __future__ import annotations

import re
from dataclasses import replace
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.utils import getaddresses, parsedate_to_datetime
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers.kinds import is_envelope
from atlas_mcp.text.readers.media import MAIL, MBOX
from atlas_mcp.text.readers.messages import Message, line, sound, told, written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message as Mail

    from atlas_mcp.text.readers.document import Document

__all__ = ["read_mail", "read_mbox"]

# What the standard library lets through on damaged messages, besides its own errors.
DAMAGE = (MessageError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

BREAK = re.compile(rb"(?:\A\s*|\n\r?\n)(?=From )")
ESCAPED = re.compile(r"^>(>*From )", re.MULTILINE)
REPLY = re.compile(
    r"\A(?:(?:re|fwd?|aw|wg|sv|vs|antw|tr|rv|enc|r)(?:\[\d+\])?\s?[:\uff1a]\s*)+", re.IGNORECASE
)
QUOTE = re.compile(r"[>\s]*>[>\s]*")
SIGNATURE = "--"
MOST_NAMES = 10


def read_mail(data: bytes, name: str) -> Document:
    """The message, called by its subject.

    :raises UnreadableDocument: it is damaged, or nobody wrote a word in it.
    """
    read = _Archive(name).read(data)
    document = told(filter(None, [read]), (read and read.session) or PurePath(name).stem, MAIL)
    if not document.messages:
        raise _empty(name)
    return document


def read_mbox(data: bytes, name: str) -> Document:
    """The messages of an archive in their order, under their subjects.

    :raises UnreadableDocument: none of its messages can be read, or nobody wrote a word in it.
    """
    archive = _Archive(name)
    document = told(_messages(data, archive), PurePath(name).stem, MBOX)
    if not document.messages:
        raise _empty(name)
    if archive.unread:
        note = f"\n({archive.unread} of its messages could not be read.)\n"
        document = replace(document, text=document.text + note)
    return document


def _messages(data: bytes, archive: _Archive) -> Iterator[Message]:
    starts = [found.end() for found in BREAK.finditer(data) if is_envelope(data, found.end())]
    for start, end in pairwise([*starts, len(data)]):
        body = data.index(b"\n", start) + 1
        if message := archive.read(data[body:end]):
            yield message


class _Archive:
    """Reads one message after the other, and knows what it has read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ids: set[str] = set()
        self._lines: set[int] = set()
        self._signatures: set[str] = set()
        self.unread = 0

    def read(self, data: bytes) -> Message | None:
        """The message; None for a copy, or what cannot be read."""
        try:
            mail = message_from_bytes(data)
            identity = _header(mail, "Message-ID")
            if identity and identity in self._ids:
                return None
            self._ids.add(identity)
            words, attached = _body(mail, self._name)
            by = next(iter(_people(mail, "From")), "")
            words = self._fresh(words)
            notes = _notes(_people(mail, "To", "Cc"), attached)
            subject = REPLY.sub("", _header(mail, "Subject"), count=1)
            return Message(by, "\n\n".join(filter(None, (words, notes))), _date(mail), subject)
        except DAMAGE:
            self.unread += 1
            return None

    def _fresh(self, text: str) -> str:
        """What was not said before: without quotes of earlier messages, and signatures known from them."""
        lines = ESCAPED.sub(r"\1", text).split("\n")
        lines = self._without_signature(self._without_quotes(lines))
        self._lines.update(hash(said) for each in lines if (said := _said(each)))
        return "\n".join(lines).strip()

    def _without_quotes(self, lines: list[str]) -> list[str]:
        kept: list[str] = []
        at = 0
        while at < len(lines):
            after = at
            while after < len(lines) and (
                QUOTE.match(lines[after]) or (after > at and not lines[after].strip())
            ):
                after += 1
            quoted = [said for each in lines[at:after] if (said := _said(each))]
            if quoted and all(hash(said) in self._lines for said in quoted):
                _drop_lead(kept)
            else:
                after = max(after, at + 1)
                kept.extend(lines[at:after])
            at = after
        return kept

    def _without_signature(self, lines: list[str]) -> list[str]:
        marks = [at for at, each in enumerate(lines) if each.rstrip() == SIGNATURE]
        if not marks:
            return lines
        signature = "\n".join(lines[marks[-1] :]).strip()
        if signature in self._signatures:
            return lines[: marks[-1]]
        self._signatures.add(signature)
        return lines


def _drop_lead(kept: list[str]) -> None:
    """Drop the lines that say whose words are quoted, as in "On Monday Ann wrote:"."""
    while kept and not kept[-1].strip():
        kept.pop()
    if kept and kept[-1].rstrip().endswith(":"):
        wrote = kept.pop()
        if kept and kept[-1].startswith("On ") and not wrote.startswith("On "):
            kept.pop()


def _said(text: str) -> str:
    """A line's words, whoever quotes it."""
    quote = QUOTE.match(text)
    return " ".join(text[quote.end() if quote else 0 :].split())


def _body(mail: Mail, name: str) -> tuple[str, list[str]]:
    """What a message says, and the names of what is attached to it."""
    plain: list[str] = []
    pages: list[str] = []
    attached: list[str] = []
    parts: list[Mail] = [mail]
    while parts:
        part = parts.pop()
        kind = part.get_content_type()
        if part.is_multipart() and kind != MAIL:
            parts.extend(reversed(cast("list[Mail]", part.get_payload())))
        elif part.get_content_disposition() == "attachment" or not kind.startswith("text/"):
            attached.append(line(_decoded(part.get_filename() or "")) or kind)
        elif kind == "text/html":
            pages.append(_page(_text(part), name))
        elif kind == "text/plain":
            plain.append(_text(part))
    said = "\n\n".join(each.strip() for each in plain if each.strip())
    return said or "\n\n".join(filter(None, pages)), attached


def _text(part: Mail) -> str:
    data = cast("bytes", part.get_payload(decode=True) or b"")
    charset = part.get_content_charset()
    for encoding in (charset, "utf-8"):
        try:
            text = data.decode(encoding or "utf-8")
            break
        except (LookupError, ValueError):
            continue
    else:
        text = data.decode("windows-1252", "replace")
    return sound(text).replace("\r\n", "\n")


def _page(markup: str, name: str) -> str:
    from atlas_mcp.text.readers.html import read_html

    try:
        # The mark at the start is heeded before what the page says of its own encoding.
        return read_html(markup.encode("utf-8-sig"), name).text.strip()
    except UnreadableDocument:
        return ""


def _header(mail: Mail, key: str) -> str:
    return line(_decoded(mail.get(key) or ""))


def _decoded(said: object) -> str:
    """A header's words: `=?utf-8?q?caf=C3=A9?=` is "café"."""
    words: list[str] = []
    for part, charset in decode_header(str(said)):
        if isinstance(part, str):
            words.append(part)
            continue
        try:
            words.append(part.decode(charset or "utf-8", "replace"))
        except LookupError:
            words.append(part.decode("utf-8", "replace"))
    return "".join(words)


def _people(mail: Mail, *keys: str) -> list[str]:
    """The names in headers, or the addresses of those without one."""
    given = [str(each) for key in keys for each in cast("list[object]", mail.get_all(key, []))]
    names = (line(_decoded(name)) or address for name, address in getaddresses(given))
    return list(dict.fromkeys(filter(None, names)))


def _notes(to: list[str], attached: list[str]) -> str:
    """To whom it was written, and what came with it, in brackets."""
    more = len(to) - MOST_NAMES
    names = ", ".join(to[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    notes = [f"to {names}"] if to else []
    if attached:
        notes.append(f"attached: {', '.join(attached)}")
    return f"[{'; '.join(notes)}]" if notes else ""


def _date(mail: Mail) -> str | None:
    try:
        return written(parsedate_to_datetime(str(mail.get("Date", ""))))
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def _empty(name: str) -> UnreadableDocument:
    return UnreadableDocument(
        f"{name} holds no message that can be read.",
        remedy="Export the mail anew as .eml or .mbox; a message that is encrypted must be decrypted first.",
    )
