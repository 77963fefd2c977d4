"""A run that works for another: cancelled, paused and taken up again with it, and paid for once."""

from __future__ import annotations

import asyncio
from collections import Counter
from shutil import copytree
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.database import open_database
from atlas_mcp.errors import InvalidInput, TeamChanged
from atlas_mcp.events import Kind
from atlas_mcp.messages import prompt_hash
from atlas_mcp.orchestration.store import MIGRATIONS, RunState, RunStore
from atlas_mcp.providers.scripted import Script, ScriptedProvider
from atlas_mcp.providers.terms import TERMS, Terms
from tests.orchestration.atlas_talk import RUBRIC, TASK, script

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.app import Atlas
    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.stream import Stream
    from tests.orchestration.conftest import OpenAtlas

SLOW = script().replace('agent = "writer" }', 'agent = "writer" }\nfirst_token = {seconds}')


class Counting(ScriptedProvider):
    """A scripted provider that counts which prompts it was asked."""

    def __init__(self, seconds: float, asked: Counter[str]) -> None:
        super().__init__(Script.parse(SLOW.replace("{seconds}", str(seconds))))
        self._asked = asked

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        self._asked[prompt_hash(prompt)] += 1
        return super().stream(prompt, terms)


async def begun(atlas: Atlas, documents: Path) -> str:
    """A run of atlas whose writing team is at work."""
    run = await atlas.start("atlas", task=TASK, rubric=RUBRIC, documents=[str(documents)])
    async with asyncio.timeout(30):
        async for event in atlas.watch(run.id):
            if event.kind is Kind.CHILD_STARTED and event.data["team"] == "writing":
                async for own in atlas.watch(event.data["run"]):
                    if own.kind is Kind.MODEL_STARTED and own.actor.startswith("writer"):
                        return run.id
    raise AssertionError("no writer was ever asked")


async def child(atlas: Atlas, run_id: str, team: str) -> str:
    events = await atlas.events(run_id)
    found = [event.data for event in events if event.kind is Kind.CHILD_STARTED]
    return next(each["run"] for each in found if each["team"] == team)


async def test_a_run_that_is_cancelled_takes_those_that_work_for_it_with_it(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(provider=Counting(60, Counter())) as atlas:
        run_id = await begun(atlas, documents)
        await atlas.control(run_id, "cancel")
        assert (await atlas.result(run_id, wait_seconds=10))["state"] == "cancelled"
        writing = await atlas.get(await child(atlas, run_id, "writing"))
        assert writing.state is RunState.CANCELLED
        assert (await atlas.get(await child(atlas, run_id, "research"))).state is RunState.DONE


async def test_a_pause_holds_those_that_work_for_a_run_too(atlas_with: OpenAtlas, documents: Path) -> None:
    async with atlas_with(provider=Counting(0.5, Counter())) as atlas:
        run_id = await begun(atlas, documents)
        await atlas.control(run_id, "pause")
        async with asyncio.timeout(10):
            async for event in atlas.watch(run_id):
                if event.kind is Kind.RUN_PAUSED:
                    break
        paused = len(await atlas.events(await child(atlas, run_id, "writing")))
        await asyncio.sleep(1)  # longer than the writer takes: nothing may happen meanwhile
        assert len(await atlas.events(await child(atlas, run_id, "writing"))) <= paused + 1
        await atlas.control(run_id, "resume")
        assert (await atlas.result(run_id, wait_seconds=30))["state"] == "done"


async def test_a_run_that_goes_on_elsewhere_takes_up_its_children_where_they_were_and_pays_nothing_twice(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    asked: Counter[str] = Counter()
    async with atlas_with(provider=Counting(60, asked)) as atlas:
        run_id = await begun(atlas, documents)
        writing = await child(atlas, run_id, "writing")
    unanswered = max(asked.values())
    assert unanswered == 1
    async with atlas_with(provider=Counting(0, asked)) as atlas:
        assert (await atlas.get(writing)).state is RunState.INTERRUPTED
        await atlas.control(run_id, "resume")
        result = await atlas.result(run_id, wait_seconds=30)
        assert result["state"] == "done", result.get("error")
        assert (await atlas.get(writing)).state is RunState.DONE
    twice = [times for times in asked.values() if times > 1]
    assert twice == [2]  # the one that had no answer yet
    assert result["usage"]["calls"] == sum(asked.values()) - 1


async def test_a_run_that_works_for_another_is_steered_by_way_of_that(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(provider=Counting(60, Counter())) as atlas:
        run_id = await begun(atlas, documents)
        with pytest.raises(InvalidInput, match=run_id):
            await atlas.control(await child(atlas, run_id, "writing"), "cancel")


async def test_a_run_that_is_cancelled_while_nobody_works_on_it_leaves_nothing_behind(
    atlas_with: OpenAtlas, documents: Path, home: Path
) -> None:
    async with atlas_with(provider=Counting(60, Counter())) as atlas:
        run_id = await begun(atlas, documents)
        writing, research = [await child(atlas, run_id, team) for team in ("writing", "research")]
    async with atlas_with(provider=Counting(0, Counter())) as atlas:
        await atlas.control(run_id, "cancel")
        assert (await atlas.get(writing)).state is RunState.CANCELLED
        assert (await atlas.get(research)).state is RunState.DONE
    async with open_database(home / "runs.db", MIGRATIONS) as database:
        left = await database.read(lambda each: each.execute("SELECT 1 FROM checkpoints").fetchall())
        pruned = await RunStore(database).prune("2999-01-01")
    assert left == []
    assert set(pruned) == {run_id, writing, research}


async def test_a_child_run_is_kept_as_long_as_the_run_that_it_worked_for(
    atlas_with: OpenAtlas, documents: Path, home: Path
) -> None:
    async with atlas_with(provider=Counting(60, Counter())) as atlas:
        run_id = await begun(atlas, documents)
        research = await child(atlas, run_id, "research")
    async with open_database(home / "runs.db", MIGRATIONS) as database:
        assert await RunStore(database).prune("2999-01-01") == []
        assert (await RunStore(database).get(research)).state is RunState.DONE


async def test_a_run_does_not_go_on_with_a_changed_team_inside_unless_told_to(
    atlas_with: OpenAtlas, documents: Path, home: Path
) -> None:
    folder = home / "config" / "teams" / "writing"
    copytree(shipped("teams") / "writing", folder)
    async with atlas_with(provider=Counting(60, Counter())) as atlas:
        run_id = await begun(atlas, documents)
    with (folder / "writer.md").open("a", encoding="utf-8") as card:
        card.write("\nYou are brief.\n")
    async with atlas_with(provider=Counting(0, Counter())) as atlas:
        with pytest.raises(TeamChanged, match="writing changed since"):
            await atlas.control(run_id, "resume")
        await atlas.control(run_id, "resume", changed_team=True)
        assert (await atlas.result(run_id, wait_seconds=30))["state"] == "done"
