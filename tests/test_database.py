"""Behaviour of the one way in which ATLAS opens SQLite."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.database import open_database
from atlas_mcp.errors import IncompatibleStore, InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOTES = "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL);"
TAGS = "CREATE TABLE tag (note_id INTEGER NOT NULL REFERENCES note (id), name TEXT NOT NULL);"

PROCESS = """
import asyncio, sys
from pathlib import Path
from atlas_mcp.database import open_database

async def main():
    async with open_database(Path(sys.argv[1]), [sys.argv[2]]) as database:
        for number in range(50):
            await database.write(lambda c: c.execute("INSERT INTO note (text) VALUES (?)", (str(number),)))

asyncio.run(main())
"""


def add(text: str) -> Callable[[sqlite3.Connection], int | None]:
    def insert(connection: sqlite3.Connection) -> int | None:
        return connection.execute("INSERT INTO note (text) VALUES (?)", (text,)).lastrowid

    return insert


def tag_note(number: int) -> Callable[[sqlite3.Connection], None]:
    def insert(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO tag VALUES (?, 'x')", (number,))

    return insert


def texts(connection: sqlite3.Connection) -> list[str]:
    return [row["text"] for row in connection.execute("SELECT text FROM note ORDER BY id")]


async def test_what_was_written_is_read_at_once_and_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.db"
    async with open_database(path, [NOTES]) as database:
        assert await database.write(add("one")) == 1
        assert await database.read(texts) == ["one"]
    async with open_database(path, [NOTES]) as database:
        assert await database.read(texts) == ["one"]


async def test_a_write_that_raises_leaves_nothing_behind(tmp_path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        add("half")(connection)
        raise KeyError("stop")

    async with open_database(tmp_path / "a.db", [NOTES]) as database:
        with pytest.raises(KeyError):
            await database.write(half)
        await database.write(add("whole"))
        assert await database.read(texts) == ["whole"]


async def test_a_cancelled_writer_leaves_a_whole_transaction(tmp_path: Path) -> None:
    async with open_database(tmp_path / "a.db", [NOTES]) as database:
        entered, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(connection: sqlite3.Connection) -> None:
            add("first")(connection)
            loop.call_soon_threadsafe(entered.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
            add("second")(connection)

        task = asyncio.create_task(database.write(slow))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await database.read(texts) == []
        go_on.set()
        await database.write(add("third"))
        assert await database.read(texts) == ["first", "second", "third"]


async def test_reading_cannot_write(tmp_path: Path) -> None:
    async with open_database(tmp_path / "a.db", [NOTES]) as database:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await database.read(add("no"))


async def test_foreign_keys_are_enforced(tmp_path: Path) -> None:
    async with open_database(tmp_path / "a.db", [NOTES, TAGS]) as database:
        with pytest.raises(sqlite3.IntegrityError):
            await database.write(tag_note(7))


async def test_an_older_schema_is_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_database(path, [NOTES]) as database:
        await database.write(add("kept"))
    async with open_database(path, [NOTES, TAGS]) as database:
        await database.write(tag_note(1))
        assert await database.read(texts) == ["kept"]


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_database(path, [NOTES]) as database:
        await database.write(add("kept"))
    with pytest.raises(sqlite3.OperationalError):
        async with open_database(path, [NOTES, TAGS + "DROP TABLE nowhere;"]):
            pass
    async with open_database(path, [NOTES, TAGS]) as database:
        assert await database.read(texts) == ["kept"]


async def test_a_newer_schema_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_database(path, [NOTES, TAGS]):
        pass
    with pytest.raises(IncompatibleStore, match="Update atlas-mcp"):
        async with open_database(path, [NOTES]):
            pass


async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_text("These are my shopping notes, not a database at all. " * 20)
    with pytest.raises(IncompatibleStore, match="cannot be read as a database"):
        async with open_database(path, [NOTES]):
            pass
    assert path.read_text().startswith("These are my shopping notes")


async def test_a_place_that_cannot_be_written_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InvalidConfiguration, match="ATLAS_HOME"):
        async with open_database(tmp_path / "file" / "a.db", [NOTES]):
            pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
async def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_database(path, [NOTES]) as database:
        await database.write(add("secret"))
        for name in ("a.db", "a.db-wal", "a.db-shm"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


async def test_processes_that_start_together_lose_no_write(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    arguments = (sys.executable, "-c", PROCESS, str(path), NOTES)
    processes = [await asyncio.create_subprocess_exec(*arguments) for _ in range(3)]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    async with open_database(path, [NOTES]) as database:
        assert len(await database.read(texts)) == 150
