"""The one process that keeps an embedded Chroma folder, for every ATLAS process of a person.

    python -m atlas_mcp.memory.indexes.chroma.worker FOLDER [BROKEN]

Chroma's embedded store must not be opened twice: two processes damage it, one never sees what the other
wrote, every call holds up all threads of its process, and a damaged store kills the process that opens it.
So it is opened here alone, under a lock, tried, and served on a loopback port to whoever can read the door
file beside it. It ends when its last guest is gone. `BROKEN` names the store that an earlier process died of;
if it is still that one, it is moved aside.

It says one line on its standard output: that it is ready, busy (another keeps the folder), or what is wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from filelock import FileLock, Timeout

from atlas_mcp.memory.indexes.chroma.store import HNSW
from atlas_mcp.memory.indexes.chroma.wire import Door, Frame, read_frame, welcome, write_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from chromadb.api.client import Client  # pyright: ignore[reportMissingTypeStubs]
    from chromadb.api.models.Collection import Collection  # pyright: ignore[reportMissingTypeStubs]

__all__ = ["Keeper", "identity", "main"]

FIRST_GUEST_SECONDS = 30.0
FULL = ("disk is full", "disk full", "no space left", "readonly database", "unable to open database file")
"""Of a sound store on a disk that cannot be written."""


def identity(folder: Path) -> str:
    """Which store lies in a folder; empty if there is none."""
    try:
        found = (folder / "chroma.sqlite3").stat()
    except OSError:
        return ""
    return f"{found.st_dev}-{found.st_ino}"


class Keeper:
    """An open folder, and what may be asked of it; each question is one call, in one thread.

    Raises:
        ChromaError: the folder cannot be opened, or what is in it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False, allow_reset=False)
        self._client = cast("Client", chromadb.PersistentClient(folder, settings=settings))
        self._open: dict[str, Collection] = {}
        for collection in self._all():
            _try_out(collection)

    def answer(self, frame: Frame) -> Frame:
        """Do what a frame asks for; a failure is an answer too."""
        from chromadb.errors import ChromaError, NotFoundError

        said = frame.said
        asked: Callable[..., Any] = getattr(self, f"_do_{said['do']}")
        try:
            result = asked(frame.data, **said.get("with", {}))
        except NotFoundError:
            return Frame({"id": said["id"], "gone": True})
        except (ChromaError, ValueError) as error:
            return Frame({"id": said["id"], "failed": f"{type(error).__name__}: {error}"[:500]})
        return Frame({"id": said["id"], "result": result})

    def close(self) -> None:
        """Write what is not written yet, and let go of the folder."""
        self._open.clear()
        self._client.close()

    def _all(self) -> list[Collection]:
        from chromadb.errors import NotFoundError

        found: list[Collection] = []
        for each in self._client.list_collections():
            try:
                found.append(self._client.get_collection(each.name, embedding_function=None))
            except NotFoundError:
                continue
        return found

    def _collection(self, key: str) -> Collection:
        from chromadb.errors import NotFoundError

        if key not in self._open:
            self._open = {str(each.id): each for each in self._all()}
        if key not in self._open:
            raise NotFoundError(f"There is no collection {key}.")
        return self._open[key]

    def _do_collections(self, _: bytes) -> list[dict[str, Any]]:
        return [_shown(each) for each in self._all()]

    def _do_find(self, _: bytes, name: str) -> dict[str, Any] | None:
        from chromadb.errors import NotFoundError

        try:
            found = self._client.get_collection(name, embedding_function=None)
        except NotFoundError:
            return None
        self._open[str(found.id)] = found
        return _shown(found)

    def _do_make(self, _: bytes, name: str, marks: dict[str, Any]) -> dict[str, Any]:
        settings: Any = {"hnsw": HNSW}
        made = self._client.create_collection(
            name, configuration=settings, metadata=marks, embedding_function=None
        )
        self._open[str(made.id)] = made
        return _shown(made)

    def _do_drop(self, _: bytes, name: str) -> None:
        from chromadb.errors import NotFoundError

        with suppress(NotFoundError):
            self._client.delete_collection(name)
        self._open = {key: each for key, each in self._open.items() if each.name != name}

    def _do_upsert(self, data: bytes, key: str, ids: list[str], marks: list[Any]) -> None:
        self._collection(key).upsert(ids=ids, embeddings=_vectors(data, len(ids)), metadatas=marks)

    def _do_delete(self, _: bytes, key: str, ids: list[str]) -> None:
        collection = self._collection(key)
        if there := collection.get(ids=ids, include=[])["ids"]:
            collection.delete(ids=there)

    def _do_query(self, data: bytes, key: str, rows: int, most: int, where: Any = None) -> list[list[Any]]:
        found = self._collection(key).query(
            query_embeddings=_vectors(data, rows), n_results=most, where=where,
            include=["distances", "metadatas"],
        )  # fmt: skip
        return [
            list(zip(*each, strict=True))
            for each in zip(found["ids"], found["distances"] or [], found["metadatas"] or [], strict=True)
        ]

    def _do_page(self, _: bytes, key: str, start: int, most: int) -> list[list[Any]]:
        found = self._collection(key).get(include=["metadatas"], offset=start, limit=most)
        return [list(each) for each in zip(found["ids"], found["metadatas"] or [], strict=True)]


