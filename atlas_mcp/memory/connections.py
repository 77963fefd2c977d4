"""How names hang together through what is remembered: the chain between two, and what one leads to.

Neo4j is asked where it is configured, up and has heard everything; otherwise the record, which answers the
same. What an index names is looked up in the record before anyone sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from atlas_mcp.errors import IndexUnavailable, InvalidInput
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.recall import Recalled
from atlas_mcp.memory.record.graph import DEEPEST, LONGEST
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.text.entities import Entity, Label, akin, entities, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.memory.record.record import Name, NamePath, Stored
    from atlas_mcp.memory.scope import Scope

__all__ = ["LONGEST", "USUAL_DEPTH", "Chain", "around", "chain"]

USUAL_DEPTH = 3
"""Steps that are taken from one name unless told otherwise."""

LONGEST_NAME = 200
KNOWN_NAMES = 1_000
"""Names among which those are looked for that somebody may have meant."""
MEANT = 3


@dataclass(frozen=True, slots=True)
class Chain:
    """How two names hang together: memory i holds the names i and i + 1."""

    names: tuple[str, ...]
    memories: tuple[Stored, ...]


async def chain(memory: Memory, start: str, end: str, scope: Scope, *, deep: int = LONGEST) -> Chain | None:
    """The shortest chain between two names through at most `deep` memories that hold now; None for none.

    Raises:
        InvalidInput: no memory holds one of the names, both are the same, or `deep` is out of bounds.
    """
    if not 0 < deep <= LONGEST:
        raise InvalidInput(f"A chain of {deep} is not sought.", remedy=f"Let deep be 1 to {LONGEST}.")
    starts, ends = await _meant(memory, start, scope), await _meant(memory, end, scope)
    if {(each.label, each.key) for each in starts} & {(each.label, each.key) for each in ends}:
        raise InvalidInput(
            f"{start.strip()!r} and {end.strip()!r} are one name.",
            remedy="Give two names, or one alone for what it leads to.",
        )
    found: list[Chain] = [
        each for one in starts for other in ends if (each := await _chain(memory, one, other, scope, deep))
    ]
    return min(found, key=lambda each: len(each.memories), default=None)


async def around(
    memory: Memory, name: str, scope: Scope, *, deep: int = USUAL_DEPTH, most: int = 8
) -> list[Recalled]:
    """The memories that a name leads to within `deep` steps, the heaviest first.

    Raises:
        InvalidInput: no memory holds the name, or `deep` is out of bounds.
    """
    if not 0 < deep <= DEEPEST:
        raise InvalidInput(f"{deep} steps are not taken.", remedy=f"Let deep be 1 to {DEEPEST}.")
    asked = await _meant(memory, name, scope)
    keys = {(each.label, each.key) for each in asked}
    told: list[Recalled] = []
    for stored, weight in await _mentioning(memory, asked, scope, deep, most):
        own = keys & {(each.label, each.key) for each in entities(stored.text)}
        said = asked[0].name[:LONGEST_NAME]
        told.append(Recalled(stored, round(weight, 4), f"names {said}" if own else f"names beside {said}"))
    return told


async def _meant(memory: Memory, said: str, scope: Scope) -> list[Entity]:
    """The names that somebody writes so and that memories hold, of whatever kind."""
    said = " ".join(said.split())
    if not 0 < len(said) <= LONGEST_NAME:
        raise InvalidInput(
            f"A name of {len(said):,} characters is held by no memory.",
            remedy=f"Give a name of 1 to {LONGEST_NAME} characters.",
        )
    labels: tuple[Label, ...] = get_args(Label)
    alone = own if len(own := entities(said)) == 1 else []
    wished = {
        (each.label, each.key): each
        for each in (*(Entity(label, key_of(said), said) for label in labels), *alone)
    }
    filters = Filters(at=now())
    held = [
        each for each in wished.values()
        if await memory.record.mentioning([each], scope, filters, depth=1, most=1)
    ]  # fmt: skip
    if held:
        return held
    known = await memory.record.names(scope, most=KNOWN_NAMES)
    near = [each.entity.name for each in known if akin(key_of(said), each.entity.key)][:MEANT]
    raise InvalidInput(
        f"No memory that holds now names {said!r}.",
        remedy=f"Memories name {', '.join(near)}." if near
        else "Write the name as a memory does; a search by words shows how.",
    )  # fmt: skip


async def _chain(memory: Memory, start: Entity, end: Entity, scope: Scope, deep: int) -> Chain | None:
    if memory.graph is not None:
        try:
            path = await memory.graph.path(start, end, scope, longest=deep)
            if path is None:
                return None
            if (rows := await _standing(memory, path.memories, scope)) is not None:
                return _written(path, rows)
        except IndexUnavailable:
            pass
    path = await memory.record.path(start, end, scope, Filters(at=now()), longest=deep)
    rows = None if path is None else await _standing(memory, path.memories, scope)
    return None if path is None or rows is None else _written(path, rows)


async def _mentioning(
    memory: Memory, names: Sequence[Entity], scope: Scope, deep: int, most: int
) -> list[tuple[Stored, float]]:
    if memory.graph is not None:
        try:
            near = await memory.graph.mentioning(names, scope, depth=deep, most=most)
            if (rows := await _standing(memory, list(near), scope)) is not None:
                return [(row, near[row.id]) for row in rows]
        except IndexUnavailable:
            pass
    weights = await memory.record.mentioning(names, scope, Filters(at=now()), depth=deep, most=most)
    rows = await memory.record.rows(list(weights), scope)
    return [(rows[number], weight) for number, weight in weights.items() if number in rows]


async def _standing(memory: Memory, ids: Sequence[str], scope: Scope) -> list[Stored] | None:
    """Memories in order, as the record has them; None where one may not be read or holds no more."""
    rows, at = await memory.record.get(ids, scope), now()
    return rows if len(rows) == len(ids) and all(row.holds(at) for row in rows) else None


def _written(path: NamePath, rows: Sequence[Stored]) -> Chain:
    """A path with its names as memories write them."""
    spelt: dict[Name, str] = {
        (each.label, each.key): each.name for row in rows for each in entities(row.text)
    }
    return Chain(tuple(spelt.get(name, name[1]) for name in path.names), tuple(rows))
