"""Runs that work for another: where they stand, and who may be told to stop them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidInput
from atlas_mcp.events import Kind
from atlas_mcp.observe.hearing import hearing
from atlas_mcp.orchestration.store import RunState
from tests.orchestration.house import ASKED, SCRIPT, build_house
from tests.orchestration.talk import seen

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.app import Atlas
    from tests.orchestration.conftest import OpenAtlas

SLOW = """
[[reply]]
when = { intent = "gather" }
say = "I read and read and read"
seconds = 60
"""


async def at_work(atlas: Atlas, documents: Path) -> tuple[str, str]:
    """A run and its first child, which is at work."""
    run = await atlas.start("house", question=ASKED, documents=[str(documents)])
    await seen(atlas, run.id, Kind.CHILD_STARTED)
    begun = [event for event in await atlas.events(run.id) if event.kind is Kind.CHILD_STARTED]
    child: str = begun[0].data["run"]
    await seen(atlas, child, Kind.MODEL_STARTED, actor="reader#a1")
    return run.id, child


async def test_a_child_run_is_worked_on_by_whoever_works_on_its_parent(
    atlas_with: OpenAtlas, documents: Path, home: Path
) -> None:
    build_house(home / "config")
    async with atlas_with(SLOW + SCRIPT) as atlas:
        run_id, child = await at_work(atlas, documents)
        assert (await atlas.get(child)).state is RunState.RUNNING
        await atlas.control(run_id, "pause")
        await seen(atlas, run_id, Kind.RUN_PAUSED)
        assert (await atlas.get(child)).state is RunState.PAUSED
        await atlas.control(run_id, "resume")
    async with atlas_with(SCRIPT) as atlas:
        assert (await atlas.get(run_id)).state is RunState.INTERRUPTED
        assert (await atlas.get(child)).state is RunState.INTERRUPTED


async def test_a_child_run_is_not_steered_or_answered_but_says_which_run_is(
    atlas_with: OpenAtlas, documents: Path, home: Path
) -> None:
    build_house(home / "config")
    async with atlas_with(SLOW + SCRIPT) as atlas:
        run_id, child = await at_work(atlas, documents)
        with pytest.raises(InvalidInput, match=f"part of run {run_id}") as refused:
            await atlas.control(child, "cancel")
        assert f"atlas-mcp runs cancel {run_id}" in refused.value.remedy
        assert f'run_control(run_id="{run_id}", action="cancel")' in refused.value.remedy
        with pytest.raises(InvalidInput, match=f"part of run {run_id}"):
            await atlas.answer(child, {"decision": "approve"})
        await atlas.control(run_id, "cancel")
        async with hearing(atlas, run_id) as heard:
            ended = {each.event.run_id async for each in heard if each.event.kind is Kind.RUN_FINISHED}
        assert {run_id, child} <= ended
        assert (await atlas.get(child)).state is RunState.CANCELLED


async def test_what_the_models_of_children_say_is_known_by_their_run(
    atlas_with: OpenAtlas, documents: Path, home: Path
) -> None:
    build_house(home / "config")
    async with atlas_with(SLOW + "tokens = 600\n" + SCRIPT) as atlas:
        run_id, _ = await at_work(atlas, documents)
        begun = [event for event in await atlas.events(run_id) if event.kind is Kind.CHILD_STARTED]
        expected = {f"{event.data['run']}/reader#a1" for event in begun}
        async with asyncio.timeout(20):
            while set(atlas.speaking(run_id)) != expected:
                await atlas.result(run_id, wait_seconds=0.05)
