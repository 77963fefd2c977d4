"""Who may work on a run: one process at a time, known by a lease with a fencing token.

The owner holds an operating-system lock on a file of its own for as long as it lives, so that a killed
owner's leases are free at once; the expiry covers an owner that lives and no longer answers. Each new
holder gets a higher token, and what is written under an older one is refused.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from ulid import ULID

from atlas_mcp.errors import LeaseLost

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator
    from pathlib import Path

    from atlas_mcp.database import Database

__all__ = ["SCHEMA", "Lease", "Leases", "assert_held"]

SCHEMA = """
CREATE TABLE lease (
    run_id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    token INTEGER NOT NULL,
    expires_at REAL NOT NULL
) WITHOUT ROWID;
"""

LIFETIME_SECONDS = 30.0
RENEW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a run; `token` is higher than that of every earlier holder."""

    run_id: str
    owner: str
    token: int


class Leases:
    """Takes, renews and gives back this process's leases."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._looking = threading.Lock()
        self.owner = str(ULID())

    @contextmanager
    def living(self) -> Generator[None]:
        """Be seen to live, from entry to exit or death."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with FileLock(self._lock(self.owner)):
                yield
        finally:
            self._lock(self.owner).unlink(missing_ok=True)

    def _lock(self, owner: str) -> Path:
        return self._folder / f"{owner}.lock"

    def _lives(self, owner: str) -> bool:
        path = self._lock(owner)
        if not path.exists():
            return False
        # One look at a time: two looks from this process would take each other for the owner.
        with self._looking:
            try:
                with FileLock(path, timeout=0):
                    pass
            except Timeout:
                return True
            path.unlink(missing_ok=True)
            return False

    async def held_by_another(self, run_id: str) -> bool:
        """Whether a living owner other than this process holds the run."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT * FROM lease WHERE run_id = ?", (run_id,)
            ).fetchone()
        )
        return row is not None and row["owner"] != self.owner and self._holds(row)

    def _holds(self, row: sqlite3.Row) -> bool:
        return row["expires_at"] > time.time() and self._lives(row["owner"])

    async def take(self, run_id: str) -> Lease | None:
        """The lease of a run, or None while a living owner holds it (this process included)."""

        def write(connection: sqlite3.Connection) -> Lease | None:
            row = connection.execute("SELECT * FROM lease WHERE run_id = ?", (run_id,)).fetchone()
            if row is not None and (row["expires_at"] > time.time() and self._alive(row["owner"])):
                return None
            token = 1 if row is None else row["token"] + 1
            connection.execute(
                "INSERT OR REPLACE INTO lease (run_id, owner, token, expires_at) VALUES (?, ?, ?, ?)",
                (run_id, self.owner, token, time.time() + LIFETIME_SECONDS),
            )
            return Lease(run_id, self.owner, token)

        return await self._database.write(write)

    def _alive(self, owner: str) -> bool:
        return owner == self.owner or self._lives(owner)

    async def renew(self, lease: Lease) -> None:
        """Hold on to a lease for another while.

        Raises:
            LeaseLost: another process took it.
        """

        def write(connection: sqlite3.Connection) -> None:
            assert_held(connection, lease)
            connection.execute(
                "UPDATE lease SET expires_at = ? WHERE run_id = ?",
                (time.time() + LIFETIME_SECONDS, lease.run_id),
            )

        await self._database.write(write)

    async def release(self, lease: Lease) -> None:
        """Give a lease back; one that was lost is left alone."""
        await self._database.write(
            lambda connection: connection.execute(
                "UPDATE lease SET expires_at = 0 WHERE run_id = ? AND token = ?", (lease.run_id, lease.token)
            )
        )


def assert_held(connection: sqlite3.Connection, lease: Lease) -> None:
    """Refuse a write under a lease that another has taken.

    Raises:
        LeaseLost: the token is no longer the newest.
    """
    row = connection.execute("SELECT token FROM lease WHERE run_id = ?", (lease.run_id,)).fetchone()
    if row is None or row["token"] != lease.token:
        raise LeaseLost(f"Another process took over run {lease.run_id}.", remedy="This one leaves it alone.")
