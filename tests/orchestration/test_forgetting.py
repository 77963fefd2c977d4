"""What runs know of what is remembered can be forgotten: their events and their ledger do not keep it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.app import open_atlas
from atlas_mcp.events import Kind
from atlas_mcp.learning import LearningKind
from tests.observe.tracking.answering import answering
from tests.observe.tracking.test_courier import TIDES, Receiver, a_run, delivered
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


@pytest.mark.parametrize("days", [0, 7])
async def test_what_was_said_goes_once_everybody_was_told_unless_a_person_wishes_that_it_stays(
    days: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_OBSERVE__CONTENT_DAYS", str(days))
    with answering({"/v1/traces": (200, "application/x-protobuf", "")}) as receiver:
        monkeypatch.setenv("ATLAS_OBSERVE__OTLP", f"{receiver.url}/v1/traces")
        async with open_atlas() as atlas, asyncio.timeout(30):
            run = await atlas.start("research", question="When do spring tides come?", documents=[TIDES])
            await atlas.result(run.id, wait_seconds=30, to_the_end=True)
            while not atlas.observing.couriers:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)
            for courier in atlas.observing.couriers.values():
                await courier.drained()
    assert receiver.came
    with closing(sqlite3.connect(home / "runs.db")) as connection:
        kinds = {row[0] for row in connection.execute("SELECT kind FROM ledger")}
    assert ("tool" in kinds) == bool(days)


async def test_what_was_said_to_a_run_stays_as_long_as_a_person_wishes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_OBSERVE__CONTENT_DAYS", "7")
    run_id = await a_run()
    receiver = Receiver()
    await delivered(home, receiver)
    asked = {span.name: span.inputs for span in receiver.spans}
    assert "When do spring tides come?" in json.dumps(asked["chat.research.documents"])
    for days, kept in ((6, True), (8, False)):
        ended = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
        with closing(sqlite3.connect(home / "runs.db")) as connection, connection:
            connection.execute("UPDATE run SET updated_at = ?", (ended,))
        async with open_atlas(resume=True) as atlas:
            assert (await atlas.get(run_id)).output
        with closing(sqlite3.connect(home / "runs.db")) as connection:
            rows = connection.execute("SELECT kind, asked FROM ledger").fetchall()
        assert any(kind == "tool" for kind, _ in rows) == kept
        assert any("went_in" in (asked or "") for _, asked in rows) == kept
