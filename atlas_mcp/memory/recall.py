"""Memories found by words, meaning, names and time at once, with the reason why each was found.

Each arm names candidates; then every candidate is scored by every arm from the record itself, so that a
vector index beside it changes how fast candidates are found and not what is answered. What was not used for
long sinks a little, and is never lost.

Scores compare within one search; the reasons say what is so of a memory by itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.memory.meaning import vector_of
from atlas_mcp.memory.metering import Meter
from atlas_mcp.memory.moments import days_between, now
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.text.entities import entities
from atlas_mcp.text.ranking import diversify_words
from atlas_mcp.text.times import periods
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from atlas_mcp.memory.indexes.index import FindsVectors
    from atlas_mcp.memory.record.record import Outline, Record, Stored
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.embedding import Embedder
    from atlas_mcp.text.entities import Entity
    from atlas_mcp.text.ranking import FloatArray
    from atlas_mcp.text.times import Period

__all__ = ["Recall", "Recalled"]

CANDIDATES = 100
"""Memories that each arm may name."""

WEIGHTS = {"words": 0.45, "meaning": 0.45, "names": 0.2, "time": 0.15}
TOTAL = sum(WEIGHTS.values())

# A cosine below the first says nothing, one above the second that it is the same.
LEAST_MEANING = 0.2
MOST_MEANING = 0.8

FAINT = 0.25
"""The cosine below which meaning alone finds nothing.

Measured with all-MiniLM-L6-v2 on 40 questions that share no word with what answers them: from 0.25 on stood
80 % of the answers and 1.6 % of the other 2,660 pairs; from 0.2 on 92 % and 4 %; from 0.3 on 70 % and 0.6 %.
"""

DEPTH = 2
LONGEST_NAME = 40
"""Characters of a name that a reason shows."""
MINUTE = 16
"""Characters of a moment up to its minute."""
DIVERSITY = 0.85
POOL = 4
HALF_LIFE = 180
"""Days without use after which a memory's rank has lost half of what it can lose."""
LOSES = 0.3
ROUNDED = 1e-4
"""To what scores are rounded."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory that was found; `score`, 0 to 1, compares within one search, `why` says what found it."""

    stored: Stored
    score: float
    why: str


@dataclass(frozen=True, slots=True)
class _Ranked:
    outline: Outline
    score: float


@dataclass(frozen=True, slots=True)
class _Question:
    query: str
    vector: FloatArray | None
    names: tuple[Entity, ...]
    times: tuple[Period, ...]
    scope: Scope
    filters: Filters
    plain: bool
    """Whether all that holds now is asked for, which is what the indexes know."""


class Recall:
    """Search over a record's memories; `vectors` is a derived index that may be down.

    It is asked for what holds now, without filters, where a scope has at least `vectors_from` memories, below
    which exact vectors are faster.
    """

    def __init__(
        self, record: Record, embedder: Embedder | None, *, vectors: FindsVectors | None = None,
        vectors_from: int = 200_000, meter: Meter | None = None,
    ) -> None:  # fmt: skip
        self._record = record
        self._embedder = embedder
        self._vectors = vectors
        self._vectors_from = vectors_from
        self._meter = meter or Meter()

    async def recall(
        self, query: str, *, scope: Scope, k: int = 8, filters: Filters | None = None
    ) -> list[Recalled]:
        """The `k` best memories for a query, best first and unlike those before; by default of what holds.

        A query without any word finds nothing.

        :raises IncompatibleStore: the stored vectors were made by another embedding model.
        """
        if k < 1 or not query.strip():
            return []
        today = now()
        vector = await vector_of(self._embedder, query)
        filters = filters or Filters(at=today)
        question = _Question(
            query, vector, tuple(entities(query)), tuple(periods(query, today)), scope, filters,
            plain=filters == Filters(at=filters.at) and (filters.at or "")[:MINUTE] == today[:MINUTE],
        )  # fmt: skip
        arms, cosines = await self._arms(question)
        found = await self._ranked(question, arms, today, POOL * k)
        bags = [frozenset(each.outline.words.split()) for each in found]
        best = [found[at] for at in diversify_words([each.score for each in found], bags, k, DIVERSITY)]
        stored = {each.id: each for each in await self._record.get([each.outline.id for each in best], scope)}
        asked = frozenset(stems(query))
        return [
            Recalled(row, each.score, _why(each.outline, question, asked, arms["names"], cosines))
            for each in best
            if (row := stored.get(each.outline.id)) is not None  # it may have gone since
        ]

    async def _ranked(
        self, question: _Question, arms: Mapping[str, Mapping[int, float]], today: str, most: int
    ) -> list[_Ranked]:
        """The best candidates, each text once.

        What a row tells can only lower a score, but for the time it names, so that rows are read in the order
        of the most that each could reach, and no further than to where none can come before those found.
        """
        bonus = WEIGHTS["time"] / TOTAL if question.times else 0.0
        waiting, ceilings = _most_each(arms, bonus)
        found: list[_Ranked] = []
        done = 0
        while done < len(waiting):
            portion = waiting[done : done + 2 * most]
            done += len(portion)
            for number, row in (await self._record.outlines(portion, question.scope)).items():
                parts = _parts(number, arms)
                if question.times and _within(row, question.times):
                    parts["time"] = 1.0
                if (score := _score(row, parts, today)) > 0 and not _is_faint(parts):
                    found.append(_Ranked(row, round(score, 4)))
            found.sort(key=lambda each: (-each.score, each.outline.id))
            once: dict[str, _Ranked] = {}
            for each in found:
                once.setdefault(each.outline.sha256, each)
            found = list(once.values())[:most]
            if done < len(waiting) and len(found) == most and found[-1].score > ceilings[done]:
                break
        return found

    async def _arms(self, question: _Question) -> tuple[dict[str, Mapping[int, float]], Mapping[int, float]]:
        """Every candidate's score by each arm, 0 to 1, and the cosines of its meaning.

        An arm that says nothing of a candidate leaves it out.
        """
        scope, filters = question.scope, question.filters
        by_meaning, by_names = await asyncio.gather(self._by_meaning(question), self._by_names(question))
        also = sorted(by_meaning.keys() | by_names.keys())
        with self._meter.measured("recall", "words") as operation:
            by_words = await self._record.matching(question.query, scope, filters, most=CANDIDATES, also=also)
            operation.items = len(by_words)
        if question.vector is not None:
            others = sorted((by_words.keys() | by_names.keys()) - by_meaning.keys())
            by_meaning |= await self._record.cosines(question.vector, others, scope)
        spread = MOST_MEANING - LEAST_MEANING
        near = {number: cosine for number, cosine in by_meaning.items() if cosine > LEAST_MEANING}
        arms: dict[str, Mapping[int, float]] = {
            "words": _over_largest(by_words),
            "meaning": {
                number: min((cosine - LEAST_MEANING) / spread, 1.0) for number, cosine in near.items()
            },
            "names": _over_largest(by_names),
        }
        return arms, near

    async def _by_meaning(self, question: _Question) -> dict[int, float]:
        if question.vector is None:
            return {}
        scope, filters = question.scope, question.filters
        if (
            question.plain
            and self._vectors is not None
            and await self._record.size(scope) >= self._vectors_from
        ):
            try:
                near = await self._vectors.nearest(question.vector, scope, most=CANDIDATES)
            except IndexUnavailable:
                pass
            else:
                rows = await self._record.listing(scope, filters, ids=list(near), most=len(near))
                return await self._record.cosines(question.vector, [row.number for row in rows], scope)
        with self._meter.measured("recall", "vectors") as operation:
            found = await self._record.nearest(question.vector, scope, filters, most=CANDIDATES)
            operation.items = len(found)
            return found

    async def _by_names(self, question: _Question) -> dict[int, float]:
        # Of the record alone: among 10,000 memories it took 9 ms, and Neo4j 234 ms for the same answer.
        if not question.names:
            return {}
        with self._meter.measured("recall", "graph") as operation:
            found = await self._record.mentioning(
                question.names, question.scope, question.filters, depth=DEPTH, most=CANDIDATES
            )
            operation.items = len(found)
            return found


