"""Questions are split where they ask several things, and nowhere else."""

from __future__ import annotations

from time import process_time

import pytest

from atlas_mcp.orchestration.team_file import LONGEST_INPUT
from atlas_mcp.providers.extraction.planning import plan, tried_goals
from atlas_mcp.providers.extraction.questions import Kind, read_question


def queries(question: str) -> list[str]:
    return [facet.query for facet in read_question(question).facets]


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "How does a client cancel a request, and what must the server do?",
            ["How does a client cancel a request?", "What must the server do (client, cancel, request)?"],
        ),
        (
            "What is sampling, and how does elicitation differ from it?",
            ["What is sampling?", "How does elicitation differ from it (sampling)?"],
        ),
        (
            "When should a server use elicitation rather than sampling?",
            ["When should a server use elicitation?", "When should a server use sampling?"],
        ),
        (
            "What changed in the last revision about sampling and roots?",
            [
                "What changed in the last revision about sampling?",
                "What changed in the last revision about roots?",
            ],
        ),
        (
            "What are the limits of progress notifications, caching and pagination?",
            [
                "What are the limits of progress notifications?",
                "What are the limits of caching?",
                "What are the limits of pagination?",
            ],
        ),
        ("What is the difference between resources and tools in MCP?", ["Resources in MCP", "Tools in MCP"]),
        ("How are prompts different from tools?", ["Prompts", "Tools"]),
        ("Compare stdio and HTTP for local servers", ["Stdio for local servers", "HTTP for local servers"]),
        ("stdio vs HTTP", ["Stdio", "HTTP"]),
        (
            "Who may issue tokens and for how long are they valid?",
            ["Who may issue tokens?", "For how long are they valid (issue, tokens)?"],
        ),
    ],
)
def test_a_question_is_split_into_what_can_be_searched_for_alone(question: str, parts: list[str]) -> None:
    assert queries(question) == parts


@pytest.mark.parametrize(
    "question",
    [
        "How do clients and servers negotiate the version?",
        "How does a client open and close a stream?",
        "What must a client do when the server does not support its version?",
        "Wie bricht ein Client eine Anfrage ab?",
    ],
)
def test_a_question_is_left_whole_where_splitting_would_change_it(question: str) -> None:
    assert queries(question) == [question]


def test_an_empty_question_is_its_own_only_part() -> None:
    assert queries("  ") == [""]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is a depot?", Kind.DEFINITION),
        ("Depots and gates", Kind.DEFINITION),
        ("Must a carrier knock?", Kind.RULE),
        ("What must a carrier do at night?", Kind.DUTY),
        ("What must a carrier never open?", Kind.BAN),
        ("How many gates has a depot?", Kind.QUANTITY),
        ("Why are shelves scarce?", Kind.REASON),
        ("What changed for carriers?", Kind.CHANGE),
        ("When should a parcel be recalled?", Kind.CONDITION),
        ("How is a parcel recalled?", Kind.MANNER),
    ],
)
def test_a_question_tells_what_sort_of_sentence_answers_it(question: str, kind: Kind) -> None:
    assert kind in read_question(question).facets[0].kinds


def test_the_month_of_may_permits_nothing() -> None:
    assert Kind.RULE not in read_question("What happened in May?").facets[0].kinds


def test_who_is_to_act_is_read_off_the_question() -> None:
    assert "client" in read_question("What must a client do when the server stops?").facets[0].actors


def test_where_not_every_part_has_room_every_worker_gets_the_whole_question() -> None:
    question = "What is a depot? How many gates has it? Who opens them?"
    assignments = plan(question, ["documents", "web"], least=1, most=4)["assignments"]
    assert [each["goal"] for each in assignments] == [question, question]


def test_a_plan_is_never_shorter_than_it_may_be() -> None:
    tried = ["What is a depot?", "depot"]
    assignments = plan("What is a depot?", ["documents"], least=2, most=4, tried=tried)["assignments"]
    assert [each["goal"] for each in assignments] == ["What is a depot?"] * 2
    assert plan("What is a depot?", ["documents"], least=0, most=4, tried=tried)["assignments"] == []


def test_tried_goals_are_the_lines_below_their_heading_and_no_others() -> None:
    said = "- not this\nAlready tried:\n- what is a depot?\n- depots\n\nGo on.\n- nor this"
    assert tried_goals(said) == ("what is a depot?", "depots")


@pytest.mark.parametrize("piece", ["x", "\u6f6e", "a, ", "[f1]", "a@b.", "between a and ", "what does "])
def test_a_question_of_the_greatest_length_does_not_hold_up_the_server(piece: str) -> None:
    since = process_time()
    assert read_question((piece * LONGEST_INPUT)[:LONGEST_INPUT]).facets
    assert process_time() - since < 5
