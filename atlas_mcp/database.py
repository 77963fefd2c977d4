"""One SQLite file, opened so that several processes, a cancelled task and `kill -9` cannot harm it.

This module knows transactions, threads and schema versions. It deliberately does not know any table: whoever
opens a database brings its migrations and its SQL.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock, Timeout

from atlas_mcp.errors import IncompatibleStore, InvalidConfiguration, StoreFull

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

__all__ = ["Database", "open_database", "open_reading"]

T = TypeVar("T")

BUSY_SECONDS = 30.0
LOCK_SECONDS = 60.0
PRIMARY = 0xFF
"""The part of an error code of SQLite that says of which kind it is."""


class Database:
    """An open SQLite file: one thread that writes, one that reads, each with its own connection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = _Line(f"write {path.name}")
        self._reader = _Line(f"read {path.name}")

    async def write(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run `action` in one BEGIN IMMEDIATE transaction, in the order of the calls.

        What `action` raises rolls the transaction back and is raised here. A cancelled caller leaves at once;
        the transaction is finished all the same, never by halves.

        :raises StoreFull: the disk is full or fails; nothing of this transaction was written.
        """
        try:
            return await asyncio.shield(self._writer.submit(action, "BEGIN IMMEDIATE"))
        except sqlite3.OperationalError as error:
            if (full := _full(self.path, error)) is None:
                raise
            raise full from error

    async def read(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run `action` on one consistent snapshot that holds every write committed before the call."""
        return await self._reader.submit(action, "BEGIN")

    async def _open(self, migrations: Sequence[str]) -> None:
        await self._writer.connect(lambda: _prepared(self.path, migrations))
        await self._reader.connect(lambda: _connected(self.path, read_only=True))

    async def _close(self) -> None:
        for line in (self._reader, self._writer):
            await line.close()


class _Line:
    """A thread with the one connection that is used in it."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: sqlite3.Connection | None = None

    async def connect(self, opener: Callable[[], sqlite3.Connection]) -> None:
        def run() -> None:
            self._connection = opener()

        await asyncio.get_running_loop().run_in_executor(self._pool, run)

    def submit(self, action: Callable[[sqlite3.Connection], T], begin: str) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, self._transact, action, begin)

    def _transact(self, action: Callable[[sqlite3.Connection], T], begin: str) -> T:
        connection = self._connection
        if connection is None:
            raise sqlite3.ProgrammingError("The database is closed.")
        connection.execute(begin)
        try:
            result = action(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    async def close(self) -> None:
        def run() -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

        try:
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, run))
        finally:
            self._pool.shutdown(wait=False)


@asynccontextmanager
async def open_database(path: Path, migrations: Sequence[str]) -> AsyncGenerator[Database]:
    """Open `path`, created with mode 0600 if need be, and bring its schema up to date.

    `migrations` are SQL scripts, oldest first; script i takes the schema from version i to i + 1, and a
    published script never changes.

    :raises IncompatibleStore: the file was written by a newer version, or is no SQLite database.
    :raises InvalidConfiguration: the file may not be written where it is.
    :raises StoreFull: the disk is full, so that it cannot be made or brought up to date.
    """
    database = Database(path)
    try:
        await database._open(migrations)
        yield database
    finally:
        await database._close()


@asynccontextmanager
async def open_reading(path: Path) -> AsyncGenerator[Database]:
    """Open a database that is there and is up to date, to read it alone, on a connection of one's own.

    Writing to it raises `sqlite3.ProgrammingError`.
    """
    database = Database(path)
    try:
        await database._reader.connect(lambda: _connected(path, read_only=True))
        yield database
    finally:
        await database._close()


def _prepared(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    """A writing connection to an up-to-date database.

    Under a lock of our own: switching a new file to WAL ignores SQLite's busy handler, so that two processes
    which start together would fail.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
            # SQLite gives the -wal and -shm files the mode of the database file.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = _connected(path, read_only=False)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                _migrate(connection, path, migrations)
            except BaseException:
                connection.close()
                raise
    except Timeout:
        raise IncompatibleStore(
            f"Another process has been preparing {path} for over {LOCK_SECONDS:.0f} s.",
            remedy="End that process, or wait until it is done, and start again.",
        ) from None
    except OSError as error:
        raise InvalidConfiguration(
            f"{path} cannot be opened for writing: {error.strerror or error}.",
            remedy="Set ATLAS_HOME to a folder that you may write.",
        ) from error
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & PRIMARY == sqlite3.SQLITE_READONLY:
            raise InvalidConfiguration(
                f"{path} cannot be opened for writing: {error}.",
                remedy="Set ATLAS_HOME to a folder that you may write.",
            ) from error
        if (full := _full(path, error)) is None:
            raise
        raise full from error
    except sqlite3.DatabaseError as error:
        raise IncompatibleStore(
            f"{path} cannot be read as a database: {error}.",
            remedy="Restore it from a backup, or move it away and start again with an empty one.",
        ) from error
    return connection


def _full(path: Path, error: sqlite3.OperationalError) -> StoreFull | None:
    """What SQLite says where the disk does not take more, as an error of ours; None where it says another."""
    if getattr(error, "sqlite_errorcode", 0) & PRIMARY not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return None
    return StoreFull(
        f"{path} could not be written: {error}. Nothing that was stored before is lost.",
        remedy=f"Make room on the disk that holds {path.parent}, or set ATLAS_HOME to another folder.",
    )


def _connected(path: Path, *, read_only: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
    if read_only:
        connection.execute("PRAGMA query_only=ON")
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(migrations):
        raise IncompatibleStore(
            f"{path} has schema version {version}; this version of ATLAS knows up to {len(migrations)}.",
            remedy="Update atlas-mcp, or set ATLAS_HOME to another folder.",
        )
    for done, script in enumerate(migrations[version:], start=version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n;PRAGMA user_version={done};\nCOMMIT;")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
