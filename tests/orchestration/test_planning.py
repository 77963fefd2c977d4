"""A plan made sound: it never waits for itself, and whoever works on what others find comes after them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.agents.card import Card
from atlas_mcp.messages import TaskType
from atlas_mcp.orchestration.planning import tidy_plan
from atlas_mcp.orchestration.team import Team
from tests.orchestration.folders import SCHEMA


def team_of(most: int = 6, /, **tasks: TaskType) -> Team:
    """A team whose workers are of those kinds."""
    cards = {
        name: Card(name=name, description="Works.", persona="You work.", task=task)
        for name, task in {"lead": None, **tasks}.items()
    }
    return Team.model_construct(
        name="tides", supervisor="lead", workers=tuple(tasks), max_assignments=most, cards=cards, teams={},
        output_schema=SCHEMA,
    )  # fmt: skip


FINDERS = {"web": TaskType.EXTRACTION, "documents": TaskType.EXTRACTION}
PLANS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["a1", "a2", "a3", "a4", "a9"]),
            "worker": st.sampled_from(["web", "documents", "analyst", "writer"]),
            "goal": st.sampled_from(["Why?", " When? ", "  ", "Where?"]),
            "after": st.lists(st.sampled_from(["a1", "a2", "a3", "a4", "a9"]), max_size=4),
        }
    ),
    max_size=8,
)


def assignment(name: str, worker: str, *after: str, goal: str = "Why?") -> dict[str, Any]:
    return {"id": name, "worker": worker, "goal": goal, "after": list(after)}


@given(PLANS, st.integers(0, 20), st.integers(1, 6))
def test_a_tidied_plan_never_waits_for_itself(plan: list[dict[str, Any]], earlier: int, most: int) -> None:
    team = team_of(most, **FINDERS, analyst=TaskType.ANALYSIS, writer=TaskType.WRITING)
    before = [assignment(f"a{number}", "web") for number in range(1, earlier + 1)]
    made = tidy_plan(plan, team, before)
    done = {each["id"] for each in before}
    for each in made:
        assert set(each["after"]) <= done
        assert len(set(each["after"])) == len(each["after"])
        done.add(each["id"])
    assert [each["id"] for each in made] == [f"a{earlier + n}" for n in range(1, len(made) + 1)]
    assert len(made) == min(most, sum(bool(given["goal"].strip()) for given in plan))
    assert all(each["goal"] == each["goal"].strip() != "" for each in made)


def test_a_plan_keeps_what_comes_after_what() -> None:
    plan = [assignment("a7", "web", goal="Where?"), assignment("a8", "web", "a7", goal="Why there?")]
    made = tidy_plan(plan, team_of(**FINDERS), [assignment("a1", "web"), assignment("a2", "web")])
    assert [(each["id"], each["after"]) for each in made] == [("a3", []), ("a4", ["a3"])]


def test_numbers_of_a_plan_are_its_own_before_they_are_those_of_earlier_rounds() -> None:
    earlier = [assignment("a1", "web"), assignment("a2", "web")]
    plan = [assignment("a1", "web"), assignment("a3", "web", "a1", "a2")]
    made = tidy_plan(plan, team_of(**FINDERS), earlier)
    assert [(each["id"], each["after"]) for each in made] == [("a3", []), ("a4", ["a2", "a3"])]


def test_a_plan_that_names_first_what_comes_last_is_put_in_order() -> None:
    team = team_of(**FINDERS, writer=TaskType.WRITING)
    plan = [
        assignment("a3", "web", "a2", goal="Is it so?"), assignment("a2", "writer", "a1"),
        assignment("a1", "documents"),
    ]  # fmt: skip
    made = tidy_plan(plan, team)
    assert [(each["worker"], each["after"]) for each in made] == [
        ("documents", []), ("writer", ["a1"]), ("web", ["a2"]),
    ]  # fmt: skip


def test_whoever_works_on_what_others_find_comes_after_all_of_them_unless_it_names_some() -> None:
    team = team_of(**FINDERS, analyst=TaskType.ANALYSIS)
    plan = [
        assignment("a1", "analyst"), assignment("a2", "web"), assignment("a3", "documents"),
        assignment("a4", "analyst", "a3"),
    ]  # fmt: skip
    made = tidy_plan(plan, team)
    assert [(each["worker"], each["after"]) for each in made] == [
        ("web", []), ("documents", []), ("analyst", ["a2"]), ("analyst", ["a1", "a2"]),
    ]  # fmt: skip


@pytest.mark.parametrize(("handed", "after"), [(False, ["a1"]), (True, [])])
def test_with_nobody_to_find_in_a_plan_earlier_rounds_or_what_was_handed_over_is_worked_on(
    handed: bool, after: list[str]
) -> None:
    team = team_of(**FINDERS, analyst=TaskType.ANALYSIS)
    (made,) = tidy_plan([assignment("a1", "analyst")], team, [assignment("a1", "web")], handed=handed)
    assert (made["id"], made["after"]) == ("a2", after)
