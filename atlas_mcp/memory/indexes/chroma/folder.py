"""An embedded Chroma folder as a `Store`: spoken to through the one process that keeps it.

Whoever comes first starts that process (`worker`); whoever comes later is let in by it. A process that
dies while it opens the folder died of the folder: that store is moved aside, and an empty one begun.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from atlas_mcp.errors import IndexUnavailable, MissingExtra
from atlas_mcp.memory.indexes.chroma.store import (
    CHANGE_SECONDS,
    REST_SECONDS,
    Collection,
    Hit,
    NoCollection,
    Opening,
)
from atlas_mcp.memory.indexes.chroma.wire import VERSION, BadDoor, Door, Frame, greet, read_frame, write_frame
from atlas_mcp.memory.indexes.chroma.worker import identity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from atlas_mcp.memory.indexes.chroma.store import Marks
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["ChromaFolder", "missing"]

OPEN_SECONDS = 120.0
"""The longest that opening may take; a store that takes longer is taken for a broken one."""
DEATHS = 2
LOOK_SECONDS = 0.05
GOODBYE_SECONDS = 5.0

_log = logging.getLogger(__name__)
_left: Final[list[subprocess.Popen[str]]] = []
"""Processes that others still need after we have gone; looked at now and then, so that the system forgets
those that have ended."""


class ChromaFolder:
    """A folder with collections; nothing is started before it is used. `rest` is in seconds."""

    def __init__(self, folder: Path, *, rest: float = REST_SECONDS) -> None:
        self._folder = folder
        self._opening = Opening(self._open, place=f"The Chroma folder {folder}", rest=rest)
        self._tried = ""
        self._broken = ""
        self._deaths = 0

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"the folder {self._folder}"

    async def open(self, seconds: float) -> None:
        """Be open within so many seconds."""
        await self._opening.get(seconds)

    async def collections(self) -> list[Collection]:
        """Every collection."""
        return [Collection(**each) for each in await self._ask("collections", CHANGE_SECONDS)]

    async def find(self, name: str) -> Collection | None:
        """The collection of a name."""
        found = await self._ask("find", CHANGE_SECONDS, name=name)
        return None if found is None else Collection(**found)

    async def make(self, name: str, marks: Marks) -> Collection:
        """Make a collection."""
        return Collection(**await self._ask("make", CHANGE_SECONDS, name=name, marks=marks))

    async def drop(self, name: str) -> None:
        """Remove a collection."""
        await self._ask("drop", CHANGE_SECONDS, name=name)

    async def upsert(self, key: str, ids: Sequence[str], vectors: FloatArray, marks: Sequence[Marks]) -> None:
        """Hold items, in place of those of the same ids."""
        await self._ask("upsert", CHANGE_SECONDS, vectors, key=key, ids=list(ids), marks=list(marks))

    async def delete(self, key: str, ids: Sequence[str]) -> None:
        """Hold items no more."""
        await self._ask("delete", CHANGE_SECONDS, key=key, ids=list(ids))

    async def query(
        self, key: str, vectors: FloatArray, most: int, *, where: dict[str, Any] | None, seconds: float
    ) -> list[list[Hit]]:
        """The nearest items of each vector."""
        found = await self._ask("query", seconds, vectors, key=key, rows=len(vectors), most=most, where=where)
        return [[Hit(*hit) for hit in each] for each in found]

    async def page(self, key: str, start: int, most: int) -> list[tuple[str, Marks]]:
        """Id and marks of the items from a place on."""
        rows = await self._ask("page", CHANGE_SECONDS, key=key, start=start, most=most)
        return [(row[0], row[1]) for row in rows]

    async def close(self) -> None:
        """Leave; the process that keeps the folder ends when nobody else is there."""
        if guest := await self._opening.close():
            await guest.leave()

    async def _ask(self, do: str, seconds: float, vectors: FloatArray | None = None, **said: Any) -> Any:
        guest = await self._opening.get(OPEN_SECONDS)
        data = b"" if vectors is None else np.ascontiguousarray(vectors, "<f4").tobytes()
        try:
            answer = await asyncio.wait_for(guest.ask(do, said, data), seconds)
        except TimeoutError:
            raise IndexUnavailable(
                f"Chroma in {self.place} is busy.",
                remedy="Ask again in a while; the record answers meanwhile.",
            ) from None
        except ConnectionError:
            self._deaths += 1
            if self._deaths > DEATHS:  # it can be opened, and whoever works with it dies
                self._deaths, self._broken = 0, identity(self._folder)
            raise self._opening.failed(self._died(), lost=True) from None
        if answer.get("gone"):
            raise NoCollection(said.get("key", do))
        if "failed" in answer:
            raise IndexUnavailable(
                f"Chroma in {self.place} failed: {answer['failed']}.",
                remedy="See whether the disk is full; `atlas-mcp memory rebuild chroma` makes it anew.",
            )
        if do in {"query", "upsert"}:
            self._deaths = 0
        return answer["result"]

    def _died(self) -> IndexUnavailable:
        return IndexUnavailable(
            f"The process that kept Chroma in {self.place} has died.",
            remedy="It is started again at the next use.",
        )

    async def _open(self) -> _Guest:
        """Come in by the door, or start who keeps it."""
        deaths = 0
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                while True:
                    if guest := await self._come_in():
                        return guest
                    self._tried = identity(self._folder)
                    worker, said = await _started(self._folder, self._broken)
                    self._broken, tried, self._tried = "", self._tried, ""
                    if "ready" in said:
                        if guest := await self._come_in():
                            guest.worker = worker
                            return guest
                    elif "broken" in said or said.get("died"):
                        deaths += 1
                        self._broken = tried
                        self._note_broken(said, deaths)
                    elif "busy" not in said:
                        raise self._unusable(said)
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            self._broken, self._tried = self._tried, ""
            raise IndexUnavailable(
                f"Chroma in {self.place} did not open within {OPEN_SECONDS:.0f} s.",
                remedy="It is tried again, and moved aside if it is what held this up.",
            ) from None

    async def _come_in(self) -> _Guest | None:
        door = await asyncio.to_thread(Door.read, self._folder)
        if door is None:
            return None
        if door.v != VERSION:
            raise IndexUnavailable(
                f"Chroma in {self.place} is kept by another version of ATLAS (process {door.pid}).",
                remedy="End the programs that still run that version.",
            )
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        except OSError:
            return None
        try:
            await greet(reader, writer, door)
            await read_frame(reader)
        except (OSError, EOFError, ValueError):
            writer.close()
            return None
        except BaseException:
            writer.close()
            raise
        return _Guest(reader, writer)

    def _note_broken(self, said: dict[str, Any], deaths: int) -> None:
        what = said.get("broken") or "the process that opened it died"
        _log.warning("Chroma in %s is damaged (%s); it is moved aside and made anew.", self.place, what)
        if deaths > DEATHS:
            raise IndexUnavailable(
                f"Chroma cannot be opened in {self.place}: {what}.",
                remedy='Install the extra chroma anew, or leave Chroma out with [memory] chroma = "".',
            )

    def _unusable(self, said: dict[str, Any]) -> IndexUnavailable:
        if "missing" in said:
            error = missing()
            return IndexUnavailable(error.message, remedy=error.remedy)
        return IndexUnavailable(
            f"Chroma cannot be opened in {self.place}: {said.get('failed', 'it said nothing')}.",
            remedy="See whether the disk is full and the folder can be written.",
        )


class _Guest:
    """A connection to the process that keeps a folder; answers find their questions by number."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.worker: subprocess.Popen[str] | None = None
        self._writer = writer
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listening = asyncio.create_task(self._listen(reader))

    async def ask(self, do: str, said: dict[str, Any], data: bytes) -> dict[str, Any]:
        """The answer to a question.

        :raises ConnectionError: the process is gone.
        """
        if self._listening.done():
            raise ConnectionResetError
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            write_frame(self._writer, Frame({"id": number, "do": do, "with": said}, data))
            await self._writer.drain()
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def leave(self) -> None:
        """Hang up; wait for the process that we started, if nobody else needs it."""
        try:
            others = (await asyncio.wait_for(self.ask("leave", {}, b""), GOODBYE_SECONDS))["result"]
        except (ConnectionError, TimeoutError):
            others = 0
        self._listening.cancel()
        self._writer.close()
        await asyncio.wait({self._listening})
        if self.worker is not None and not others:
            await asyncio.to_thread(_wait_for, self.worker)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                said = (await read_frame(reader)).said
                if (answer := self._waiting.get(said["id"])) and not answer.done():
                    answer.set_result(said)
        except (OSError, EOFError, BadDoor):
            pass
        finally:
            # Whoever finds that the process is gone forgets this guest, and does not hang up.
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError())


