"""One turn at a time in a thread, whoever takes it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.locks import TurnLocks
from atlas_mcp.agents.turns import TURNS
from atlas_mcp.database import open_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@asynccontextmanager
async def locks(home: Path) -> AsyncGenerator[TurnLocks]:
    """Those of a process: each has an owner of its own."""
    async with open_database(home / "agents.db", (TURNS,)) as database:
        opened = TurnLocks(database, home / "agents")
        with opened.living():
            yield opened


async def hold(held: TurnLocks, name: str, order: list[str], *, thread: str = "t") -> None:
    async with held.hold("a", thread):
        order.append(f"{name} in")
        await asyncio.sleep(0)
        order.append(f"{name} out")


async def test_tasks_of_a_process_go_one_after_another_in_their_order(home: Path) -> None:
    order: list[str] = []
    async with locks(home) as here:
        await asyncio.gather(*(hold(here, name, order) for name in "xyz"))
    assert order == ["x in", "x out", "y in", "y out", "z in", "z out"]


async def test_another_thread_does_not_wait(home: Path) -> None:
    async with locks(home) as here, asyncio.timeout(10), here.hold("a", "one"), here.hold("a", "two"):
        pass


async def test_processes_keep_each_other_out(home: Path) -> None:
    order: list[str] = []
    async with locks(home) as one, locks(home) as two:
        async with one.hold("a", "t"):
            waiting = asyncio.create_task(hold(two, "two", order))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(waiting), 0.2)
            order.append("one out")
        await waiting
    assert order == ["one out", "two in", "two out"]


async def test_who_gives_up_waiting_leaves_nothing_behind(home: Path) -> None:
    order: list[str] = []
    async with locks(home) as one, locks(home) as two:
        async with one.hold("a", "t"):
            for waiter in (one, two):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(hold(waiter, "late", order), 0.1)
        async with asyncio.timeout(10):
            await hold(two, "two", order)
            await hold(one, "one", order)
    assert order == ["two in", "two out", "one in", "one out"]


async def test_a_killed_process_keeps_nobody_out(home: Path) -> None:
    script = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from tests.agents.test_locks import locks\n"
        "async def main():\n"
        "    async with locks(Path(sys.argv[1])) as held, held.hold('a', 't'):\n"
        "        os._exit(9)\n"
        "asyncio.run(main())"
    )
    died = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, home], check=False)
    assert died.returncode == 9
    async with locks(home) as here, asyncio.timeout(10), here.hold("a", "t"):
        pass
