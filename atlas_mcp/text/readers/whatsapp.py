"""WhatsApp's export of a chat as text, in its two common forms.

`31/12/2021, 23:59 - Ann: Hello.` on Android, `[31/12/2021, 23:59:59] Ann: Hello.` on the iPhone. Whether the
day or the month comes first is not said; the whole chat shows it.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from atlas_mcp.text.readers.messages import Message, line, sound, written

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["whatsapp_messages"]

Order: TypeAlias = Literal["day", "month", "year"]
"""What a date begins with."""

LEAST = 2
"""Messages with a speaker that make a chat of a text."""
CENTURY = 2000
NOON = 12
STAMP = re.compile(
    r"[\u200e\u200f\ufeff]*\[?"
    r"(?P<first>\d{1,4})(?P<mark>[./-])(?P<second>\d{1,2})(?P=mark)(?P<third>\d{1,4}),\s"
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<seconds>\d{2}))?"
    r"(?:\s?(?P<half>[AaPp])\.?\s?[Mm]\.?)?"
    r"(?:\]|\s[-\u2013])\s",
    re.ASCII,
)
SPACES = str.maketrans({"\u202f": " ", "\u00a0": " "})
SPEAKER = re.compile(r"(?P<by>[^:\n]{1,80}):(?:\s|$)")
MARKS = re.compile("[\u200e\u200f\u202a-\u202c\ufeff]")
AMERICAN = ("A", "P")


def whatsapp_messages(text: str) -> list[Message]:
    """The messages of a chat; none where `text` is none.

    Times are as the telephone showed them, without a zone. What the program says itself has no speaker.
    """
    if not STAMP.match(text.lstrip()[:100].translate(SPACES)):
        return []
    stamps: list[re.Match[str]] = []
    bodies: list[list[str]] = []
    # Not splitlines(): a message may hold what that takes for the end of a line.
    for each in text.split("\n"):
        # A narrow space stands before "PM"; it is a space to us, wherever it stands.
        said = each.removesuffix("\r").translate(SPACES)
        if stamp := STAMP.match(said):
            stamps.append(stamp)
            bodies.append([said[stamp.end() :]])
        elif bodies:
            bodies[-1].append(said)
    order = _order(stamps)
    if order is None:
        return []
    messages = [
        _message(_time(stamp, order), "\n".join(body)) for stamp, body in zip(stamps, bodies, strict=True)
    ]
    return messages if sum(bool(message.by) for message in messages) >= LEAST else []


def _message(at: datetime | None, body: str) -> Message:
    words = MARKS.sub("", sound(body))
    speaker = SPEAKER.match(words)
    when = written(at) if at else None
    if speaker is None:
        return Message("", words, when)
    return Message(line(speaker["by"]), words[speaker.end() :], when)


def _order(stamps: Sequence[re.Match[str]]) -> Order | None:
    """What the chat's dates begin with; None where they are no dates.

    Of the ways in which all are dates, the one in which fewest go back in time; if that says nothing, the
    month where slashes and "PM" are used together, else the day.
    """
    american = any(stamp["mark"] == "/" and (stamp["half"] or "").startswith(AMERICAN) for stamp in stamps)
    likely: tuple[Order, ...] = ("year", "month", "day") if american else ("year", "day", "month")
    possible: list[tuple[int, Order]] = []
    for order in likely:
        times = [_time(stamp, order) for stamp in stamps]
        sound_times = [time for time in times if time is not None]
        if len(sound_times) == len(times):
            possible.append((sum(later < earlier for earlier, later in pairwise(sound_times)), order))
    return min(possible, key=lambda each: each[0])[1] if possible else None


def _time(stamp: re.Match[str], order: Order) -> datetime | None:
    first, second, third = int(stamp["first"]), int(stamp["second"]), int(stamp["third"])
    if order == "year":
        year, month, day = first, second, third
        if len(stamp["first"]) < len("2021"):
            return None
    else:
        year = third if len(stamp["third"]) > len("21") else CENTURY + third
        month, day = (first, second) if order == "month" else (second, first)
    hour = int(stamp["hour"])
    if half := stamp["half"]:
        hour = hour % NOON + (NOON if half in "Pp" else 0)
    try:
        return datetime(year, month, day, hour, int(stamp["minute"]), int(stamp["seconds"] or 0))  # noqa: DTZ001 - the export does not say the zone
    except ValueError:
        return None
