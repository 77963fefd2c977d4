"""The journal: one gapless order of a run's events, for every reader in every process."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.database import open_database
from atlas_mcp.errors import IncompatibleStore
from atlas_mcp.events import VERSION, Event, Kind
from atlas_mcp.observe.journal import SCHEMA, Journal, insert_event, now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.database import Database

APPEND = """
import asyncio, sys
from pathlib import Path
from atlas_mcp.database import open_database
from atlas_mcp.events import Kind
from atlas_mcp.observe.journal import SCHEMA, Journal

async def main():
    async with open_database(Path(sys.argv[1]), [SCHEMA]) as database:
        journal = Journal(database)
        for number in range(20):
            await journal.append("r_1", Kind.STEP_STARTED, actor="other", data={"step": str(number)})
        await journal.append("r_1", Kind.RUN_FINISHED, actor="other")

asyncio.run(main())
"""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database]:
    async with open_database(tmp_path / "runs.db", [SCHEMA]) as opened:
        yield opened


async def step(journal: Journal, name: str, run_id: str = "r_1") -> Event:
    return await journal.append(run_id, Kind.STEP_STARTED, actor="research", data={"step": name})


async def gathered(journal: Journal, run_id: str = "r_1", *, after: int = 0) -> list[Event]:
    async with aclosing(journal.follow(run_id, after=after)) as events:
        return [event async for event in events]


async def test_an_event_is_read_back_as_it_was_appended(database: Database) -> None:
    journal = Journal(database)
    data: dict[str, Any] = {"goal": "Gezeiten — 潮汐 🌊", "list": [1, 2.5, None, True], "deep": {"a": {}}}
    event = await journal.append(
        "r_1", Kind.PLAN_MADE, actor="research", span_id="plan/1", parent_run_id="r_0", data=data
    )
    assert await journal.read("r_1") == [event]
    assert (event.seq, event.v, event.parent_run_id, event.data) == (1, VERSION, "r_0", data)
    assert event.at <= now()


async def test_each_run_has_an_order_of_its_own(database: Database) -> None:
    journal = Journal(database)
    for run_id in ("r_1", "r_2", "r_1"):
        await step(journal, "plan", run_id)
    assert [event.seq for event in await journal.read("r_1")] == [1, 2]
    assert [event.seq for event in await journal.read("r_2")] == [1]


async def test_a_reader_begins_after_what_it_has_seen_and_takes_as_many_as_it_likes(
    database: Database,
) -> None:
    journal = Journal(database)
    for number in range(6):
        await step(journal, str(number))
    assert [event.seq for event in await journal.read("r_1", after=2, limit=3)] == [3, 4, 5]


async def test_appends_of_two_openings_of_one_file_leave_no_gap_and_no_double(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    async with open_database(path, [SCHEMA]) as one, open_database(path, [SCHEMA]) as two:
        journals = (Journal(one), Journal(two))
        told = await asyncio.gather(*(step(journals[n % 2], str(n)) for n in range(80)))
        for journal in journals:
            read = await journal.read("r_1")
            assert [event.seq for event in read] == list(range(1, 81))
            assert sorted(told, key=lambda event: event.seq) == read


async def test_a_follower_gets_the_past_and_then_what_comes_until_the_end(database: Database) -> None:
    journal = Journal(database)
    await step(journal, "before")
    following = asyncio.create_task(gathered(journal))
    await step(journal, "after")
    await journal.append("r_1", Kind.RUN_FINISHED, actor="research")
    events = await following
    assert [event.data.get("step") for event in events] == ["before", "after", None]


async def test_a_follower_sees_what_another_process_writes(database: Database) -> None:
    following = asyncio.create_task(gathered(Journal(database)))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", APPEND, str(database.path))
    async with asyncio.timeout(20):
        assert await process.wait() == 0
        events = await following
    assert [event.seq for event in events] == list(range(1, 22))
    assert events[-1].kind is Kind.RUN_FINISHED


async def test_a_follower_that_has_seen_the_end_ends_at_once(database: Database) -> None:
    journal = Journal(database)
    await step(journal, "plan")
    last = await journal.append("r_1", Kind.RUN_FINISHED, actor="research")
    async with asyncio.timeout(5):
        assert await gathered(journal, after=last.seq) == []
        assert await gathered(journal, after=1) == [last]


async def test_several_followers_get_the_same_events(database: Database) -> None:
    journal = Journal(database)
    following = [asyncio.create_task(gathered(journal)) for _ in range(5)]
    for number in range(10):
        await step(journal, str(number))
    await journal.append("r_1", Kind.RUN_FINISHED, actor="research")
    told = await asyncio.gather(*following)
    assert all(events == told[0] for events in told)
    assert len(told[0]) == 11


async def test_a_run_nobody_follows_any_more_is_forgotten(database: Database) -> None:
    journal = Journal(database)
    await journal.append("r_1", Kind.RUN_FINISHED, actor="research")
    await gathered(journal)
    gc.collect()
    assert not journal._written


async def test_the_time_of_the_last_event_is_known(database: Database) -> None:
    journal = Journal(database)
    assert await journal.last_at("r_1") is None
    await step(journal, "plan")
    last = await step(journal, "compose")
    assert await journal.last_at("r_1") == last.at


async def test_a_secret_is_not_written(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-moon-pulls-1234567890")
    journal = Journal(database)
    await step(journal, "Ask with sk-the-moon-pulls-1234567890, please")
    (event,) = await journal.read("r_1")
    assert "moon-pulls" not in event.data["step"]
    assert event.data["step"].endswith("please")


async def test_what_cannot_be_json_is_refused_and_leaves_no_gap(database: Database) -> None:
    journal = Journal(database)
    with pytest.raises(TypeError):
        await journal.append("r_1", Kind.STEP_STARTED, actor="research", data={"step": object()})
    assert (await step(journal, "plan")).seq == 1


async def test_events_of_a_newer_version_are_refused_with_a_way_out(database: Database) -> None:
    def insert(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO event (run_id, seq, v, at, kind, actor, span_id, data)"
            " VALUES ('r_1', 1, ?, ?, 'run.dreamt', 'research', '', ?)",
            (VERSION + 1, now(), json.dumps({})),
        )

    await database.write(insert)
    with pytest.raises(IncompatibleStore, match="Update atlas-mcp"):
        await Journal(database).read("r_1")


async def test_a_long_run_is_read_whole(database: Database) -> None:
    def write(connection: sqlite3.Connection) -> None:
        for number in range(10_050):
            insert_event(connection, "r_1", Kind.STEP_STARTED, actor="research", data={"step": str(number)})

    await database.write(write)
    assert (await Journal(database).read("r_1"))[-1].data == {"step": "10049"}


async def test_a_follower_of_a_run_that_nobody_works_on_ends_after_what_was_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas_mcp.observe.journal.LOOK_SECONDS", 0.0)
    journal = Journal(database)
    await step(journal, "plan")

    async def abandoned() -> bool:
        # Its owner wrote once more before it died.
        await step(journal, "last")
        return True

    async with asyncio.timeout(5):
        followed = [event.data["step"] async for event in journal.follow("r_1", abandoned=abandoned)]
    assert followed == ["plan", "last"]


async def test_runs_are_found_by_the_beginnings_of_their_ids(database: Database) -> None:
    journal = Journal(database)
    for run_id in ("r_1A", "r_1B2", "r_1B3", "r_2"):
        for _ in range(3):
            await step(journal, "plan", run_id)
    assert await journal.ids("r_1B", most=9) == ["r_1B2", "r_1B3"]
    assert await journal.ids("r_", most=3) == ["r_1A", "r_1B2", "r_1B3"]
    assert await journal.ids("r_1A", most=9) == ["r_1A"]
    assert [await journal.ids(none, most=9) for none in ("", "r_3", "r_1AA")] == [[], [], []]


async def test_an_id_is_shortened_to_what_no_other_run_begins_with(database: Database) -> None:
    journal = Journal(database)
    ids = ["r_1AX", "r_1B2", "r_1B3", "r_2"]
    for run_id in ids:
        await step(journal, "plan", run_id)
    assert await journal.short_ids(ids, least=3) == ["r_1A", "r_1B2", "r_1B3", "r_2"]
    for run_id, short in zip(ids, await journal.short_ids(ids, least=1), strict=True):
        assert await journal.ids(short, most=9) == [run_id]
    assert await journal.short_ids(["r_1AX"], least=5) == ["r_1AX"]
