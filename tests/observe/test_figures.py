"""A run in figures, folded from its events: who is at work, what was used, how fast models answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.database import open_database
from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.figures import Call, Calls, Figures, seconds_of, tokens_a_second
from atlas_mcp.observe.journal import SCHEMA, Journal
from atlas_mcp.observe.readings import PORTION, Readings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
USAGE: dict[str, Any] = {"input_tokens": 100, "output_tokens": 20, "calls": 1, "cost_usd": 0.25}


class Told:
    """A run's figures, told one event after another, a second apart."""

    def __init__(self) -> None:
        self.figures = Figures("r_1")

    def __call__(self, kind: Kind, actor: str = "", /, *, span_id: str = "", **data: Any) -> Told:
        seq = self.figures.seq + 1
        at = (BEGAN + timedelta(seconds=seq)).isoformat(timespec="milliseconds")
        self.figures.hear(Event("r_1", seq, at, kind, actor, span_id, data))
        return self

    def finished(self, actor: str, call: int = 1, **more: Any) -> Told:
        told = {"provider": "lab:m", "call": call, "usage": USAGE, "seconds": 2.0, "first_token": 0.5, **more}
        return self(Kind.MODEL_FINISHED, actor, span_id="work/a1", **told)

    def started(self, actor: str, call: int = 1) -> Told:
        return self(Kind.MODEL_STARTED, actor, span_id="work/a1", provider="lab:m", call=call)


def begun() -> Told:
    tell = Told()
    tell(Kind.RUN_QUEUED, team="research", input={"question": "q"})
    return tell(Kind.RUN_STARTED, team="research", provider="lab:m", language_model=True)


def working() -> Told:
    return begun()(Kind.WORK_STARTED, "web#a1", assignment="a1", worker="web", goal="tides?")


def test_a_run_is_queued_until_it_is_begun_and_has_ended_when_it_says_so() -> None:
    tell = Told()(Kind.RUN_QUEUED, team="research", input={})
    assert tell.figures.state == "queued"
    tell(Kind.RUN_STARTED, team="research", provider="lab:m", language_model=True)
    assert (tell.figures.state, tell.figures.over) == ("running", False)
    tell(Kind.RUN_FINISHED, state="done", partial=False)
    assert (tell.figures.state, tell.figures.over) == ("done", True)


def test_a_run_waits_while_a_question_of_it_is_open() -> None:
    tell = begun()(Kind.QUESTION_ASKED, id="q1", kind="question", text="Which?", schema={})
    assert (tell.figures.state, tell.figures.questions) == ("waiting", {"q1": "Which?"})
    tell(Kind.QUESTION_ANSWERED, id="q1", answer={}, by="me")
    assert (tell.figures.state, tell.figures.questions) == ("running", {})


def test_the_step_is_the_one_under_way_and_work_while_members_work() -> None:
    tell = begun()(Kind.STEP_STARTED, step="recall", label="documents: getting ready")
    tell(Kind.DOCUMENTS_READ, label="reading 1 of 12", done=1, total=12)
    assert (tell.figures.step, tell.figures.note) == ("recall", "reading 1 of 12")
    tell(Kind.STEP_FINISHED, step="recall", seconds=0.1)
    assert (tell.figures.step, tell.figures.note) == ("", "")
    tell(Kind.WORK_STARTED, "web#a1", assignment="a1", worker="web", goal="tides?")
    assert tell.figures.step == "work"


def test_a_member_waits_for_the_model_it_asked_or_the_tool_it_uses() -> None:
    tell = working().started("web#a1")
    doing = tell.figures.members["web#a1"]
    assert (doing.model, doing.tool) == ("lab:m", "")
    tell(Kind.MODEL_SWITCHED, "web#a1", left="lab:m", joined="lab:n", reason="…", way="retell",
         failure="overloaded", call=1)  # fmt: skip
    assert doing.model == "lab:n"
    tell.finished("web#a1")(Kind.TOOL_STARTED, "web#a1", tool="tavily__search", arguments={})
    assert (doing.model, doing.tool) == ("", "tavily/search")
    tell(Kind.TOOL_FINISHED, "web#a1", tool="tavily__search", seconds=0.1, passages=1, error=None)
    assert (doing.model, doing.tool) == ("", "")
    tell(Kind.WORK_FINISHED, "web#a1", assignment="a1", findings=1, dropped=0, seconds=1.0)
    assert tell.figures.members == {}


def test_whoever_speaks_in_a_step_is_at_work_for_that_call() -> None:
    tell = begun()(Kind.STEP_STARTED, step="plan", label="plan: …").started("supervisor")
    assert list(tell.figures.members) == ["supervisor"]
    tell.finished("supervisor")
    assert tell.figures.members == {}


def test_nobody_is_at_work_in_a_run_whose_process_died_until_it_is_taken_up() -> None:
    tell = working().started("web#a1")(Kind.RUN_RESUMED, team="research", provider="lab:m")
    assert tell.figures.members == {}
    assert tell.figures.state == "running"


def test_calls_tokens_and_money_are_summed_and_a_call_read_again_counts_once() -> None:
    tell = working().finished("web#a1").finished("web#a1", 2)
    tell.finished("web#a1", replayed=True)
    assert (tell.figures.calls, tell.figures.tokens, tell.figures.cost_usd) == (2, 240, 0.5)


