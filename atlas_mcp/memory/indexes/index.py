"""The boundary to derived indexes: what a vector store and a knowledge graph do for the record.

An index holds nothing that the record does not hold. It may be down, it may be emptied and filled again, and
whatever it answers is looked up in the record before anyone sees it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.memory.record.record import Indexed, NamePath
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.entities import Entity
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["FindsVectors", "FollowsNames", "GraphIndex", "Index", "VectorIndex", "digest"]


class Index(Protocol):
    """A derived index. Every method raises `IndexUnavailable` where it cannot be reached or used."""

    @property
    def name(self) -> str:
        """What it is called in settings, the outbox and reports: `chroma`, `neo4j`."""
        ...

    async def put(self, items: Sequence[Indexed]) -> None:
        """Hold these items as they are now; the same again changes nothing."""
        ...

    async def remove(self, ids: Sequence[str]) -> None:
        """Hold these items no more; what is not there is no error."""
        ...

    async def clear(self) -> None:
        """Hold nothing; what in the same place is not ours stays."""
        ...

    async def digests(self) -> dict[str, str]:
        """What it holds: the `digest` of each item as it was put, by memory id."""
        ...

    async def lost(self, items: Sequence[Indexed]) -> list[str]:
        """Ids of those items that it lists and does not find: a vector's self-query, a node's names."""
        ...

    async def close(self) -> None:
        """Let go of connections and processes."""
        ...


class FindsVectors(Protocol):
    """Whatever finds the nearest vectors."""

    async def nearest(self, vector: FloatArray, scope: Scope, *, most: int) -> dict[str, float]:
        """Id and cosine of the nearest memories that hold and that the scope may read, the best first."""
        ...


class FollowsNames(Protocol):
    """Whatever follows names from memory to memory."""

    async def mentioning(
        self, entities: Sequence[Entity], scope: Scope, *, depth: int, most: int
    ) -> dict[str, float]:
        """Memory id and weight of what holds, as `Record.mentioning` says, over any depth."""
        ...

    async def path(self, start: Entity, end: Entity, scope: Scope, *, longest: int) -> NamePath | None:
        """The shortest way between two names through what holds, as `Record.path` says."""
        ...


class VectorIndex(Index, FindsVectors, Protocol):
    """An index that finds the nearest vectors."""


class GraphIndex(Index, FollowsNames, Protocol):
    """An index that follows names."""


def digest(item: Indexed) -> str:
    """What two copies of a memory must have in common to be the same, as 16 hexadecimal digits."""
    stored = item.stored
    vector = "" if item.vector is None else hashlib.sha256(item.vector.astype("<f4").tobytes()).hexdigest()
    names = sorted((entity.label, entity.key) for entity in item.entities)
    whole = json.dumps([
        stored.id, stored.owner, stored.team, stored.kind, stored.text, stored.valid_from, stored.valid_to,
        stored.closed_at, stored.superseded_by, vector, names,
    ])  # fmt: skip
    return hashlib.sha256(whole.encode()).hexdigest()[:16]
