"""Runs that are attached to, paused, resumed, cancelled and taken up again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidInput, ProviderChanged
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.store import RunState
from atlas_mcp.providers.extractive import ExtractiveProvider
from tests.orchestration.talk import COMPOSE, PLAN, QUESTION, SCRIPT, SPRING, TABLE, gather, seen

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.memory.memory import Memory
    from tests.orchestration.conftest import OpenAtlas


async def test_the_same_call_repeated_while_its_run_lives_attaches_to_it(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(PLAN + gather("When do", SPRING, more="seconds = 0.3\ntokens = 10")) as atlas:
        first = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        second = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        other = await atlas.start("research", question=QUESTION, documents=[str(documents)], fresh=True)
        assert (first.new, second.new, other.new) == (True, False, True)
        assert first.id == second.id != other.id


async def test_a_paused_run_waits_and_then_goes_on(atlas_with: OpenAtlas, documents: Path) -> None:
    slow = gather("When do spring tides", SPRING, more="seconds = 0.8\ntokens = 40") + gather(
        "Who publishes", TABLE
    )
    async with atlas_with(PLAN + slow + COMPOSE) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
        await atlas.control(run.id, "pause")
        await seen(atlas, run.id, Kind.RUN_PAUSED)
        assert (await run.envelope(wait_seconds=1.2))["state"] == "paused"
        await atlas.control(run.id, "resume")
        assert (await run.envelope(wait_seconds=20))["state"] == "done"


async def test_a_cancelled_run_ends_and_cannot_be_resumed(atlas_with: OpenAtlas, documents: Path) -> None:
    slow = '[[reply]]\nwhen = { intent = "gather" }\nsay = "never"\nseconds = 60\ntokens = 2\n'
    async with atlas_with(PLAN + slow) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
        await atlas.control(run.id, "cancel", reason="enough")
        made = await run.envelope(wait_seconds=5)
        assert made["state"] == "cancelled"
        assert made["error"]["message"] == "enough"
        with pytest.raises(InvalidInput, match="has ended"):
            await atlas.control(run.id, "resume")


async def test_leaving_an_atlas_interrupts_its_runs_and_the_next_one_goes_on(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    slow = gather("When do spring tides", SPRING, more="seconds = 0.5\ntokens = 10") + gather(
        "Who publishes", TABLE
    )
    async with atlas_with(PLAN + slow + COMPOSE) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.WORK_FINISHED)
    async with atlas_with(PLAN + slow + COMPOSE, resume=True) as atlas:
        made = await atlas.result(run.id, wait_seconds=20)
        events = await atlas.events(run.id)
    assert made["state"] == "done"
    kinds = [event.kind for event in events]
    assert Kind.RUN_INTERRUPTED in kinds
    assert Kind.RUN_RESUMED in kinds
    assert kinds.count(Kind.PLAN_MADE) == 1


async def test_a_paused_run_stays_paused_when_its_server_is_started_again(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    slow = gather("When do spring tides", SPRING, more="seconds = 60\ntokens = 40")
    async with atlas_with(PLAN + slow) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
        await atlas.control(run.id, "pause")
        await seen(atlas, run.id, Kind.RUN_PAUSED)
    async with atlas_with(SCRIPT, resume=True) as atlas:
        assert (await atlas.get(run.id)).state is RunState.INTERRUPTED
        assert Kind.RUN_RESUMED not in [event.kind for event in await atlas.events(run.id)]
        await atlas.control(run.id, "resume")
        assert (await atlas.result(run.id, wait_seconds=20))["state"] == "done"


async def test_a_run_that_is_paused_while_its_parts_are_opened_does_not_begin(
    atlas_with: OpenAtlas, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        paused = asyncio.Event()
        memory = atlas.memory

        async def late() -> Memory:
            await paused.wait()
            return await memory()

        monkeypatch.setattr(atlas._runs._workshop, "memory", late)
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await atlas.control(run.id, "pause")
        await seen(atlas, run.id, Kind.RUN_PAUSED)
        paused.set()
        assert (await run.envelope(wait_seconds=0.5))["state"] == "paused"
        await atlas.control(run.id, "resume")
        assert (await run.envelope(wait_seconds=20))["state"] == "done"


async def test_a_run_goes_on_with_the_vendor_it_was_begun_with_and_no_other(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    slow = gather("When do spring tides", SPRING, more="seconds = 60\ntokens = 40")
    async with atlas_with(PLAN + slow) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
    async with atlas_with(SCRIPT, provider=ExtractiveProvider(), resume=True) as atlas:
        assert (await atlas.get(run.id)).state is RunState.INTERRUPTED
        with pytest.raises(ProviderChanged, match="begun with scripted"):
            await atlas.control(run.id, "resume")
    async with atlas_with(SCRIPT, resume=True) as atlas:
        assert (await atlas.result(run.id, wait_seconds=20))["state"] == "done"


async def test_a_paused_run_keeps_no_other_from_its_place(atlas_with: OpenAtlas, documents: Path) -> None:
    slow = gather("When do spring tides", SPRING, more="seconds = 60\ntokens = 40")
    async with atlas_with(PLAN + slow, at_once=1) as atlas:
        paused = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, paused.id, Kind.MODEL_STARTED, actor="documents#a1")
        await atlas.control(paused.id, "pause")
        other = await atlas.start("research", question=QUESTION, documents=[str(documents)], fresh=True)
        await seen(atlas, other.id, Kind.RUN_STARTED)
        assert (await atlas.get(paused.id)).state is RunState.PAUSED


async def test_who_watches_a_run_that_nobody_works_on_is_let_go(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(PLAN + gather("When do", SPRING, more="seconds = 60\ntokens = 40")) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
    async with atlas_with() as atlas, asyncio.timeout(10):
        kinds = [event.kind async for event in atlas.watch(run.id)]
    assert kinds[-1] is Kind.RUN_INTERRUPTED


async def test_a_call_that_was_paid_before_is_told_as_replayed(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    goal = "Your goal: When do spring tides"
    search = f"""