def test_a_sum_with_an_unknown_price_in_it_is_unknown() -> None:
    tell = working().finished("web#a1", usage={**USAGE, "cost_usd": None}).finished("web#a1", 2)
    assert tell.figures.cost_usd is None


def test_a_call_that_failed_costs_what_it_took() -> None:
    error = {"code": "overloaded", "message": "Busy."}
    tell = working()(
        Kind.MODEL_FAILED, "web#a1", span_id="work/a1", provider="lab:m", call=1, usage=USAGE, error=error
    )
    assert tell.figures.tokens == 120
    (call,) = tell.figures.lately.since(0)
    assert (call.failure, call.seconds) == ("overloaded", None)


def test_warnings_and_runs_that_work_for_it_are_remembered() -> None:
    tell = begun()(Kind.ALERT_RAISED, alert="slow", measured=9.0, threshold=5.0, text="it takes long")
    tell(Kind.CHILD_STARTED, "research", assignment="a1", team="tides", run="r_2")
    assert tell.figures.alerts == {"slow": "it takes long"}
    assert tell.figures.children == {"r_2": "a1"}


# Model calls of late ---------------------------------------------------------------------------------------


def heard(*events: tuple[float, Kind, dict[str, Any]]) -> Calls:
    calls = Calls()
    for number, (second, kind, data) in enumerate(events, start=1):
        at = (BEGAN + timedelta(seconds=second)).isoformat()
        calls.hear(
            Event("r_1", number, at, kind, "web#a1", "work/a1", {"provider": "group:g", "call": 1, **data})
        )
    return calls


ANSWER: dict[str, Any] = {"usage": USAGE, "seconds": 2.0, "first_token": 0.5}


def test_a_call_is_that_of_the_member_of_the_group_that_answered_it() -> None:
    left = {"left": "lab:m", "joined": "lab:n", "failure": "timed_out"}
    calls = heard(
        (0, Kind.MODEL_CHOSEN, {"member": "lab:m"}),
        (1, Kind.MODEL_SWITCHED, left),
        (2, Kind.MODEL_FINISHED, ANSWER),
    )
    assert [(each.provider, each.failure) for each in calls.since(0)] == [
        ("lab:m", "timed_out"),
        ("lab:n", ""),
    ]


def test_what_was_read_from_the_ledger_is_no_call() -> None:
    assert heard((1, Kind.MODEL_FINISHED, {**ANSWER, "replayed": True})).since(0) == []


def test_calls_are_forgotten_a_minute_after_they_ended() -> None:
    calls = heard((0, Kind.MODEL_FINISHED, ANSWER), (61, Kind.MODEL_FINISHED, ANSWER))
    assert len(calls.since(0)) == 1


@pytest.mark.parametrize(
    ("flowed", "after", "pace"),
    [
        (1.0, 0.0, 12.0),
        (1.0, 9.9, 12.0),
        (1.0, 10.1, 0.0),
        (40.0, 39.0, 3.0),
        (40.0, 41.0, 0.0),
        (120.0, 59.0, 2.0),
        (120.0, 61.0, 0.0),
    ],
)
def test_a_call_counts_at_its_own_pace_for_as_long_as_it_took(
    flowed: float, after: float, pace: float
) -> None:
    ended = seconds_of(BEGAN.isoformat())
    assert tokens_a_second([Call("m", ended, flowed, flowed, 120)], ended + after) == pytest.approx(pace)


# Read from the journal -------------------------------------------------------------------------------------


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncGenerator[Journal]:
    async with open_database(tmp_path / "runs.db", [SCHEMA]) as database:
        yield Journal(database)


async def answered(journal: Journal, run_id: str, call: int = 1) -> None:
    data = {"provider": "lab:m", "call": call, **ANSWER}
    await journal.append(run_id, Kind.MODEL_FINISHED, actor="web#a1", span_id="work/a1", data=data)


async def test_each_event_is_read_once_however_often_one_looks(journal: Journal) -> None:
    readings = Readings(journal)
    for number in range(PORTION + 1):
        await answered(journal, "r_1", number)
    await readings.read_on(["r_1"])
    await readings.read_on(["r_1"])
    assert readings.figures["r_1"].calls == PORTION + 1
    await answered(journal, "r_1", PORTION + 2)
    await readings.read_on(["r_1"])
    assert readings.figures["r_1"].calls == PORTION + 2


async def test_runs_that_work_for_a_run_are_read_and_forgotten_with_it(journal: Journal) -> None:
    readings = Readings(journal)
    for parent, child in (("r_1", "r_2"), ("r_2", "r_3")):
        begun = {"assignment": "a1", "team": "tides", "run": child}
        await journal.append(parent, Kind.CHILD_STARTED, actor="house", data=begun)
    await answered(journal, "r_3")
    await readings.read_on(["r_1"])
    assert [each.run_id for each in readings.with_children("r_1")] == ["r_1", "r_2", "r_3"]
    assert readings.figures["r_3"].calls == 1
    readings.keep([])
    assert readings.figures == {}


async def test_an_event_that_tells_less_than_it_should_spoils_no_figure(journal: Journal) -> None:
    readings = Readings(journal)
    await journal.append("r_1", Kind.MODEL_FINISHED, actor="web#a1", data={})
    await answered(journal, "r_1")
    await readings.read_on(["r_1"])
    assert (readings.figures["r_1"].seq, readings.figures["r_1"].calls) == (2, 1)
