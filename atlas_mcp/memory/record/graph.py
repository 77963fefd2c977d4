"""Questions to the graph of names and memories, and the paths that SQLite finds in it.

A name stands beside another where one memory holds both. What is asked, in which order it is followed and
how it is weighed is decided here by `Spread` and `PathSearch`, which know no store; each store asks its own
tables or nodes, so that all give the same answers.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from atlas_mcp.memory.record.record import Name, NamePath

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from atlas_mcp.memory.record.record import Filters
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.entities import Entity

__all__ = [
    "EXACT",
    "LONGEST",
    "PathSearch",
    "Spread",
    "commonness",
    "path",
]

STEP = 0.5
"""What is left of a weight one step further."""

FOLLOWED = 100
"""How many memories of a step, the heaviest, lead to the next one."""

COMMON = 200
"""A name that more memories hold leads nowhere, unless it was asked for."""

DEEPEST = 6
"""The most steps that are taken."""

LONGEST = 8
"""The most memories that a path leads through."""

EXACT = 9
"""Decimals to which weights are compared, since sums differ in the last ones by their order."""


def commonness(memories: int) -> float:
    """What the weight of a name is divided by, where so many readable memories hold it: 1 + ln(memories)."""
    return 1 + math.log(max(memories, 1))


class Spread:
    """What names lead to, step by step, whichever store is asked.

    A memory weighs, for each name it holds, that name's weight divided by the name's `commonness`. A name
    that was asked for weighs 1. The heaviest memories of a step lead to the names beside, each half as heavy
    as the heaviest of those memories that hold it. A name and a memory are met once, at the first step that
    reaches them. Of equal memories the one with the later id comes first.

    While it is `going_on`, a store says which memories hold its `names` (none for a name that more than
    `limit` hold), and then which names the `followed` memories hold.
    """

    def __init__(self, asked: Iterable[Entity], *, depth: int, most: int) -> None:
        self.names: dict[Name, float] = {(entity.label, entity.key): 1.0 for entity in asked}
        self.passed: set[Name] = set()
        self.followed: dict[str, float] = {}
        self._steps = min(depth, DEEPEST)
        self._taken = 0
        self._most = most
        self._reached: dict[str, float] = {}

    @property
    def going_on(self) -> bool:
        """Whether there are names to ask about, and a step to do it in."""
        return bool(self.names) and self._taken < self._steps

    @property
    def limit(self) -> int | None:
        """How many memories may hold one of the names; None where they were asked for."""
        return COMMON if self._taken else None

    @property
    def enough(self) -> int:
        """How many memories of a step are enough, if they are the heaviest that no earlier step met."""
        return max(self._most, FOLLOWED)

    def reach(self, memories: Mapping[str, float]) -> None:
        """Take the memories that hold the names, by id, with the sum of what the names give them."""
        new = {each: weight for each, weight in memories.items() if each not in self._reached}
        ordered = sorted(new.items(), key=lambda each: (round(each[1], EXACT), each[0]), reverse=True)
        self._reached |= ordered
        self._taken += 1
        self.followed = dict(ordered[:FOLLOWED]) if self._taken < self._steps else {}
        self.passed |= self.names.keys()
        self.names = {}

    def beside(self, held: Iterable[tuple[Name, float]]) -> None:
        """Take the names that followed memories hold, with the weight of a memory that does."""
        for name, weight in held:
            if name not in self.passed:
                self.names[name] = max(self.names.get(name, 0.0), STEP * weight)

    def answer(self) -> dict[str, float]:
        """Ids and weights of what was reached, the heaviest first."""
        ordered = sorted(
            self._reached.items(), key=lambda each: (round(each[1], EXACT), each[0]), reverse=True
        )
        return dict(ordered[: self._most])


class PathSearch:
    """The shortest path between two names, sought from both ends, whichever store is asked.

    Among equal paths one is chosen, always the same: a name is reached through the memory with the latest
    id, and through that from the first name in order. While it is `going_on`, a store says which names stand
    beside those of the `frontier`; of several ways to one of them the chosen one is enough.
    """

    def __init__(self, first: Entity, last: Entity, *, longest: int = LONGEST) -> None:
        start, end = (first.label, first.key), (last.label, last.key)
        self._came: tuple[dict[Name, tuple[str, Name] | None], ...] = ({start: None}, {end: None})
        self._edges: list[list[Name]] = [[start], [end]]
        self._left = min(longest, LONGEST)
        self._turn = 0
        self._meeting = start if start == end else None

    @property
    def going_on(self) -> bool:
        """Whether there is more to ask."""
        return self._meeting is None and self._left > 0 and all(self._edges)

    @property
    def frontier(self) -> Sequence[Name]:
        """The names to ask about: the last ones met from the side that met fewer."""
        return self._edges[self._turn]

    @property
    def passed(self) -> Collection[Name]:
        """The names that were met from that side; ways to them are of no use."""
        return self._came[self._turn].keys()

    def take(self, ways: Iterable[tuple[Name, str, Name]]) -> None:
        """Take what stands beside the frontier: a name of it, a memory that holds it, and a name beside."""
        came, others = self._came[self._turn], self._came[1 - self._turn]
        best: dict[Name, tuple[str, Name]] = {}
        for name, memory, beside in ways:
            if beside in came:
                continue
            known = best.get(beside)
            if known is None or memory > known[0] or (memory == known[0] and name < known[1]):
                best[beside] = (memory, name)
        came.update(best)
        self._left -= 1
        self._meeting = min((name for name in best if name in others), default=None)
        self._edges[self._turn] = sorted(best)
        self._turn = int(len(self._edges[1]) < len(self._edges[0]))

    def answer(self) -> NamePath | None:
        """The path, or None where there is none."""
        if self._meeting is None:
            return None
        before, after = (self._back(came, self._meeting) for came in self._came)
        names = (*(name for _, name in reversed(before)), self._meeting, *(name for _, name in after))
        return NamePath(names, tuple(memory for memory, _ in (*reversed(before), *after)))

    @staticmethod
    def _back(came: Mapping[Name, tuple[str, Name] | None], name: Name) -> list[tuple[str, Name]]:
        ways: list[tuple[str, Name]] = []
        while (way := came[name]) is not None:
            ways.append(way)
            name = way[1]
        return ways


# The record's own tables -----------------------------------------------------------------------------------


def path(
    connection: sqlite3.Connection, start: Entity, end: Entity, scope: Scope, filters: Filters,
    *, longest: int = LONGEST,
) -> NamePath | None:  # fmt: skip
    """The shortest way from a name to another through readable memories, or None; `PathSearch` says which."""
    holding = _Holding(scope, filters)
    search = PathSearch(start, end, longest=longest)
    while search.going_on:
        search.take(holding.beside(connection, search.frontier))
    return search.answer()


class _Holding:
    """Who holds what, among the memories that a scope may read and that filters let through."""

    def __init__(self, scope: Scope, filters: Filters) -> None:
        where, self._given = _readable(scope, filters)
        names = "node.scope IN (SELECT value FROM json_each(:owners))"
        # CROSS JOIN keeps the order in which the tables are gone through.
        self._memories = (
            "SELECT m.number, m.id FROM node CROSS JOIN mention ON node_id = node.id AND item_kind = 'memory'"
            f" CROSS JOIN memory AS m ON m.number = item_id WHERE {names}"
            f" AND label = :label AND key = :key AND {where}"
        )
        self._names = (
            "SELECT item_id, node.label, node.key FROM json_each(:numbers) AS each"
            " CROSS JOIN mention ON item_kind = 'memory' AND item_id = each.value"
            " CROSS JOIN node ON node.id = node_id"
        )

    def memories(self, connection: sqlite3.Connection, name: Name) -> list[tuple[int, str]]:
        """Number and id of the memories that hold a name."""
        rows = connection.execute(self._memories, {**self._given, "label": name[0], "key": name[1]})
        return [(row[0], row[1]) for row in rows]

    def names(self, connection: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[tuple[int, Name]]:
        """Number and name of all that memories hold."""
        for row in connection.execute(self._names, {"numbers": json.dumps(numbers)}):
            yield row[0], (row[1], row[2])

    def beside(
        self, connection: sqlite3.Connection, names: Iterable[Name]
    ) -> Iterator[tuple[Name, str, Name]]:
        """A name, a memory that holds it, and another name that this memory holds."""
        between: dict[int, list[tuple[str, Name]]] = defaultdict(list)
        for name in names:
            for number, memory_id in self.memories(connection, name):
                between[number].append((memory_id, name))
        for number, other in self.names(connection, list(between)):
            for memory_id, name in between[number]:
                yield name, memory_id, other


def _readable(scope: Scope, filters: Filters) -> tuple[str, dict[str, Any]]:
    """A condition on `memory AS m` with its parameters: what a scope may read and filters let through."""
    given: dict[str, Any] = {"owners": json.dumps(scope.owners)}
    parts = ["m.scope IN (SELECT value FROM json_each(:owners))"]
    if scope.team is not None:
        parts.append("(m.team IS NULL OR m.team = :team)")
        given["team"] = scope.team
    if filters.at is not None:
        parts.append("m.valid_from <= :at AND (m.valid_to IS NULL OR :at < m.valid_to)")
        given["at"] = filters.at
    elif not filters.closed:
        parts.append("m.closed_at IS NULL")
    if filters.kinds:
        parts.append("m.kind IN (SELECT value FROM json_each(:kinds))")
        given["kinds"] = json.dumps(sorted(filters.kinds))
    if filters.since is not None:
        parts.append("m.recorded_at >= :since")
        given["since"] = filters.since
    if filters.until is not None:
        parts.append("m.recorded_at < :until")
        given["until"] = filters.until
    if filters.source is not None:
        parts.append("EXISTS (SELECT 1 FROM source WHERE uri = :source AND source.number = m.number)")
        given["source"] = filters.source
    return " AND ".join(parts), given
