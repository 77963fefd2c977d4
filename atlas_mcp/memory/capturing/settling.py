"""Which of two memories that contradict one another holds on: the newer source, or the better supported.

Where neither can be told, both stay. A person's word is never closed by a run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from atlas_mcp.learning import LearningKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.memory.capturing.candidates import Candidate, Cited
    from atlas_mcp.memory.capturing.contradicting import Conflict
    from atlas_mcp.memory.record.record import Stored

__all__ = ["Settled", "dated", "settle"]

BETTER = 0.5
"""Points by which a score must exceed the other's to decide."""

_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:[-_.]?(0[1-9]|1[0-2])(?:[-_.]?(0[1-9]|[12]\d|3[01]))?)?(?!\d)")


@dataclass(frozen=True, slots=True)
class Settled:
    """Who holds on, and why."""

    holds: Literal["new", "old", "both"]
    why: str


def settle(new: Candidate, score: float, found: Conflict, old: Stored) -> Settled:
    """Decide between a candidate and the stored memory that it contradicts."""
    if new.kind is LearningKind.PREFERENCE:
        return Settled("new", "it is the person's newest word")
    if old.origin == "person":
        return Settled("both", "a person said the other")
    return (
        _by_document(new.cited, found, old)
        or _by_date(new.cited, old)
        or _by_support(score, old.score)
        or Settled("both", "neither is newer or better supported")
    )


def _by_document(cited: Sequence[Cited], found: Conflict, old: Stored) -> Settled | None:
    """By what the document says of itself, and by whether it was changed since."""
    known = {each.source: each.sha256 for each in old.evidence if each.kind == "quote" and each.source}
    if any(known.get(each.uri) == each.sha256 for each in cited):
        return Settled("both", "both stand in the same document")
    if found.changed:
        return Settled("new", "it says itself that this changed")
    if any(each.uri in known for each in cited):
        return Settled("new", "the document that said the other was changed")
    return None


def _by_support(score: float, other: float) -> Settled | None:
    if score >= other + BETTER:
        return Settled("new", "it is better supported")
    if other >= score + BETTER:
        return Settled("old", "the other is better supported")
    return None


def _by_date(cited: Sequence[Cited], old: Stored) -> Settled | None:
    """By the dates in the names of the sources; where one has none, by when it was read and held."""
    ours = max((dated(f"{each.uri} {each.title}") for each in cited), default="")
    theirs = max((dated(each.source) for each in old.evidence if each.kind == "quote"), default="")
    read = max((each.retrieved_at for each in cited), default="")
    if ours and theirs:
        length = min(len(ours), len(theirs))
        if ours[:length] == theirs[:length]:
            return None
        if ours > theirs:
            return Settled("new", f"its source is newer: {ours} against {theirs}")
        return Settled("old", f"the other's source is newer: {theirs} against {ours}")
    if (ours or read) > old.valid_from:
        return Settled("new", "its source was read later" if not ours else f"its source is newer: {ours}")
    return None


def dated(name: str) -> str:
    """The latest date in the name of a source, as precise as it is written (`2026`, `2026-03`); or empty."""
    return max(("-".join(filter(None, match.groups())) for match in _DATE.finditer(name)), default="")
