"""One door to what ATLAS keeps: documents and memories in `memory.db`, snapshots beside it, and search."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas_mcp.database import open_database
from atlas_mcp.errors import InvalidInput
from atlas_mcp.learning import MOST_TEXT
from atlas_mcp.memory import lifecycle
from atlas_mcp.memory.documents import documents as tables
from atlas_mcp.memory.documents.knowledge import Knowledge
from atlas_mcp.memory.documents.search import Search
from atlas_mcp.memory.indexes import consistency
from atlas_mcp.memory.indexes.current import CurrentGraph, CurrentVectors
from atlas_mcp.memory.indexes.feeding import Feeder
from atlas_mcp.memory.indexes.opening import Indexes, clear_damaged, open_indexes
from atlas_mcp.memory.meaning import vectors_of
from atlas_mcp.memory.metering import DOCUMENTS, RECORD, Meter
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.queries import MeteredEmbedder
from atlas_mcp.memory.quoting import unquote
from atlas_mcp.memory.recall import Recall
from atlas_mcp.memory.record.record import Filters, NewEntry
from atlas_mcp.memory.record.schema import MIGRATIONS
from atlas_mcp.memory.record.sqlite_record import SqliteRecord
from atlas_mcp.memory.snapshots import Snapshots, is_storable
from atlas_mcp.text.entities import entities

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from atlas_mcp.database import Database
    from atlas_mcp.learning import Learning
    from atlas_mcp.memory.documents.documents import KnownDocument
    from atlas_mcp.memory.documents.knowledge import Ingested, Inline, OnProgress
    from atlas_mcp.memory.indexes.consistency import Consistency, OnStep
    from atlas_mcp.memory.indexes.feeding import OnItems
    from atlas_mcp.memory.lifecycle import Imported, Receipt
    from atlas_mcp.memory.recall import Recalled
    from atlas_mcp.memory.record.record import Added, Record, Stored
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.messages import Passage
    from atlas_mcp.settings import MemorySettings
    from atlas_mcp.text.embedding import Embedder

__all__ = ["Memory", "MemoryStats", "open_memory"]

PORTION = 64
HEAR_SECONDS = 10.0
"""How long forgetting waits for the indexes; one that is filled meanwhile may take minutes."""


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """How much is kept, over all scopes; `model` made the vectors, `size` is the database's in bytes."""

    documents: int
    passages: int
    vectors: int
    memories: int
    model: str | None
    size: int


