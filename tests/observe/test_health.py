"""How a process fares: what a sample of it holds, who sees it, and that it is never in anybody's way."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.app import Atlas, open_atlas
from atlas_mcp.database import open_database
from atlas_mcp.events import Kind
from atlas_mcp.observe.health import EVERY_SECONDS, MIGRATIONS, Health, Machine, Sample, living, write_sample
from atlas_mcp.settings import MemorySettings, ModelSettings, RunSettings, Settings
from tests.orchestration.talk import QUESTION, SCRIPT, SPRING, seen

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ROOT = Path(__file__).parents[2]
SLOW = '[[reply]]\nwhen = { intent = "gather" }\nsay = "Let me see."\ntokens = 2\nseconds = 60\n'
REFUSED = '[[reply]]\nwhen = { intent = "gather", contains = "Who publishes" }\nfail = "overloaded"\n'


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "tides.md").write_text(
        f"# Tides\n\n{SPRING}\nA harbour master must publish the tide table every month.\n", "utf-8"
    )
    return folder


def scripted(home: Path, script: str, at_once: int) -> Settings:
    home.mkdir(exist_ok=True)
    path = home / "script.toml"
    path.write_text(script, "utf-8")
    return Settings(
        home=home, models=ModelSettings(default=f"scripted:{path}"), runs=RunSettings(at_once=at_once),
        memory=MemorySettings(embeddings=False),
    )  # fmt: skip


@asynccontextmanager
async def at_work(
    home: Path, documents: Path, script: str = SCRIPT, *, at_once: int = 8
) -> AsyncGenerator[tuple[Atlas, Health]]:
    """An Atlas on a scripted provider, and the health of the process that works on its runs."""
    async with open_atlas(scripted(home, script, at_once), roots=[documents]) as atlas:
        health = Health(home, atlas.journal, runs=lambda: tuple(atlas._runs._owners), places=at_once)
        yield atlas, health
        await health.close()


async def first_sample(home: Path) -> Sample:
    """Wait until a process that lives has told of itself."""
    async with asyncio.timeout(20):
        while not (found := await living(home)):
            pass
        return found[0]


# What a sample holds ---------------------------------------------------------------------------------------


async def test_a_sample_tells_of_the_runs_and_members_at_work_and_of_who_waits_for_a_place(
    home: Path, documents: Path
) -> None:
    async with at_work(home, documents, SLOW + SCRIPT, at_once=1) as (atlas, health):
        wishes: dict[str, Any] = {"question": QUESTION, "documents": [str(documents)]}
        run = await atlas.start("research", **wishes)
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a2")
        await atlas.start("research", fresh=True, **wishes)
        figures = (await health.sample()).figures
    assert figures["system/runs"] == 1
    assert figures["system/queued"] == 1
    assert figures["system/agents"] == 2
    assert figures["system/places"] == 1
    assert figures["system/memory_bytes"] > 1_000_000
    assert figures["system/files"] > 0


async def test_calls_of_the_last_minute_are_counted_also_of_a_run_that_has_ended_since(
    home: Path, documents: Path
) -> None:
    async with at_work(home, documents, REFUSED + SCRIPT) as (atlas, health):
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await health.sample()
        assert (await run.envelope(wait_seconds=30))["state"] == "done"
        figures = (await health.sample()).figures
    assert figures["system/runs"] == 0
    assert figures["system/agents"] == 0
    failed = round(figures["system/error_rate"] * figures["system/calls"])
    assert failed >= 1
    assert figures["system/calls"] - failed >= 3
    assert figures["system/response_seconds"] >= 0


async def test_of_an_idle_process_nothing_is_said_of_errors_and_times(home: Path, documents: Path) -> None:
    async with at_work(home, documents) as (_, health):
        figures = (await health.sample()).figures
    assert figures["system/calls"] == 0
    assert not figures.keys() & {"system/error_rate", "system/response_seconds"}


def test_the_share_of_the_processor_is_left_out_until_there_is_something_to_compare_with() -> None:
    machine = Machine()
    _, first = machine.look()
    _, second = machine.look()
    assert "system/cpu_percent" not in first
    assert second["system/cpu_percent"] >= 0


# Who is seen -----------------------------------------------------------------------------------------------


async def test_a_process_is_seen_from_its_beginning_to_its_end(home: Path, documents: Path) -> None:
    async with at_work(home, documents) as (_, health):
        assert await living(home) == []
        health.begin()
        health.begin()
        sample = await first_sample(home)
        assert (sample.pid, sample.host) == (os.getpid(), socket.gethostname())
        await health.close()
        assert await living(home) == []


KILLED = """
import asyncio, os, sys
from pathlib import Path
from atlas_mcp.database import open_database
from atlas_mcp.observe.health import Health, living
from atlas_mcp.observe.journal import SCHEMA, Journal

