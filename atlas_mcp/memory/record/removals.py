"""Which memories are gone, for those who hold an owner's memories as arrays; not for ever.

Of each owner the newest removals are kept. In the place of the older ones stands one with the number 0, which
no memory has: whoever finds it among what is new to them has missed some, and reads the owner anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.memory.documents import documents

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

__all__ = ["note", "since"]

MOST = 10_000
"""Removals of an owner that are kept."""
MISSED = 0


def note(connection: sqlite3.Connection, owner: str, numbers: Iterable[int]) -> None:
    """Note that memories of an owner are gone, as one change: to look for old ones is a walk of `MOST`."""
    change = documents.count_change(connection, f"memory {owner}")
    connection.executemany(
        "INSERT INTO removed VALUES (?, ?, ?)", [(owner, change, number) for number in numbers]
    )
    last = connection.execute(
        "SELECT changed FROM removed WHERE scope = ? ORDER BY changed DESC LIMIT 1 OFFSET ?", (owner, MOST)
    ).fetchone()
    if last:
        connection.execute("DELETE FROM removed WHERE scope = ? AND changed <= ?", (owner, last["changed"]))
        connection.execute("INSERT INTO removed VALUES (?, ?, ?)", (owner, last["changed"], MISSED))


def since(connection: sqlite3.Connection, owner: str, change: int) -> list[int] | None:
    """The numbers of an owner's memories that went after a change; None if not all of them are known."""
    rows = connection.execute("SELECT number FROM removed WHERE scope = ? AND changed > ?", (owner, change))
    numbers = [row["number"] for row in rows]
    return None if MISSED in numbers else numbers
