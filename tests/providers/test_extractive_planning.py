"""Plans without a model: what a text asks for beside an answer, and who takes part in which order."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_mcp.messages import Intent
from atlas_mcp.providers.extraction.planning import plan
from atlas_mcp.providers.extraction.wishes import Wish, framework, layout, subject, wishes, words_wished
from atlas_mcp.providers.extractive import ExtractiveProvider
from tests.providers.parcels import answer, asked

TEAMS = {
    "team:research": "extraction",
    "team:analysis": "analysis",
    "team:writing": "writing",
    "team:rating": "rating",
}
DESK = {"reader": "extraction", "figures": "extraction", "analyst": "analysis", "sceptic": "analysis"}
PRESS = {"reader": "extraction", "writer": "writing"}


def planned(question: str, tasks: dict[str, str], most: int = 6, **more: Any) -> list[dict[str, Any]]:
    return plan(question, list(tasks), least=1, most=most, tasks=tasks, **more)["assignments"]


def sent(question: str, tasks: dict[str, str], most: int = 6, **more: Any) -> list[tuple[str, list[str]]]:
    return [(each["worker"], each["after"]) for each in planned(question, tasks, most, **more)]


# What is asked for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("What is a depot?", ""),
        ("How do I write a carrier's notice?", ""),
        ("What can carriers send as a message?", ""),
        ("What must a depot do to write to a shelf?", ""),
        ("Summarise the rules for recalls", ""),
        ("When is a report due?", ""),
        ("Compare depots and lockers", "analysis"),
        ("What are the pros and cons of lockers?", "analysis"),
        ("Do a SWOT analysis of the parcel network", "analysis"),
        ("What risks does a recall have?", "analysis"),
        ("Why are shelves scarce?", "analysis"),
        ("How did the trend of returns go?", "analysis"),
        ("How much more did North earn than South?", "analysis"),
        ("Which depot is the cheapest?", "analysis"),
        ("What is the average weight of a parcel?", "analysis"),
        ("How did the returns of North develop?", "analysis"),
        ("What does a notice mean?", ""),
        ("Write an e-mail to the carriers about recalls", "writing"),
        ("Please draft a notice on recalls", "writing"),
        ("Summarise the rules for our new carriers' team", "writing"),
        ("A short memo about recalls", "writing"),
        ("What is a depot? Then give me a one-page report on it.", "writing"),
        ("Compare depots and lockers, and write a brief for the board", "analysis writing"),
    ],
)
def test_a_text_asks_for_analysis_or_writing_by_cues_and_a_question_for_neither(
    text: str, kinds: str
) -> None:
    found = {wish.value for wish in wishes(text)} - {"finding", "rating"}
    assert found == set(kinds.split())


def test_rating_is_asked_for_with_writing_and_never_without() -> None:
    assert Wish.RATING in wishes("Write a memo on recalls")
    assert Wish.RATING not in wishes("Rate the recalls of last year")


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("What is a depot?", "What is a depot?"),
        ("How do I create a list of depots?", "How do I create a list of depots?"),
        ("Write a short e-mail to the carriers about how depots recall parcels", "How depots recall parcels"),
        ("Can you write a report comparing depots and lockers?", "Depots and lockers?"),
        ("Please write a blog post about recalls in 300 words", "Recalls"),
        ("Give me a SWOT analysis of the parcel network", "The parcel network"),
        ("Compare the pros and cons of depots and lockers. Then write a memo.", "Depots and lockers"),
        (
            "Compare depots and lockers, and write a brief on which to use",
            "Compare depots and lockers; Which to use",
        ),
        ("Write it down.", "Write it down."),
    ],
)
def test_what_a_text_is_about_is_left_when_what_to_make_of_it_goes(text: str, about: str) -> None:
    assert subject(text) == about


def test_a_framework_and_a_form_are_read_off_the_text() -> None:
    assert framework("Do a SWOT of lockers") == "swot"
    assert framework("What is a locker?") is None
    assert layout(None, "Write an e-mail about lockers") == "flowing"
    assert layout(None, "Write a bullet list of what lockers do") == "list"
    assert layout(None, "Write a report on lockers") == layout("report", "Write an e-mail") == "sections"
    assert words_wished(None, "a memo of 1,200 words") == 1_200


# Who takes part --------------------------------------------------------------------------------------------


def test_a_plain_question_sends_research_alone() -> None:
    assert sent("What is a depot?", TEAMS) == [("team:research", [])]


def test_teams_are_sent_for_what_is_asked_each_after_those_who_feed_it() -> None:
    assert sent("Compare depots and lockers", TEAMS) == [("team:research", []), ("team:analysis", ["a1"])]
    assert sent("Write a memo about depots", TEAMS) == [
        ("team:research", []),
        ("team:writing", ["a1"]),
        ("team:rating", ["a2"]),
    ]
    assert sent("Compare depots and lockers. Write a memo to the board.", TEAMS) == [
        ("team:research", []),
        ("team:analysis", ["a1"]),
        ("team:writing", ["a1", "a2"]),
        ("team:rating", ["a3"]),
    ]


def test_research_is_asked_what_a_text_is_about_and_the_others_the_whole() -> None:
    question = "Write a memo to the board about depots"
    assert [each["goal"] for each in planned(question, TEAMS)] == ["Depots", question, question]


def test_every_kind_of_worker_of_a_team_takes_part() -> None:
    assert sent("What is a depot?", DESK) == [
        ("reader", []),
        ("figures", []),
        ("analyst", ["a1", "a2"]),
        ("sceptic", ["a1", "a2"]),
    ]


def test_writers_write_a_section_for_each_part_where_there_is_room() -> None:
    question = "What is a depot, and how is a parcel recalled?"
    assert [(each["worker"], each["goal"]) for each in planned(question, PRESS)][2:] == [
        ("writer", "What is a depot?"),
        ("writer", "How is a parcel recalled (depot)?"),
    ]
    assert sent(question, PRESS, most=2) == [("reader", []), ("writer", ["a1"])]


@pytest.mark.parametrize("most", range(1, 8))
@pytest.mark.parametrize("tasks", [TEAMS, DESK, PRESS])
def test_a_plan_never_has_more_assignments_than_it_may(tasks: dict[str, str], most: int) -> None:
    made = planned("Compare depots, lockers and shelves. Why are they scarce? Write a memo.", tasks, most)
    assert 1 <= len(made) <= most
    assert all(set(each["after"]) < {other["id"] for other in made} for each in made)


def test_goals_that_were_tried_give_way_for_those_who_find_alone() -> None:
    goals = [each["goal"] for each in planned("What is a depot?", PRESS, tried=["What is a depot?"])]
    assert goals == ["depot", "What is a depot?"]


async def test_a_wished_for_format_sends_the_writers() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "assignments": {
                "type": "array",
                "maxItems": 6,
                "items": {
                    "type": "object",
                    "properties": {
                        "worker": {"type": "string", "enum": list(TEAMS), "x-atlas-tasks": TEAMS},
                        "goal": {"type": "string"},
                    },
                },
            }
        },
    }
    prompt = asked("Depots", Intent.PLAN, schema, said="Task: Depots\nFormat: letter\n\nBreak it down.")
    given = await answer(ExtractiveProvider(), prompt)
    assert [each["worker"] for each in given["assignments"]] == [
        "team:research",
        "team:writing",
        "team:rating",
    ]
