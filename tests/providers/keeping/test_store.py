"""What was observed of providers, from one process to the next and between several."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest

from atlas_mcp import database as databases
from atlas_mcp import errors
from atlas_mcp.messages import TaskType
from atlas_mcp.providers.breaker import BreakerState
from atlas_mcp.providers.known.track import QUICKER
from tests.providers.processes import A_DAY, START, WRITING, Clock, started

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def locked(file: Path, monkeypatch: pytest.MonkeyPatch) -> sqlite3.Connection:
    """A connection that can lock the file, whose users do not wait for it."""
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.01)
    return sqlite3.connect(file, isolation_level=None)


# How members fared -----------------------------------------------------------------------------------------


async def test_how_members_fared_is_known_after_a_restart(file: Path, clock: Clock) -> None:
    async with started(file, clock) as before:
        before.observe(8)
        before.observe(2, failure="overloaded")
        before.reliability.heard("openai:a", WRITING, 0.5)
        before.reliability.rate("openai:a", WRITING, 4.0)
        await before.store.flush()
        known = before.reliability.record("openai:a", WRITING)
    async with started(file, clock) as after:
        assert after.reliability.record("openai:a", WRITING) == known
        assert after.reliability.record("openai:a", TaskType.CODE).calls == 0
        assert after.reliability.record("openai:b", WRITING).calls == 0


async def test_what_was_observed_long_ago_weighs_less(file: Path, clock: Clock) -> None:
    async with started(file, clock) as before:
        before.observe(10)
        await before.store.flush()
    clock.now += before.reliability.half_life / QUICKER
    async with started(file, clock) as after:
        assert after.calls() == pytest.approx(5)
        after.observe(1)
        await after.store.flush()
        assert after.calls() == pytest.approx(6)
    clock.now += 40 * A_DAY
    async with started(file, clock) as much_later:
        assert much_later.reliability.members == ()


async def test_two_processes_add_up_what_they_observe(file: Path, clock: Clock) -> None:
    async with started(file, clock) as one, started(file, clock) as other:
        for _ in range(5):
            one.observe(2)
            other.observe(3)
            await asyncio.gather(one.store.flush(), other.store.flush())
        async with started(file, clock) as third:
            assert third.calls() == pytest.approx(25)
        one.observe(1)
        await one.store.flush()
        assert one.calls() == pytest.approx(26)


async def test_what_is_observed_while_it_is_written_is_not_lost(file: Path, clock: Clock) -> None:
    async with started(file, clock) as process:
        process.observe(3)
        writing = asyncio.create_task(process.store.flush())
        await asyncio.sleep(0)
        process.observe(4)
        await writing
        assert process.calls() == pytest.approx(7)
        await process.store.flush()
    async with started(file, clock) as after:
        assert after.calls() == pytest.approx(7)


async def test_what_is_known_here_is_not_replaced_by_what_was_stored(file: Path, clock: Clock) -> None:
    async with started(file, clock) as before:
        before.observe(10)
        await before.store.flush()
    async with started(file, clock) as after:
        after.observe(1)
        await after.store.load(after.group)
        assert after.calls() == pytest.approx(11)


async def test_a_record_of_another_version_is_begun_anew(file: Path, clock: Clock) -> None:
    async with started(file, clock) as before:
        before.observe(3)
        await before.store.flush()
    for odd in ("{}", "no JSON", '{"at": 1, "answered": "many"}', "[]"):
        connection = sqlite3.connect(file)
        connection.execute("UPDATE provider_track SET track = ?", (odd,))
        connection.commit()
        connection.close()
        async with started(file, clock) as after:
            assert after.calls() == 0
            after.observe(2)
            await after.store.flush()
        async with started(file, clock) as again:
            assert again.calls() == pytest.approx(2)


async def test_a_clock_that_was_set_back_does_not_make_news_count_for_nothing(
    file: Path, clock: Clock
) -> None:
    async with started(file, clock) as before:
        before.observe(3)
        await before.store.flush()
    clock.now -= 5 * A_DAY
    async with started(file, clock) as after:
        after.observe(2)
        await after.store.flush()
        assert after.calls() == pytest.approx(5)


async def test_a_database_that_is_locked_for_a_while_loses_nothing(
    file: Path, clock: Clock, locked: sqlite3.Connection
) -> None:
    async with started(file, clock) as process:
        process.observe(2)
        await process.store.flush()
        locked.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            process.observe(2)
            process.one.breaker.failed(errors.RateLimited("slow down", retry_after=60))
            with pytest.raises(sqlite3.OperationalError):
                await process.store.flush()
        await process.store.load(process.group)
        assert process.calls() == pytest.approx(8)
        locked.execute("ROLLBACK")
        locked.close()
        await process.store.flush()
    async with started(file, clock) as after:
        assert after.calls() == pytest.approx(8)
        assert after.one.breaker.state is BreakerState.OPEN


async def test_while_it_is_kept_it_is_written_at_the_end_and_says_once_if_it_cannot(
    file: Path, clock: Clock, locked: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(file, clock) as process:
        async with process.store.kept():
            process.observe(3)
        locked.execute("BEGIN IMMEDIATE")
        with caplog.at_level(logging.WARNING):
            async with process.store.kept() as upkeep:
                for _ in range(3):
                    process.observe(1)
                    upkeep.hasten()
                    await asyncio.sleep(0.02)
        locked.close()
        (said,) = caplog.messages
        assert "What was learned of providers cannot be kept" in said
    async with started(file, clock) as after:
        assert after.calls() == pytest.approx(3)


SCRIPT = """
import asyncio, sys
from pathlib import Path
from atlas_mcp.database import open_database
from atlas_mcp.messages import TaskType
from atlas_mcp.providers.known.models import Models
from atlas_mcp.providers.known.reliability import Outcome, Reliability
from atlas_mcp.providers.keeping.store import SCHEMA, ProviderStore
from atlas_mcp.providers.known.track import QUICKER

async def main():
    clock = lambda: float(sys.argv[2])
    async with open_database(Path(sys.argv[1]), (SCHEMA,)) as database:
        reliability = Reliability(clock=clock)
        store = ProviderStore(database, reliability, Models.load(), clock=clock)
        for _ in range(40):
            reliability.observe("openai:a", TaskType.WRITING, Outcome(seconds=1.0))
            await store.flush()

asyncio.run(main())
"""


async def test_processes_that_write_at_once_lose_nothing(file: Path, clock: Clock) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", SCRIPT, str(file), str(START))
        for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    async with started(file, clock) as after:
        assert after.calls() == pytest.approx(120)
