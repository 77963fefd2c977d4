"""The record in SQLite: the embedded default, one file that several processes share.

Whoever writes does so alone and at once; whoever reads sees one state. Words are found through the text
index, meaning by exact vectors in memory, which follow the file change by change.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from atlas_mcp.memory.documents import documents
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.record import memories, outbox, renaming, soundness, spreading, terms
from atlas_mcp.memory.record.graph import LONGEST, path
from atlas_mcp.memory.record.record import Added, Change, Filters, Indexed, Mention, NewEntry, Outline, Stored
from atlas_mcp.memory.record.shelf import Shelf
from atlas_mcp.text.entities import Entity

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence

    from atlas_mcp.database import Database
    from atlas_mcp.memory.record.record import NamePath
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.embedding import Embedder
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["SqliteRecord"]

MOST_SHELVES = 32
"""Owners whose memories are held as arrays at a time."""


class SqliteRecord:
    """A `Record` over an open database; `embedder` says which vectors count, and how long they are."""

    def __init__(self, database: Database, embedder: Embedder | None) -> None:
        self._database = database
        self._model = embedder.name if embedder else None
        self._dimensions = embedder.dimensions if embedder else 1
        self._shelves: dict[str, Shelf] = {}

    async def add(self, entries: Sequence[NewEntry], scope: Scope) -> list[Added]:
        """Write learnings, as the Protocol says."""

        def write(connection: sqlite3.Connection) -> list[Added]:
            at = now()
            return [memories.add(connection, entry, scope, at) for entry in entries]

        return await self._database.write(write)

    async def get(self, ids: Sequence[str], scope: Scope) -> list[Stored]:
        """Memories by id, as the Protocol says."""
        return await self._database.read(lambda c: memories.get(c, ids, scope))

    async def rows(self, numbers: Sequence[int], scope: Scope) -> dict[int, Stored]:
        """Memories by number, as the Protocol says."""
        return await self._database.read(lambda c: memories.rows(c, numbers, scope))

    async def outlines(self, numbers: Sequence[int], scope: Scope) -> dict[int, Outline]:
        """What ranking needs, as the Protocol says."""
        return await self._database.read(lambda c: memories.outlines(c, numbers, scope))

    async def listing(
        self, scope: Scope, filters: Filters, *, after: int = 0, most: int = 100,
        ids: Sequence[str] | None = None,
    ) -> list[Stored]:  # fmt: skip
        """Memories in order, as the Protocol says."""
        return await self._database.read(
            lambda c: memories.listing(c, scope, filters, after=after, most=most, ids=ids)
        )

    async def size(self, scope: Scope) -> int:
        """How many memories there are, as the Protocol says."""
        return await self._database.read(lambda c: sum(shelf.count for shelf in self._current(c, scope)))

    async def close(self, ids: Sequence[str], scope: Scope, *, at: str, by: str | None = None) -> list[str]:
        """End the validity of memories, as the Protocol says."""
        return await self._database.write(lambda c: memories.close(c, ids, scope, at=at, now=now(), by=by))

    async def remove(self, ids: Sequence[str], scope: Scope) -> list[Stored]:
        """Delete memories, as the Protocol says."""
        return await self._database.write(lambda c: memories.remove(c, ids, scope, now()))

    async def rename(self, names: Mapping[str, str], ids: Mapping[str, str], scope: Scope) -> None:
        """Name anew what memories name, as the Protocol says."""
        await self._database.write(lambda c: renaming.rename(c, names, ids, scope, now()))

    async def resting_on(self, uris: Collection[str], scope: Scope) -> list[str]:
        """What rests on sources, as the Protocol says."""
        return await self._database.read(lambda c: memories.resting_on(c, uris, scope))

    async def used(self, ids: Sequence[str], scope: Scope, *, at: str) -> None:
        """Note a use, as the Protocol says."""
        await self._database.write(lambda c: memories.used(c, ids, scope, at))

    async def matching(
        self, query: str, scope: Scope, filters: Filters, *, most: int = 200, also: Sequence[int] = ()
    ) -> dict[int, float]:
        """By words, as the Protocol says."""

        def read(connection: sqlite3.Connection) -> dict[int, float]:
            asked = terms.wanted(connection, query)
            shelves = self._current(connection, scope)
            usual = max((shelf.usual_length for shelf in shelves), default=1.0)
            others = np.array(sorted(also), np.int64)
            best: dict[int, float] = {}
            by_rarer: dict[int, float] = {}
            wished: dict[int, float] = {}
            for shelf in shelves:
                fits = self._fitting(connection, shelf, scope, filters)
                scores = np.where(fits, asked.scores(shelf, usual), 0)
                whole = scores + terms.of_others(connection, asked, shelf, fits, usual)
                first = _largest(whole, most)
                best |= zip(shelf.numbers[first].tolist(), whole[first].tolist(), strict=True)
                by_rarer |= zip(shelf.numbers[first].tolist(), scores[first].tolist(), strict=True)
                at = shelf.places(others)
                at = at[fits[at]]
                wished |= zip(shelf.numbers[at].tolist(), scores[at].tolist(), strict=True)
            found = wished | {number: by_rarer[number] for number, _ in _ordered(best)[:most]}
            if common := asked.frequent:
                more = terms.scores(connection, common, list(found), usual)
                found = {number: score + more.get(number, 0.0) for number, score in found.items()}
            return {number: score for number, score in _ordered(found) if score > 0}

        return await self._database.read(read)

    async def nearest(
        self, vector: FloatArray, scope: Scope, filters: Filters, *, most: int = 200
    ) -> dict[int, float]:
        """By meaning, as the Protocol says."""

        def read(connection: sqlite3.Connection) -> dict[int, float]:
            found: dict[int, float] = {}
            for shelf in self._current(connection, scope):
                cosines = _cosines(shelf.vectors, vector)
                fits = self._fitting(connection, shelf, scope, filters) & shelf.embedded
                cosines[~fits] = -np.inf
                few = len(cosines) <= most
                best = np.arange(len(cosines)) if few else np.argpartition(-cosines, most)[:most]
                best = best[fits[best]]
                found |= zip(shelf.numbers[best].tolist(), cosines[best].tolist(), strict=True)
            return dict(sorted(found.items(), key=lambda each: -each[1])[:most])

        return await self._database.read(read)

    async def cosines(self, vector: FloatArray, numbers: Sequence[int], scope: Scope) -> dict[int, float]:
        """Exact cosines, as the Protocol says."""

        def read(connection: sqlite3.Connection) -> dict[int, float]:
            found: dict[int, float] = {}
            for shelf in self._current(connection, scope):
                places = shelf.places(np.array(sorted(numbers), np.int64))
                places = places[shelf.embedded[places] & shelf.readable(places, scope.team)]
                cosines = _cosines(shelf.vectors[places], vector)
                found |= zip(shelf.numbers[places].tolist(), cosines.tolist(), strict=True)
            return found

        return await self._database.read(read)

    async def mentioning(
        self, entities: Sequence[Entity], scope: Scope, filters: Filters, *, depth: int = 1, most: int = 200
    ) -> dict[int, float]:
        """By names, as the Protocol says."""
        if not entities:
            return {}

        def read(connection: sqlite3.Connection) -> dict[int, float]:
            shelves = [
                (shelf, self._fitting(connection, shelf, scope, filters))
                for shelf in self._current(connection, scope)
            ]
            return spreading.mentioning(connection, entities, shelves, depth=depth, most=most)

        return await self._database.read(read)

    async def path(
        self, start: Entity, end: Entity, scope: Scope, filters: Filters, *, longest: int = LONGEST
    ) -> NamePath | None:
        """The shortest way between two names, as the Protocol says."""
        return await self._database.read(lambda c: path(c, start, end, scope, filters, longest=longest))

    async def names(self, scope: Scope, *, most: int = 50) -> list[Mention]:
        """The names most often held, as the Protocol says."""

        def read(connection: sqlite3.Connection) -> list[Mention]:
            where, values = memories.mine(scope)
            rows = connection.execute(
                "SELECT node.label, node.key, node.name, json_group_array(memory.id) AS ids"
                " FROM node JOIN mention ON node_id = node.id AND item_kind = 'memory'"
                f" JOIN (SELECT number, id FROM memory WHERE closed_at IS NULL AND {where}) AS memory"
                " ON number = item_id GROUP BY node.id ORDER BY count(*) DESC, node.key LIMIT ?",
                (*values, most),
            )
            return [
                Mention(Entity(row["label"], row["key"], row["name"]), tuple(json.loads(row["ids"])))
                for row in rows
            ]

        return await self._database.read(read)

    async def begin_feed(self, target: str) -> bool:
        """Let an index read the outbox, as the Protocol says."""
        return await self._database.write(lambda c: outbox.begin(c, target, now()))

    async def end_feed(self, target: str) -> None:
        """Forget an index, as the Protocol says."""
        await self._database.write(lambda c: outbox.end(c, target))

    @asynccontextmanager
    async def feeding(self, target: str) -> AsyncGenerator[bool]:
        """Be the only one to feed an index, as the Protocol says."""
        lock = FileLock(f"{self._database.path}.{target}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    async def pending(self, target: str, *, most: int = 500) -> list[Change] | None:
        """What an index has not heard, as the Protocol says."""
        return await self._database.read(lambda c: outbox.pending(c, target, most))

    async def fed(self, target: str, number: int) -> None:
        """Note how far an index came, as the Protocol says."""
        await self._database.write(lambda c: outbox.fed(c, target, number, now()))

    async def behind(self) -> dict[str, int]:
        """How far behind each index is, as the Protocol says."""
        return await self._database.read(outbox.lag)

    async def indexed(self, ids: Sequence[str]) -> list[Indexed]:
        """Memories as indexes are given them, as the Protocol says."""
        return await self._database.read(lambda c: soundness.indexed(c, ids))

    async def every(self, *, size: int = 500) -> AsyncIterator[list[Indexed]]:
        """All memories in portions, as the Protocol says."""
        after = 0
        while portion := await self._database.read(lambda c, after=after: soundness.portion(c, after, size)):
            yield portion
            after = portion[-1].stored.number

    async def without_vector(self, model: str, *, most: int = 64) -> list[tuple[int, str]]:
        """Memories without a vector of a model, as the Protocol says."""
        return await self._database.read(lambda c: soundness.without_vector(c, model, most))

    async def put_vectors(self, model: str, vectors: Mapping[int, FloatArray]) -> None:
        """Write vectors, as the Protocol says."""

        def write(connection: sqlite3.Connection) -> None:
            documents.check_model(connection, model)
            documents.record_model(connection, model)
            soundness.put_vectors(connection, model, vectors, now())

        await self._database.write(write)

    async def check(self) -> list[str]:
        """What is wrong within, as the Protocol says."""
        return await self._database.read(
            lambda c: soundness.check(c, self._dimensions if self._model else None)
        )

    async def mend(self) -> int:
        """Make anew what is wrong, as the Protocol says."""
        return await self._database.write(
            lambda c: soundness.mend(c, self._dimensions if self._model else None, now())
        )

    async def counts(self) -> dict[str, Any]:
        """How much is kept, as the Protocol says."""
        return await self._database.read(soundness.counts)

    def _current(self, connection: sqlite3.Connection, scope: Scope) -> list[Shelf]:
        """The shelves of a scope as the transaction sees them; runs in the reading thread alone."""
        current: list[Shelf] = []
        for owner in scope.owners:
            shelf = self._shelves.pop(owner, None)
            if shelf is None:
                if self._model is not None:
                    documents.check_model(connection, self._model)
                shelf = Shelf(owner, self._dimensions)
            shelf.refresh(connection, self._model)
            self._shelves[owner] = shelf
            current.append(shelf)
        while len(self._shelves) > MOST_SHELVES:
            del self._shelves[next(iter(self._shelves))]
        return current

    def _fitting(self, connection: sqlite3.Connection, shelf: Shelf, scope: Scope, filters: Filters) -> Any:
        fits = shelf.fitting(filters, scope.team)
        if filters.source is not None:
            rows = connection.execute("SELECT number FROM source WHERE uri = ?", (filters.source,))
            # Not in place: the shelf keeps `fits` for the next arm.
            fits = fits & np.isin(shelf.numbers, [row["number"] for row in rows])
        return fits


def _cosines(vectors: FloatArray, vector: FloatArray) -> npt.NDArray[np.float32]:
    # Not `@`: BLAS starts threads that spin, so that beside other work 10,000 vectors took 12 ms, and this 2.
    return np.einsum("ij,j->i", vectors, vector)


def _largest(scores: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.int64]:
    """Places of the largest scores above 0; of equal ones the first."""
    above = np.flatnonzero(scores > 0)
    return above[np.argsort(-scores[above], kind="stable")[:most]]


def _ordered(scores: dict[int, float]) -> list[tuple[int, float]]:
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))
