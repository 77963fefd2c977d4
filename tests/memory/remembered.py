"""Memories with vectors, as the tests of indexes need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulid import ULID

from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.record.record import Indexed, NewEntry, Stored
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.memory.record.record import Record
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.ranking import FloatArray

EMBEDDER = WordEmbedder()


def item(
    text: str = "The Danube ends in the Black Sea.", vector: FloatArray | None = None, *,
    owner: str = "user:ann", team: str | None = None, closed_at: str | None = None,
    valid_from: str = "2020-01-01", valid_to: str | None = None, id: str | None = None,  # noqa: A002
    model: str = EMBEDDER.name,
) -> Indexed:  # fmt: skip
    """A memory as an index is given it."""
    stored = Stored(
        1, id or f"m_{ULID()}", owner, LearningKind.FACT, text, 4.5, (), "run", now(), valid_from, valid_to,
        closed_at, team=team,
    )  # fmt: skip
    return Indexed(stored, vector, model=None if vector is None else model)


async def vector(text: str) -> FloatArray:
    """Where a text lies."""
    return (await EMBEDDER.embed([text]))[0]


async def keep(record: Record, scope: Scope, texts: Sequence[str]) -> list[str]:
    """Write texts with their vectors; gives their ids."""
    vectors = await EMBEDDER.embed(texts)
    entries = [
        NewEntry(Learning(LearningKind.FACT, text), each, EMBEDDER.name)
        for text, each in zip(texts, vectors, strict=True)
    ]
    return [added.id for added in await record.add(entries, scope)]