async def main(home):
    async with open_database(home / "runs.db", [SCHEMA]) as database:
        Health(home, Journal(database), runs=lambda: ()).begin()
        while not (found := await living(home)):
            pass
        os.write(1, str(found[0].pid).encode())
        os._exit(9)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_process_that_was_killed_is_seen_no_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 9, done.stderr
    assert done.stdout
    assert await living(tmp_path) == []


def elsewhere(ago: float, process: str = "p1") -> Sample:
    """A sample of a process on another host, taken some seconds ago."""
    at = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(timespec="milliseconds")
    return Sample(process, os.getpid(), "elsewhere", at, time.time() - 100, {"system/runs": 1.0}, {})


async def kept(home: Path, *samples: Sample) -> list[str]:
    """The moments of the samples that are there once these were written."""
    async with open_database(home / "health.db", MIGRATIONS) as database:
        for sample in samples:
            await database.write(lambda connection, sample=sample: write_sample(connection, sample))
        rows = await database.read(lambda connection: connection.execute("SELECT at FROM sample").fetchall())
    return [row["at"] for row in rows]


async def test_a_process_on_another_host_is_seen_while_its_samples_come(tmp_path: Path) -> None:
    await kept(tmp_path, elsewhere(EVERY_SECONDS), elsewhere(10 * EVERY_SECONDS, "p2"))
    assert [each.process for each in await living(tmp_path)] == ["p1"]


async def test_only_the_latest_sample_of_a_process_is_told(tmp_path: Path) -> None:
    newest = replace(elsewhere(1), figures={"system/runs": 2.0})
    await kept(tmp_path, newest, elsewhere(20))
    assert [each.figures for each in await living(tmp_path)] == [{"system/runs": 2.0}]


async def test_samples_are_kept_for_a_day(tmp_path: Path) -> None:
    old, new = elsewhere(25 * 3600), elsewhere(23 * 3600)
    assert await kept(tmp_path, old, new) == [new.at]


async def test_a_number_that_now_belongs_to_another_process_is_not_taken_for_it(tmp_path: Path) -> None:
    await kept(tmp_path, replace(elsewhere(1), host=socket.gethostname(), began=0.0))
    assert await living(tmp_path) == []


# In nobody's way -------------------------------------------------------------------------------------------


def spoil(home: Path) -> None:
    home.mkdir()
    (home / "health.db").write_text("This is no database, and it is longer than the head of one. " * 20)


async def test_a_file_that_cannot_be_written_costs_samples_and_nothing_else(
    home: Path, documents: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(home)
    async with at_work(home, documents) as (atlas, health):
        health.begin()
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        assert (await run.envelope(wait_seconds=30))["state"] == "done"
        assert await living(home) == []
    assert "no samples of this process are kept" in caplog.text


async def test_a_process_that_never_began_has_nothing_to_close(home: Path, documents: Path) -> None:
    async with at_work(home, documents) as (_, health):
        await health.close()
    assert not (home / "health.db").exists()


async def test_no_sample_holds_a_secret(tmp_path: Path) -> None:
    told = {"http://me:hunter2hunter2@127.0.0.1": {"progress": "", "trouble": "sk-" + "a" * 30}}
    await kept(tmp_path, replace(elsewhere(1), telling=told))
    (sample,) = await living(tmp_path)
    (how,) = sample.telling.values()
    assert how["trouble"] == "[secret]"
