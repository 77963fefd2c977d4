"""The derived indexes that the settings ask for; a vendor's file is imported only where it is asked for."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.memory.indexes.index import GraphIndex, Index, VectorIndex
    from atlas_mcp.settings import MemorySettings
    from atlas_mcp.text.embedding import Embedder

__all__ = ["Indexes", "clear_damaged", "open_indexes"]


@dataclass(frozen=True, slots=True)
class Indexes:
    """What stands beside the record: an index of vectors, one of names, or neither.

    The vector index is asked from `vectors_from` memories of a scope on.
    """

    vectors: VectorIndex | None = None
    graph: GraphIndex | None = None
    vectors_from: int = 0

    @property
    def all(self) -> tuple[Index, ...]:
        """Each of them."""
        return tuple(index for index in (self.vectors, self.graph) if index is not None)


def clear_damaged(home: Path) -> None:
    """Delete what was moved aside of an embedded store that was damaged: it hears of no forgetting."""
    for folder in home.glob("chroma.broken-*"):
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def open_indexes(
    home: Path, settings: MemorySettings | None, embedder: Embedder | None
) -> AsyncGenerator[Indexes]:
    """The indexes of a data folder; one that is down is there all the same, and is fed when it is back.

    Raises:
        InvalidConfiguration: an address is none.
        MissingExtra: what an index needs is not installed.
    """
    async with AsyncExitStack() as stack:
        vectors: VectorIndex | None = None
        graph: GraphIndex | None = None
        if settings is not None and settings.chroma:
            from atlas_mcp.memory.indexes.chroma.index import open_chroma

            model = embedder.name if embedder else None
            vectors = await stack.enter_async_context(open_chroma(settings.chroma, home, model=model))
        if settings is not None and settings.neo4j:
            from atlas_mcp.memory.indexes.naming import record_name
            from atlas_mcp.memory.indexes.neo4j.index import configured, open_graph

            if address := configured(settings):
                graph = await stack.enter_async_context(open_graph(address, record=record_name(home)))
        yield Indexes(vectors, graph, settings.chroma_from if settings else 0)
