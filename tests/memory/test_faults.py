"""What goes wrong with a disk, a file or a model costs nothing that was stored, and has a way out."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import IncompatibleStore, InvalidConfiguration, StoreFull
from atlas_mcp.learning import Evidence, Learning, LearningKind
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.scope import Scope
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.memory.memory import Memory

ANNA = Scope("anna")
PAGES = 110
"""What the full disk of these tests has room for, in pages of 4 KB."""

IN_LITTLE_ROOM = """
import asyncio, resource, signal, sys
from pathlib import Path
from atlas_mcp.errors import StoreFull
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.scope import Scope

async def main():
    async with open_memory(Path(sys.argv[1]), None) as memory:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (450_000, 450_000))
        for number in range(2_000):
            learning = Learning(LearningKind.FACT, f"Berth {number} is dredged in spring. " + "x" * 1_900)
            try:
                (added,) = await memory.remember([learning], scope=Scope("anna"))
            except StoreFull as error:
                sys.exit(f"{error.code}: {error}")
            print(added.id, flush=True)

asyncio.run(main())
"""


def fact(text: str) -> Learning:
    return Learning(LearningKind.FACT, text, (Evidence("quote", text[:20], "file:///harbour.md"),))


async def keep_until_full(memory: Memory) -> list[str]:
    """Remember until the disk is full; gives what was acknowledged."""
    kept: list[str] = []

    async def keep() -> None:
        for number in range(2_000):
            (added,) = await memory.remember([fact(f"Berth {number}: {'x' * 1_900}")], scope=ANNA)
            kept.append(added.id)

    with pytest.raises(StoreFull, match=r"could not be written.*Make room"):
        await keep()
    return kept


async def limit(memory: Memory, pages: int) -> None:
    def write(connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    await memory.database.write(write)


class TestAFullDisk:
    async def test_nothing_stored_is_lost_and_all_can_be_read(self, tmp_path: Path) -> None:
        async with open_memory(tmp_path, WordEmbedder()) as memory:
            await limit(memory, PAGES)
            kept = await keep_until_full(memory)
            assert 0 < len(kept) < 2_000
            assert [each.id for each in await memory.memories(ANNA, most=5_000)] == kept
            assert await memory.recall("Berth 3", scope=ANNA)
            assert await memory.record.check() == []
        async with open_memory(tmp_path, WordEmbedder()) as memory:
            assert len(await memory.get_memories(kept, scope=ANNA)) == len(kept)

    async def test_what_did_not_fit_is_kept_once_there_is_room(self, tmp_path: Path) -> None:
        async with open_memory(tmp_path, WordEmbedder()) as memory:
            await limit(memory, PAGES)
            kept = await keep_until_full(memory)
            await limit(memory, 10 * PAGES)
            (added,) = await memory.remember([fact("There is room again.")], scope=ANNA)
            assert added.new
            assert await memory.record.size(ANNA) == len(kept) + 1

    @pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be kept from writing more there")
    def test_a_process_that_may_write_no_more_has_stored_what_it_acknowledged(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", IN_LITTLE_ROOM, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.stderr.startswith("store_full: "), done.stderr
        kept = done.stdout.split()
        assert kept
        with sqlite3.connect(tmp_path / "memory.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            there = {row[0] for row in connection.execute("SELECT id FROM memory")}
        connection.close()
        assert there >= set(kept)


class TestAFile:
    async def test_of_a_newer_version_is_refused_and_left_as_it_is(self, tmp_path: Path) -> None:
        async with open_memory(tmp_path, None) as memory:
            (added,) = await memory.remember([fact("Berth 3 is dredged.")], scope=ANNA)
        set_version(tmp_path, by=1)
        with pytest.raises(IncompatibleStore, match="Update atlas-mcp"):
            async with open_memory(tmp_path, None):
                pass
        set_version(tmp_path, by=-1)
        async with open_memory(tmp_path, None) as memory:
            assert await memory.get_memories([added.id], scope=ANNA)

    async def test_that_may_only_be_read_is_named_with_a_way_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with open_memory(tmp_path, None) as memory:
            await memory.remember([fact("Berth 3 is dredged.")], scope=ANNA)
        (tmp_path / "memory.db").chmod(0o400)
        monkeypatch.setattr("atlas_mcp.database.os.open", refusing)
        with pytest.raises(
            InvalidConfiguration, match=r"memory\.db cannot be opened for writing.*ATLAS_HOME"
        ):
            async with open_memory(tmp_path, None):
                pass

    async def test_damaged_at_its_beginning_is_refused_and_kept(self, tmp_path: Path) -> None:
        (tmp_path / "memory.db").write_bytes(b"This is no database. " * 500)
        with pytest.raises(IncompatibleStore, match="Restore it from a backup"):
            async with open_memory(tmp_path, None):
                pass
        assert (tmp_path / "memory.db").read_bytes().startswith(b"This is no database.")


class TestAnotherModel:
    async def test_is_refused_until_all_is_embedded_anew_and_loses_nothing(self, tmp_path: Path) -> None:
        async with open_memory(tmp_path, WordEmbedder("old")) as memory:
            (added,) = await memory.remember([fact("Berth 3 is dredged.")], scope=ANNA)
        async with open_memory(tmp_path, WordEmbedder("new")) as memory:
            with pytest.raises(IncompatibleStore, match="old"):
                await memory.recall("Berth", scope=ANNA)
            with pytest.raises(IncompatibleStore, match="old"):
                await memory.remember([fact("Berth 4 is shallow.")], scope=ANNA)
            assert await memory.get_memories([added.id], scope=ANNA)
        async with open_memory(tmp_path, None) as memory:
            assert [each.stored.id for each in await memory.recall("Berth", scope=ANNA)] == [added.id]


def set_version(home: Path, *, by: int) -> None:
    with sqlite3.connect(home / "memory.db") as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version + by}")
    connection.close()


def refusing(path: Path, *_: object) -> int:
    """As the system opens a file for writing that may only be read, also where the tests' user may do all."""
    raise PermissionError(13, "Permission denied", str(path))
