"""A derived index that answers as if it had heard everything: what is in the outbox is added to its answer.

So whoever asks sees each memory at once, however far behind the index is, and whichever process wrote it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.memory.metering import Meter
from atlas_mcp.memory.moments import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.memory.indexes.index import GraphIndex, VectorIndex
    from atlas_mcp.memory.record.record import Change, NamePath, Record
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.entities import Entity
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["CurrentGraph", "CurrentVectors"]

MOST_BEHIND = 1_000
"""Changed memories that are looked up for one question; an index further behind is not asked."""
MOST_CHANGES = 20_000


class CurrentVectors:
    """A vector index with what it has not heard yet."""

    def __init__(self, record: Record, index: VectorIndex, meter: Meter | None = None) -> None:
        self._record = record
        self._index = index
        self._meter = meter or Meter()

    async def nearest(self, vector: FloatArray, scope: Scope, *, most: int) -> dict[str, float]:
        """Id and cosine of the nearest memories that hold and that the scope may read, the best first.

        :raises IndexUnavailable: the index cannot be used, or is too far behind.
        """
        # What is written in between is in neither, or in both; what was written before the call is found.
        changes = await _behind(self._record, self._index.name, scope)
        with self._meter.measured("recall", self._index.name) as operation:
            found = await self._index.nearest(vector, scope, most=most)
            operation.items = len(found)
        changed = {change.item for change in changes}
        found = {item: cosine for item, cosine in found.items() if item not in changed}
        at = now()
        for item in await self._record.indexed(sorted(changed)):
            readable = scope.team is None or item.stored.team in {None, scope.team}
            if item.vector is not None and readable and item.stored.holds(at):
                found[item.stored.id] = float(item.vector @ vector)
        return dict(sorted(found.items(), key=lambda each: (-each[1], each[0]))[:most])


class CurrentGraph:
    """A graph index that is asked where it has heard everything of a scope; otherwise the record answers."""

    def __init__(self, record: Record, index: GraphIndex, meter: Meter | None = None) -> None:
        self._record = record
        self._index = index
        self._meter = meter or Meter()

    async def mentioning(
        self, entities: Sequence[Entity], scope: Scope, *, depth: int, most: int
    ) -> dict[str, float]:
        """Memory id and weight, as `GraphIndex.mentioning` says.

        :raises IndexUnavailable: the index cannot be used, or is behind.
        """
        await self._check(scope)
        with self._meter.measured("recall", self._index.name) as operation:
            found = await self._index.mentioning(entities, scope, depth=depth, most=most)
            operation.items = len(found)
            return found

    async def path(self, start: Entity, end: Entity, scope: Scope, *, longest: int) -> NamePath | None:
        """The shortest way between two names, as `GraphIndex.path` says.

        :raises IndexUnavailable: the index cannot be used, or is behind.
        """
        await self._check(scope)
        with self._meter.measured("recall", self._index.name) as operation:
            found = await self._index.path(start, end, scope, longest=longest)
            operation.items = len(found.memories) if found else 0
            return found

    async def _check(self, scope: Scope) -> None:
        if await _behind(self._record, self._index.name, scope):
            raise _too_far(self._index.name)


async def _behind(record: Record, name: str, scope: Scope) -> list[Change]:
    """What an index has not heard of a scope's memories."""
    changes = await record.pending(name, most=MOST_CHANGES)
    if changes is None or len(changes) > MOST_BEHIND:
        raise _too_far(name)
    return [change for change in changes if change.owner in scope.owners]


def _too_far(name: str) -> IndexUnavailable:
    return IndexUnavailable(
        f"The index {name} has not heard everything yet.", remedy="It is being fed; the record answers."
    )
