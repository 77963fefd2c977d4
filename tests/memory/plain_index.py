"""An index in memory that can be down, fail in the middle, or be emptied behind everyone's back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.memory.indexes.index import digest
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.record.record import NamePath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.memory.record.record import Indexed
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.entities import Entity
    from atlas_mcp.text.ranking import FloatArray


class PlainIndex:
    """Holds items in a dictionary; `puts` counts them. It fails after `fail_after` more puts, if set."""

    def __init__(self, name: str = "plain") -> None:
        self.name = name
        self.items: dict[str, Indexed] = {}
        self.held: dict[str, str] = {}
        self.unfindable: set[str] = set()
        self.down = False
        self.fail_after: int | None = None
        self.puts = 0
        self._filled = False
        self._changed = asyncio.Condition()

    async def put(self, items: Sequence[Indexed]) -> None:
        self._see()
        for item in items:
            if self.fail_after is not None:
                self.fail_after -= 1
                if self.fail_after < 0:
                    self.down = True
                    self._see()
            self.puts += 1
            self.items[item.stored.id] = item
            self.held[item.stored.id] = digest(item)
        async with self._changed:
            self._changed.notify_all()

    async def holds(self, many: int) -> None:
        """Wait until it holds so many items."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.held) >= many)

    async def remove(self, ids: Sequence[str]) -> None:
        self._see()
        for each in ids:
            self.items.pop(each, None)
            self.held.pop(each, None)
            self.unfindable.discard(each)

    async def clear(self) -> None:
        self._see()
        self.empty()

    def empty(self) -> None:
        """Lose everything."""
        self._filled = False
        self.items.clear()
        self.held.clear()

    async def filled(self) -> bool:
        self._see()
        return self._filled

    async def note_filled(self) -> None:
        self._filled = True

    async def digests(self) -> dict[str, str]:
        self._see()
        return dict(self.held)

    async def lost(self, items: Sequence[Indexed]) -> list[str]:
        self._see()
        return [item.stored.id for item in items if item.stored.id in self.unfindable]

    async def nearest(self, vector: FloatArray, scope: Scope, *, most: int) -> dict[str, float]:
        self._see()
        near = {
            item.stored.id: float(item.vector @ vector)
            for item in self.items.values()
            if item.vector is not None and item.stored.owner in scope.owners and item.stored.holds(now())
        }
        return dict(sorted(near.items(), key=lambda each: -each[1])[:most])

    async def mentioning(
        self, entities: Sequence[Entity], scope: Scope, *, depth: int, most: int
    ) -> dict[str, float]:
        self._see()
        names = {(each.label, each.key) for each in entities}
        return (
            {
                item.stored.id: 1.0 / depth
                for item in self.items.values()
                if item.stored.owner in scope.owners and names & {(e.label, e.key) for e in item.entities}
            }
            if most
            else {}
        )

    async def path(self, start: Entity, end: Entity, scope: Scope, *, longest: int) -> NamePath | None:
        self._see()
        wanted = {(start.label, start.key), (end.label, end.key)}
        held = (
            item.stored.id
            for item in self.items.values()
            if item.stored.owner in scope.owners and wanted <= {(e.label, e.key) for e in item.entities}
        )
        found = next(held, None)
        if found is None or not longest:
            return None
        return NamePath(((start.label, start.key), (end.label, end.key)), (found,))

    async def close(self) -> None:
        """Nothing is open."""

    def _see(self) -> None:
        if self.down:
            raise IndexUnavailable("It is down.", remedy="Wait.")
