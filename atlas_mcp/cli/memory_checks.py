"""What `doctor` looks at in memory: how much is kept, by what it is found, and how the indexes stand.

The record is only read; an index is asked one question and told nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from atlas_mcp.cli.check import Check
from atlas_mcp.errors import AtlasError
from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from atlas_mcp.cli.check import Health
    from atlas_mcp.settings import Settings

__all__ = ["memory_checks"]

REACH_SECONDS = 45.0
"""An embedded Chroma that nobody uses is started for the question, which takes seconds on a busy machine."""
READ_SECONDS = 3.0

_MODULES = {"chroma": "chromadb", "neo4j": "neo4j"}
_ADDS = {
    "chroma": "not configured; exact vectors in the record serve up to some tens of thousands of memories",
    "neo4j": "not configured; names in the record are followed from memory to memory without it",
}


# Of documents those that somebody took in for good: what a run was pointed at, and the handbook, are read
# anew when they are wanted.
_COUNTS = """
WITH kept AS (SELECT id FROM document WHERE scope LIKE 'user:%'),
     part AS (SELECT id FROM passage WHERE document_id IN (SELECT id FROM kept))
SELECT (SELECT count(*) FROM memory), (SELECT count(closed_at) FROM memory), (SELECT count(*) FROM kept),
       (SELECT count(*) FROM part),
       (SELECT count(*) FROM vector WHERE passage_id IN (SELECT id FROM part))
         + (SELECT count(*) FROM memory_vector)
"""


class _Kept(NamedTuple):
    """What the record holds, and how many changes each index has not heard."""

    memories: int
    superseded: int
    documents: int
    passages: int
    vectors: int
    behind: dict[str, int]


async def memory_checks(settings: Settings) -> list[Check]:
    """How memory stands, in the order in which a person would mend it."""
    kept = await asyncio.to_thread(_read, settings.home / "memory.db")
    embeddings = await _embeddings(settings)
    checks = [*_remembered(kept, embedded=embeddings.health == "ok"), embeddings]
    for name, where in (("chroma", settings.memory.chroma), ("neo4j", settings.memory.neo4j)):
        checks.append(await _index(settings, name, where, kept))
    return checks


def _remembered(kept: _Kept | None, *, embedded: bool) -> Iterable[Check]:
    if kept is None:
        return  # nothing kept yet, or the line on the database says what is wrong
    superseded = f" ({kept.superseded:,} superseded)" if kept.superseded else ""
    memories = f"{kept.memories:,} {'memory' if kept.memories == 1 else 'memories'}{superseded}"
    of = kept.memories + kept.passages
    says = f"{memories}, {counted(kept.documents, 'document')} in {counted(kept.passages, 'passage')}"
    if embedded and kept.vectors < of:
        says += f"; {of - kept.vectors:,} of them are found by words alone"
        yield Check("Remembered", "hint", says, "atlas-mcp setup embeddings")
    else:
        yield Check("Remembered", "ok", f"{says}, {counted(kept.vectors, 'vector')}")


async def _embeddings(settings: Settings) -> Check:
    from atlas_mcp.text.weights import verify_weights, weights_path

    if isinstance(settings.memory.embeddings, str):
        return await _embedding_elsewhere(settings, settings.memory.embeddings)
    if not settings.memory.embeddings:
        says = "switched off by [memory] embeddings; words alone find documents and memories"
        return Check("Embeddings", "hint", says)
    path = weights_path(settings.home)
    if path is None:
        says = "the weights are not installed; documents and memories are found by words, not yet by meaning"
        return Check(
            "Embeddings", "hint", f"{says}: asked for cars, none on vehicles", "atlas-mcp setup embeddings"
        )
    try:
        await asyncio.to_thread(verify_weights, path, settings.home)
    except AtlasError as error:
        return Check("Embeddings", "broken", error.message, error.remedy)
    return Check("Embeddings", "ok", f"all-MiniLM-L6-v2 at {path}")


async def _embedding_elsewhere(settings: Settings, name: str) -> Check:
    """Whether a provider's model gives vectors; it is asked for that of one word."""
    from atlas_mcp.providers.embedding import measured_length, registry_of

    registry = await asyncio.to_thread(registry_of, settings)
    try:
        source = await asyncio.to_thread(registry.embedding, name)
        length = await measured_length(source)
    except AtlasError as error:
        return Check("Embeddings", "broken", f"{name}: {error.message}", error.remedy)
    finally:
        await registry.aclose()
    address = source.info.address
    where = f" at {address}" if address else ""
    return Check("Embeddings", "ok", f"{source.info.name}{where}, vectors of {length:,} numbers")


async def _index(settings: Settings, name: str, where: str, kept: _Kept | None) -> Check:
    title = "Chroma" if name == "chroma" else "Neo4j"
    if not where:
        return Check(title, "ok", _ADDS[name])
    if find_spec(_MODULES[name]) is None:
        todo = f"In the checkout: uv tool install '.[{name}]', or take it out of [memory] in {settings.file}."
        return Check(title, "broken", f"configured ({where}), and not installed", todo)
    try:
        async with asyncio.timeout(REACH_SECONDS):
            filled = await _filled(settings, name)
    except AtlasError as error:
        return Check(title, "broken", error.message, error.remedy)
    except TimeoutError:
        says = f"{where} does not answer within {REACH_SECONDS:.0f} s; the record answers without it"
        return Check(title, "broken", says, "Start it, or correct its address.")
    health, says, todo = _standing(name, kept, filled=filled)
    return Check(title, health, f"{where}: {says}", todo)


def _standing(name: str, kept: _Kept | None, *, filled: bool) -> tuple[Health, str, str]:
    """How an index that answers stands, and what to type."""
    if kept is None or not kept.memories:
        return "ok", "nothing to hold yet", ""
    if not filled or name not in kept.behind:
        return "hint", "not filled yet; it is while ATLAS serves", f"atlas-mcp memory rebuild {name}"
    if behind := kept.behind[name]:
        says = f"{counted(behind, 'change')} behind, which it is told while ATLAS serves"
        return "hint", says, "atlas-mcp memory check --mend"
    return "ok", "has heard everything", ""


async def _filled(settings: Settings, name: str) -> bool:
    """Whether an index was filled; it is reached for that."""
    from atlas_mcp.memory.indexes.feeding import Telling
    from atlas_mcp.memory.indexes.opening import open_indexes

    if name == "chroma" and settings.memory.chroma == "embedded" and not (settings.home / "chroma").is_dir():
        return False  # asking would make it
    alone = {"chroma": {"neo4j": ""}, "neo4j": {"chroma": ""}}[name]
    memory = settings.memory.model_copy(update=alone)
    async with open_indexes(settings.home, memory, None) as indexes:
        index = indexes.vectors or indexes.graph
        return not isinstance(index, Telling) or await index.filled()


def _read(path: Path) -> _Kept | None:
    """What a record holds; None where there is none that this version can read."""
    if not path.is_file():
        return None
    try:
        with closing(
            sqlite3.connect(path.as_uri() + "?mode=ro", uri=True, timeout=READ_SECONDS)
        ) as connection:
            counts: tuple[int, int, int, int, int] = connection.execute(_COUNTS).fetchone()
            behind = dict(connection.execute(
                "SELECT target, (SELECT count(*) FROM outbox WHERE outbox.number > feed.number) FROM feed"
                " WHERE number >= 0"  # below are those that were lost, and must be filled anew
            ).fetchall())  # fmt: skip
    except sqlite3.Error:
        return None
    return _Kept(*counts, behind)
