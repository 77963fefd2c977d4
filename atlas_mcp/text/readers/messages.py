"""Messages of mail or chat as one text: a heading a day or session, then what each one said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from atlas_mcp.text.readers.document import Document, Said

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Message", "line", "sound", "told", "written"]

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
EARLIEST, LATEST = 1900, 9998
"""Years that a message can be of; in these every zone's time can be told in every other's."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: who said what; if known when (ISO 8601) and in which session (a thread, a subject)."""

    by: str
    text: str
    at: str | None = None
    session: str = ""


def told(messages: Iterable[Message], title: str, media_type: str) -> Document:
    """The archive as a document: `# title`, `## session, day`, and "name: text" for each message.

    Messages stay in their order; those without a word are left out.
    """
    parts = [f"# {title}\n"]
    length = len(parts[0])
    said: list[Said] = []
    before = ""
    for message in messages:
        words = message.text.strip()
        if not words:
            continue
        heading = ", ".join(filter(None, (message.session, _day(message.at))))
        if heading != before:
            before = heading
            # Without a day or a session, a rule says that the last one does not go on.
            parts.append(f"\n## {heading}\n" if heading else "\n---\n")
            length += len(parts[-1])
        shown = f"{message.by}: {words}" if message.by else words
        said.append(Said(length + 1, length + 1 + len(shown), message.by, message.at))
        parts.append(f"\n{shown}\n")
        length += len(parts[-1])
    return Document("".join(parts), title, media_type, messages=tuple(said))


def written(at: datetime) -> str | None:
    """A time of a message in ISO 8601; None where it cannot be one."""
    return at.isoformat(timespec="seconds") if EARLIEST <= at.year <= LATEST else None


def line(text: str) -> str:
    """The text in one line."""
    return " ".join(sound(text).split())


def sound(text: str) -> str:
    """The text without what cannot be stored: halves of characters, and nulls."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _day(at: str | None) -> str:
    """A day as people write it, which is how they ask for it."""
    if at is None:
        return ""
    day = datetime.fromisoformat(at)
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
