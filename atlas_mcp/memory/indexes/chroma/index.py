"""Vectors of memories in Chroma, embedded or on a server: an index that the record feeds.

Each owner has a collection, so that a question reads nothing of anybody else's and needs no filter; all that
is kept is an id, the vector and what decides whether a memory holds and who may read it. One more collection,
empty, is the mark that the index was filled: whoever finds no mark asks the record. A collection that does
not bear our signs is never read, changed or removed.
"""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.memory.indexes.chroma.folder import ChromaFolder, missing
from atlas_mcp.memory.indexes.chroma.server import ChromaServer
from atlas_mcp.memory.indexes.chroma.store import (
    CHANGE_SECONDS,
    MOST_ROWS,
    QUERY_SECONDS,
    REST_SECONDS,
    NoCollection,
)
from atlas_mcp.memory.indexes.index import digest
from atlas_mcp.memory.indexes.naming import record_name
from atlas_mcp.memory.moments import now

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
    from pathlib import Path

    from atlas_mcp.memory.indexes.chroma.store import Collection, Hit, Marks, Store
    from atlas_mcp.memory.record.record import Indexed
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["EMBEDDED", "ChromaIndex", "open_chroma"]

T = TypeVar("T")

EMBEDDED: Final = "embedded"
"""What `[memory] chroma` says for a folder of ours."""
MAKER = "atlas-mcp"
LAYOUT = 1
BATCH = 500
"""Items that one call writes: a question waits for no more than one such call."""
QUESTIONS = 100
SAME = 1e-3
"""A vector at most so far away is the one that was put."""
REBUILD = "Run `atlas-mcp memory rebuild chroma`; until then the record answers."