class Memory:
    """Documents and memories in, passages and memories out; every call names the scope it speaks for."""

    def __init__(
        self, database: Database, snapshots: Snapshots, embedder: Embedder | None,
        indexes: Indexes | None = None,
    ) -> None:  # fmt: skip
        self.database = database
        self._snapshots = snapshots
        self.meter = meter = Meter()
        embedder = MeteredEmbedder(embedder, meter) if embedder is not None else None
        self.embedder: Embedder | None = embedder
        self._owes_vectors = True  # an earlier process may have left some without
        beside = indexes or Indexes()
        self.indexes = beside.all
        self.record: Record = SqliteRecord(database, embedder)
        self.graph = CurrentGraph(self.record, beside.graph, meter) if beside.graph else None
        self.feeder = Feeder(self.record, self.indexes, meter=meter)
        self._recall = Recall(
            self.record, embedder, vectors_from=beside.vectors_from, meter=meter,
            vectors=CurrentVectors(self.record, beside.vectors, meter) if beside.vectors else None,
        )  # fmt: skip
        self._knowledge = Knowledge(database, snapshots, embedder)
        self._search = Search(database, embedder, meter=meter)

    async def ingest(
        self, sources: Sequence[Path | Inline], *, scope: str, on_progress: OnProgress | None = None
    ) -> Ingested:
        """Take in files, folders and texts, as `Knowledge.ingest` says."""
        with self.meter.measured("ingest", DOCUMENTS) as operation:
            done = await self._knowledge.ingest(sources, scope=scope, on_progress=on_progress)
            operation.items = len(done.document_ids)
            return done

    async def search(
        self, query: str, *, scope: str, documents: Collection[int] | None = None, since: str | None = None,
        until: str | None = None, k: int = 12,
    ) -> list[Passage]:  # fmt: skip
        """The `k` best passages, as `Search.search` says."""
        return await self._search.search(
            query, scope=scope, documents=documents, since=since, until=until, k=k
        )

    async def documents(self, scope: str) -> list[KnownDocument]:
        """The documents of a scope, by uri."""
        return await self._knowledge.documents(scope)

    async def snapshot(self, sha256: str, *, scope: str | None = None) -> str:
        """The text of a snapshot, as `Knowledge.snapshot` says."""
        with self.meter.measured("read", DOCUMENTS) as operation:
            operation.items = 1
            return await self._knowledge.snapshot(sha256, scope=scope)

    async def keep_computed(self, text: str, *, scope: str, uri: str) -> str:
        """Store what was computed, as `Knowledge.keep_computed` says; gives its sha256."""
        with self.meter.measured("keep", DOCUMENTS) as operation:
            operation.items = 1
            return await self._knowledge.keep_computed(text, scope=scope, uri=uri)

    async def original(self, uri: str, *, scope: str) -> bytes | None:
        """The bytes a document was read from, as `Knowledge.original` says."""
        return await self._knowledge.original(uri, scope=scope)

    async def has_read(self, uri: str, *, scope: str) -> bool:
        """Whether a document or its text is there, as `Knowledge.has_read` says."""
        return await self._knowledge.has_read(uri, scope=scope)

    async def forget(self, uri: str, *, scope: str) -> bool:
        """Forget a document and its versions; False if there was none."""
        with self.meter.measured("forget", DOCUMENTS) as operation:
            operation.items = int(gone := await self._knowledge.forget(uri, scope=scope))
            return gone

    async def embed_again(self, *, on_progress: OnProgress | None = None) -> int:
        """Embed everything with the model in use; gives how many passages and memories that took."""
        passages = await self._knowledge.embed_again(on_progress=on_progress)
        return passages + await self.embed_memories()

    async def recall(
        self, query: str, *, scope: Scope, k: int = 8, filters: Filters | None = None
    ) -> list[Recalled]:
        """The `k` best memories for a query, as `Recall.recall` says; by default of those that hold now."""
        with self.meter.measured("recall", RECORD) as operation:
            found = await self._recall.recall(query, scope=scope, k=k, filters=filters)
            operation.items = len(found)
            return found

    async def remember(
        self, learnings: Sequence[Learning], *, scope: Scope,
        closes: Mapping[int, Sequence[str]] | None = None,
    ) -> list[Added]:  # fmt: skip
        """Keep learnings, whatever their score; `closes` are the ids that the learning at a place closes.

        :raises InvalidInput: a text is empty or longer than 2,000 characters, or a time is none.
        :raises IncompatibleStore: the stored vectors were made by another embedding model.
        """
        for learning in learnings:
            if not 0 < len(learning.text.strip()) <= MOST_TEXT:
                raise InvalidInput(
                    f"A memory of {len(learning.text)} characters cannot be kept.",
                    remedy=f"Give 1 to {MOST_TEXT:,} characters, or ingest it as a document.",
                )
            if not is_storable(learning.text):
                raise InvalidInput(
                    "A memory holds characters that no text has, such as bytes that are no UTF-8 become.",
                    remedy="Write it in UTF-8.",
                )
        return await self._remember(learnings, scope, closes or {})

    async def _remember(
        self, learnings: Sequence[Learning], scope: Scope, closes: Mapping[int, Sequence[str]]
    ) -> list[Added]:
        made = await vectors_of(self.embedder, [learning.text for learning in learnings])
        vectors: Sequence[Any] = [None] * len(learnings) if made is None else list(made)
        model = self.embedder.name if self.embedder else None
        entries = [
            NewEntry(learning, vector, model, tuple(entities(learning.text)), tuple(closes.get(at, ())))
            for at, (learning, vector) in enumerate(zip(learnings, vectors, strict=True))
        ]
        with self.meter.measured("keep", RECORD) as operation:
            operation.items = len(entries)
            added = await self.record.add(entries, scope)
        if made is not None:
            await self._make_up()
        elif learnings:
            self._owes_vectors = True
        self.feeder.wake()
        return added

    async def _make_up(self) -> None:
        """Embed a portion of what was kept while the embedder was down; what is left waits for the next."""
        if self.embedder is None or not self._owes_vectors:
            return
        missing = await self.record.without_vector(self.embedder.name, most=PORTION)
        vectors = await vectors_of(self.embedder, [text for _, text in missing])
        if vectors is not None:
            numbers = [number for number, _ in missing]
            await self.record.put_vectors(self.embedder.name, dict(zip(numbers, vectors, strict=True)))
        self._owes_vectors = len(missing) == PORTION or (bool(missing) and vectors is None)

    async def get_memories(self, ids: Sequence[str], *, scope: Scope) -> list[Stored]:
        """The memories of these ids that the scope may read; others are left out."""
        return await self.record.get(ids, scope)

    async def memories(
        self, scope: Scope, filters: Filters | None = None, *, after: int = 0, most: int = 100
    ) -> list[Stored]:
        """Memories in the order they were recorded, those behind `after`; by default what is not closed."""
        return await self.record.listing(scope, filters or Filters(), after=after, most=most)

    async def used(self, ids: Sequence[str], *, scope: Scope) -> None:
        """Note that memories were given to somebody; what is never used sinks in rank."""
        await self.record.used(ids, scope, at=now())

    async def forget_memories(self, ids: Sequence[str], *, scope: Scope, derived: bool = False) -> Receipt:
        """Delete memories, and with `derived` all learnings that rest on them; says what went."""
        return await self._forget(ids, "", scope, derived=derived)

    async def forget_document(self, uri: str, *, scope: Scope, derived: bool = False) -> Receipt:
        """Delete a document of the user's with its snapshots, and with `derived` what was learned from it."""
        return await self._forget((), uri, scope, derived=derived)

    async def _forget(self, ids: Sequence[str], uri: str, scope: Scope, *, derived: bool) -> Receipt:
        with self.meter.measured("forget", RECORD) as operation:
            receipt = await self._forgotten(ids, uri, scope, derived=derived)
            operation.items = len(receipt.memories)
            return receipt

    async def _forgotten(self, ids: Sequence[str], uri: str, scope: Scope, *, derived: bool) -> Receipt:
        known = {each.id for each in await self.record.get(ids, scope)}
        resting = await lifecycle.closure(self.record, sorted(known), [uri] if uri else [], scope)
        going = list(dict.fromkeys([*sorted(known), *(resting if derived else ())]))
        # What names the rest goes last: whoever is cut off finds by it what is still to do. Copies of the
        # words go again at the end, since somebody may have quoted them in between.
        snapshots = await self._drop_copies(going)
        gone = await self.record.remove(going, scope)
        snapshots += await self._drop_copies(going)
        document = uri if uri and await self.forget(uri, scope=scope.own) else ""
        removed = {each.id for each in gone}
        heard = await self.feeder.heard(seconds=HEAR_SECONDS)
        # An index that is not in use here, and was, hears of it from whoever uses it.
        heard = lifecycle.have_heard(await self.record.behind()) | heard
        runs, reminded = lifecycle.out_of_reach(gone)
        return lifecycle.Receipt(
            memories=tuple(sorted(known & removed)), document=document, snapshots=snapshots,
            derived=tuple(resting), derived_forgotten=derived,
            indexes={name: "done" if done else "pending" for name, done in heard.items()},
            unknown=tuple(each for each in ids if each not in known), runs=runs, reminded=reminded,
        )  # fmt: skip

    async def _drop_copies(self, ids: Sequence[str]) -> int:
        """Delete what holds the words of memories beside the record; gives how many snapshots that were."""
        if not ids:
            return 0
        await asyncio.to_thread(clear_damaged, self.database.path.parent)
        return await unquote(self.database, self._snapshots, ids)

    def export(self, scope: Scope) -> AsyncIterator[dict[str, Any]]:
        """Every memory of a scope as JSON objects, as `lifecycle.exported` says."""
        return lifecycle.exported(self.record, scope)

    async def import_memories(self, lines: Iterable[str], *, scope: Scope) -> Imported:
        """Take in the lines of an export; what is known stays, what cannot be read is named and left out."""
        done = lifecycle.Imported()
        portion: list[lifecycle.Line] = []
        ids: dict[str, str] = {}
        naming: dict[str, str] = {}
        # What holds the record knows again by its words; what no longer holds has to be looked up.
        closed = await lifecycle.closed_ones(self.record, scope)
        for number, line in lifecycle.read_lines(lines):
            if isinstance(line, str):
                done.skipped.append((number, line))
                continue
            if line.learning.shared and scope.shared is None:
                done.skipped.append((number, "It is shared, and no project is set in [memory]."))
                continue
            if line.closed_at and (known := closed.get(lifecycle.closed_as(line))):
                _note(line, known, ids, naming)
                done.known += 1
                continue
            portion.append(line)
            if len(portion) == PORTION:
                await self._take_in(portion, ids, naming, scope, done)
                portion = []
        await self._take_in(portion, ids, naming, scope, done)
        # At last, since a line may name one that comes long after it.
        await lifecycle.name_anew(self.record, ids, naming, scope)
        self.feeder.wake()
        return done

    async def _take_in(
        self, portion: Sequence[lifecycle.Line], ids: dict[str, str], naming: dict[str, str], scope: Scope,
        done: Imported,
    ) -> None:  # fmt: skip
        """Take in some lines, and note by which ids they are known here, and which of them name others."""
        added = await self.remember([line.learning for line in portion], scope=scope)
        known = await self.record.get([each.id for each in added if not each.new], scope)
        # Taken in by an import that was cut off before it closed them.
        ran_out = {each.id for each in known if each.valid_to and each.valid_to <= now()}
        for line, each in zip(portion, added, strict=True):
            _note(line, each.id, ids, naming)
            if each.new:
                done.added.append(each.id)
            else:
                done.known += 1
            if line.closed_at and (each.new or each.id in ran_out):
                at = line.learning.valid_to or line.closed_at
                await self.record.close([each.id], scope, at=at)

    async def check(self, *, mend: bool = False, on_progress: OnStep | None = None) -> Consistency:
        """Whether record and indexes agree, as `consistency.check` says; with `mend` they do afterwards."""
        return await consistency.check(
            self.record, self.indexes, mend=mend, on_progress=on_progress, meter=self.meter
        )

    async def rebuild(self, index: str, *, on_progress: OnItems | None = None) -> int:
        """Empty an index and fill it from the record, as `Feeder.rebuild` says."""
        return await self.feeder.rebuild(index, on_progress)

    async def embed_memories(self) -> int:
        """Embed memories that have no vector of the model in use; interrupted, the next call goes on."""
        if self.embedder is None:
            return 0
        done = 0
        while missing := await self.record.without_vector(self.embedder.name, most=PORTION):
            vectors = await self.embedder.embed([text for _, text in missing])
            numbers = [number for number, _ in missing]
            await self.record.put_vectors(self.embedder.name, dict(zip(numbers, vectors, strict=True)))
            done += len(missing)
        return done

    async def stats(self) -> MemoryStats:
        """How much is kept, and by which model the vectors were made."""

        def read(connection: sqlite3.Connection) -> MemoryStats:
            counts = connection.execute(
                "SELECT (SELECT count(*) FROM document) AS documents,"
                " (SELECT count(*) FROM passage) AS passages,"
                " (SELECT count(*) FROM vector) AS vectors, (SELECT count(*) FROM memory) AS memories,"
                " (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size) AS size"
            ).fetchone()
            return MemoryStats(**counts, model=tables.model_of(connection))

        return await self.database.read(read)


def _note(line: lifecycle.Line, here: str, ids: dict[str, str], naming: dict[str, str]) -> None:
    """Note by which id a line is known here, and if it names others, what it says it was superseded by."""
    if line.id:
        ids[line.id] = here
    if line.names_others:
        naming[here] = (line.closed_at and line.superseded_by) or naming.get(here, "")


@asynccontextmanager
async def open_memory(
    home: Path, embedder: Embedder | None, settings: MemorySettings | None = None
) -> AsyncGenerator[Memory]:
    """Open the memory of a data folder; without an embedder, words alone find what is kept.

    The indexes that `settings` name are fed in the background while it is open.

    :raises IncompatibleStore: `memory.db` was written by a newer version, or is no database.
    :raises InvalidConfiguration: an index cannot be used as it is configured.
    :raises MissingExtra: what an index needs is not installed.
    """
    async with (
        open_database(home / "memory.db", MIGRATIONS) as database,
        open_indexes(home, settings, embedder) as indexes,
    ):
        memory = Memory(database, Snapshots(home / "sources"), embedder, indexes)
        async with memory.feeder.running():
            yield memory
