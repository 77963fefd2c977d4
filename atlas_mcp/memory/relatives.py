"""Which stored memories say the same as a new text, or the opposite: looked up before it is kept twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from atlas_mcp.memory.capturing.contradicting import conflict, same_meaning
from atlas_mcp.memory.meaning import vector_of
from atlas_mcp.memory.record.record import Filters

if TYPE_CHECKING:
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.memory.record.record import Stored
    from atlas_mcp.memory.scope import Scope

__all__ = ["Relative", "relatives"]

LOOKED_AT = 12
"""Memories that each way of finding may name."""


@dataclass(frozen=True, slots=True)
class Relative:
    """A stored memory that says the `same` as a text, or the `opposite`; `reason` says what of it."""

    stored: Stored
    how: Literal["same", "opposite"]
    reason: str


async def relatives(memory: Memory, text: str, scope: Scope, *, at: str) -> list[Relative]:
    """What is held as of `at` (ISO 8601 UTC) and says the same as a text or contradicts it.

    What is not found by its words or its meaning is not seen.

    :raises IncompatibleStore: the stored vectors were made by another embedding model.
    """
    filters = Filters(at=at)
    cosines: dict[int, float] = {}
    vector = await vector_of(memory.embedder, text)
    if vector is not None:
        cosines = await memory.record.nearest(vector, scope, filters, most=LOOKED_AT)
    by_words = await memory.record.matching(text, scope, filters, most=LOOKED_AT)
    numbers = sorted(by_words.keys() | cosines.keys())
    rows = await memory.record.rows(numbers, scope)
    found: list[Relative] = []
    for number in numbers:
        if number not in rows or rows[number].closed_at is not None:
            continue
        stored = rows[number]
        if against := conflict(text, stored.text):
            found.append(Relative(stored, "opposite", against.reason))
        elif same_meaning(text, stored.text, cosines.get(number)):
            found.append(Relative(stored, "same", "it says the same in other words"))
    return found
