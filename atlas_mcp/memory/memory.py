"""One door to what ATLAS keeps: the record in `memory.db`, the snapshots beside it, search over both."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_mcp.database import open_database
from atlas_mcp.memory import documents as tables
from atlas_mcp.memory.knowledge import Knowledge
from atlas_mcp.memory.schema import MIGRATIONS
from atlas_mcp.memory.search import Search
from atlas_mcp.memory.snapshots import Snapshots

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Collection, Sequence
    from pathlib import Path

    from atlas_mcp.database import Database
    from atlas_mcp.memory.documents import KnownDocument
    from atlas_mcp.memory.knowledge import Ingested, Inline, OnProgress
    from atlas_mcp.messages import Passage
    from atlas_mcp.text.embedding import Embedder

__all__ = ["Memory", "MemoryStats", "open_memory"]


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
    """Documents in, passages out; every call names the scope it speaks for."""

    def __init__(self, database: Database, snapshots: Snapshots, embedder: Embedder | None) -> None:
        self.database = database
        self._knowledge = Knowledge(database, snapshots, embedder)
        self._search = Search(database, embedder)

    async def ingest(
        self, sources: Sequence[Path | Inline], *, scope: str, on_progress: OnProgress | None = None
    ) -> Ingested:
        """Take in files, folders and texts, as `Knowledge.ingest` says."""
        return await self._knowledge.ingest(sources, scope=scope, on_progress=on_progress)

    async def search(
        self, query: str, *, scope: str, documents: Collection[int] | None = None, k: int = 12
    ) -> list[Passage]:
        """The `k` best passages, as `Search.search` says."""
        return await self._search.search(query, scope=scope, documents=documents, k=k)

    async def documents(self, scope: str) -> list[KnownDocument]:
        """The documents of a scope, by uri."""
        return await self._knowledge.documents(scope)

    async def snapshot(self, sha256: str, *, scope: str | None = None) -> str:
        """The text of a snapshot, as `Knowledge.snapshot` says."""
        return await self._knowledge.snapshot(sha256, scope=scope)

    async def keep_computed(self, text: str, *, scope: str, uri: str) -> str:
        """Store what was computed, as `Knowledge.keep_computed` says; gives its sha256."""
        return await self._knowledge.keep_computed(text, scope=scope, uri=uri)

    async def original(self, uri: str, *, scope: str) -> bytes | None:
        """The bytes a document was read from, as `Knowledge.original` says."""
        return await self._knowledge.original(uri, scope=scope)

    async def forget(self, uri: str, *, scope: str) -> bool:
        """Forget a document and its versions; False if there was none."""
        return await self._knowledge.forget(uri, scope=scope)

    async def embed_again(self, *, on_progress: OnProgress | None = None) -> int:
        """Embed everything with the model in use; gives how many passages that took."""
        return await self._knowledge.embed_again(on_progress=on_progress)

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


@asynccontextmanager
async def open_memory(home: Path, embedder: Embedder | None) -> AsyncGenerator[Memory]:
    """Open the memory of a data folder; without an embedder, words alone find what is kept.

    :raises IncompatibleStore: `memory.db` was written by a newer version, or is no database.
    """
    async with open_database(home / "memory.db", MIGRATIONS) as database:
        yield Memory(database, Snapshots(home / "sources"), embedder)
