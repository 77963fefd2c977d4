"""What is stored near candidates: which memory says the same, which one they replace, and which contradict.

Found by words and, where there is an embedder, by vectors; judged by `contradicting` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_mcp.learning import LearningKind
from atlas_mcp.memory.capturing.candidates import WISHES
from atlas_mcp.memory.capturing.contradicting import conflict, same_figures, same_meaning, wish_conflict
from atlas_mcp.memory.meaning import vectors_of
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.memory.capturing.candidates import Candidate
    from atlas_mcp.memory.capturing.contradicting import Conflict
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.memory.record.record import Stored
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["Nearby", "Neighbours"]

MOST = 24
"""Memories that are looked at beside one candidate, by words and by meaning each."""

FAR, SAME = 0.55, 0.95
"""Cosines between which likeness grows from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Nearby:
    """A stored memory near a candidate; `likeness` 0 to 1, `cosine` where there are vectors."""

    stored: Stored
    likeness: float
    cosine: float | None


class Neighbours:
    """The memories near the candidates of one run."""

    def __init__(self, memory: Memory, scope: Scope) -> None:
        self._memory = memory
        self._scope = scope
        self._vectors: dict[str, FloatArray] = {}
        self._near: dict[tuple[LearningKind, str], list[Nearby]] = {}

    async def look_up(self, candidates: Sequence[Candidate]) -> None:
        """Find what is near each of them; once, before anything is asked."""
        texts = [each.text for each in candidates]
        texts += [one.quote for each in candidates for one in each.cited]
        wanted = list(dict.fromkeys(texts))
        vectors = await vectors_of(self._memory.embedder, wanted)
        if vectors is not None:
            self._vectors = dict(zip(wanted, vectors, strict=True))
        for each in candidates:
            self._near[each.kind, each.text] = await self._find(each)

    async def _find(self, candidate: Candidate) -> list[Nearby]:
        record, filters = self._memory.record, Filters(kinds=frozenset({candidate.kind}))
        cosines: dict[int, float] = {}
        vector = self._vectors.get(candidate.text)
        if vector is not None:
            cosines = await record.nearest(vector, self._scope, filters, most=MOST)
        numbers = [*await record.matching(candidate.text, self._scope, filters, most=MOST), *cosines]
        if candidate.slot or candidate.kind is LearningKind.PREFERENCE:
            # What takes the same place need not share many words.
            listed = await record.listing(self._scope, filters, most=500)
            slots = {candidate.slot, candidate.over} - {""}
            numbers += [each.number for each in listed if not slots or _slot(each) in slots]
        rows = await record.rows(list(dict.fromkeys(numbers)), self._scope)
        if vector is not None:
            cosines |= await record.cosines(
                vector, [each for each in rows if each not in cosines], self._scope
            )
        words = frozenset(stems(candidate.text))
        near = [
            Nearby(row, _likeness(words, row.text, cosines.get(number)), cosines.get(number))
            for number, row in rows.items()
            if row.closed_at is None and row.kind is candidate.kind
        ]
        return sorted(near, key=lambda each: (-each.likeness, each.stored.number))

    def of(self, candidate: Candidate) -> list[Nearby]:
        """What is stored near a candidate, the likest first."""
        return self._near.get((candidate.kind, candidate.text), [])

    def likeness(self, candidate: Candidate, around: Sequence[Nearby]) -> float:
        """How near the nearest memory is that tells of the same: of no other numbers, and not against it."""
        return max(
            (
                each.likeness
                for each in around
                if same_figures(candidate.text, each.stored.text)
                and self.conflict(candidate, each.stored) is None
            ),
            default=0.0,
        )

    def same(self, candidate: Candidate, around: Sequence[Nearby]) -> Stored | None:
        """The memory that says the same, if one does."""
        for each in around:
            if candidate.slot:
                if _slot(each.stored) == candidate.slot and _same_telling(candidate, each.stored):
                    return each.stored
            elif same_meaning(candidate.text, each.stored.text, each.cosine):
                return each.stored
        return None

    def replaces(self, candidate: Candidate, stored: Stored) -> bool:
        """Whether a candidate takes the place of a memory: the same question's later outcome, a new wish."""
        return _slot(stored) in {candidate.slot, candidate.over} - {""}

    def conflict(self, candidate: Candidate, stored: Stored) -> Conflict | None:
        """What a candidate and a memory disagree in."""
        if candidate.kind is LearningKind.PREFERENCE:
            return wish_conflict(candidate.text, stored.text)
        return conflict(candidate.text, stored.text) if candidate.kind is LearningKind.FACT else None

    def alike(self, one: Candidate, other: Candidate) -> bool:
        """Whether two candidates of a run say the same."""
        if one.slot or other.slot:
            return one.slot == other.slot
        first, second = self._vectors.get(one.text), self._vectors.get(other.text)
        cosine = None if first is None or second is None else float(first @ second)
        return same_meaning(one.text, other.text, cosine)

    def against(self, one: Candidate, other: Candidate) -> Conflict | None:
        """What two statements of a run disagree in."""
        return conflict(one.text, other.text) if one.kind is LearningKind.FACT else None

    def to_quotes(self, candidate: Candidate) -> float | None:
        """The cosine of a candidate and the nearest of its quotes; None without an embedder."""
        own = self._vectors.get(candidate.text)
        if own is None:
            return None
        quotes = [self._vectors[each.quote] for each in candidate.cited if each.quote in self._vectors]
        return max((float(own @ each) for each in quotes), default=None)


def _likeness(words: frozenset[str], text: str, cosine: float | None) -> float:
    others = frozenset(stems(text))
    shared = len(words & others) / max(len(words | others), 1)
    if cosine is None:
        return shared
    return max(shared, min(max((cosine - FAR) / (SAME - FAR), 0.0), 1.0))


def _slot(stored: Stored) -> str:
    """What a memory takes the place of, as its evidence tells."""
    for each in stored.evidence:
        if each.kind == "run" and each.text.startswith(("way ", "last ", "failed ")):
            return each.text
        name, colon, _ = each.text.partition(": ")
        if stored.kind is LearningKind.PREFERENCE and each.kind == "person" and colon and name in WISHES:
            return f"wish {name}"
    return ""


def _same_telling(candidate: Candidate, stored: Stored) -> bool:
    """Whether what has the same place says nothing new: of the same run, or in the same words."""
    runs = {each.source for each in candidate.evidence if each.kind == "run"}
    return candidate.text == stored.text or any(
        each.kind == "run" and each.source in runs for each in stored.evidence
    )
