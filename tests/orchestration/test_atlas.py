"""Atlas at work: teams as workers, a run for each, and another version where the rating asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.events import Kind
from tests.orchestration.atlas_talk import RUBRIC, TASK, script

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.app import Atlas
    from tests.orchestration.conftest import OpenAtlas


async def made(atlas: Atlas, documents: Path, **wishes: Any) -> dict[str, Any]:
    run = await atlas.start("atlas", task=TASK, rubric=RUBRIC, documents=[str(documents)], **wishes)
    return await run.envelope(wait_seconds=60)


async def scores(atlas: Atlas, run_id: str) -> list[tuple[float, bool]]:
    """What each version was rated, and whether it was the best until then."""
    events = await atlas.events(run_id)
    return [(e.data["score"], e.data["better"]) for e in events if e.kind is Kind.VERSION_KEPT]


async def test_a_text_that_is_rated_too_low_is_revised_and_the_better_one_is_released(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(script()) as atlas:
        result = await made(atlas, documents)
        assert result["state"] == "done", result.get("error")
        assert result["partial"] is False
        output = result["output"]
        assert await scores(atlas, result["run_id"]) == [(3.1, True), (4.2, True)]
        assert "harbour master must publish" in output["final_output"]
        assert [(each["of"], each["overall"], each["gate"]) for each in output["ratings"]] == [
            ("a2", 3.1, "revise"), ("a4", 4.2, "pass"),
        ]  # fmt: skip
        assert [each["cited"] for each in output["evidence_chain"]] == [True, True]
        assert output["evidence_chain"][0]["found_by"] == "documents"


async def test_a_text_that_never_gets_better_is_given_up_at_the_limit_and_the_best_one_released(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(script(better=False)) as atlas:
        result = await made(atlas, documents)
        assert result["state"] == "done", result.get("error")
        found = await scores(atlas, result["run_id"])
        assert [better for _, better in found] == [True, False, False]
        assert result["output"]["final_output"].startswith("Spring tides come at new moon")
        assert len(result["output"]["ratings"]) == 3


@pytest.mark.parametrize("calls", [8, 12])
async def test_a_budget_that_ends_before_the_revision_gives_what_there_is_and_says_so(
    atlas_with: OpenAtlas, documents: Path, calls: int
) -> None:
    async with atlas_with(script()) as atlas:
        result = await made(atlas, documents, budget={"calls": calls})
        assert result["state"] == "done", result.get("error")
        assert result["partial"] is True
        assert "Spring tides come" in result["output"]["final_output"]
        assert result["usage"]["calls"] <= calls


async def test_each_team_has_a_run_of_its_own_and_their_calls_add_up(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(script()) as atlas:
        result = await made(atlas, documents)
        events = await atlas.events(result["run_id"])
        children = [event.data for event in events if event.kind is Kind.CHILD_STARTED]
        assert [each["team"] for each in children] == ["research", "writing", "rating", "writing", "rating"]
        rows = [await atlas.get(each["run"]) for each in children]
        assert {row.parent_run_id for row in rows} == {result["run_id"]}
        own = [event for event in events if event.kind is Kind.MODEL_FINISHED]
        assert result["usage"]["calls"] == len(own) + sum(row.usage["calls"] for row in rows)
        assert [row.run_id for row in await atlas.list()] == [result["run_id"]]
