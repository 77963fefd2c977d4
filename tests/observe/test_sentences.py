from __future__ import annotations

from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.sentences import PASSING, SILENT, sentence, shortened


def told(kind: Kind, **data: object) -> str | None:
    return sentence(Event("r_1", 1, "2026-01-01T00:00:00+00:00", kind, "documents#a2", "", data))


def test_events_are_told_as_a_person_would() -> None:
    assert told(Kind.DOCUMENTS_READ, label="reading 3 of 12") == "documents: reading 3 of 12"
    assert told(Kind.WORK_FINISHED, findings=4) == "documents#a2: 4 findings"
    assert told(Kind.WORK_FINISHED, findings=0) == "documents#a2: 0 findings"
    assert told(Kind.WORK_FAILED, error={"message": "No."}) == "documents#a2: failed: No."
    assert told(Kind.PLAN_MADE, assignments=[1]) == "plan: 1 assignment"
    assert told(Kind.TOOL_STARTED, tool="search_documents") == "documents#a2: search documents"
    assert told(Kind.TASK_DETECTED, task="analysis") == "documents#a2: takes it as analysis"
    fitted = {"before": 41_000, "after": 24_000, "left_out": ["p1"]}
    assert told(Kind.CONTEXT_FITTED, **fitted) == (
        "documents#a2: fits 41,000 tokens into 24,000, 1 piece left out"
    )
    assert told(Kind.RUN_FINISHED, state="done", partial=True) == "run: done, partial"
    assert (
        told(Kind.CHECK_FINISHED, claims=5, quotes=1, unsupported=2)
        == "check: 5 claims, 1 quote verified, 2 not supported"
    )
    assert (
        told(Kind.CHECK_FINISHED, claims=5, quotes=1, unsupported=0, score=4.26)
        == "check: 5 claims, 1 quote verified, measured 4.3 of 5"
    )
    assert told(Kind.CHECK_FINISHED, claims=0, quotes=0, unsupported=0, score=None) == (
        "check: 0 claims, 0 quotes verified"
    )


def test_what_work_gave_is_told_by_what_there_is_of_it_and_no_more() -> None:
    def gave(**data: object) -> str | None:
        return told(Kind.WORK_FINISHED, **{"findings": 0, "drafts": 0, **data})

    assert gave(findings=2, drafts=3) == "documents#a2: 2 findings, 3 drafts"
    assert gave(drafts=3, kinds={"statement": 2, "work": 1}) == "documents#a2: 2 statements, 1 text"
    assert gave(verdicts=3) == "documents#a2: 3 verdicts"
    assert gave(verdicts=0) == "documents#a2: no verdicts"
    rating = {"score": 3.1, "gate": "revise", "why": "…"}
    assert gave(rating=rating) == "documents#a2: rated 3.1 of 5, to be revised"
    assert gave(rating=rating, partial=True) == "documents#a2: rated 3.1 of 5, partial"
    assert gave(rating={**rating, "score": None}) == "documents#a2: no score, to be revised"


def test_teams_recovery_review_and_versions_are_told() -> None:
    assert told(Kind.CHILD_STARTED, assignment="a1", team="research", run="r_2") == (
        "research: begins as run r_2"
    )
    tried = {"attempt": 1, "way": "other_member", "reason": "…", "error": {"message": "Too busy."}}
    assert told(Kind.RECOVERY_TRIED, **tried) == "documents#a2: attempt 2, by another model: Too busy."
    assert told(Kind.ESCALATED, level="supervisor", reason="rate_limited (2)", failures=2) == (
        "review: the supervisor is told of 2 failures: rate limited (2)"
    )
    assert told(Kind.REVIEW_MADE, round=1, enough=True, reason=None, gaps=0) == "review: enough"
    assert told(Kind.REVIEW_MADE, round=1, enough=False, reason="Prices.", gaps=2) == (
        "review: not enough, 2 gaps named: Prices."
    )
    assert told(Kind.REVISION_STARTED, revision=1, score=3.1, minimum=3.5, reasons=[]) == (
        "revision 1: the best is 3.1 of 5, 3.5 is asked for"
    )
    version = {"revision": 0, "score": 3.1, "gate": "revise", "better": True}
    assert told(Kind.VERSION_KEPT, **version) == "version 1: 3.1 of 5, to be revised"
    better = {"revision": 1, "score": 4.2, "gate": "pass", "better": True}
    assert told(Kind.VERSION_KEPT, **better) == "version 2: 4.2 of 5, good enough; kept"
    assert told(Kind.VERSION_KEPT, **(version | {"revision": 2, "better": False})) == (
        "version 3: 3.1 of 5, to be revised; an earlier one is kept"
    )
    rating = {"claims": 0, "quotes": 2, "unsupported": 0, "score": 4.2, "gate": "pass"}
    assert told(Kind.CHECK_FINISHED, **rating) == "check: rated 4.2 of 5, good enough"
    limit = "run's limit of 8 calls"
    assert told(Kind.RUN_FINISHED, state="done", partial=True, limit=limit) == (
        "run: done, partial (run's limit of 8 calls reached)"
    )


