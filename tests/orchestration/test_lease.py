"""One owner a run: who gets it, who keeps it, and what a former one may no longer do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.database import Database, open_database
from atlas_mcp.errors import LeaseLost
from atlas_mcp.orchestration import lease as lease_module
from atlas_mcp.orchestration.lease import Lease, Leases, assert_held
from atlas_mcp.orchestration.store import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

OWNER = """
import asyncio, sys
from pathlib import Path
from atlas_mcp.database import open_database
from atlas_mcp.orchestration.lease import Leases
from atlas_mcp.orchestration.store import MIGRATIONS

async def main():
    home = Path(sys.argv[1])
    async with open_database(home / "runs.db", MIGRATIONS) as database:
        leases = Leases(database, home / "owners")
        with leases.living():
            lease = await leases.take("r_1")
            print(lease.token, flush=True)
            await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""

TAKER = """
import asyncio, sys
from pathlib import Path
from atlas_mcp.database import open_database
from atlas_mcp.orchestration.lease import Leases
from atlas_mcp.orchestration.store import MIGRATIONS

async def main():
    home = Path(sys.argv[1])
    async with open_database(home / "runs.db", MIGRATIONS) as database:
        leases = Leases(database, home / "owners")
        with leases.living():
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            taken = [await leases.take(f"r_{n}") for n in range(20)]
            print(",".join(str(n) for n, lease in enumerate(taken) if lease), flush=True)
            await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


@pytest.fixture
async def database(home: Path) -> AsyncGenerator[Database]:
    async with open_database(home / "runs.db", MIGRATIONS) as opened:
        yield opened


@pytest.fixture
def two(database: Database, home: Path) -> tuple[Leases, Leases]:
    """Two owners as two processes would be; they must be made to live by the test."""
    return Leases(database, home / "owners"), Leases(database, home / "owners")


async def start(program: str, home: Path) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(home), stdin=pipe, stdout=pipe
    )


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def go_on(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    await process.stdin.drain()


async def held(database: Database, lease: Lease) -> None:
    await database.read(lambda connection: assert_held(connection, lease))


async def test_a_free_run_is_taken_once_even_by_the_same_owner(two: tuple[Leases, Leases]) -> None:
    one, other = two
    with one.living(), other.living():
        lease = await one.take("r_1")
        assert lease == Lease("r_1", one.owner, 1)
        assert await one.take("r_1") is None
        assert await other.take("r_1") is None
        assert await other.take("r_2") is not None


async def test_who_holds_a_run_is_seen_by_others_and_is_not_another_to_itself(
    two: tuple[Leases, Leases],
) -> None:
    one, other = two
    with one.living(), other.living():
        assert not await other.held_by_another("r_1")
        await one.take("r_1")
        assert await other.held_by_another("r_1")
        assert not await one.held_by_another("r_1")


async def test_of_many_who_take_at_once_one_gets_it(database: Database, home: Path) -> None:
    owners = [Leases(database, home / "owners") for _ in range(20)]
    async with AsyncExitStack() as stack:
        for owner in owners:
            stack.enter_context(owner.living())
        taken = await asyncio.gather(*(owner.take("r_1") for owner in owners))
    assert sum(lease is not None for lease in taken) == 1


async def test_of_many_processes_who_take_at_once_one_gets_each_run(database: Database) -> None:
    processes = [await start(TAKER, database.path.parent) for _ in range(3)]
    async with asyncio.timeout(30):
        assert [await line(process) for process in processes] == ["ready"] * 3
        await asyncio.gather(*(go_on(process) for process in processes))
        taken = [number for process in processes for number in (await line(process)).split(",") if number]
        for process in processes:
            await go_on(process)
            assert await process.wait() == 0
    assert sorted(taken, key=int) == [str(number) for number in range(20)]


async def test_a_run_that_was_given_back_is_free_with_a_higher_token(two: tuple[Leases, Leases]) -> None:
    one, other = two
    with one.living(), other.living():
        first = await one.take("r_1")
        assert first is not None
        await one.release(first)
        second = await other.take("r_1")
        assert second is not None
        assert second.token > first.token


async def test_a_dead_owners_run_is_free_at_once(database: Database) -> None:
    process = await start(OWNER, database.path.parent)
    mine = Leases(database, database.path.parent / "owners")
    async with asyncio.timeout(30):
        assert await line(process) == "1"
        with mine.living():
            assert await mine.take("r_1") is None
            assert await mine.held_by_another("r_1")
            process.kill()
            await process.wait()
            assert not await mine.held_by_another("r_1")
            lease = await mine.take("r_1")
    assert lease is not None
    assert lease.token == 2


async def test_many_looks_at_a_dead_owner_never_take_one_another_for_it(database: Database) -> None:
    process = await start(OWNER, database.path.parent)
    await line(process)
    process.kill()
    await process.wait()
    mine = Leases(database, database.path.parent / "owners")
    with mine.living():
        seen = await asyncio.gather(*(mine.held_by_another("r_1") for _ in range(30)), mine.take("r_1"))
    assert seen[:-1] == [False] * 30
    assert isinstance(seen[-1], Lease)


async def test_an_owner_that_lives_and_no_longer_renews_loses_its_run(
    two: tuple[Leases, Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    with one.living(), other.living():
        monkeypatch.setattr(lease_module, "LIFETIME_SECONDS", -1.0)
        late = await one.take("r_1")
        monkeypatch.undo()
        assert late is not None
        assert await other.take("r_1") is not None
        with pytest.raises(LeaseLost, match="r_1"):
            await one.renew(late)


async def test_renewing_holds_on_to_a_run(
    two: tuple[Leases, Leases], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    with one.living(), other.living():
        monkeypatch.setattr(lease_module, "LIFETIME_SECONDS", -1.0)
        lease = await one.take("r_1")
        monkeypatch.undo()
        assert lease is not None
        await one.renew(lease)
        assert await other.take("r_1") is None


async def test_what_is_written_under_an_old_token_is_refused(
    database: Database, two: tuple[Leases, Leases]
) -> None:
    one, other = two
    with one.living(), other.living():
        old = await one.take("r_1")
        assert old is not None
        await held(database, old)
        await one.release(old)
        new = await other.take("r_1")
        assert new is not None
        await held(database, new)
        with pytest.raises(LeaseLost):
            await held(database, old)


async def test_giving_back_a_lost_lease_leaves_the_new_owner_alone(two: tuple[Leases, Leases]) -> None:
    one, other = two
    with one.living(), other.living():
        old = await one.take("r_1")
        assert old is not None
        await one.release(old)
        assert await other.take("r_1") is not None
        await one.release(old)
        assert await one.take("r_1") is None


async def test_a_lease_nobody_ever_took_is_not_held(database: Database) -> None:
    with pytest.raises(LeaseLost):
        await held(database, Lease("r_9", "somebody", 1))


async def test_an_owner_leaves_no_file_behind_also_after_an_error(home: Path, database: Database) -> None:
    leases = Leases(database, home / "owners")

    def live_briefly() -> None:
        with leases.living():
            assert len(list((home / "owners").iterdir())) == 1
            raise sqlite3.Error

    with pytest.raises(sqlite3.Error):
        live_briefly()
    assert list((home / "owners").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
async def test_only_the_owner_of_the_data_folder_sees_who_lives(home: Path, database: Database) -> None:
    with Leases(database, home / "owners").living():
        assert stat.S_IMODE((home / "owners").stat().st_mode) == 0o700
