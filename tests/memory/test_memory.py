"""What is kept is current and sound for every scope and process, whatever was killed."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.errors import InvalidInput
from atlas_mcp.memory.documents.knowledge import Inline
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.snapshots import text_hash
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from pathlib import Path


async def test_nothing_crosses_a_scope(home: Path, folder: Path) -> None:
    async with open_memory(home, WordEmbedder()) as memory:
        await memory.ingest([folder], scope="ann")
        await memory.ingest([Inline("The Danube is bob's river.")], scope="bob")
        (bob,) = await memory.search("Danube river cats", scope="bob")
        assert bob.text == "The Danube is bob's river."
        assert all("bob" not in found.text for found in await memory.search("bob river", scope="ann"))
        assert await memory.search("Danube", scope="eve") == []
        assert len(await memory.documents("bob")) == 1
        with pytest.raises(InvalidInput):
            await memory.snapshot(bob.source.sha256, scope="ann")
        assert not await memory.forget(bob.source.uri, scope="ann")
        assert await memory.search("Danube", scope="bob")


async def test_another_opener_sees_a_change_at_once(home: Path) -> None:
    async with open_memory(home, WordEmbedder()) as one, open_memory(home, WordEmbedder()) as other:
        await one.ingest([Inline("The first fact.")], scope="ann")
        assert len(await other.search("fact", scope="ann")) == 1
        await one.ingest([Inline("The second fact.")], scope="ann")
        assert len(await other.search("fact", scope="ann")) == 2
        await other.forget((await other.documents("ann"))[0].uri, scope="ann")
        assert len(await one.search("fact", scope="ann")) == 1


PROCESS = """
import asyncio, sys
from pathlib import Path
from atlas_mcp.memory.documents.knowledge import Inline
from atlas_mcp.memory.memory import open_memory

async def main():
    async with open_memory(Path(sys.argv[1]), None) as memory:
        print("open", flush=True)
        for number in range(int(sys.argv[3])):
            text = f"Writer {sys.argv[2]} says word{number}. " * 5
            await memory.ingest([Inline(text)], scope="ann")

asyncio.run(main())
"""


async def test_processes_that_write_and_are_killed_leave_a_sound_record(home: Path) -> None:
    async def start(name: str, count: int) -> asyncio.subprocess.Process:
        arguments = (sys.executable, "-c", PROCESS, str(home), name, str(count))
        return await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)

    whole, killed = await asyncio.gather(start("whole", 40), start("killed", 100_000))
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"open\n"
    await whole.communicate()
    killed.kill()
    await killed.communicate()
    assert whole.returncode == 0
    async with open_memory(home, None) as memory:
        documents = await memory.documents("ann")
        assert len(documents) >= 40
        for document in documents:
            assert document.passages == 1
            assert text_hash(await memory.snapshot(document.sha256)) == document.sha256
        for number in (0, 39):
            found = await memory.search(f"word{number} whole", scope="ann")
            assert "whole" in found[0].text
        check = "INSERT INTO passage_text (passage_text) VALUES ('integrity-check')"
        await memory.database.write(lambda connection: connection.execute(check) and None)
        assert await memory.database.read(lambda c: c.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=12))
def test_the_text_index_holds_exactly_what_is_there(changes: list[tuple[int, int]]) -> None:
    from pathlib import Path

    async def run(folder: Path) -> None:
        async with open_memory(folder / "home", None) as memory:
            now: dict[Path, int] = {}
            for name, word in changes:
                path = folder / f"{name}.txt"
                if word:
                    path.write_text(f"Common text with unique{word}.")
                    await memory.ingest([path], scope="ann")
                    now[path] = word
                else:
                    await memory.forget(path.as_uri(), scope="ann")
                    now.pop(path, None)
            for word in range(1, 6):
                wanted = word in now.values()
                assert bool(await memory.search(f"unique{word}", scope="ann")) == wanted
            assert len(await memory.documents("ann")) == len(now)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder).resolve()))