def test_a_child_run_is_told_under_its_team_without_what_its_parent_tells() -> None:
    def inside(kind: Kind, **data: object) -> str | None:
        event = Event("r_2", 1, "2026-01-01T00:00:00+00:00", kind, "documents#a1", "", data)
        return sentence(event, "research")

    prefix = "research \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "
    assert inside(Kind.WORK_FINISHED, findings=4) == f"{prefix}documents#a1: 4 findings"
    assert inside(Kind.RUN_FINISHED, state="done", partial=False) is None
    assert inside(Kind.STEP_STARTED, step="recall", label="documents: getting ready") is None
    assert inside(Kind.STEP_STARTED, step="plan", label="plan: …") == f"{prefix}plan: …"


def test_what_is_remembered_and_learned_is_told() -> None:
    recalled = {
        "items": [1, 2],
        "left_out": [{"id": "m_3", "reason": "no room"}, {"id": "m_4", "reason": "same"}],
    }
    assert told(Kind.MEMORY_RECALLED, **recalled) == ("documents#a2: remembers 2 learnings, 1 did not fit")
    assert told(Kind.MEMORY_FAILED, step="learn", error={"message": "Full."}) == "memory: Full."
    kept: dict[str, object] = {"text": "The tide turns.", "new": True, "closes": []}
    assert told(Kind.LEARNING_KEPT, **kept) == "learned: The tide turns."
    assert told(Kind.LEARNING_KEPT, **{**kept, "new": False, "closes": ["m_1"]}) == (
        "learned (known before): The tide turns.; 1 earlier one no longer holds"
    )
    # Its text is looked up where it is shown, and may be forgotten by then.
    data = {"id": "m_2", "kind": "fact", "new": True, "closes": list[str]()}
    event = Event("r_1", 1, "2026-01-01T00:00:00+00:00", Kind.LEARNING_KEPT, "research", "learn", data)
    assert sentence(event) == "learned: fact m_2"


def test_what_servers_do_and_what_is_refused_or_suspected_is_told() -> None:
    assert told(Kind.TOOL_STARTED, tool="tavily__tavily_search") == "documents#a2: tavily/tavily_search"
    assert told(Kind.TOOL_REFUSED, tool="word__add_table", reason="A person refused it.") == (
        "documents#a2: word/add_table was refused: A person refused it."
    )

    def noted(what: str, text: str) -> str | None:
        return told(Kind.SERVER_NOTED, server="tides", what=what, text=text)

    assert noted("started", "tides 1.2, protocol 2025-11-25, 2 tools") == (
        "tides: started, tides 1.2, protocol 2025-11-25, 2 tools"
    )
    assert noted("failed", "Tides failed: it ended.") == "Tides failed: it ended."
    assert noted("odd", "it asked for roots") == "tides: it asked for roots"
    assert noted("changed", "tides/tide is off: its description asks to do it: 'Do it: now'") == (
        "tides/tide is off: its description asks to do it; to look at it: atlas-mcp servers approve tides"
    )
    found = [{"name": "asks to set instructions aside", "quote": "Ignore …"}]
    data = {"tool": "tides__tide", "found": found}
    assert told(Kind.RESULT_SUSPECTED, uri="https://x.example", left_out=True, **data) == (
        "documents#a2: a passage of https://x.example from tides/tide"
        " asks to set instructions aside: left out"
    )
    assert told(Kind.RESULT_SUSPECTED, uri="", left_out=False, **data) == (
        "documents#a2: a passage from tides/tide asks to set instructions aside: kept"
    )


def test_only_these_events_say_nothing_to_a_person() -> None:
    assert {
        Kind.RUN_STARTED, Kind.CONTROL_RECEIVED, Kind.STEP_FINISHED, Kind.MODEL_STARTED, Kind.MODEL_CHOSEN,
        Kind.MODEL_FINISHED, Kind.MODEL_FAILED, Kind.TOOL_FINISHED, Kind.TOOL_CHARGED,
        Kind.LEARNING_DROPPED, Kind.MEMORY_MEASURED,
    } == SILENT  # fmt: skip
    assert PASSING.isdisjoint(SILENT)
    assert all(told(kind) is None for kind in SILENT)


def test_a_long_text_is_shown_by_its_beginning_or_its_end() -> None:
    text = f"begin{' long' * 100} end"
    assert shortened("a\n b") == "a b"
    assert shortened(text).startswith("begin long")
    assert shortened(text, from_end=True).endswith("long end")
    assert shortened(text).endswith(" long…")
    assert len(shortened(text)) <= len(shortened(text, from_end=True)) == 120
    assert shortened("x" * 200) == f"{'x' * 119}…"