class ChromaIndex:
    """A `VectorIndex` in a store; `record` names whose it is, `model` is the one whose vectors it takes.

    `patience` is for how many seconds `nearest` may wait for an answer.
    """

    name = "chroma"

    def __init__(
        self, store: Store, *, record: str, model: str | None, patience: float = QUERY_SECONDS
    ) -> None:
        self._patience = patience
        self._store = store
        self._record = record
        self._model = model
        self._root = f"atlas-{record}"
        self._known: dict[str, Collection] = {}
        self._is_filled = False

    async def put(self, items: Sequence[Indexed]) -> None:
        """Hold these items as they are now, as the Protocol says; one without a vector is not held."""
        for owner, of_owner in _by_owner(items).items():
            held = [item for item in of_owner if _vector(item) is not None]
            bare = [item.stored.id for item in of_owner if _vector(item) is None]
            for start in range(0, len(held), BATCH):
                await self._upsert(owner, held[start : start + BATCH])
            if bare and (collection := await self._find(owner)):
                await self._on(self._store.delete(collection.key, bare))

    async def remove(self, ids: Sequence[str]) -> None:
        """Hold these items no more, as the Protocol says."""
        for collection in await self._ours():
            for start in range(0, len(ids), BATCH):
                await self._on(self._store.delete(collection.key, ids[start : start + BATCH]))

    async def clear(self) -> None:
        """Hold nothing, as the Protocol says; the mark goes first."""
        self._forget()
        mark = await self._store.find(self._root)
        if mark is not None:
            self._check_ours(mark)
            await self._store.drop(mark.name)
        for collection in await self._store.collections():
            if self._is_ours(collection):
                await self._store.drop(collection.name)

    async def filled(self) -> bool:
        """Whether it was filled since it was made: a store that was wiped or moved aside was not."""
        mark = await self._store.find(self._root)
        if mark is None:
            self._forget()
        else:
            self._check_ours(mark)
            self._is_filled = True
        return self._is_filled

    async def note_filled(self) -> None:
        """Note that it holds all that there was to hold."""
        if not await self.filled():
            await self._store.make(self._root, self._marks())
            self._is_filled = True

    async def digests(self) -> dict[str, str]:
        """What it holds, as the Protocol says."""
        held: dict[str, str] = {}
        for collection in await self._ours():
            start = 0
            while rows := await self._on(self._store.page(collection.key, start, MOST_ROWS)):
                held |= {item: str(marks.get("digest", "")) for item, marks in rows}
                start += len(rows)
        return held

    async def lost(self, items: Sequence[Indexed]) -> list[str]:
        """Ids of items that are not found by their own vector; one without a vector is none of them."""
        lost: list[str] = []
        for owner, of_owner in _by_owner(items).items():
            held = [(item, vector) for item in of_owner if (vector := _vector(item)) is not None]
            collection = await self._find(owner)
            if collection is None:
                lost += [item.stored.id for item, _ in held]
                continue
            for start in range(0, len(held), QUESTIONS):
                part = held[start : start + QUESTIONS]
                hits = await self._query(collection, np.stack([vector for _, vector in part]), 4)
                for (item, vector), found in zip(part, hits, strict=True):
                    if not _among(found, item) and not await self._found_alone(collection, item, vector):
                        lost.append(item.stored.id)
        return lost

    async def nearest(self, vector: FloatArray, scope: Scope, *, most: int) -> dict[str, float]:
        """Id and cosine of the nearest memories, as the Protocol says.

        :raises IndexUnavailable: it cannot be used, was not filled yet, or is of another embedding model.
        """
        await self._store.open(self._patience / 4)
        if not self._is_filled and not await self.filled():
            raise IndexUnavailable(
                f"Chroma at {self._store.place} is not filled yet.",
                remedy="It is being fed; the record answers.",
            )
        found: dict[str, float] = {}
        for owner in scope.owners:
            collection = await self._find(owner)
            if collection is None and not await self.filled():
                raise self._gone()
            if collection is not None:
                found |= await self._nearest(collection, vector, scope, most)
        return dict(sorted(found.items(), key=lambda each: (-each[1], each[0]))[:most])

    async def close(self) -> None:
        """Let go of connections and processes."""
        await self._store.close()

    async def _upsert(self, owner: str, items: Sequence[Indexed]) -> None:
        vectors = np.stack([vector for item in items if (vector := _vector(item)) is not None])
        model = self._model_of(items)
        collection = await self._find(owner)
        if collection is None:
            marks: Marks = {"owner": owner, "model": model, "dimensions": vectors.shape[1]}
            collection = await self._store.make(self._name(owner), self._marks() | marks)
            self._known[owner] = collection
        self._check_model(collection, model, vectors.shape[1])
        rows = {item.stored.id: (at, item) for at, item in enumerate(items)}
        await self._on(
            self._store.upsert(
                collection.key, list(rows), vectors[[at for at, _ in rows.values()]],
                [_noted(item) for _, item in rows.values()],
            )
        )  # fmt: skip

    async def _nearest(
        self, collection: Collection, vector: FloatArray, scope: Scope, most: int
    ) -> dict[str, float]:
        """The nearest that hold and may be read.

        Chroma's own filters are slower than exact search, and miss some; so where too few of the near ones
        may be read, the record is left to answer.
        """
        self._check_model(collection, self._model, len(vector))
        more = most + most // 2
        (hits,) = await self._query(collection, vector[None], more, seconds=self._patience)
        readable = _readable(hits, scope)
        if len(readable) < most and len(hits) == more:
            raise IndexUnavailable(
                "Too few of the memories that Chroma finds hold and may be read here.",
                remedy="The record answers.",
            )
        return {hit.id: 1 - hit.distance for hit in readable[:most]}

    async def _found_alone(self, collection: Collection, item: Indexed, vector: FloatArray) -> bool:
        """Whether an item is found among those of its digest: others of its vector may stand before it."""
        (hits,) = await self._query(collection, vector[None], 4, {"digest": digest(item)})
        return _among(hits, item)

    async def _query(
        self,
        collection: Collection,
        vectors: FloatArray,
        most: int,
        where: dict[str, Any] | None = None,
        *,
        seconds: float = CHANGE_SECONDS,
    ) -> list[list[Hit]]:
        asked = self._store.query(collection.key, vectors, most, where=where, seconds=seconds)
        return await self._on(asked)

    async def _on(self, asked: Awaitable[T]) -> T:
        """What is answered of a collection, unless it was taken away meanwhile."""
        try:
            return await asked
        except NoCollection:
            self._forget()
            raise self._gone() from None

    async def _find(self, owner: str) -> Collection | None:
        """An owner's collection; one that is found for the first time is made sure to be ours."""
        if owner not in self._known:
            found = await self._store.find(self._name(owner))
            if found is None:
                return None
            self._check_ours(found)
            self._known[owner] = found
        return self._known[owner]

    async def _ours(self) -> list[Collection]:
        """The collections of this record that hold items."""
        return [
            each
            for each in await self._store.collections()
            if self._is_ours(each) and each.name != self._root
        ]

    def _name(self, owner: str) -> str:
        return f"{self._root}-{hashlib.sha256(owner.encode()).hexdigest()[:24]}"

    def _marks(self) -> Marks:
        return {"made_by": MAKER, "v": LAYOUT, "record": self._record}

    def _is_ours(self, collection: Collection) -> bool:
        return all(collection.marks.get(key) == value for key, value in self._marks().items())

    def _check_ours(self, collection: Collection) -> None:
        if collection.marks.get("made_by") != MAKER or collection.marks.get("record") != self._record:
            raise IndexUnavailable(
                f"The collection {collection.name} at {self._store.place} was not made by this ATLAS.",
                remedy="Remove or rename it there, or name another server in [memory] chroma.",
            )
        if collection.marks.get("v") != LAYOUT:
            raise IndexUnavailable(
                f"The collection {collection.name} at {self._store.place} is of another version of ATLAS.",
                remedy="Update atlas-mcp, or remove that collection; it is made anew.",
            )

    def _check_model(self, collection: Collection, model: str | None, dimensions: int) -> None:
        its = (collection.marks.get("model"), collection.marks.get("dimensions"))
        if (model is not None and its[0] != model) or its[1] != dimensions:
            raise IndexUnavailable(
                f"Chroma at {self._store.place} holds vectors of {its[0]} ({its[1]} numbers each), and"
                f" {model or 'others'} ({dimensions}) are in use.",
                remedy=REBUILD,
            )

    def _model_of(self, items: Iterable[Indexed]) -> str:
        models = {item.model or "" for item in items}
        if len(models) > 1 or (self._model is not None and models != {self._model}):
            raise IndexUnavailable(
                f"Vectors of {' and '.join(sorted(models))} are to be put into Chroma, and"
                f" {self._model or 'one model'} is in use.",
                remedy="Run `atlas-mcp setup embeddings` to embed everything with one model.",
            )
        return models.pop()

    def _gone(self) -> IndexUnavailable:
        return IndexUnavailable(
            f"Chroma at {self._store.place} is being made anew.", remedy="The record answers meanwhile."
        )

    def _forget(self) -> None:
        self._known.clear()
        self._is_filled = False


