"""What a run is told, from any process, once each and in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from atlas_mcp.database import open_database
from atlas_mcp.orchestration.control import Control, Controls, Verb
from atlas_mcp.orchestration.store import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_was_said_is_taken_once_in_order_by_the_run_it_was_said_to(home: Path) -> None:
    async with open_database(home / "runs.db", MIGRATIONS) as database:
        controls = Controls(database)
        await controls.send("r_1", Verb.PAUSE, "lunch")
        await controls.send("r_2", Verb.CANCEL, "")
        await controls.send("r_1", Verb.RESUME, "")
        assert await controls.take("r_1") == [Control(Verb.PAUSE, "lunch"), Control(Verb.RESUME, "")]
        assert await controls.take("r_1") == []
        assert await controls.take("r_2") == [Control(Verb.CANCEL, "")]


async def test_another_opening_of_the_file_hears_it(home: Path) -> None:
    path = home / "runs.db"
    async with open_database(path, MIGRATIONS) as here, open_database(path, MIGRATIONS) as there:
        await Controls(here).send("r_1", Verb.CANCEL, "enough")
        assert await Controls(there).take("r_1") == [Control(Verb.CANCEL, "enough")]
        assert await Controls(here).take("r_1") == []


async def test_of_many_who_take_at_once_each_word_reaches_one(home: Path) -> None:
    path = home / "runs.db"
    async with open_database(path, MIGRATIONS) as here, open_database(path, MIGRATIONS) as there:
        for number in range(10):
            await Controls(here).send("r_1", Verb.PAUSE, str(number))
        taken = await asyncio.gather(*(Controls(each).take("r_1") for each in (here, there) * 5))
    said = [control.reason for controls in taken for control in controls]
    assert sorted(said, key=int) == [str(number) for number in range(10)]