def _over_largest(scores: Mapping[int, float]) -> dict[int, float]:
    most = max(scores.values(), default=0) or 1
    return {number: score / most for number, score in scores.items() if score > 0}


def _most_each(
    arms: Mapping[str, Mapping[int, float]], bonus: float
) -> tuple[list[int], npt.NDArray[np.float64]]:
    """Every candidate, the most promising first, and the most that each could reach."""
    numbers = np.array(sorted({number for arm in arms.values() for number in arm}), np.int64)
    most = np.full(len(numbers), bonus)
    for name, arm in arms.items():
        at = np.searchsorted(numbers, np.fromiter(arm.keys(), np.int64, len(arm)))
        most[at] += np.fromiter(arm.values(), np.float64, len(arm)) * (WEIGHTS[name] / TOTAL)
    order = np.argsort(-most, kind="stable")
    return numbers[order].tolist(), most[order] + ROUNDED


def _parts(number: int, arms: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """What each arm says of a candidate."""
    return {name: arm[number] for name, arm in arms.items() if number in arm}


def _fused(parts: Mapping[str, float]) -> float:
    return sum([WEIGHTS[name] * value for name, value in parts.items()]) / TOTAL


def _score(row: Outline, parts: Mapping[str, float], today: str) -> float:
    # What was used today ranks as it did before, so that the same question gets the same answer.
    last = row.used_at if row.used_at and row.used_at[:10] < today[:10] else row.used_before
    unused = days_between(max(row.recorded_at, last or "")[:10], today[:10])
    fresh = 1 - LOSES * (1 - 0.5 ** (unused / HALF_LIFE))
    earned = 0.8 + 0.2 * row.score / 5
    return _fused(parts) * fresh * earned


def _is_faint(parts: Mapping[str, float]) -> bool:
    """Whether nothing but a meaning that is hardly near speaks for a candidate."""
    return set(parts) == {"meaning"} and parts["meaning"] < (FAINT - LEAST_MEANING) / (
        MOST_MEANING - LEAST_MEANING
    )


def _why(
    row: Outline, question: _Question, asked: frozenset[str], by_names: Mapping[int, float],
    cosines: Mapping[int, float],
) -> str:  # fmt: skip
    said: list[str] = []
    if shared := len(asked & frozenset(row.words.split())):
        said.append(f"words {shared} of {len(asked)}")
    if row.number in cosines:
        said.append(f"meaning {cosines[row.number]:.2f}")
    if row.number in by_names:
        held = {(each.label, each.key) for each in entities(row.text)}
        own = [each for each in question.names if (each.label, each.key) in held]
        names = ", ".join(" ".join(each.name.split())[:LONGEST_NAME] for each in own or question.names)
        said.append(f"names {names}" if own else f"names beside {names}")
    if question.times and _within(row, question.times):
        said.append("time")
    return ", ".join(said)


def _within(row: Outline, times: Sequence[Period]) -> bool:
    """Whether a memory began to hold, or names a date, in one of the periods."""
    named: Sequence[Period] = periods(row.text, row.recorded_at)
    return any(
        period.start <= row.valid_from < period.end
        or any(other.start < period.end and period.start < other.end for other in named)
        for period in times
    )
