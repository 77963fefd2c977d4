"""The embedded Chroma: one process keeps it for all, and what is damaged is put aside and made anew."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.memory.chroma import ChromaIndex
from atlas_mcp.memory.chroma_folder import ChromaFolder
from atlas_mcp.memory.chroma_wire import Door, Frame, greet, read_frame, write_frame
from tests.memory.chroma_places import folder_of_all
from tests.memory.test_chroma import ANN, MODEL, along, items
from tests.memory.remembered import item

if TYPE_CHECKING:
    from pathlib import Path

    from pytest import LogCaptureFixture


def an_index(folder: Path) -> ChromaIndex:
    return ChromaIndex(ChromaFolder(folder, rest=0.0), record="r", model=MODEL)


async def ended(pid: int) -> None:
    """Wait until a process is gone."""
    async with asyncio.timeout(20):
        while True:
            try:
                os.kill(pid, 0)
            except OSError:
                return
            await asyncio.sleep(0.01)


def keeper(folder: Path) -> int:
    door = Door.read(folder)
    assert door is not None
    return door.pid


async def test_one_process_keeps_it_for_all_and_ends_with_the_last(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    first, second = an_index(folder), an_index(folder)
    held = item("held", along(0))
    await asyncio.gather(first.note_filled(), second.filled())
    pid = keeper(folder)
    await first.put([held])
    assert set(await second.nearest(along(0), ANN, most=3)) == {held.stored.id}
    await first.close()
    assert set(await second.nearest(along(0), ANN, most=3)) == {held.stored.id}
    assert keeper(folder) == pid
    await second.close()
    await ended(pid)
    assert Door.read(folder) is None


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed by a signal")
async def test_a_keeper_that_is_killed_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    index = an_index(folder)
    held = items(30)
    await index.put(held)
    await index.note_filled()
    pid = keeper(folder)
    waiting = asyncio.create_task(index.put(items(2_000, seed=2)))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(IndexUnavailable, match="has died"):
        await waiting
    assert await index.filled()
    assert keeper(folder) != pid
    assert await index.lost(held) == []
    await index.close()


def cut_short(store: Path) -> None:
    (store / "index_metadata.pickle").write_bytes(b"\x80\x04")


def scrambled(store: Path) -> None:
    file = store / "data_level0.bin"
    file.write_bytes(b"\xa5\x5a\xff\x7f" * (file.stat().st_size // 4))


def no_database(store: Path) -> None:
    (store.parent / "chroma.sqlite3").write_bytes(b"This is no database." * 50)


async def test_what_is_damaged_is_put_aside_and_an_empty_one_begun(
    tmp_path: Path, caplog: LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for damage in (cut_short, scrambled, no_database):
        folder = tmp_path / damage.__name__ / "chroma"
        index = an_index(folder)
        await index.put(items(1_050))  # after a thousand, Chroma writes the files that can be damaged
        await index.note_filled()
        await index.close()
        damage(next(path for path in folder.iterdir() if path.is_dir()))
        caplog.clear()
        assert not await index.filled()
        assert "is damaged" in caplog.text
        (aside,) = folder.parent.glob("chroma.broken-*")
        assert str(aside) in caplog.text
        assert (aside / "chroma.sqlite3").exists()
        with pytest.raises(IndexUnavailable, match="not filled yet"):
            await index.nearest(along(0), ANN, most=3)
        await index.put([item("again", along(0))])
        assert len(await index.digests()) == 1
        await index.close()


async def test_a_folder_that_cannot_be_written_is_said_and_not_put_aside(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    folder.write_text("a file stands here")
    index = an_index(folder)
    with pytest.raises(IndexUnavailable, match="cannot be opened"):
        await index.filled()
    await index.close()
    assert folder.read_text() == "a file stands here"


async def test_who_does_not_know_the_key_is_not_let_in(folder_of_all: Path) -> None:
    door = Door.read(folder_of_all)
    assert door is not None
    assert Door.file(folder_of_all).stat().st_mode & 0o077 == 0 or sys.platform == "win32"
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    with pytest.raises(ConnectionError, match="does not know the key"):
        await greet(reader, writer, Door(door.port, "another key", door.pid))
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    write_frame(writer, Frame({"nonce": "x"}))
    await read_frame(reader)
    write_frame(writer, Frame({"proof": "guessed"}))
    write_frame(writer, Frame({"id": 1, "do": "collections"}))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await read_frame(reader)
    writer.close()
