"""Hearing a run and those that work for it as one: in what order, under which names, and each event once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.database import open_database
from atlas_mcp.errors import UnknownRun
from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.hearing import Heard, Hearing, hearing
from atlas_mcp.observe.journal import SCHEMA, Journal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


class Runs:
    """What an Atlas tells of runs, from a journal alone."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def watch(self, run_id: str, *, after: int = 0) -> AsyncGenerator[Event]:
        await self.events(run_id)
        async for event in self.journal.follow(run_id, after=after):
            yield event

    async def events(self, run_id: str, *, after: int = 0) -> list[Event]:
        if not (events := await self.journal.read(run_id, after=after)) and not after:
            raise UnknownRun(f"There is no run {run_id}.")
        return events

    async def write(self, run_id: str, kind: Kind, **data: Any) -> None:
        await self.journal.append(run_id, kind, actor="x", data=data)

    async def begin(self, parent: str, run_id: str, assignment: str = "a1", team: str = "tides") -> None:
        await self.write(run_id, Kind.RUN_QUEUED, team=team, input={})
        await self.write(parent, Kind.CHILD_STARTED, assignment=assignment, team=team, run=run_id)

    async def end(self, run_id: str) -> None:
        await self.write(run_id, Kind.RUN_FINISHED, state="done", partial=False)


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncGenerator[Runs]:
    async with open_database(tmp_path / "runs.db", [SCHEMA]) as database:
        yield Runs(Journal(database))


async def told(heard: Hearing) -> list[tuple[str, str]]:
    return [(each.team, each.event.kind.value) async for each in heard]


async def next_of(heard: Hearing) -> Heard:
    async with asyncio.timeout(10):
        return await anext(heard)


async def family(runs: Runs, *, end: bool = True) -> None:
    """A run for which two runs of one team work, and one of them has another work for it."""
    await runs.write("r_1", Kind.RUN_STARTED)
    await runs.begin("r_1", "r_2", "a1")
    await runs.begin("r_1", "r_3", "a2")
    await runs.begin("r_2", "r_4", "a1", team="moon")
    if end:
        for child, parent, assignment in (("r_4", "r_2", "a1"), ("r_2", "r_1", "a1"), ("r_3", "r_1", "a2")):
            await runs.end(child)
            await runs.write(parent, Kind.WORK_FINISHED, assignment=assignment)
        await runs.end("r_1")


async def test_what_a_team_did_is_told_before_what_comes_of_it_and_under_its_name(runs: Runs) -> None:
    await family(runs)
    async with hearing(runs, "r_1") as heard:
        events = [each async for each in heard]
    said = [(each.event.run_id, each.event.seq) for each in events]
    assert len(said) == len(set(said)) == 14
    assert said.index(("r_4", 2)) < said.index(("r_2", 3)) < said.index(("r_2", 4)) < said.index(("r_1", 4))
    assert said[-1] == ("r_1", 6)
    assert {each.event.run_id: each.team for each in events} == {
        "r_1": "", "r_2": "tides", "r_3": "tides#a2",
        "r_4": "tides \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} moon",
    }  # fmt: skip


async def test_whoever_comes_later_hears_what_comes_later_of_children_too(runs: Runs) -> None:
    await family(runs, end=False)
    await runs.end("r_3")
    async with hearing(runs, "r_1", after=3) as heard:
        await runs.write("r_1", Kind.STEP_STARTED, step="plan", label="plan")
        assert (await next_of(heard)).event.run_id == "r_1"
        await runs.write("r_4", Kind.STEP_STARTED, step="plan", label="plan")
        first = await next_of(heard)
        assert (first.event.run_id, first.event.kind) == ("r_4", Kind.STEP_STARTED)
        await runs.end("r_4")
        await runs.end("r_2")
        assert {(await next_of(heard)).event.run_id for _ in range(2)} == {"r_4", "r_2"}
        await runs.end("r_1")
        assert await told(heard) == [("", "run.finished")]


async def test_it_can_be_left_and_taken_up_and_gives_each_event_once(runs: Runs) -> None:
    await family(runs)
    async with hearing(runs, "r_1") as heard:
        seen: list[tuple[str, int]] = []
        while True:
            async for each in heard:
                seen.append((each.event.run_id, each.event.seq))
                break
            else:
                break
    assert len(seen) == len(set(seen)) == 14


async def test_a_child_that_is_taken_up_again_is_told_of_again_and_heard_once(runs: Runs) -> None:
    await runs.begin("r_1", "r_2")
    await runs.begin("r_1", "r_2")
    await runs.end("r_2")
    await runs.end("r_1")
    async with hearing(runs, "r_1") as heard:
        kinds = await told(heard)
    assert sorted(kinds) == sorted([
        ("", "child.started"), ("tides", "run.queued"), ("", "child.started"), ("tides", "run.queued"),
        ("tides", "run.finished"), ("", "run.finished"),
    ])  # fmt: skip


async def test_a_child_that_was_forgotten_is_passed_over(runs: Runs) -> None:
    await runs.write("r_1", Kind.CHILD_STARTED, assignment="a1", team="tides", run="r_gone")
    await runs.write("r_1", Kind.WORK_FINISHED, assignment="a1")
    await runs.end("r_1")
    for after in (0, 1):
        async with hearing(runs, "r_1", after=after) as heard:
            assert [kind for _, kind in await told(heard)][-2:] == ["work.finished", "run.finished"]


async def test_a_run_that_nobody_knows_is_an_error_for_whoever_hears(runs: Runs) -> None:
    async with hearing(runs, "r_1") as heard:
        with pytest.raises(UnknownRun):
            await anext(heard)
        with pytest.raises(StopAsyncIteration):
            await anext(heard)


async def test_leaving_early_leaves_nobody_behind(runs: Runs) -> None:
    await family(runs, end=False)
    async with hearing(runs, "r_1") as heard:
        await next_of(heard)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("hear ")]