def missing() -> MissingExtra:
    """What to say where Chroma is not installed."""
    return MissingExtra(
        "[memory] chroma needs Chroma, which is not installed.",
        remedy="In the checkout of ATLAS: uv tool install '.[chroma]'",
    )


async def _started(folder: Path, broken: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """A process that keeps a folder, and what it says when it is ready, or why it is not."""
    birth = _Birth()
    try:
        process = await asyncio.to_thread(birth.give, folder, broken)
    except BaseException:
        birth.call_off()  # the thread goes on all the same
        raise
    try:
        while line := await asyncio.to_thread(_line_of, process):
            said = json.loads(line)
            if "moved" not in said:
                break
            _log.warning("What was damaged of Chroma is kept in %s.", said["moved"])
        else:
            said = {"died": True}
    except BaseException:
        birth.call_off()
        raise
    if process.stdout:
        process.stdout.close()
    return process, said


class _Birth:
    """A process that a thread starts, and that ends if whoever wanted it is cancelled meanwhile."""

    def __init__(self) -> None:
        self._born: list[subprocess.Popen[str]] = []
        self._called_off = False

    def give(self, folder: Path, broken: str) -> subprocess.Popen[str]:
        """Start it; in a thread."""
        process = _start(folder, broken)
        self._born.append(process)
        if self._called_off:
            _end(process)
        return process

    def call_off(self) -> None:
        """End it, now or as soon as it is there."""
        self._called_off = True
        for process in self._born:
            asyncio.get_running_loop().run_in_executor(None, _end, process)


def _start(folder: Path, broken: str) -> subprocess.Popen[str]:
    _left[:] = [process for process in _left if process.poll() is None]
    command = [
        sys.executable,
        "-P",
        "-m",
        "atlas_mcp.memory.indexes.chroma.worker",
        str(folder.absolute()),
        broken,
    ]
    process = subprocess.Popen(  # noqa: S603 — our own module, in our own Python
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        cwd=folder.parent if folder.parent.is_dir() else None, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True, creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )  # fmt: skip
    _left.append(process)
    return process


def _line_of(process: subprocess.Popen[str]) -> str:
    """The next line of a process; empty when it has ended."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        process.wait()
    return line


def _end(process: subprocess.Popen[str]) -> None:
    """End a process by which nobody came in yet, and wait until it is gone."""
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def _wait_for(process: subprocess.Popen[str]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(GOODBYE_SECONDS)
