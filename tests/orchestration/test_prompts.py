"""What supervisors and workers are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.orchestration.evidence import Evidence
from atlas_mcp.orchestration.prompts import compose_text, plan_schema, plan_text
from atlas_mcp.orchestration.team import Team, load_team, load_teams
from atlas_mcp.orchestration.trades.gathering import MOST_FINDINGS, SCHEMA, Gathering
from atlas_mcp.orchestration.trades.trade import Commission
from atlas_mcp.shapes import misfits
from tests.orchestration.folders import sound

if TYPE_CHECKING:
    from pathlib import Path

TEAMS = load_teams(Catalogue())


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return load_team(sound(tmp_path))


def assignment(**changes: Any) -> dict[str, Any]:
    return {"id": "a1", "worker": "reader", "goal": "Why?", "after": [], **changes}


def test_a_plan_names_workers_of_the_team_only(team: Team) -> None:
    schema = plan_schema(team)
    assert misfits(schema, {"assignments": [assignment()], "reason": None}) == []
    assert misfits(schema, {"assignments": [assignment(worker="lead")]})
    assert misfits(schema, {"assignments": []})
    assert misfits(schema, {"assignments": [assignment()] * (team.max_assignments + 1)})


def test_the_planner_is_told_the_input_its_workers_and_how_many_assignments(team: Team) -> None:
    text = plan_text(team, {"question": "Why are there tides?", "depth": 2}, [])
    assert "Question: Why are there tides?" in text
    assert "Depth: 2" in text
    assert "- reader: Does its part." in text
    assert f"at most {team.max_assignments} assignments" in text
    assert "Already tried" not in text


def test_a_planner_that_plans_again_is_told_what_was_tried(team: Team) -> None:
    assert "Already tried:\n- When?\n- Where?" in plan_text(team, {"question": "Why?"}, ["When?", "Where?"])


def test_a_worker_is_told_the_question_and_its_goal(team: Team) -> None:
    nothing = Evidence((), {}, (), ())
    asked = Commission(team, "Why are there tides?", {}, "What does the Moon do?", nothing)
    text = Gathering().task(asked).text
    assert "Why are there tides?" in text
    assert "Your goal: What does the Moon do?" in text


def test_a_composer_is_told_what_stayed_open() -> None:
    assert "could not answer:\n- When?" in compose_text({"question": "Why?"}, ["When?"])
    assert "could not answer" not in compose_text({"question": "Why?"}, [])


def test_findings_have_a_passage_and_a_quote_and_are_few() -> None:
    finding = {"passage": "p1", "quote": "The Moon pulls."}
    assert misfits(SCHEMA, {"findings": [finding], "gaps": []}) == []
    assert misfits(SCHEMA, {"findings": [finding] * (MOST_FINDINGS + 1), "gaps": []})
    assert misfits(SCHEMA, {"findings": [{"passage": "p1", "quote": ""}], "gaps": []})


@pytest.mark.parametrize("name", TEAMS)
def test_every_shipped_team_can_be_asked_for_a_plan(name: str) -> None:
    shipped = TEAMS[name]
    plan = {"assignments": [assignment(worker=shipped.workers[0])]}
    assert misfits(plan_schema(shipped), plan) == []
    assert all(worker in plan_text(shipped, {"question": "Why?"}, []) for worker in shipped.workers)
