"""What a scope holds, counted and newest first: for people who look at what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_mcp.memory.record.memories import COLUMNS, mine, stored

if TYPE_CHECKING:
    import sqlite3

    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.memory.record.record import Stored
    from atlas_mcp.memory.scope import Scope

__all__ = ["Inventory", "inventory", "newest"]


LARGEST = 2**63 - 1
"""The largest number that SQLite takes."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """How much a scope holds: memories by kind and by owner, how many were superseded, its documents."""

    memories: int
    superseded: int
    embedded: int
    kinds: dict[str, int]
    owners: dict[str, int]
    documents: int
    passages: int


async def inventory(memory: Memory, scope: Scope) -> Inventory:
    """Count what a scope may read; its documents are those of its user."""
    where, values = mine(scope)

    def read(connection: sqlite3.Connection) -> Inventory:
        def by(column: str) -> dict[str, int]:
            rows = connection.execute(
                f"SELECT {column} AS what, count(*) AS many FROM memory WHERE {where}"
                " GROUP BY 1 ORDER BY 2 DESC, 1",
                values,
            )
            return {row["what"]: row["many"] for row in rows}

        one = connection.execute(
            "SELECT count(*) AS memories, count(closed_at) AS superseded, count(model) AS embedded"
            f" FROM memory LEFT JOIN memory_vector ON memory_vector.number = memory.number WHERE {where}",
            values,
        ).fetchone()
        kept = connection.execute(
            "SELECT (SELECT count(*) FROM document WHERE scope = :own) AS documents,"
            " (SELECT count(*) FROM passage JOIN document ON document.id = document_id WHERE scope = :own)"
            " AS passages",
            {"own": scope.own},
        ).fetchone()
        return Inventory(**one, kinds=by("kind"), owners=by("scope"), **kept)

    return await memory.database.read(read)


async def newest(memory: Memory, scope: Scope, *, most: int, begun: str = "") -> list[Stored]:
    """The newest memories that a scope may read, superseded ones too, whose ids begin in some way."""
    if not begun.isascii():  # as no id begins, and what cannot be stored cannot be asked for
        return []
    where, values = mine(scope)

    def read(connection: sqlite3.Connection) -> list[Stored]:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM memory WHERE {where} AND substr(id, 1, ?) = ?"
            " ORDER BY number DESC LIMIT ?",
            (*values, len(begun), begun, min(most, LARGEST)),
        )
        return [stored(row) for row in rows]

    return await memory.database.read(read)
