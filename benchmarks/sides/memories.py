"""ATLAS's memory as a side of the benchmark: the record with words, meaning and names."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from atlas_mcp.learning import Evidence, Learning, LearningKind
from atlas_mcp.memory.memory import Memory, open_memory
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.memory.scope import Scope
from atlas_mcp.settings import Settings
from atlas_mcp.text.embedding import find_embedder
from benchmarks.memory_world import DIMENSIONS, MODEL, vectors_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from benchmarks.memory_world import Made

__all__ = ["atlas"]

ANNA = Scope("anna")
NARROWED = {
    "": None,
    "kind": Filters(kinds=frozenset({LearningKind.FACT})),
    "since": Filters(since="2026-01-01T00:00:00"),
    "source": Filters(source="file:///notes/3.md"),
    "team": None,
}


class Instant:
    """Vectors that cost next to nothing, so that what is measured is the memory; or those of a model."""

    name = MODEL
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.model: Any = None

    async def embed(self, texts: Sequence[str], *, on_progress: Any = None) -> Any:
        if self.model:
            return await self.model.embed(texts, on_progress=on_progress)
        return vectors_of(texts)


class Atlas:
    """The record alone."""

    filters = ("kind", "since", "source", "team")

    def __init__(self) -> None:
        self._embedder = Instant()
        self._memory: Memory | None = None

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncGenerator[None]:
        async with open_memory(folder, self._embedder) as memory:
            self._memory = memory
            yield

    async def add(self, memories: list[Made]) -> None:
        assert self._memory
        await self._memory.remember([_learned(each) for each in memories], scope=ANNA)

    async def add_embedding(self, one: Made) -> None:
        """With the sentence model, where its weights are installed."""
        self._embedder.model = self._embedder.model or find_embedder(Settings().home)
        await self.add([one])

    async def recall(self, asked: str, narrowed: str) -> int:
        assert self._memory
        self._embedder.model = None
        scope = Scope("anna", team="research") if narrowed == "team" else ANNA
        return len(await self._memory.recall(asked, scope=scope, filters=NARROWED[narrowed]))


def _learned(one: Made) -> Learning:
    evidence = Evidence("quote", one.text[:60], one.source)
    return Learning(LearningKind(one.kind), one.text, (evidence,), 4.5, team=one.team, valid_from=one.since)


def atlas() -> Atlas:
    """ATLAS."""
    return Atlas()
