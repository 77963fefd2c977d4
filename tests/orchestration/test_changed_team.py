"""A run whose team changed meanwhile: it stays where it is until somebody says that it may go on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.errors import TeamChanged
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.store import RunState
from tests.orchestration.talk import COMPOSE, PLAN, QUESTION, SCRIPT, SPRING, TABLE, gather, seen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.orchestration.conftest import OpenAtlas

SLOW = PLAN + gather("When do spring tides", SPRING, more="seconds = 60\ntokens = 40")


@pytest.fixture
def folder(home: Path) -> Path:
    """A research team of the person's own, to be changed."""
    there = home / "config" / "teams" / "research"
    shutil.copytree(shipped("teams") / "research", there)
    return there


async def interrupted(atlas_with: OpenAtlas, documents: Path) -> str:
    """The id of a run that stopped while its workers worked."""
    async with atlas_with(SLOW) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        await seen(atlas, run.id, Kind.MODEL_STARTED, actor="documents#a1")
    return run.id


def change(folder: Path) -> None:
    with (folder / "documents.md").open("a", encoding="utf-8") as card:
        card.write("\nYou are brief.\n")


async def test_a_run_does_not_go_on_with_a_changed_team_unless_told_to(
    atlas_with: OpenAtlas, documents: Path, folder: Path
) -> None:
    run_id = await interrupted(atlas_with, documents)
    change(folder)
    async with atlas_with(SCRIPT, resume=True) as atlas:
        before = await atlas.get(run_id)
        assert before.state is RunState.INTERRUPTED
        with pytest.raises(TeamChanged, match="research changed since") as caught:
            await atlas.control(run_id, "resume")
        assert f"atlas-mcp runs resume {run_id} --changed-team" in caught.value.remedy
        await atlas.control(run_id, "resume", changed_team=True)
        assert (await atlas.result(run_id, wait_seconds=20))["state"] == "done"
        after = await atlas.get(run_id)
        noted = [event.data for event in await atlas.events(run_id) if event.kind is Kind.CONTROL_RECEIVED]
    now = atlas.teams["research"].version
    assert (after.team_version, before.team_version == now) == (now, False)
    assert len(noted) == 1
    assert f"{now[:12]} in place of {before.team_version[:12]}" in noted[0]["reason"]


async def test_a_run_that_was_let_go_on_once_goes_on_by_itself_after_the_next_interruption(
    atlas_with: OpenAtlas, documents: Path, folder: Path
) -> None:
    run_id = await interrupted(atlas_with, documents)
    change(folder)
    async with atlas_with(SLOW) as atlas:
        await atlas.control(run_id, "resume", changed_team=True)
        await seen(atlas, run_id, Kind.RUN_RESUMED)
    async with atlas_with(SCRIPT, resume=True) as atlas:
        assert (await atlas.result(run_id, wait_seconds=20))["state"] == "done"


async def test_cases_may_change_while_a_run_waits(
    atlas_with: OpenAtlas, documents: Path, folder: Path
) -> None:
    run_id = await interrupted(atlas_with, documents)
    shutil.rmtree(folder / "cases")
    async with atlas_with(SCRIPT, resume=True) as atlas:
        assert (await atlas.result(run_id, wait_seconds=20))["state"] == "done"


async def test_work_of_a_worker_that_is_gone_is_planned_anew(
    atlas_with: OpenAtlas, documents: Path, folder: Path
) -> None:
    run_id = await interrupted(atlas_with, documents)
    (folder / "documents.md").rename(folder / "reader.md")
    wiring = (folder / "team.toml").read_text("utf-8")
    (folder / "team.toml").write_text(wiring.replace('"documents"', '"reader"'), "utf-8")
    script = (
        PLAN.replace('"documents"', '"reader"') + gather("When do", SPRING) + gather("Who", TABLE) + COMPOSE
    )
    async with atlas_with(script) as atlas:
        await atlas.control(run_id, "resume", changed_team=True)
        assert (await atlas.result(run_id, wait_seconds=20))["state"] == "done"
        failed = [event.data for event in await atlas.events(run_id) if event.kind is Kind.WORK_FAILED]
    assert {each["error"]["message"] for each in failed} == {
        "The team changed and has no documents any more."
    }
