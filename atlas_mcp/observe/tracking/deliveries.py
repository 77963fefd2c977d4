"""What was sent of which run to which destination, so that it is sent once whoever sends the rest, and when.

A file of its own: writing it holds up no run. What it forgets is sent again, and is the same at its receiver.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from atlas_mcp.database import Database, open_database
from atlas_mcp.observe.journal import now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

__all__ = ["Deliveries", "open_deliveries"]

MIGRATIONS = (
    """
    CREATE TABLE sent (
        destination TEXT NOT NULL, root TEXT NOT NULL, run_id TEXT NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY (destination, root, run_id)
    ) WITHOUT ROWID;
    CREATE TABLE concluded (
        destination TEXT NOT NULL, root TEXT NOT NULL, at TEXT NOT NULL, why TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (destination, root)
    ) WITHOUT ROWID;
    CREATE TABLE counterpart (
        destination TEXT NOT NULL, ours TEXT NOT NULL, theirs TEXT NOT NULL,
        PRIMARY KEY (destination, ours)
    ) WITHOUT ROWID;
    """,
    """
    DROP TABLE counterpart;
    CREATE TABLE fared (destination TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
    """,
)


class Deliveries:
    """How far each destination was told of each run, and of how the processes fare."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def concluded(self, destination: str) -> set[str]:
        """The runs of which everything was sent."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT root FROM concluded WHERE destination = ?", (destination,)
            ).fetchall()
        )
        return {row["root"] for row in rows}

    async def sent(self, destination: str, root: str) -> dict[str, int]:
        """How far each run of a trace was sent: the `seq` of the last event that is at the destination."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT run_id, seq FROM sent WHERE destination = ? AND root = ?", (destination, root)
            ).fetchall()
        )
        return {row["run_id"]: row["seq"] for row in rows}

    async def advance(self, destination: str, cursors: Mapping[tuple[str, str], int]) -> None:
        """Note that runs, each by its root and itself, were sent up to a `seq`."""
        rows = [(destination, root, run_id, seq) for (root, run_id), seq in cursors.items()]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?)", rows)

        await self._database.write(write)

    async def conclude(self, destination: str, root: str, why: str = "") -> None:
        """Note that all of a trace was sent, or `why` no more of it can be."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO concluded VALUES (?, ?, ?, ?)", (destination, root, now(), why)
            )
            connection.execute("DELETE FROM sent WHERE destination = ? AND root = ?", (destination, root))

        await self._database.write(write)

    async def destinations(self, root: str) -> int:
        """How many destinations have all of a trace."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT count(*) AS number FROM concluded WHERE root = ?", (root,)
            ).fetchone()
        )
        return int(row["number"])

    async def counts(self, destination: str) -> tuple[int, int]:
        """How many traces a destination has whole, and how many in part."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT (SELECT count(*) FROM concluded WHERE destination = ?) AS whole,"
                " (SELECT count(DISTINCT root) FROM sent WHERE destination = ?) AS part",
                (destination, destination),
            ).fetchone()
        )
        return int(row["whole"]), int(row["part"])

    async def fared(self, destination: str) -> str:
        """Up to which moment a destination was told how the processes fare; empty before the first time."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT at FROM fared WHERE destination = ?", (destination,)
            ).fetchone()
        )
        return "" if row is None else row["at"]

    async def note_fares(self, destination: str, at: str) -> None:
        """Note that a destination was told how the processes fare up to a moment."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO fared VALUES (?, ?)", (destination, at))

        await self._database.write(write)


@asynccontextmanager
async def open_deliveries(home: Path) -> AsyncGenerator[Deliveries]:
    """The deliveries of a data folder.

    Raises:
        IncompatibleStore: a newer version wrote them.
        StoreFull: the disk is full.
    """
    async with open_database(home / "observed.db", MIGRATIONS) as database:
        yield Deliveries(database)