class _Service:
    """Guests, their questions in the order in which they come, and the end when the last has gone."""

    def __init__(self, keeper: Keeper, key: str) -> None:
        self._keeper = keeper
        self._key = key
        self._line = ThreadPoolExecutor(1, thread_name_prefix="chroma")
        self._guests = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._came = asyncio.Event()

    async def serve(self, folder: Path) -> None:
        """Serve until nobody is left."""
        server = await asyncio.start_server(self._guest, "127.0.0.1", 0)
        door = Door(server.sockets[0].getsockname()[1], self._key, os.getpid())
        door.write(folder)
        _say({"ready": door.port})
        try:
            async with asyncio.timeout(FIRST_GUEST_SECONDS):
                await self._came.wait()
            await self._empty.wait()
        except TimeoutError:
            pass
        finally:
            door.remove(folder)
            server.close()
        await self._empty.wait()  # somebody may have come in while the door was taken away
        self._line.shutdown()

    async def _guest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await asyncio.wait_for(welcome(reader, writer, self._key), 10):
                await self._attend(reader, writer)
        except (OSError, EOFError, ValueError, TimeoutError):
            pass
        finally:
            writer.close()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._guests += 1
        self._came.set()
        self._empty.clear()
        loop = asyncio.get_running_loop()
        try:
            write_frame(writer, Frame({"welcome": True}))
            while True:
                frame = await read_frame(reader)
                if frame.said["do"] == "leave":
                    write_frame(writer, Frame({"id": frame.said["id"], "result": self._guests - 1}))
                    await writer.drain()
                    return
                write_frame(writer, await loop.run_in_executor(self._line, self._keeper.answer, frame))
                await writer.drain()
        finally:
            self._guests -= 1
            if not self._guests:
                self._empty.set()


def _try_out(collection: Collection) -> None:
    """Count, and find one item by its own vector: a damaged store fails here, or kills this process."""
    if collection.count():
        one = collection.get(limit=1, include=["embeddings"])["embeddings"]
        collection.query(query_embeddings=np.asarray(one, np.float32), n_results=1, include=[])


def _shown(collection: Collection) -> dict[str, Any]:
    return {"name": collection.name, "key": str(collection.id), "marks": dict(collection.metadata or {})}


def _vectors(data: bytes, rows: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.frombuffer(data, "<f4").reshape(rows, -1)


def _say(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _move_aside(folder: Path) -> Path:
    """Keep a broken store beside the folder, and no older one."""
    for older in folder.parent.glob(f"{folder.name}.broken-*"):
        shutil.rmtree(older, ignore_errors=True)
    aside = folder.with_name(f"{folder.name}.broken-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    folder.rename(aside)
    return aside


def _keep(folder: Path, broken: str) -> dict[str, Any] | None:
    """Open a folder and serve it; gives what is wrong, if something is."""
    if broken and identity(folder) == broken:
        _say({"moved": str(_move_aside(folder))})
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        from chromadb.errors import ChromaError
    except OSError as error:
        return {"failed": f"{error.strerror}"}
    except ImportError as error:
        return {"missing": str(error)}
    try:
        keeper = Keeper(folder)
    except (ChromaError, ValueError, KeyError, OSError) as error:
        words = f"{type(error).__name__}: {error}"[:500]
        full = isinstance(error, OSError) or any(sign in words.casefold() for sign in FULL)
        return {"failed" if full else "broken": words}
    try:
        asyncio.run(_Service(keeper, secrets.token_hex(32)).serve(folder))
    finally:
        keeper.close()
    return None


def main(folder: Path, broken: str = "") -> None:
    """Keep a folder until nobody needs it any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is meant for those whom this serves
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(f"{folder}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say({"busy": True})
        return
    try:
        if wrong := _keep(folder, broken):
            _say(wrong)
    finally:
        lock.release()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
