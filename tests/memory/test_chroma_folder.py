"""The embedded Chroma: one process keeps it for all, and what is damaged is put aside and made anew."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.memory.indexes.chroma import folder as keeping
from atlas_mcp.memory.indexes.chroma.folder import ChromaFolder
from atlas_mcp.memory.indexes.chroma.index import ChromaIndex
from atlas_mcp.memory.indexes.chroma.wire import Door, Frame, greet, read_frame, write_frame
from tests.memory.remembered import item
from tests.memory.test_chroma import ANN, MODEL, along, items

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


pytestmark = pytest.mark.crash


def an_index(folder: Path) -> ChromaIndex:
    return ChromaIndex(ChromaFolder(folder, rest=0.0), record="r", model=MODEL, patience=40)


async def ended(folder: Path) -> None:
    """Wait until nobody keeps a folder any more."""
    lock = FileLock(f"{folder}.lock", thread_local=False)
    await asyncio.to_thread(lock.acquire, timeout=40)
    lock.release()


def keeper(folder: Path) -> int:
    door = Door.read(folder)
    assert door is not None
    return door.pid


@pytest.mark.parametrize("moment", range(4))
def test_who_is_cancelled_while_it_starts_leaves_no_process_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    born: list[subprocess.Popen[str]] = []
    begun = threading.Semaphore(0)

    def start(folder: Path, broken: str) -> subprocess.Popen[str]:
        begun.release()
        born.append(real(folder, broken))
        begun.release()
        return born[-1]

    async def cancelled() -> None:
        index = an_index(tmp_path / "chroma")
        task = asyncio.create_task(index.note_filled())
        for _ in range(min(moment + 1, 2)):  # as it is started, or once it is
            await asyncio.to_thread(begun.acquire)
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        await index.close()

    real = keeping._start
    monkeypatch.setattr(keeping, "_start", start)
    asyncio.run(cancelled())
    assert [each.returncode is not None for each in born] == [True]


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
    await ended(folder)
    assert Door.read(folder) is None


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed by a signal")
async def test_a_keeper_that_is_killed_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "chroma"
    index = an_index(folder)
    held = items(30)
    await index.put(held)
    await index.note_filled()
    pid = keeper(folder)
    waiting = asyncio.create_task(index.put(items(600, seed=2)))
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


async def test_what_is_damaged_is_put_aside_and_an_empty_one_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    folder = tmp_path / "chroma"
    index = an_index(folder)
    for damage in (scrambled, cut_short):  # of the first, whoever opens it dies
        await index.put(items(1_050))  # after a thousand, Chroma writes the files that can be damaged
        await index.note_filled()
        os.kill(keeper(folder), signal.SIGTERM)
        damage(next(path for path in folder.iterdir() if path.is_dir()))
        caplog.clear()
        with pytest.raises(IndexUnavailable, match="has died"):
            await index.digests()
        assert not await index.filled()
        assert "is damaged" in caplog.text
        (aside,) = folder.parent.glob("chroma.broken-*")
        assert str(aside) in caplog.text
        assert (aside / "chroma.sqlite3").exists()
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


async def test_who_does_not_know_the_key_is_not_let_in(chroma_folder: Path) -> None:
    door = Door.read(chroma_folder)
    assert door is not None
    assert Door.file(chroma_folder).stat().st_mode & 0o077 == 0 or sys.platform == "win32"
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
