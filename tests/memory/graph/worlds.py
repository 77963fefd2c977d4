"""Memories of several owners and teams, made by chance, and what a graph of them answers by the book."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from atlas_mcp.learning import Evidence, Learning, LearningKind
from atlas_mcp.memory.record import graph
from atlas_mcp.memory.record.record import Filters, NewEntry
from atlas_mcp.memory.scope import Scope
from atlas_mcp.text.entities import Entity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.memory.record.record import Indexed, Record

__all__ = ["NAMES", "SCOPES", "Question", "answer", "chance_of", "fill", "readable", "shortest"]

NAMES = [
    entity
    for number in range(9)
    for entity in (
        Entity("name", f"name {number}", f"Name {number}"),
        Entity("code", f"name {number}", f"name {number}"),
    )
]
SCOPES = [
    Scope(user, project, team)
    for user in ("anna", "bob")
    for project in (None, "delta")
    for team in (None, "red", "blue")
]
TIMES = [f"2026-0{month}-01T00:00:00.000000+00:00" for month in range(1, 8)]


def chance_of(seed: int) -> Random:
    """Chance that is the same every time."""
    return Random(seed)  # noqa: S311 - nothing secret


async def fill(record: Record, chance: Random, *, memories: int = 60) -> None:
    """Write memories of every scope, some of which end, and some of which are superseded."""
    written: dict[Scope, list[str]] = defaultdict(list)
    for number in range(memories):
        scope = chance.choice(SCOPES)
        since = chance.choice(TIMES[:-1])
        until = chance.choice([None, None, TIMES[-1]])
        learning = Learning(
            chance.choice(list(LearningKind)), f"Memory {number}.",
            (Evidence("quote", "so", chance.choice(["file:///a", "file:///b"])),),
            team=scope.team, shared=scope.project is not None and chance.random() < 0.5,
            valid_from=since, valid_to=until,
        )  # fmt: skip
        names = tuple(chance.sample(NAMES, chance.choice([0, 1, 2, 2, 3])))
        closes = tuple(chance.sample(written[scope], 1)) if written[scope] and chance.random() < 0.1 else ()
        (added,) = await record.add([NewEntry(learning, entities=names, closes=closes)], scope)
        written[scope].append(added.id)


@dataclass(frozen=True)
class Question:
    """What somebody may ask of a graph."""

    names: tuple[Entity, ...]
    scope: Scope
    filters: Filters
    depth: int
    most: int

    @classmethod
    def by(cls, chance: Random) -> Question:
        """A question by chance."""
        filters = Filters(
            at=chance.choice([None, None, *TIMES]),
            kinds=frozenset(chance.choice([[], [], list(LearningKind)[:2]])),
            source=chance.choice([None, None, "file:///a"]),
            closed=chance.random() < 0.5,
            until=chance.choice([None, "9000"]),
            since=chance.choice([None, None, None, "9000"]),
        )
        names = tuple(chance.sample(NAMES, chance.choice([1, 2, 3])))
        return cls(names, chance.choice(SCOPES), filters, chance.choice([1, 2, 3, 4]), chance.choice([3, 50]))


def readable(items: Sequence[Indexed], scope: Scope, filters: Filters) -> list[Indexed]:
    """What may be read and is meant."""

    def fits(item: Indexed) -> bool:
        stored = item.stored
        return (
            stored.owner in scope.owners
            and (scope.team is None or stored.team in (None, scope.team))
            and (stored.holds(filters.at) if filters.at else filters.closed or stored.closed_at is None)
            and (not filters.kinds or stored.kind in filters.kinds)
            and (not filters.source or any(each.source == filters.source for each in stored.evidence))
            and (not filters.since or stored.recorded_at >= filters.since)
            and (not filters.until or stored.recorded_at < filters.until)
        )

    return [item for item in items if fits(item)]


def answer(items: Sequence[Indexed], question: Question) -> dict[str, float]:
    """Ids and weights, the heaviest first, from all memories there are."""
    held = {item.stored.id: item.entities for item in readable(items, question.scope, question.filters)}
    holders = _holders(held)
    reached: dict[str, float] = {}
    asked = set(question.names)
    names: dict[Entity, float] = dict.fromkeys(question.names, 1.0)
    for _ in range(question.depth):
        gained: dict[str, float] = defaultdict(float)
        for name, weight in names.items():
            for memory in holders.get(name, []):
                if memory not in reached:
                    gained[memory] += weight / (1 + math.log(len(holders[name])))
        reached |= gained
        names = {}
        for memory in _ordered(gained)[: graph.FOLLOWED]:
            for name in held[memory]:
                if name not in asked and len(holders[name]) <= graph.COMMON:
                    names[name] = max(names.get(name, 0.0), gained[memory] / 2)
        asked |= names.keys()
    return {memory: reached[memory] for memory in _ordered(reached)[: question.most]}


def shortest(items: Sequence[Indexed], question: Question) -> int | None:
    """How many memories lie between the first two names of a question."""
    start, end = question.names[0], question.names[-1]
    held = {item.stored.id: item.entities for item in readable(items, question.scope, question.filters)}
    holders = _holders(held)
    met, edge = {start}, {start}
    for length in range(graph.LONGEST + 1):
        if end in edge:
            return length
        edge = {name for at in edge for memory in holders.get(at, []) for name in held[memory]} - met
        met |= edge
    return None


def _holders(held: Mapping[str, Sequence[Entity]]) -> dict[Entity, list[str]]:
    holders: dict[Entity, list[str]] = defaultdict(list)
    for memory, names in held.items():
        for name in names:
            holders[name].append(memory)
    return holders


def _ordered(weights: Mapping[str, float]) -> list[str]:
    return sorted(weights, key=lambda memory: (round(weights[memory], 9), memory), reverse=True)
