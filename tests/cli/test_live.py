from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from atlas_mcp.cli.live import picture
from atlas_mcp.cli.view import RunView
from atlas_mcp.cli.words import spent
from atlas_mcp.events import Event, Kind
from atlas_mcp.orchestration.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Mapping


class Told:
    """A run's view, told one event after another, a second apart."""

    def __init__(self) -> None:
        self.view = RunView("r_1")
        self._seconds = 0

    def __call__(
        self, kind: Kind, actor: str = "", /, *, run_id: str = "r_1", span_id: str = "", **data: Any
    ) -> Told:
        self._seconds += 1
        at = f"2026-01-01T00:00:{self._seconds:02d}.000+00:00"
        self.view.hear(Event(run_id, self._seconds, at, kind, actor, span_id, data))
        return self

    def drawn(self, speaking: Mapping[str, Voice] | None = None) -> str:
        console = Console(width=100)
        with console.capture() as capture:
            console.print(picture(self.view, speaking or {}))
        return " ".join(capture.get().split())


def begun() -> Told:
    tell = Told()
    tell(Kind.RUN_QUEUED, team="research", input={"question": "q"})
    tell(Kind.RUN_STARTED, team="research", provider="scripted:x", language_model=False)
    tell(Kind.STEP_STARTED, step="plan", label="plan: breaking the question down")
    goals: list[dict[str, object]] = [
        {"id": f"a{n}", "worker": "documents", "goal": goal, "after": []}
        for n, goal in enumerate(("tides?", "moon?"), 1)
    ]
    tell(Kind.PLAN_MADE, round=1, assignments=goals, reason=None)
    return tell(Kind.STEP_FINISHED, step="plan", seconds=0.5, assignments=2)


def test_a_check_says_what_it_counted_and_measured_also_when_something_was_set_aside() -> None:
    tell = begun()
    tell(Kind.STEP_STARTED, step="check", label="check: verifying quotes and citations")
    tell(Kind.CHECK_FINISHED, claims=3, quotes=4, unsupported=2, score=3.26)
    tell(Kind.STEP_FINISHED, step="check", seconds=0.1, unsupported=2)
    assert tell.view.lines["check"].note == "3 claims, 4 quotes verified, 2 set aside, measured 3.3 of 5"


def test_workers_wait_work_and_end_each_on_its_own_line() -> None:
    tell = begun()
    tell(Kind.WORK_STARTED, "documents#a1", assignment="a1", worker="documents", goal="tides?")
    assert [line.progress for line in tell.view.lines.values()] == ["done", "working", "waiting"]
    tell(
        Kind.WORK_FINISHED,
        "documents#a1",
        assignment="a1",
        worker="documents",
        findings=1,
        dropped=0,
        seconds=2.0,
    )
    tell(Kind.WORK_STARTED, "documents#a2", assignment="a2", worker="documents", goal="moon?")
    tell(
        Kind.WORK_FAILED, "documents#a2", assignment="a2", worker="documents", error={"message": "no answer"}
    )
    drawn = tell.drawn()
    assert "✓ documents tides?" in drawn
    assert "1 finding" in drawn
    assert "✗ documents moon?" in drawn
    assert "no answer" in drawn


def test_what_a_model_says_now_stands_under_its_worker() -> None:
    tell = begun()
    tell(Kind.WORK_STARTED, "documents#a1", assignment="a1", worker="documents", goal="tides?")
    voice = Voice()
    voice.hear("The moon raises")
    drawn = tell.drawn({"documents#a1": voice})
    assert drawn.index("tides?") < drawn.index("The moon raises") < drawn.index("moon?")
    assert "15 characters" in drawn


def with_a_team_at_work() -> Told:
    """A run whose second assignment is done by a team, in a run of its own."""
    tell = begun()
    tell(Kind.WORK_STARTED, "documents#a1", assignment="a1", worker="documents", goal="tides?")
    tell(Kind.CHILD_STARTED, "research", assignment="a1", team="tides", run="r_2")
    tell(Kind.RUN_STARTED, run_id="r_2", team="tides", provider="scripted:x", language_model=False)
    plan: list[dict[str, object]] = [{"id": "a1", "worker": "reader", "goal": "spring?", "after": []}]
    tell(Kind.PLAN_MADE, run_id="r_2", round=1, assignments=plan, reason=None)
    return tell(
        Kind.WORK_STARTED, "reader#a1", run_id="r_2", assignment="a1", worker="reader", goal="spring?"
    )


