"""Work that is done now and then while something is open."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.providers.keeping.upkeep import Upkeep
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from collections.abc import Coroutine


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(coroutine)


class Work:
    """Remembers when it was done; fails while it is told to."""

    def __init__(self) -> None:
        self.done_at: list[float] = []
        self.failing = False

    async def __call__(self) -> None:
        self.done_at.append(round(asyncio.get_running_loop().time()))
        await asyncio.sleep(0)
        if self.failing:
            raise sqlite3.OperationalError("database is locked")


def test_it_works_every_so_often_and_a_last_time() -> None:
    async def story() -> None:
        work = Work()
        async with Upkeep(work, every=5, what="News"):
            await asyncio.sleep(12)
        assert work.done_at == [5, 10, 12]
        await asyncio.sleep(20)
        assert work.done_at == [5, 10, 12]

    run(story())


def test_it_works_at_once_where_it_is_hastened() -> None:
    async def story() -> None:
        work = Work()
        async with Upkeep(work, every=5, what="News") as upkeep:
            await asyncio.sleep(2)
            upkeep.hasten()
            upkeep.hasten()
            await asyncio.sleep(1)
            assert work.done_at == [2]

    run(story())


def test_what_cannot_be_kept_is_said_once_until_it_can_be(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        work = Work()
        async with Upkeep(work, every=5, what="News"):
            for failing in (True, False, True):
                work.failing = failing
                await asyncio.sleep(20)
        assert len(work.done_at) >= 12

    with caplog.at_level(logging.WARNING):
        run(story())
    assert [record.getMessage() for record in caplog.records] == [
        "News cannot be kept: database is locked"
    ] * 2


def test_whoever_leaves_with_an_error_gets_their_own() -> None:
    async def story() -> None:
        work = Work()
        with pytest.raises(KeyError):
            async with Upkeep(work, every=5, what="News"):
                raise KeyError("theirs")
        assert work.done_at == [0]

    run(story())


def test_a_cancelled_owner_leaves_no_task_behind() -> None:
    async def story() -> None:
        async def own() -> None:
            async with Upkeep(Work(), every=5, what="News"):
                await asyncio.sleep(100)

        owner = asyncio.create_task(own())
        await asyncio.sleep(1)
        owner.cancel()
        await asyncio.wait({owner})
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(story())
