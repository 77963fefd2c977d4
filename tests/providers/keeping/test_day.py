"""What may be spent in a day: by one process, by several, and across midnight."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from atlas_mcp import database as databases
from atlas_mcp.chunks import Usage
from atlas_mcp.database import open_database
from atlas_mcp.errors import BudgetSpent
from atlas_mcp.providers.budget import Limit
from atlas_mcp.providers.keeping.day import HELD_BACK, SCHEMA, Day

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
A_DAY = 86_400.0
CALL = Usage(60, 40, cost_usd=0.25, calls=1)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@asynccontextmanager
async def opened(
    file: Path, clock: Clock, limit: Limit | None = None, *, user: str = "ann"
) -> AsyncGenerator[Day]:
    """A process's day: its own connections to the file that all share."""
    async with open_database(file, (SCHEMA,)) as database:
        day = Day(database, user, limit or Limit(tokens=1_000, cost_usd=10.0), clock=clock)
        await day.sync()
        yield day


def spend(day: Day, usage: Usage = CALL) -> None:
    run = day.budget.child(Limit(), name="run")
    run.reserve(0).settle(usage)


def rows(file: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute("SELECT * FROM spending ORDER BY user, day").fetchall()
    finally:
        connection.close()


async def test_what_was_spent_today_is_known_after_a_restart(file: Path, clock: Clock) -> None:
    async with opened(file, clock) as day:
        spend(day)
        spend(day)
        await day.sync()
    async with opened(file, clock) as day:
        assert day.spent == Usage(120, 80, cost_usd=0.5, calls=2)
        assert day.budget.left(closing=True) == (800, 9.5)
    assert rows(file) == [("ann", "2026-11-28", 120, 80, 0.5, 0, 2)]


async def test_what_one_process_spends_binds_the_other(file: Path, clock: Clock) -> None:
    limit = Limit(cost_usd=1.0)
    async with opened(file, clock, limit) as one, opened(file, clock, limit) as other:
        for _ in range(4):
            spend(one)
        await one.sync()
        spend(other)  # it has not heard of it yet
        await other.sync()
        assert other.spent == Usage(300, 200, cost_usd=1.25, calls=5)
        with pytest.raises(BudgetSpent) as refused:
            spend(other)
        assert refused.value.message == "The day's limit of $1.00 is reached."
        assert "day_usd" in refused.value.remedy
        await one.sync()
        assert one.spent == other.spent


async def test_nothing_is_counted_twice_however_often_it_is_written(file: Path, clock: Clock) -> None:
    async with opened(file, clock) as day:
        for _ in range(3):
            spend(day)
            await asyncio.gather(day.sync(), day.sync())
        assert day.spent.calls == 3
        assert day.budget.left(closing=True)[0] == 700
    assert rows(file)[0][-1] == 3


async def test_what_is_spent_while_it_is_being_written_is_written_next(file: Path, clock: Clock) -> None:
    async with opened(file, clock) as day:
        spend(day)
        writing = asyncio.create_task(day.sync())
        await asyncio.sleep(0)
        spend(day)
        await writing
        assert day.spent.calls == 2
        assert rows(file)[0][-1] == 1
        await day.sync()
        assert rows(file)[0][-1] == 2


async def test_a_new_day_begins_at_midnight_utc(file: Path, clock: Clock) -> None:
    limit = Limit(tokens=1_000)
    async with opened(file, clock, limit) as day:
        spend(day, Usage(900, 50, calls=1))
        await day.sync()
        with pytest.raises(BudgetSpent):
            spend(day)
        clock.now = datetime(2026, 11, 29, 0, 0, 1, tzinfo=UTC).timestamp()
        await day.sync()
        assert day.spent == Usage()
        spend(day)
        await day.sync()
    assert [row[1:4] for row in rows(file)] == [("2026-11-28", 900, 50), ("2026-11-29", 60, 40)]


async def test_a_call_under_way_at_midnight_counts_on_the_day_on_which_it_ends(
    file: Path, clock: Clock
) -> None:
    async with opened(file, clock) as day:
        spend(day)
        hold = day.budget.reserve(300)
        hold.count(300, 100)
        clock.now += A_DAY
        await day.sync()
        assert day.spent == Usage()
        assert day.budget.left(closing=True)[0] == 600
        hold.settle(Usage(300, 200, calls=1))
        assert day.budget.left(closing=True)[0] == 500
        await day.sync()
        assert day.budget.left(closing=True)[0] == 500
    assert [row[1:4] for row in rows(file)] == [("2026-11-28", 60, 40), ("2026-11-29", 300, 200)]


async def test_what_was_not_written_before_midnight_is_still_of_its_day(file: Path, clock: Clock) -> None:
    async with opened(file, clock) as day:
        spend(day)
        clock.now += A_DAY
        spend(day)
        spend(day)
        assert day.spent.calls == 2
        await day.sync()
        assert day.spent.calls == 2
    assert [(row[1], row[-1]) for row in rows(file)] == [("2026-11-28", 1), ("2026-11-29", 2)]


async def test_what_was_spent_at_an_unknown_price_is_told_and_not_taken_for_nothing(
    file: Path, clock: Clock
) -> None:
    async with opened(file, clock) as day:
        spend(day)
        spend(day, Usage(10, 10, cost_usd=None, calls=1))
        await day.sync()
        assert day.spent.cost_usd is None
    async with opened(file, clock) as day:
        assert day.budget.blind
        assert day.spent.tokens == 120
        assert day.budget.left(closing=True)[1] == 9.75
        clock.now += A_DAY
        await day.sync()
        assert not day.budget.blind
        assert day.spent.cost_usd == 0.0


async def test_users_have_a_day_each(file: Path, clock: Clock) -> None:
    async with opened(file, clock, user="ann") as hers, opened(file, clock, user="bob") as his:
        spend(hers)
        await hers.sync()
        await his.sync()
        assert his.spent == Usage()


async def test_a_share_is_kept_for_handing_back_what_there_is(file: Path, clock: Clock) -> None:
    async with opened(file, clock, Limit(tokens=1_000)) as day:
        spend(day, Usage(0, round(1_000 * (1 - HELD_BACK)), calls=1))
        with pytest.raises(BudgetSpent):
            day.budget.reserve(0)


async def test_what_is_spent_is_written_down_as_it_is_settled(file: Path, clock: Clock) -> None:
    async with opened(file, clock) as day, day.kept():
        spend(day)
        async with asyncio.timeout(2):  # sooner than its turn would come
            while not rows(file):  # noqa: ASYNC110  the file tells nobody
                await asyncio.sleep(0)


async def test_what_was_spent_before_is_known_from_the_beginning(file: Path, clock: Clock) -> None:
    async with opened(file, clock) as day, day.kept():
        spend(day)
    async with (
        open_database(file, (SCHEMA,)) as database,
        Day(database, "ann", Limit(), clock=clock).kept() as day,
    ):
        assert day.spent == CALL


async def test_a_database_that_is_locked_for_a_while_loses_nothing(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.01)
    async with opened(file, clock) as day:
        locking = sqlite3.connect(file, isolation_level=None)
        locking.execute("BEGIN IMMEDIATE")
        await day.sync()  # there is nothing to write
        spend(day)
        with pytest.raises(sqlite3.OperationalError):
            await day.sync()
        spend(day)
        with pytest.raises(BudgetSpent):
            day.budget.reserve(900)  # it binds all the same
        locking.execute("ROLLBACK")
        locking.close()
        await day.sync()
        assert day.spent.calls == 2
    assert rows(file)[0][-1] == 2


SCRIPT = """
import asyncio, sys
from pathlib import Path
from atlas_mcp.chunks import Usage
from atlas_mcp.database import open_database
from atlas_mcp.providers.budget import Limit
from atlas_mcp.providers.keeping.day import SCHEMA, Day

async def main():
    async with open_database(Path(sys.argv[1]), (SCHEMA,)) as database:
        day = Day(database, "ann", Limit(), clock=lambda: float(sys.argv[2]))
        async with day.kept():
            for _ in range(50):
                day.budget.reserve(0).settle(Usage(3, 2, cost_usd=0.5, calls=1))
                await asyncio.sleep(0)

asyncio.run(main())
"""


def test_processes_that_spend_at_once_lose_nothing(file: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", SCRIPT, str(file), str(NOON)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert rows(file) == [("ann", "2026-11-28", 450, 300, 75.0, 0, 150)]