@asynccontextmanager
async def open_chroma(
    where: str, home: Path, *, model: str | None, rest: float = REST_SECONDS
) -> AsyncGenerator[ChromaIndex]:
    """The index that `[memory] chroma` names: `embedded`, in the data folder, or a server's address.

    It may be down; nothing is started or asked before it is used, and what failed rests for `rest` seconds.

    :raises InvalidConfiguration: `where` is neither.
    :raises MissingExtra: Chroma is not installed.
    """
    store = ChromaFolder(home / "chroma", rest=rest) if where == EMBEDDED else ChromaServer(where, rest=rest)
    if find_spec("chromadb") is None:
        raise missing()
    index = ChromaIndex(store, record=record_name(home), model=model)
    try:
        yield index
    finally:
        await index.close()


def _by_owner(items: Sequence[Indexed]) -> dict[str, list[Indexed]]:
    owners: dict[str, list[Indexed]] = {}
    for item in items:
        owners.setdefault(item.stored.owner, []).append(item)
    return owners


def _vector(item: Indexed) -> FloatArray | None:
    """A vector that can be held: Chroma takes no other numbers than finite ones, and no direction from 0."""
    vector = item.vector
    return vector if vector is not None and np.isfinite(vector).all() and vector.any() else None


def _noted(item: Indexed) -> Marks:
    """What is kept beside a vector; every key each time, since Chroma keeps those that are left out."""
    stored = item.stored
    return {
        "digest": digest(item), "team": stored.team or "", "from": stored.valid_from,
        "to": stored.valid_to or "",
    }  # fmt: skip


def _readable(hits: Sequence[Hit], scope: Scope) -> list[Hit]:
    at = now()
    teams = {None, "", scope.team}
    return [
        hit for hit in hits
        if str(hit.marks["from"]) <= at and not "" < str(hit.marks["to"]) <= at
        and (scope.team is None or hit.marks["team"] in teams)
    ]  # fmt: skip


def _among(hits: Sequence[Hit], item: Indexed) -> bool:
    return any(hit.id == item.stored.id and hit.distance < SAME for hit in hits)
