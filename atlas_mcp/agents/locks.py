"""One turn at a time in a thread, over every task and process that works on the data folder.

Within a process whoever came first goes first. Between processes the holder's name stands in a table, and it
holds an operating-system lock on a file of its own for as long as it lives, so that a killed process's locks
are free at once.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from ulid import ULID

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from atlas_mcp.database import Database

__all__ = ["TurnLocks"]

LOOK_SECONDS = 0.05
"""How often a lock that another process holds is looked at."""


class TurnLocks:
    """The locks of this process; its table is in `turns.TURNS`. Use them within `living`."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._owner = str(ULID())
        self._looking = threading.Lock()
        self._here: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    @contextmanager
    def living(self) -> Generator[None]:
        """Be seen to live, from entry to exit or death."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with FileLock(self._file(self._owner)):
                yield
        finally:
            self._file(self._owner).unlink(missing_ok=True)

    @asynccontextmanager
    async def hold(self, agent: str, thread: str) -> AsyncGenerator[None]:
        """Wait until nobody else takes a turn in the thread, and keep others out until the exit."""
        key = (agent, thread)
        lock, users = self._here.get(key, (asyncio.Lock(), 0))
        self._here[key] = (lock, users + 1)
        try:
            async with lock:
                try:
                    await self._taken(key)
                    yield
                finally:
                    await self._give_back(key)
        finally:
            lock, users = self._here.pop(key)
            if users > 1:
                self._here[key] = (lock, users - 1)

    async def _taken(self, key: tuple[str, str]) -> None:
        """Wait until no living process but this one holds it."""
        while not await self._database.write(lambda connection: self._take(connection, key)):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(LOOK_SECONDS)  # another process tells nothing of its own accord

    async def _give_back(self, key: tuple[str, str]) -> None:
        """Even one who is cancelled while taking it does not keep it: writes happen in order."""
        mine = (*key, self._owner)
        await self._database.write(
            lambda connection: connection.execute(
                "DELETE FROM turn_lock WHERE agent = ? AND thread = ? AND owner = ?", mine
            )
        )

    def _take(self, connection: sqlite3.Connection, key: tuple[str, str]) -> bool:
        row = connection.execute("SELECT owner FROM turn_lock WHERE agent = ? AND thread = ?", key).fetchone()
        if row is not None and row["owner"] != self._owner and self._lives(row["owner"]):
            return False
        connection.execute(
            "INSERT OR REPLACE INTO turn_lock (agent, thread, owner) VALUES (?, ?, ?)", (*key, self._owner)
        )
        return True

    def _lives(self, owner: str) -> bool:
        path = self._file(owner)
        if not path.exists():
            return False
        with self._looking:  # two looks at once would take each other for the owner
            try:
                with FileLock(path, timeout=0):
                    pass
            except Timeout:
                return True
            path.unlink(missing_ok=True)
            return False

    def _file(self, owner: str) -> Path:
        return self._folder / f"{owner}.lock"
