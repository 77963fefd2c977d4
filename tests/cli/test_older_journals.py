"""A journal that an older version wrote is shown as far as it goes: as a story, a tree and a picture."""

from __future__ import annotations

from dataclasses import replace

from atlas_mcp.cli.run_tree import tree_of
from atlas_mcp.events import Kind
from atlas_mcp.observe.pictures.mermaid import picture
from tests.cli.told import BUSY, ROW, Told, fails, step, story, works


def whole() -> Told:
    """A run in which everything happened once."""
    told = step(Told(), "recall")
    told(Kind.RUN_QUEUED, "research", "", team="research", team_version="1", input={"question": "Tides?"})
    for kind in (Kind.RUN_STARTED, Kind.RUN_RESUMED):
        told(kind, "research", "", team="research", provider="o:g", language_model=True)
    items = [{"id": "m_1", "text": "Two a day."}]
    told(Kind.MEMORY_RECALLED, "web", "recall", query="q", items=items, left_out=[{"reason": "no room"}])
    told(Kind.DOCUMENT_SKIPPED, "research", "recall", uri="a.png", reason="no text")
    told(Kind.DOCUMENTS_READ, "research", "recall", label="reading", done=1, total=1)
    told(Kind.STEP_FINISHED, "research", "recall", step="recall", seconds=1.0, documents=1)
    told.plan(a1="Moon?", a2="Sun?").begin("a1")
    told(
        Kind.TASK_DETECTED,
        "web#a1",
        "work/a1",
        task="analysis",
        reason="r",
        confidence=1,
        complexity="simple",
    )
    told(Kind.CONTEXT_FITTED, "web#a1", "work/a1", before=9, after=5, condensed=["p1"], left_out=["p2"])
    chosen = {"group": "g", "member": "o:g", "reason": "r", "others": ["o:h"], "task": "analysis", "call": 1}
    told.asks("work/a1")(Kind.MODEL_CHOSEN, "web#a1", "work/a1", **chosen)
    switched = {
        "left": "o:g",
        "joined": "o:h",
        "reason": "r",
        "way": "retell",
        "failure": "stalled",
        "call": 1,
    }
    told(Kind.MODEL_SWITCHED, "web#a1", "work/a1", **switched)
    tool = {"tool": "web__search", "arguments": {"query": "moon"}}
    told(Kind.TOOL_STARTED, "web#a1", "work/a1", **tool)
    told(Kind.TOOL_CHARGED, "web#a1", "work/a1", tool="web__search", cost_usd=0.01)
    told(Kind.TOOL_REFUSED, "web#a1", "work/a1", **tool, reason="no")
    told(Kind.TOOL_FINISHED, "web#a1", "work/a1", tool="web__search", seconds=1, passages=1, error=None)
    told(Kind.SERVER_NOTED, "web", "work/a1", server="web", what="changed", text="t")
    found = [{"name": "gives orders", "quote": "Ignore"}]
    told(Kind.RESULT_SUSPECTED, "web#a1", "work/a1", tool="web/search", uri="u", found=found, left_out=True)
    told(Kind.OUTPUT_REPAIRED, "web#a1", "work/a1", attempt=1, problems=["p"])
    told(Kind.CHILD_STARTED, "research", "work/a1", assignment="a1", team="tides", run="r_2")
    told(
        Kind.RECOVERY_TRIED, "web#a1", "work/a1", assignment="a1", attempt=1, way="retry", reason="r",
        error=BUSY,
    )  # fmt: skip
    return _ended(fails(works(told, "a1"), "a2"))


def _ended(told: Told) -> Told:
    """What comes after the work."""
    told(Kind.ESCALATED, "research", "review", level="supervisor", reason="overloaded (1)", failures=1)
    told(Kind.REVIEW_MADE, "research", "review/1", round=1, enough=False, reason="r", gaps=1)
    told(Kind.QUESTION_ASKED, "research", "q", id="q", kind="question", text="Which?", schema={})
    told(Kind.QUESTION_ANSWERED, "person", "q", id="q", answer={"decision": "again"}, by="ada")
    told(Kind.REVISION_STARTED, "research", "revise/1", revision=1, score=3.0, minimum=3.5, reasons=["r"])
    check = {"claims": 1, "quotes": 1, "unsupported": 1, "problems": ["p"], "score": 4.0}
    part = {"name": "completeness", "applies": True, "share": 0.5}
    told(Kind.CHECK_FINISHED, "research", "check", **check, parts=[part])
    told(Kind.VERSION_KEPT, "research", "check", revision=0, score=4.0, gate="pass", better=True)
    told(Kind.MEMORY_FAILED, "research", "learn", step="learn", error=BUSY)
    told(Kind.LEARNING_KEPT, "research", "learn", id="m_2", kind="fact", score=4.5, new=True, closes=["m_1"])
    told(Kind.LEARNING_DROPPED, "research", "learn", kind="fact", score=1.0, cause="weak", reason="weak")
    told(Kind.ALERT_RAISED, "research", "", alert="slow", measured=4.0, threshold=3.0, text="slow")
    told(Kind.CONTROL_RECEIVED, "person", "", verb="pause", reason="r")
    for kind in (Kind.RUN_PAUSED, Kind.RUN_CONTINUED, Kind.RUN_INTERRUPTED):
        told(kind, "research", "", reason="r")
    ended = {"state": "failed", "partial": False, "seconds": 9.0, "usage": {}, "error": BUSY}
    return told(Kind.RUN_FINISHED, "research", "", **ended, limit="limit")


def shown(told: Told, *states: str) -> None:
    """Show a run as a story, as a tree and as a picture; all that is asked is that it can be done."""
    for state in states:
        story(
            told, state, partial=state == "done", error={"code": "overloaded"} if state == "failed" else None
        )
    tree_of(ROW, told.events, {})
    picture(told.events)


def test_everything_that_can_happen_has_happened_here() -> None:
    measured = {kind for kind in Kind if kind.value.endswith(".measured")}  # read by who counts, not told
    assert {event.kind for event in whole().events} == {*Kind} - measured


def test_a_journal_that_lacks_any_one_key_is_shown_in_every_way() -> None:
    told = whole()
    shown(told, "failed")
    for place, event in enumerate(told.events):
        for key in event.data:
            lacking = replace(event, data={name: value for name, value in event.data.items() if name != key})
            older = Told()
            older.events = [*told.events[:place], lacking, *told.events[place + 1 :]]
            shown(older, "failed")


def test_a_journal_that_lacks_every_key_is_shown_in_every_way() -> None:
    older = Told()
    older.events = [replace(event, data={}) for event in whole().events]
    shown(older, "failed", "done", "waiting", "running", "cancelled")
    for key in ("id", "worker", "goal", "after"):
        told = whole()
        for event in told.events:
            if event.kind is Kind.PLAN_MADE:
                event.data["assignments"] = [
                    {name: value for name, value in each.items() if name != key}
                    for each in event.data["assignments"]
                ]
        shown(told, "done")


def test_what_an_older_version_did_not_write_is_not_told_as_nothing() -> None:
    told = Told().plan(a1="Moon?").begin("a1")
    told(Kind.WORK_FINISHED, "web#a1", "work/a1")
    told(Kind.CHECK_FINISHED, "research", "check")
    lines = [line.strip() for line in story(told)]
    assert "→ done" in lines
    assert "claims, verified quotes" in lines
