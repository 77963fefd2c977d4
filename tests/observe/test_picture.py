from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.picture import picture


def story(*told: tuple[Kind, str, dict[str, Any]]) -> list[Event]:
    return [
        Event("r_1", seq, "2026-01-01T00:00:00+00:00", kind, actor, "", data)
        for seq, (kind, actor, data) in enumerate(told, start=1)
    ]


def assignment(name: str, goal: str, after: list[str]) -> dict[str, Any]:
    return {"id": name, "worker": "documents", "goal": goal, "after": after}


def test_what_is_taken_up_again_is_drawn_once() -> None:
    plan = (Kind.PLAN_MADE, "research", {"round": 1, "assignments": [assignment("a1", "Moon", [])]})
    began: tuple[Kind, str, dict[str, Any]] = (Kind.WORK_STARTED, "documents#a1", {})
    search = (Kind.TOOL_STARTED, "documents#a1", {"tool": "search_documents"})
    drawn = picture(story(plan, plan, began, search, began, search))
    assert drawn.count('plan1["') == 1
    assert "1 × search_documents" in drawn  # noqa: RUF001 - a label, read by people


def test_a_run_is_drawn_from_its_question_to_its_end() -> None:
    drawn = picture(
        story(
            (Kind.RUN_QUEUED, "research", {"team": "research", "input": {"question": "Why tides?"}}),
            (Kind.DOCUMENTS_READ, "research", {"label": "reading 2 of 2", "done": 2, "total": 2}),
            (
                Kind.PLAN_MADE,
                "research",
                {"round": 1, "assignments": [assignment("a1", "Moon", []), assignment("a2", "Sun", ["a1"])]},
            ),
            (Kind.WORK_STARTED, "documents#a1", {}),
            (Kind.TOOL_STARTED, "documents#a1", {"tool": "search_documents"}),
            (Kind.TOOL_STARTED, "documents#a1", {"tool": "search_documents"}),
            (Kind.WORK_FINISHED, "documents#a1", {"findings": 1}),
            (Kind.WORK_STARTED, "documents#a2", {}),
            (Kind.WORK_FAILED, "documents#a2", {"error": {"message": "No."}}),
            (Kind.STEP_STARTED, "research", {"step": "compose", "label": "compose: …"}),
            (Kind.CHECK_FINISHED, "research", {"claims": 3, "quotes": 4, "unsupported": 0}),
            (Kind.RUN_FINISHED, "research", {"state": "done", "partial": False}),
        )
    )
    assert drawn.splitlines()[1:-2] == [
        '  question(["Why tides?"])',
        '  documents[/"2 documents"/]',
        "  question --> documents",
        '  plan1["plan, round 1"]',
        "  documents --> plan1",
        '  work_a1["documents a1<br/>Moon<br/>2 × search_documents<br/>1 finding"]',  # noqa: RUF001
        "  plan1 --> work_a1",
        '  work_a2["documents a2<br/>Sun<br/>failed: No."]:::failed',
        "  work_a1 --> work_a2",
        '  compose["compose"]',
        "  work_a2 --> compose",
        '  check["check: 3 claims, 4 quotes verified"]',
        "  compose --> check",
        '  finish(["done"])',
        "  check --> finish",
    ]


def test_a_run_that_has_not_ended_is_drawn_as_far_as_it_is() -> None:
    drawn = picture(story((Kind.RUN_QUEUED, "research", {"team": "research", "input": {"question": "Why?"}})))
    assert '  finish(["not finished"])' in drawn


LINE = re.compile(
    r"flowchart TD|  classDef \w+ [\w:,#-]+|  \w+ --> \w+"
    r'|  \w+(\[/?|\(\[)"[^"`\[\]{}|\\]*"(/?\]|\]\))(:::\w+)?'
)


@given(st.text(), st.text(), st.text())
def test_whatever_people_and_models_write_it_stays_a_picture(question: str, goal: str, error: str) -> None:
    drawn = picture(
        story(
            (Kind.RUN_QUEUED, "research", {"team": "research", "input": {"question": question}}),
            (Kind.PLAN_MADE, "research", {"round": 1, "assignments": [assignment("a1", goal, [])]}),
            (Kind.WORK_FAILED, "documents#a1", {"error": {"message": error}}),
        )
    )
    assert all(LINE.fullmatch(line) for line in drawn.splitlines())
