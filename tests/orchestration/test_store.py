"""The runs of a data folder: who asked what, where each stands, and what came of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.database import Database, open_database
from atlas_mcp.errors import LeaseLost, UnknownRun
from atlas_mcp.events import Kind
from atlas_mcp.observe.journal import Journal
from atlas_mcp.orchestration.control import Controls, Verb
from atlas_mcp.orchestration.lease import Lease, Leases
from atlas_mcp.orchestration.store import (
    ALIVE,
    FINAL,
    MIGRATIONS,
    RunRow,
    RunState,
    RunStore,
    new_run_id,
    sameness,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator

ASKED = {"question": "Why are there tides?"}


@pytest.fixture
async def database(home: Path) -> AsyncGenerator[Database]:
    async with open_database(home / "runs.db", MIGRATIONS) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> RunStore:
    return RunStore(database)


async def begin(
    store: RunStore, *, user: str = "ada", team: str = "research", fresh: bool = False, **given: Any
) -> RunRow:
    row, _ = await store.begin(user, team, "v1", given or ASKED, {"priority": "normal"}, fresh=fresh)
    return row


async def held(store: RunStore, row: RunRow) -> Lease:
    """A lease of a run, whoever held it before."""
    lease = await Leases(store._database, Path("nobody lives here")).take(row.run_id)
    assert lease
    return lease


async def finish(store: RunStore, row: RunRow, state: RunState = RunState.DONE, **changes: Any) -> None:
    ending: dict[str, Any] = {
        "partial": False,
        "output": {"answer": "The Moon."},
        "error": None,
        "usage": {"calls": 2},
    }
    await store.finish(await held(store, row), state, **{**ending, **changes}, data={"state": state.value})


def test_every_state_is_final_alive_or_interrupted() -> None:
    assert FINAL | ALIVE | {RunState.INTERRUPTED} == set(RunState)
    assert not FINAL & ALIVE


def test_later_ids_sort_after_earlier_ones() -> None:
    ids = [new_run_id() for _ in range(500)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 500


async def test_a_new_run_is_queued_and_its_first_event_says_what_was_asked(
    store: RunStore, database: Database
) -> None:
    row = await begin(store)
    assert (row.state, row.input, row.team_version, row.final) == (RunState.QUEUED, ASKED, "v1", False)
    (event,) = await Journal(database).read(row.run_id)
    assert (event.kind, event.data) == (
        Kind.RUN_QUEUED,
        {"team": "research", "team_version": "v1", "input": ASKED},
    )
    assert await store.get(row.run_id) == row


async def test_the_same_call_attaches_to_the_run_alive(store: RunStore) -> None:
    first, new = await store.begin("ada", "research", "v1", ASKED, {}, fresh=False)
    again, new_again = await store.begin("ada", "research", "v1", ASKED, {}, fresh=False)
    assert (new, new_again) == (True, False)
    assert again.run_id == first.run_id


async def test_a_team_that_changed_is_asked_anew(store: RunStore) -> None:
    first, _ = await store.begin("ada", "research", "v1", ASKED, {}, fresh=False)
    changed, new = await store.begin("ada", "research", "v2", ASKED, {}, fresh=False)
    assert new
    assert changed.run_id != first.run_id


@pytest.mark.parametrize(
    "other",
    [{"user": "bob"}, {"team": "analysis"}, {"fresh": True}, {"question": "Why is the sea salt?"}],
    ids=lambda other: next(iter(other)),
)
async def test_another_user_team_question_or_a_wish_for_a_fresh_run_starts_another(
    store: RunStore, other: dict[str, Any]
) -> None:
    first = await begin(store)
    assert (await begin(store, **other)).run_id != first.run_id


@pytest.mark.parametrize("state", sorted(FINAL | {RunState.INTERRUPTED}))
async def test_a_run_that_has_ended_or_was_interrupted_is_not_attached_to(
    store: RunStore, state: RunState
) -> None:
    first = await begin(store)
    await store.move(await held(store, first), state)
    assert (await begin(store)).run_id != first.run_id


async def test_of_many_same_calls_at_once_one_starts_the_run(home: Path) -> None:
    path = home / "runs.db"
    async with open_database(path, MIGRATIONS) as one, open_database(path, MIGRATIONS) as two:
        stores = (RunStore(one), RunStore(two))
        told = await asyncio.gather(
            *(stores[n % 2].begin("ada", "research", "v1", ASKED, {}, fresh=False) for n in range(20))
        )
    assert sum(new for _, new in told) == 1
    assert len({row.run_id for row, _ in told}) == 1


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_the_order_of_arguments_makes_no_other_call(given_input: dict[str, Any]) -> None:
    backwards = dict(reversed(given_input.items()))
    assert sameness("ada", "research", given_input, {}) == sameness("ada", "research", backwards, {})


async def test_a_run_of_another_user_is_as_unknown_as_none(store: RunStore) -> None:
    row = await begin(store)
    assert (await store.get(row.run_id, "ada")).run_id == row.run_id
    with pytest.raises(UnknownRun) as others:
        await store.get(row.run_id, "bob")
    with pytest.raises(UnknownRun) as nobodys:
        await store.get("r_none", "bob")
    assert str(others.value) == str(nobodys.value).replace("r_none", row.run_id)


async def test_runs_are_listed_newest_first_by_user_team_and_state(store: RunStore) -> None:
    rows = [await begin(store, question=str(number)) for number in range(4)]
    other = await begin(store, user="bob")
    rating = await begin(store, team="rating")
    await store.move(await held(store, rows[1]), RunState.RUNNING)

    async def listed(**wishes: Any) -> list[str]:
        return [row.run_id for row in await store.newest(**wishes)]

    assert await listed(user="ada", team="research") == [row.run_id for row in reversed(rows)]
    assert await listed(user="ada", limit=2) == [rating.run_id, rows[3].run_id]
    assert await listed(user="bob") == [other.run_id]
    assert await listed(states=frozenset({RunState.RUNNING})) == [rows[1].run_id]
    assert await listed(states=frozenset()) == []
    assert len(await listed()) == 6


async def test_a_run_ends_once_with_its_last_event(store: RunStore, database: Database) -> None:
    row = await begin(store)
    await finish(store, row, partial=True)
    await finish(store, row, RunState.FAILED, output=None, error={"code": "late"})
    await store.move(await held(store, row), RunState.RUNNING)
    ended = await store.get(row.run_id)
    assert (ended.state, ended.partial, ended.output, ended.error) == (
        RunState.DONE,
        True,
        {"answer": "The Moon."},
        None,
    )
    kinds = [event.kind for event in await Journal(database).read(row.run_id)]
    assert kinds == [Kind.RUN_QUEUED, Kind.RUN_FINISHED]


async def test_what_was_said_to_a_run_goes_in_the_moment_in_which_it_ends(
    store: RunStore, database: Database
) -> None:
    row, other = await begin(store), await begin(store, question="Still at work?")

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE checkpoints (thread_id TEXT)")
        for each in (row.run_id, other.run_id):
            connection.execute("INSERT INTO checkpoints VALUES (?)", (each,))
            for kind in ("once", "tool", "model"):
                connection.execute(
                    "INSERT INTO ledger VALUES (?, ?, 1, '', ?, 'The tide turns.', '', ?)",
                    (each, kind, kind, '{"went_in": "When?", "came_out": "Now."}'),
                )

    def read(connection: sqlite3.Connection) -> list[list[tuple[str, ...]]]:
        asked = ("SELECT run_id, kind, asked FROM ledger", "SELECT thread_id FROM checkpoints")
        return [[tuple(one) for one in connection.execute(each)] for each in asked]

    await database.write(write)
    await finish(store, row)
    kept, points = await database.read(read)
    assert [(kind, said) for run_id, kind, said in kept if run_id == row.run_id] == [
        ("model", '{"came_out":"Now."}')
    ]
    assert len(kept) == 4
    assert points == [(other.run_id,)]


async def test_pruning_forgets_old_ended_runs_whole_and_nothing_else(
    store: RunStore, database: Database
) -> None:
    ended, alive = await begin(store), await begin(store, question="Still at work?")
    await Controls(database).send(ended.run_id, Verb.PAUSE, "")
    await finish(store, ended)
    await database.write(lambda c: c.execute("CREATE TABLE checkpoints (thread_id TEXT)"))
    runs = [(ended.run_id,), (alive.run_id,)]
    await database.write(lambda c: c.executemany("INSERT INTO checkpoints VALUES (?)", runs))
    assert await store.prune("2000-01-01") == []
    assert await store.prune("2999-01-01") == [ended.run_id]
    with pytest.raises(UnknownRun):
        await store.get(ended.run_id)
    assert await Journal(database).read(ended.run_id) == []
    assert await Controls(database).take(ended.run_id) == []
    assert (await store.get(alive.run_id)).state is RunState.QUEUED
    assert len(await Journal(database).read(alive.run_id)) == 1
    kept = await database.read(lambda c: c.execute("SELECT thread_id FROM checkpoints").fetchall())
    assert [row["thread_id"] for row in kept] == [alive.run_id]


async def test_what_is_written_under_a_lease_that_was_lost_is_refused(store: RunStore) -> None:
    row = await begin(store)
    lost = await held(store, row)
    await held(store, row)
    with pytest.raises(LeaseLost):
        await store.move(lost, RunState.RUNNING)
    with pytest.raises(LeaseLost):
        await store.finish(lost, RunState.DONE, partial=False, output={}, error=None, usage={}, data={})
    assert (await store.get(row.run_id)).state is RunState.QUEUED
