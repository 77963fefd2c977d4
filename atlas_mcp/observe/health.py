"""How a process that serves or works on runs fares: a sample every few seconds, kept for a day.

A sample goes into a file of its own, so that no run waits for it and every process of the data folder, such
as `atlas-mcp top`, can read how the others are. What cannot be measured is left out of a sample. Whatever
goes wrong here is said once in the log and costs nothing but samples.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from ulid import ULID

from atlas_mcp.database import open_database, open_reading
from atlas_mcp.errors import AtlasError
from atlas_mcp.observe.figures import LATELY_SECONDS, seconds_of
from atlas_mcp.observe.journal import now
from atlas_mcp.observe.readings import Readings
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
    from pathlib import Path

    import psutil

    from atlas_mcp.database import Database
    from atlas_mcp.observe.figures import Call, Figures
    from atlas_mcp.observe.journal import Journal

__all__ = ["EVERY_SECONDS", "Health", "Load", "Machine", "Sample", "living", "samples", "write_sample"]

EVERY_SECONDS = 15.0
"""How often a sample is taken."""

SOON_SECONDS = 3.0
"""When the second one is taken: the first knows little, as work has just begun."""

LOOK_SECONDS = 1.0
"""How often a process looks which runs it works on, so that a short one is counted too."""

KEPT = timedelta(days=1)

SEEN_WITHIN = timedelta(hours=1)
"""How old the last sample of a process that counts as living may be; on another host three samples' time."""

MOST_AT_ONCE = 500
"""Samples that are read at once."""

LAST_SECONDS = 1.0
"""How long a closing process waits to write that it ends."""

_BUSY_MILLISECONDS = 1_000
_SAME_START = 2.0
"""Seconds by which two readings of when a process began may differ."""

