"""What people tell a run, from any process: rows that its owner reads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from atlas_mcp.observe.journal import now

if TYPE_CHECKING:
    import sqlite3

    from atlas_mcp.database import Database

__all__ = ["SCHEMA", "Control", "Controls", "Verb"]

SCHEMA = """
CREATE TABLE control (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    reason TEXT NOT NULL,
    sent_at TEXT NOT NULL,
    taken_at TEXT
);
CREATE INDEX control_open ON control (run_id) WHERE taken_at IS NULL;
"""


class Verb(StrEnum):
    """What a run can be told."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Control:
    """One thing a run was told."""

    verb: Verb
    reason: str


class Controls:
    """The letter box of every run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def send(self, run_id: str, verb: Verb, reason: str) -> None:
        """Leave a word for whoever owns the run."""
        await self._database.write(
            lambda connection: connection.execute(
                "INSERT INTO control (run_id, verb, reason, sent_at) VALUES (?, ?, ?, ?)",
                (run_id, verb, reason, now()),
            )
        )

    async def take(self, run_id: str) -> list[Control]:
        """What was said to a run and not yet taken, in order; each is taken once."""
        if not await self._database.read(lambda connection: _waiting(connection, run_id)):
            return []

        def write(connection: sqlite3.Connection) -> list[Control]:
            rows = _waiting(connection, run_id)
            connection.executemany(
                "UPDATE control SET taken_at = ? WHERE id = ?", [(now(), row["id"]) for row in rows]
            )
            return [Control(Verb(row["verb"]), row["reason"]) for row in rows]

        return await self._database.write(write)


def _waiting(connection: sqlite3.Connection, run_id: str) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT id, verb, reason FROM control WHERE run_id = ? AND taken_at IS NULL ORDER BY id", (run_id,)
    ).fetchall()
