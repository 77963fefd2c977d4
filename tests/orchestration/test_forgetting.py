"""What runs know of what is remembered can be forgotten: their events and their ledger do not keep it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.events import Kind
from atlas_mcp.learning import LearningKind
from tests.orchestration.test_remembering import RANGE, Place, asked, remember, told, whose

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(home: Path, documents: Path) -> Place:
    return Place(home, documents)


async def test_the_events_of_a_run_do_not_say_what_is_remembered_and_may_be_forgotten(place: Place) -> None:
    async with place.opened() as atlas:
        first = (await asked(atlas, place.only("tides.md")))["run_id"]
        again = (await asked(atlas, place.only("tides.md")))["run_id"]
        kinds = (Kind.LEARNING_KEPT, Kind.LEARNING_DROPPED)
        events = [each.data for run_id in (first, again) for each in await atlas.events(run_id)
                  if each.kind in kinds]  # fmt: skip
        assert {each["cause"] for each in events if "cause" in each} >= {"known"}
        assert RANGE not in json.dumps(events)
        said = [each.data for each in await told(atlas, first, Kind.LEARNING_KEPT)]
        (fact,) = [each for each in said if each["text"] == RANGE]
        receipt = await (await atlas.memory()).forget_memories([fact["id"]], scope=whose(atlas))
        assert receipt.runs == (first,)
        said = [each.data for each in await told(atlas, first, Kind.LEARNING_KEPT)]
        assert [each["id"] for each in said if "text" not in each] == [fact["id"]]


async def test_what_was_recalled_for_a_run_is_not_kept_with_it_once_it_has_ended(place: Place) -> None:
    async with place.opened(place.scripted()) as atlas:
        await remember(atlas, (LearningKind.FACT, RANGE))
        await asked(atlas, place.only("harbours.md"))
    with closing(sqlite3.connect(place.home / "runs.db")) as connection:
        kinds = {row[0] for row in connection.execute("SELECT kind FROM ledger")}
    assert kinds == {"model"}