[[reply]]
when = {{ intent = "gather", contains = "{goal}", nth = 1 }}
tool = {{ name = "search_documents", arguments = {{ query = "spring" }} }}
"""
    slow = gather("When do spring tides", SPRING, more="seconds = 60\ntokens = 40")
    async with atlas_with(PLAN + search + slow + gather("Who publishes", TABLE)) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.TOOL_FINISHED, actor="documents#a1")
        async with asyncio.timeout(20):
            async for event in atlas.watch(run.id):
                if event.kind is Kind.MODEL_STARTED and event.data["call"] == 2:
                    break
    async with atlas_with(PLAN + search + SCRIPT, resume=True) as atlas:
        assert (await atlas.result(run.id, wait_seconds=20))["state"] == "done"
        told = [event for event in await atlas.events(run.id) if event.kind is Kind.MODEL_FINISHED]
    # The other worker's step may or may not have been kept whole before the interruption.
    assert [
        event.data["call"] for event in told if event.data.get("replayed") and event.actor == "documents#a1"
    ] == [1]


async def test_the_time_of_a_pause_does_not_count(atlas_with: OpenAtlas, documents: Path) -> None:
    slow = gather("When do spring tides", SPRING, more="seconds = 0.6\ntokens = 30") + gather(
        "Who publishes", TABLE
    )
    async with atlas_with(PLAN + slow + COMPOSE) as atlas:
        run = await atlas.start(
            "research", question=QUESTION, documents=[str(documents)], budget={"seconds": 2.5}
        )
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
        await atlas.control(run.id, "pause")
        await seen(atlas, run.id, Kind.RUN_PAUSED)
        await run.envelope(wait_seconds=2.6)
        await atlas.control(run.id, "resume")
        made = await run.envelope(wait_seconds=20)
    assert made["state"] == "done"
    assert not made["partial"]


async def test_an_interrupted_run_can_be_cancelled_for_good(atlas_with: OpenAtlas, documents: Path) -> None:
    slow = '[[reply]]\nwhen = { intent = "gather" }\nsay = "never"\nseconds = 60\ntokens = 2\n'
    async with atlas_with(PLAN + slow) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
    async with atlas_with(PLAN + slow) as atlas:
        assert (await atlas.get(run.id)).state is RunState.INTERRUPTED
        assert (await atlas.control(run.id, "cancel")).state is RunState.CANCELLED


async def test_a_run_paused_while_it_waits_for_a_place_does_not_begin(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    when = 'when = { intent = "plan", contains = "Hold the place" }'
    slow = f'[[reply]]\n{when}\nsay = "x"\nseconds = 60\ntokens = 2\n'
    async with atlas_with(slow + SCRIPT, at_once=1) as atlas:
        first = await atlas.start("research", question="Hold the place", documents=[str(documents)])
        await seen(atlas, first.id, Kind.MODEL_STARTED)
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await atlas.control(run.id, "pause")
        await seen(atlas, run.id, Kind.RUN_PAUSED)
        await atlas.control(first.id, "cancel")
        await first.envelope(wait_seconds=10)
        assert (await run.envelope(wait_seconds=0.5))["state"] == "paused"
        await atlas.control(run.id, "resume")
        assert (await run.envelope(wait_seconds=20))["state"] == "done"
