"""A new file has a name of its own, also while nothing is written under it yet."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tests.downstream.places import opened

if TYPE_CHECKING:
    from atlas_mcp.downstream.servers import Servers


async def named(servers: Servers, owner: str, wished: str = "report.docx") -> str:
    """The name that somebody is promised."""
    return Path(await servers.free_path(wished, owner)).name


async def test_all_who_wish_for_one_name_at_once_are_given_their_own_in_every_process(tmp_path: Path) -> None:
    async with opened(tmp_path) as one, opened(tmp_path) as other:
        names = await asyncio.gather(*(named((one, other)[number % 2], f"r_{number}") for number in range(8)))
    assert sorted(names) == sorted(["report.docx", *(f"report-{number}.docx" for number in range(2, 9))])


async def test_a_name_in_other_letters_is_the_same_name_to_some_disks(tmp_path: Path) -> None:
    async with opened(tmp_path) as servers:
        assert await named(servers, "r_1", "Report.docx") == "Report.docx"
        assert await named(servers, "r_2") == "report-2.docx"


async def test_a_name_is_kept_for_a_file_that_a_process_has_not_made_before_it_ended(tmp_path: Path) -> None:
    async with opened(tmp_path) as servers:
        assert await named(servers, "r_1") == "report.docx"
    async with opened(tmp_path) as servers:
        assert await named(servers, "r_2") == "report-2.docx"
        assert await named(servers, "r_1") == "report.docx"


async def test_a_name_is_free_again_once_its_file_was_made_and_taken_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as servers:
        path = await servers.free_path("report.docx", "r_1")
        await asyncio.to_thread(Path(path).touch)
        await servers.store.end_promise(path, "r_1", made=True)
        assert await servers.store.renew_promise(path, "r_1")
        assert await named(servers, "r_2") == "report-2.docx"
        await asyncio.to_thread(Path(path).unlink)
        assert await named(servers, "r_3") == "report.docx"
        assert not await servers.store.renew_promise(path, "r_1")


async def test_a_name_whose_file_will_not_be_made_is_free_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as servers:
        path = await servers.free_path("report.docx", "r_1")
        await servers.store.end_promise(path, "r_2", made=False)
        assert await named(servers, "r_3") == "report-2.docx", "it was not theirs to give up"
        await servers.store.end_promise(path, "r_1", made=False)
        assert await named(servers, "r_4") == "report.docx"


async def test_a_promise_of_long_ago_is_nobody_s(tmp_path: Path) -> None:
    async with opened(tmp_path) as servers:
        path = await servers.free_path("report.docx", "r_1")
        with closing(sqlite3.connect(tmp_path / "servers.db")) as connection, connection:
            connection.execute("UPDATE promised SET at = '2026-01-01T00:00:00.000+00:00'")
        await servers.store.prune()
        assert not await servers.store.renew_promise(path, "r_1")
        assert await named(servers, "r_2") == "report.docx"
