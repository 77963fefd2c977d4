"""Memories found by words, meaning, names and time at once, with the reason why each was found.

Each arm names candidates; then every candidate is scored by every arm from the record itself, so that a
vector index or a graph beside it changes how fast candidates are found and not what is answered. What was not
used for long sinks a little, and is never lost.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.memory.moments import days_between, now
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.text.entities import entities
from atlas_mcp.text.ranking import diversify
from atlas_mcp.text.times import periods
from atlas_mcp.text.verbatim import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from atlas_mcp.memory.indexes.index import FindsVectors, FollowsNames
    from atlas_mcp.memory.record.record import Record, Stored
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.embedding import Embedder
    from atlas_mcp.text.entities import Entity
    from atlas_mcp.text.ranking import FloatArray
    from atlas_mcp.text.times import Period

__all__ = ["Recall", "Recalled"]

CANDIDATES = 100
"""Memories that each arm may name."""

WEIGHTS = {"words": 0.45, "meaning": 0.45, "names": 0.2, "time": 0.15}

# A cosine below the first says nothing, one above the second that it is the same.
LEAST_MEANING = 0.2
MOST_MEANING = 0.8

DEPTH = 2
MINUTE = 16
"""Characters of a moment up to its minute."""
DIVERSITY = 0.85
POOL = 4
HALF_LIFE = 180
"""Days without use after which a memory's rank has lost half of what it can lose."""
LOSES = 0.3


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory that was found; `score`, 0 to 1, compares within one search, `why` says what found it."""

    stored: Stored
    score: float
    why: str


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
    """Search over a record's memories; `vectors` and `graph` are derived indexes that may be down.

    They are asked for what holds now, without filters: the vector index where a scope has at least
    `vectors_from` memories, below which exact vectors are faster.
    """

    def __init__(
        self, record: Record, embedder: Embedder | None, *, vectors: FindsVectors | None = None,
        graph: FollowsNames | None = None, vectors_from: int = 20_000,
    ) -> None:  # fmt: skip
        self._record = record
        self._embedder = embedder
        self._vectors = vectors
        self._graph = graph
        self._vectors_from = vectors_from

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
        vector = None if self._embedder is None else (await self._embedder.embed([query]))[0]
        filters = filters or Filters(at=today)
        question = _Question(
            query, vector, tuple(entities(query)), tuple(periods(query, today)), scope, filters,
            plain=filters == Filters(at=filters.at) and (filters.at or "")[:MINUTE] == today[:MINUTE],
        )  # fmt: skip
        arms = await self._arms(question)
        found = await self._ranked(question, arms, today, POOL * k)
        texts = [each.stored.text for each in found]
        return [found[at] for at in diversify([each.score for each in found], None, texts, k, DIVERSITY)]

    async def _ranked(
        self, question: _Question, arms: Mapping[str, Mapping[int, float]], today: str, most: int
    ) -> list[Recalled]:
        """The best candidates, each text once.

        What a row tells can only lower a score, but for the time it names, so that rows are read in the order
        of the most that each could reach, and no further than to where none can come before those found.
        """
        bonus = WEIGHTS["time"] / sum(WEIGHTS.values()) if question.times else 0.0
        ceilings = {
            number: round(_fused(_parts(number, arms)) + bonus, 4)
            for number in {number for arm in arms.values() for number in arm}
        }
        waiting = sorted(ceilings, key=lambda number: (-ceilings[number], number))
        found: list[Recalled] = []
        while waiting:
            portion, waiting = waiting[: 2 * most], waiting[2 * most :]
            rows = await self._record.rows(sorted(portion), question.scope)
            for number, row in rows.items():
                parts = _parts(number, arms)
                if _within(row, question.times):
                    parts["time"] = 1.0
                if (score := _score(row, parts, today)) > 0:
                    found.append(Recalled(row, round(score, 4), _why(parts)))
            found.sort(key=lambda each: (-each.score, each.stored.id))
            once: dict[str, Recalled] = {}
            for each in found:
                once.setdefault(fold(each.stored.text).casefold(), each)
            found = list(once.values())[:most]
            if waiting and len(found) == most and found[-1].score > ceilings[waiting[0]]:
                break
        return found

    async def _arms(self, question: _Question) -> dict[str, Mapping[int, float]]:
        """Every candidate's score by each arm, 0 to 1; an arm that says nothing of it leaves it out."""
        scope, filters = question.scope, question.filters
        by_meaning, by_names = await asyncio.gather(self._by_meaning(question), self._by_names(question))
        by_words = await self._record.matching(
            question.query, scope, filters, most=CANDIDATES, also=sorted(by_meaning.keys() | by_names.keys())
        )
        if question.vector is not None:
            others = sorted((by_words.keys() | by_names.keys()) - by_meaning.keys())
            by_meaning |= await self._record.cosines(question.vector, others, scope)
        spread = MOST_MEANING - LEAST_MEANING
        return {
            "words": _over_largest(by_words),
            "meaning": {
                number: min((cosine - LEAST_MEANING) / spread, 1.0)
                for number, cosine in by_meaning.items()
                if cosine > LEAST_MEANING
            },
            "names": _over_largest(by_names),
        }

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
        return await self._record.nearest(question.vector, scope, filters, most=CANDIDATES)

    async def _by_names(self, question: _Question) -> dict[int, float]:
        if not question.names:
            return {}
        scope, filters = question.scope, question.filters
        if question.plain and self._graph is not None:
            try:
                near = await self._graph.mentioning(question.names, scope, depth=DEPTH, most=CANDIDATES)
            except IndexUnavailable:
                pass
            else:
                rows = await self._record.listing(scope, filters, ids=list(near), most=len(near))
                return {row.number: near[row.id] for row in rows}
        return await self._record.mentioning(question.names, scope, filters, depth=DEPTH, most=CANDIDATES)


def _over_largest(scores: Mapping[int, float]) -> dict[int, float]:
    most = max(scores.values(), default=0) or 1
    return {number: score / most for number, score in scores.items() if score > 0}


def _parts(number: int, arms: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """What each arm says of a candidate."""
    return {name: arm[number] for name, arm in arms.items() if number in arm}


def _fused(parts: Mapping[str, float]) -> float:
    return sum(WEIGHTS[name] * value for name, value in parts.items()) / sum(WEIGHTS.values())


def _score(row: Stored, parts: Mapping[str, float], today: str) -> float:
    # What was used today ranks as it did before, so that the same question gets the same answer.
    last = row.used_at if row.used_at and row.used_at[:10] < today[:10] else row.used_before
    unused = days_between(max(row.recorded_at, last or "")[:10], today[:10])
    fresh = 1 - LOSES * (1 - 0.5 ** (unused / HALF_LIFE))
    earned = 0.8 + 0.2 * row.score / 5
    return _fused(parts) * fresh * earned


def _why(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in parts.items())


def _within(row: Stored, times: Iterable[Period]) -> bool:
    """Whether a memory began to hold, or names a date, in one of the periods."""
    times = list(times)
    if not times:
        return False
    named: Sequence[Period] = periods(row.text, row.recorded_at)
    return any(
        period.start <= row.valid_from < period.end
        or any(other.start < period.end and period.start < other.end for other in named)
        for period in times
    )