def test_what_a_team_does_stands_under_its_line_while_it_works_and_its_calls_are_counted() -> None:
    tell = with_a_team_at_work()
    usage = {"input_tokens": 100, "output_tokens": 20, "calls": 1}
    tell(Kind.MODEL_FINISHED, "reader#a1", run_id="r_2", usage=usage)
    voice = Voice()
    voice.hear("The sun too")
    drawn = tell.drawn({"r_2/reader#a1": voice})
    assert drawn.index("tides?") < drawn.index("spring?") < drawn.index("The sun too") < drawn.index("moon?")
    assert "1 call, 120 tokens" in drawn
    tell(Kind.WORK_FINISHED, "documents#a1", assignment="a1", findings=2, drafts=1, seconds=1.0, dropped=0)
    drawn = tell.drawn()
    assert "2 findings, 1 draft" in drawn
    assert "spring?" not in drawn
    assert "1 call, 120 tokens" in drawn


def test_whoever_speaks_in_a_step_is_heard_under_it() -> None:
    tell = begun()
    tell(Kind.STEP_STARTED, "research", step="compose", label="compose: …")
    tell(Kind.MODEL_STARTED, "supervisor", span_id="compose", intent="compose")
    voice = Voice()
    voice.hear("In short")
    assert "In short" in tell.drawn({"supervisor": voice})
    tell(Kind.STEP_FINISHED, "research", step="compose", seconds=0.1)
    assert "In short" not in tell.drawn({"supervisor": voice})


def test_what_was_decided_has_a_line_of_its_own() -> None:
    tell = begun()
    error = {"code": "rate_limited", "message": "Busy."}
    tell(Kind.WORK_STARTED, "documents#a1", assignment="a1", worker="documents", goal="tides?")
    tell(
        Kind.RECOVERY_TRIED, "documents#a1", assignment="a1", attempt=1, way="retry", reason="…", error=error
    )
    assert tell.view.lines["a1"].note == "attempt 2, the same again"
    tell(Kind.ESCALATED, level="supervisor", reason="rate_limited (1)", failures=1)
    tell(Kind.REVIEW_MADE, round=1, enough=True, reason=None, gaps=0)
    tell(Kind.VERSION_KEPT, revision=0, score=3.1, gate="revise", better=True)
    tell(Kind.REVISION_STARTED, revision=1, score=3.1, minimum=3.5, reasons=["Too short."])
    drawn = tell.drawn()
    in_order = [
        "told of 1 failure",
        "enough",
        "version 1: 3.1 of 5",
        "revision 1: the best is 3.1",
        "Too short.",
    ]
    places = [drawn.index(said) for said in in_order]
    assert places == sorted(places)


def test_usage_counts_what_was_paid_and_not_what_was_replayed() -> None:
    tell = begun()
    usage = {"input_tokens": 100, "output_tokens": 20, "calls": 1}
    tell(Kind.MODEL_FINISHED, "documents#a1", usage=usage)
    tell(Kind.MODEL_FINISHED, "documents#a1", usage=usage, replayed=True)
    assert "1 call, 120 tokens" in tell.drawn()


def test_a_second_plan_is_a_second_line() -> None:
    tell = begun()
    tell(Kind.STEP_STARTED, step="plan", label="plan: breaking the question down")
    assert [line.title for line in tell.view.lines.values()].count("plan") == 2


def test_a_price_that_nobody_knows_is_said_and_not_shown_as_nothing() -> None:
    assert spent({"calls": 2, "input_tokens": 5, "output_tokens": 5, "cost_usd": None}) == (
        "2 calls, 10 tokens, price unknown"
    )
    assert spent({"calls": 1, "cost_usd": 0.0}) == "1 call"
