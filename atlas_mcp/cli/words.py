"""Small turns of phrase that several commands share: how long ago, how long, what was used."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ago", "clock", "command", "lasting", "seconds_between", "spent", "tallied"]

_SHORT = 0.1
"""Seconds below which milliseconds are told."""
_MINUTE, _HOUR = 60, 3600


def spent(usage: Mapping[str, Any]) -> str:
    """What was used: calls, tokens, and money where its price is known."""
    parts = [counted(usage.get("calls", 0), "call")]
    if tokens := usage.get("input_tokens", 0) + usage.get("output_tokens", 0):
        parts.append(f"{'about ' if usage.get('estimated') else ''}{counted(tokens, 'token')}")
    cost = usage.get("cost_usd", 0)
    if cost is None:
        parts.append("price unknown")
    elif cost:
        parts.append(f"${cost:.4f}")
    return ", ".join(parts)


def tallied(number: int, name: str) -> str:
    """A number under the name of its field: 1 of `documents` is `1 document`."""
    return counted(number, name.removesuffix("s")) if name.endswith("s") else f"{number:,} {name}"


def ago(at: str) -> str:
    """How long ago a moment (ISO 8601) was, in its largest unit."""
    seconds = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def clock(seconds: float) -> str:
    """A time as a stop-watch shows it: `0:07`, `12:30`, `2:05:00`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one moment (ISO 8601) to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def lasting(seconds: float | None) -> str:
    """How long something took: `12 ms`, `3.4 s`, `12:30 min`, `2:05:00 h`; nothing where nobody knows."""
    if seconds is None:
        return ""
    if seconds >= _MINUTE:
        return f"{clock(seconds)} {'h' if seconds >= _HOUR else 'min'}"
    return f"{1000 * seconds:.0f} ms" if 0 < seconds < _SHORT else f"{seconds:.1f} s"


_AS_IT_IS = re.compile(r"[\w@%+=:,./~-]+")
_SPOILS_QUOTES = re.compile(r'["$`\\!]')


def command(words: Iterable[str]) -> str:
    """A command as people type it: in double quotes what needs quotes, where these do."""
    return " ".join(
        word
        if _AS_IT_IS.fullmatch(word)
        else shlex.quote(word)
        if _SPOILS_QUOTES.search(word)
        else f'"{word}"'
        for word in words
    )