MIGRATIONS = (
    """
    CREATE TABLE sample (
        at TEXT NOT NULL, process TEXT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL,
        ended INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL,
        PRIMARY KEY (at, process)
    ) WITHOUT ROWID;
    """,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """How a process was at a moment (ISO 8601): its `figures` by stable names, listed in the handbook.

    `process` tells processes apart that had the same `pid`; `began` is when it began, in seconds since the
    epoch. `telling` says of each address that runs are told of at how far that is (`progress`) and what is
    wrong (`trouble`), where this process is the one that tells.
    """

    process: str
    pid: int
    host: str
    at: str
    began: float
    figures: dict[str, float]
    telling: dict[str, dict[str, str]]


class Health:
    """Takes samples of this process from `begin` to `close`.

    `runs` gives the ids of the runs that it works on, `places` is on how many it may at once, and `telling`
    says how telling of them elsewhere goes. `left` says what vendors told within so many seconds that their
    rate limits leave, by name.
    """

    def __init__(
        self, home: Path, journal: Journal, *, runs: Callable[[], Collection[str]], places: int = 0,
        telling: Callable[[], Awaitable[dict[str, dict[str, str]]]] | None = None,
        left: Callable[[float], Mapping[str, float]] | None = None,
    ) -> None:  # fmt: skip
        self._path = home / "health.db"
        self._runs = runs
        self._places = places
        self._telling = telling
        self._left = left
        self._load = Load(Readings(journal))
        self._machine = Machine()
        self._process = str(ULID())
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._failing = False
        self._last = ""

    def begin(self) -> None:
        """Take samples from now on; again is as once."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="take samples of this process")
            self._task.add_done_callback(_look_at)

    async def close(self) -> None:
        """Say that the process ends, if that is a matter of a moment, and end."""
        if self._task is None:
            return
        self._closing.set()
        await asyncio.wait({self._task}, timeout=LAST_SECONDS)
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=LAST_SECONDS)

    async def sample(self) -> Sample:
        """How this process is now."""
        ids = self._runs()
        self._load.note(ids)
        system, (began, figures) = await asyncio.gather(
            self._load.figures(ids), asyncio.to_thread(self._machine.look)
        )
        figures |= system | ({"system/places": self._places} if self._places else {})
        if self._left is not None:
            figures |= {f"system/{name}": value for name, value in self._left(LATELY_SECONDS).items()}
        telling = await self._telling() if self._telling else {}
        return Sample(self._process, os.getpid(), socket.gethostname(), now(), began, figures, telling)

    async def _work(self) -> None:
        try:
            async with open_database(self._path, MIGRATIONS) as database:
                await database.write(_impatient)
                pause = SOON_SECONDS
                while not self._closing.is_set():
                    await self._keep(database)
                    await self._rest(pause)
                    pause = EVERY_SECONDS
                with suppress(sqlite3.Error, AtlasError):
                    await database.write(self._write_end)
        except (AtlasError, sqlite3.Error, OSError) as error:
            log.warning("no samples of this process are kept: %s", error)

    async def _rest(self, seconds: float) -> None:
        """Wait for the next sample, or the end; meanwhile note which runs are worked on."""
        until = time.monotonic() + seconds
        while not self._closing.is_set() and (left := until - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await self._closing.wait()
            self._load.note(self._runs())

    async def _keep(self, database: Database) -> None:
        try:
            sample = await self.sample()
            await database.write(lambda connection: write_sample(connection, sample))
            self._last = sample.at
        except (AtlasError, sqlite3.Error, OSError) as error:
            if not self._failing:
                log.warning("a sample of this process could not be kept: %s", error)
            self._failing = True
        else:
            self._failing = False

    def _write_end(self, connection: sqlite3.Connection) -> None:
        ours = (self._last, self._process)
        connection.execute("UPDATE sample SET ended = 1 WHERE at = ? AND process = ?", ours)


class Load:
    """What a process has to do: the runs that it works on, as the journal tells of them."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._noted: dict[str, float] = {}

    def note(self, run_ids: Iterable[str]) -> None:
        """These are worked on now; what is read of them counts for a minute after they ended."""
        self._noted |= dict.fromkeys(run_ids, time.monotonic())

    async def figures(self, run_ids: Collection[str]) -> dict[str, float]:
        """Runs, queue, members at work and the model calls of the last minute, by name."""
        await self._readings.read_on(self._noted)
        recent = time.monotonic() - LATELY_SECONDS
        self._noted = {run_id: at for run_id, at in self._noted.items() if at >= recent}
        self._readings.keep(self._noted)
        here = [each for each in (self._readings.figures.get(run_id) for run_id in run_ids) if each]
        every = [each for run_id in self._noted for each in self._readings.with_children(run_id)]
        below = [each for run_id in run_ids for each in self._readings.with_children(run_id)]
        since = time.time() - LATELY_SECONDS
        return {
            "system/runs": sum(each.state == "running" for each in here),
            "system/runs_waiting": sum(each.state in {"waiting", "paused"} for each in here),
            "system/queued": sum(each.state == "queued" for each in here),
            "system/agents": sum(_at_work(each) for each in below),
            **_answering([call for each in every for call in each.lately.since(since)]),
        }


def _at_work(figures: Figures) -> int:
    """Members at work in a run itself; teams that work for it have members of their own."""
    return sum(not actor.startswith("team:") for actor in figures.members)


def _answering(calls: Collection[Call]) -> dict[str, float]:
    """How models answered; without a call nothing is said of errors, without an answer none of time."""
    told: dict[str, float] = {"system/calls": len(calls)}
    if calls:
        told["system/error_rate"] = round(sum(bool(each.failure) for each in calls) / len(calls), 4)
    if seconds := [each.seconds for each in calls if each.seconds is not None]:
        told["system/response_seconds"] = round(sum(seconds) / len(seconds), 3)
    return told


class Machine:
    """What the operating system says of this process; each look blocks for some milliseconds."""

    def __init__(self) -> None:
        self._process: psutil.Process | None = None

    def look(self) -> tuple[float, dict[str, float]]:
        """When the process began, and its figures; its share of the processor is since the last look."""
        import psutil

        first, process = self._process is None, self._process or psutil.Process()
        self._process = process
        # Windows counts handles, of which files are a part.
        files = "num_fds" if hasattr(process, "num_fds") else "num_handles"
        asked: dict[str, Callable[[], float]] = {
            "system/memory_bytes": lambda: process.memory_info().rss,
            "system/cpu_percent": process.cpu_percent,
            "system/threads": process.num_threads,
            "system/connections": lambda: len(process.net_connections("inet")),
            "system/files": getattr(process, files),
        }
        figures: dict[str, float] = {}
        for name, ask in asked.items():
            with suppress(psutil.Error, OSError, NotImplementedError):
                figures[name] = ask()
        if first:
            # It has nothing to compare with yet, and says 0.
            figures.pop("system/cpu_percent", None)
        return process.create_time(), figures


def _impatient(connection: sqlite3.Connection) -> None:
    """Rather lose a sample than wait for another process."""
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")


def write_sample(connection: sqlite3.Connection, sample: Sample) -> None:
    """Keep a sample, secrets taken out, and forget those that are older than a day."""
    data = redacted({"began": sample.began, "figures": sample.figures, "telling": sample.telling})
    connection.execute("DELETE FROM sample WHERE at < ?", (_ago(KEPT),))
    connection.execute(
        "INSERT OR REPLACE INTO sample (at, process, pid, host, data) VALUES (?, ?, ?, ?, ?)",
        (sample.at, sample.process, sample.pid, sample.host, json.dumps(data, ensure_ascii=False)),
    )


async def living(home: Path) -> list[Sample]:
    """The latest sample of each process of a data folder that lives, the one that began first in front.

    One of another host counts as living while its samples come.
    """
    path = home / "health.db"
    if not await asyncio.to_thread(path.exists):
        return []
    try:
        async with open_reading(path) as database:
            rows = await database.read(_latest)
    except sqlite3.Error as error:
        # It is being made by another process, or is no database.
        log.debug("%s cannot be read: %s", path, error)
        return []
    found = await asyncio.to_thread(lambda: [each for each in map(_sample, rows) if _lives(each)])
    return sorted(found, key=lambda each: each.began)


async def samples(home: Path, after: str) -> list[Sample]:
    """The samples of every process of a data folder that were taken after a time (ISO 8601), oldest first."""
    path = home / "health.db"
    if not await asyncio.to_thread(path.exists):
        return []
    try:
        async with open_reading(path) as database:
            rows = await database.read(
                lambda connection: connection.execute(
                    "SELECT * FROM sample WHERE at > ? ORDER BY at LIMIT ?", (after, MOST_AT_ONCE)
                ).fetchall()
            )
    except sqlite3.Error as error:
        log.debug("%s cannot be read: %s", path, error)
        return []
    return [_sample(row) for row in rows]


def _latest(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT * FROM sample WHERE ended = 0 AND (at, process) IN"
        " (SELECT max(at), process FROM sample WHERE at >= ? GROUP BY process)",
        (_ago(SEEN_WITHIN),),
    ).fetchall()


def _sample(row: sqlite3.Row) -> Sample:
    data = cast("dict[str, Any]", json.loads(row["data"]))
    return Sample(
        row["process"], row["pid"], row["host"], row["at"], data["began"], data["figures"], data["telling"]
    )


def _lives(sample: Sample) -> bool:
    if sample.host != socket.gethostname():
        return time.time() - seconds_of(sample.at) < 3 * EVERY_SECONDS
    import psutil

    try:
        return abs(psutil.Process(sample.pid).create_time() - sample.began) < _SAME_START
    except psutil.Error:
        return False


def _ago(time_span: timedelta) -> str:
    return (datetime.now(UTC) - time_span).isoformat(timespec="milliseconds")


def _look_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("no more samples of this process are taken: %s", error, exc_info=error)
