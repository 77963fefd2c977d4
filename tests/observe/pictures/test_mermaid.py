from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.pictures.mermaid import picture


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
    assert drawn.splitlines()[1:-3] == [
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


def test_documents_are_counted_and_not_the_passages_that_are_embedded() -> None:
    told = story(
        (Kind.DOCUMENTS_READ, "research", {"label": "reading 12 of 14", "done": 12, "total": 14}),
        (Kind.DOCUMENTS_READ, "research", {"label": "embedding 198 of 198", "done": 198, "total": 198}),
    )
    assert "14 documents" in picture(told)
    read = (Kind.STEP_FINISHED, "research", {"step": "recall", "seconds": 1.0, "documents": 12, "skipped": 2})
    assert "12 documents" in picture([*told, *story(read)])


def test_what_servers_did_and_what_was_refused_is_drawn_with_the_work_that_met_it() -> None:
    plan = (Kind.PLAN_MADE, "research", {"round": 1, "assignments": [assignment("a1", "Moon", [])]})
    noted: tuple[Kind, str, dict[str, Any]] = (
        Kind.SERVER_NOTED, "tides", {"server": "tides", "what": "failed", "text": "Tides failed: it ended."}
    )  # fmt: skip
    events = story(
        plan,
        (Kind.WORK_STARTED, "documents#a1", {}),
        (Kind.TOOL_STARTED, "documents#a1", {"tool": "tides__tide"}),
        noted,
        noted,
        (Kind.RESULT_SUSPECTED, "documents#a1", {"tool": "tides__tide"}),
        (Kind.TOOL_REFUSED, "documents#a1", {"tool": "tides__keep"}),
        (Kind.WORK_FINISHED, "documents#a1", {"findings": 1}),
    )
    drawn = picture(replace(each, span_id="work/a1") for each in events)
    assert (
        "Moon<br/>1 × tides/tide<br/>1 call refused<br/>1 suspicious passage"  # noqa: RUF001 - a label
        "<br/>Tides failed: it ended.<br/>1 finding"
    ) in drawn


def test_what_was_recalled_stands_at_the_start_and_what_was_learned_at_the_end() -> None:
    recalled = {"items": [{"id": "m_1"}, {"id": "m_2"}], "left_out": []}
    kept: dict[str, Any] = {"id": "m_3", "new": True, "closes": []}
    told = story(
        (Kind.RUN_QUEUED, "research", {"team": "research", "input": {"question": "Why tides?"}}),
        (Kind.MEMORY_RECALLED, "supervisor", recalled),
        (Kind.MEMORY_RECALLED, "documents#a1", {"items": [{"id": "m_1"}], "left_out": []}),
        (Kind.LEARNING_KEPT, "research", kept),
        (Kind.LEARNING_KEPT, "research", {**kept, "new": False}),
        (Kind.RUN_FINISHED, "research", {"state": "done", "partial": False}),
    )
    drawn = picture(replace(each, span_id="work/a1" if "#" in each.actor else "recall") for each in told)
    assert drawn.splitlines()[1:-3] == [
        '  question(["Why tides?"])',
        '  memory[("2 learnings recalled")]',
        "  question --> memory",
        '  finish(["done<br/>1 learning kept"])',
        "  memory --> finish",
    ]


def test_a_run_that_has_not_ended_is_drawn_as_far_as_it_is() -> None:
    drawn = picture(story((Kind.RUN_QUEUED, "research", {"team": "research", "input": {"question": "Why?"}})))
    assert '  finish(["not finished"])' in drawn


def chain(lines: str) -> list[str]:
    """The nodes of a chart in their order, without the run's own first and last ones."""
    return re.findall(r"^  (\w+)(?=[\[({])", lines, re.MULTILINE)[1:-1]


def team_of_teams() -> list[tuple[Kind, str, dict[str, Any]]]:
    """A text that is rated 3.1, revised, and then 4.2."""
    told: list[tuple[Kind, str, dict[str, Any]]] = [
        (Kind.RUN_QUEUED, "atlas", {"team": "atlas", "input": {"task": "A notice."}})
    ]
    for number, score, gate in ((0, 3.1, "revise"), (1, 4.2, "pass")):
        write, rate = f"a{2 * number + 1}", f"a{2 * number + 2}"
        plan = [
            {"id": write, "worker": "team:writing", "goal": "Write.", "after": ["a1"] if number else []},
            {"id": rate, "worker": "team:rating", "goal": "Rate.", "after": [write]},
        ]
        if number:
            told.append(
                (Kind.REVISION_STARTED, "atlas", {
                    "revision": 1, "score": 3.1, "minimum": 3.5, "reasons": ["No thanks.", "Short.", "Dry."],
                })
            )  # fmt: skip
        more = {"revision": number} if number else {}
        told.append((Kind.PLAN_MADE, "atlas", {"round": 1, "assignments": plan, "reason": None, **more}))
        for name, team in ((write, "writing"), (rate, "rating")):
            gave: dict[str, Any] = (
                {"findings": 0, "drafts": 1, "kinds": {"work": 1}} if team == "writing" else
                {"findings": 0, "drafts": 0, "rating": {"score": score, "gate": gate, "why": ""}}
            )  # fmt: skip
            told += [
                (Kind.WORK_STARTED, f"team:{team}#{name}", {"assignment": name}),
                (Kind.CHILD_STARTED, "atlas", {"assignment": name, "team": team, "run": f"r_{name}"}),
                (Kind.WORK_FINISHED, f"team:{team}#{name}", {"assignment": name, **gave}),
            ]
        told.append((Kind.CHECK_FINISHED, "atlas", {"claims": 0, "quotes": 1, "unsupported": 0}))
        version = {"revision": number, "score": score, "gate": gate, "better": True}
        told.append((Kind.VERSION_KEPT, "atlas", version))
    return told


def test_teams_are_drawn_with_their_runs_and_versions_with_what_they_were_rated() -> None:
    drawn = picture(
        story(*team_of_teams(), (Kind.RUN_FINISHED, "atlas", {"state": "done", "partial": False}))
    )
    assert chain(drawn) == [
        "plan1", "work_a1", "work_a2", "check", "version1",
        "revise1", "work_a3", "work_a4", "check2", "version2",
    ]  # fmt: skip
    assert '  work_a1[["writing a1<br/>Write.<br/>run r_a1<br/>1 text"]]' in drawn
    assert '  work_a2[["rating a2<br/>Rate.<br/>run r_a2<br/>rated 3.1 of 5, to be revised"]]' in drawn
    assert '  version1{"version 1<br/>3.1 of 5, to be revised"}\n' in drawn
    assert '  revise1["revision 1<br/>3.5 of 5 is asked for<br/>No thanks.<br/>Short."]' in drawn
    assert '  version2{"version 2<br/>4.2 of 5, good enough<br/>kept"}:::kept' in drawn
    assert "  revise1 --> work_a3\n" in drawn
    assert "work_a1 --> work_a3" not in drawn
    assert "-.->" not in drawn


def test_a_run_that_its_budget_ended_says_so_and_keeps_its_best_version() -> None:
    drawn = picture(
        story(
            *team_of_teams()[:-1],
            (Kind.VERSION_KEPT, "atlas", {"revision": 1, "score": 2.0, "gate": "fail", "better": False}),
            (
                Kind.RUN_FINISHED,
                "atlas",
                {"state": "done", "partial": True, "limit": "run's limit of 8 calls"},
            ),
        )
    )
    assert 'version1{"version 1<br/>3.1 of 5, to be revised<br/>kept"}:::kept' in drawn
    assert '  version2{"version 2<br/>2 of 5, rejected"}\n' in drawn
    assert '  finish(["done, partial<br/>run\'s limit of 8 calls reached"]):::partial' in drawn


def test_recovery_and_decisions_are_drawn_once_though_they_are_told_again() -> None:
    plan = (Kind.PLAN_MADE, "x", {"round": 1, "assignments": [assignment("a1", "Moon", [])]})
    further = (Kind.PLAN_MADE, "x", {"round": 2, "assignments": [assignment("a2", "Sun", ["a1"])]})
    tried = (Kind.RECOVERY_TRIED, "documents#a1", {
        "assignment": "a1", "attempt": 1, "way": "other_member", "reason": "…",
        "error": {"code": "rate_limited", "message": "Busy."},
    })  # fmt: skip
    told = (Kind.ESCALATED, "x", {"level": "supervisor", "reason": "rate_limited (1)", "failures": 1})
    reviewed = (Kind.REVIEW_MADE, "x", {"round": 1, "enough": False, "reason": "The sun.", "gaps": 1})
    drawn = picture(story(plan, tried, told, reviewed, told, reviewed, further))
    assert chain(drawn) == ["plan1", "work_a1", "review1", "plan2", "work_a2"]
    assert "rate limited: attempt 2, by another model" in drawn
    assert (
        'review1{"review<br/>the supervisor is told of 1 failure: rate limited (1)<br/>'
        'not enough, 1 gap named: The sun."}'
    ) in drawn
    assert "  work_a1 -.-> work_a2" in drawn


LINE = re.compile(
    r"flowchart TD|  classDef \w+ [\w:,#-]+|  \w+ (-->|-\.->) \w+"
    r'|  \w+(\[/?|\[\[|\(\[|\{)"[^"`\[\]{}|\\]*"(/?\]|\]\]|\]\)|\})(:::\w+)?'
)


@given(st.text(), st.text(), st.text())
def test_whatever_people_and_models_write_it_stays_a_picture(question: str, goal: str, error: str) -> None:
    drawn = picture(
        story(
            (Kind.RUN_QUEUED, "research", {"team": "research", "input": {"question": question}}),
            (Kind.PLAN_MADE, "research", {"round": 1, "assignments": [assignment("a1", goal, [])]}),
            (Kind.WORK_FAILED, "documents#a1", {"error": {"message": error}}),
            (Kind.REVIEW_MADE, "research", {"round": 1, "enough": True, "reason": goal, "gaps": 0}),
            (Kind.REVISION_STARTED, "research", {"revision": 1, "score": 1.0, "reasons": [error]}),
        )
    )
    assert all(LINE.fullmatch(line) for line in drawn.splitlines())
