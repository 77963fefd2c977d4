"""What a journal measures, by stable names."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.events import Kind
from atlas_mcp.observe.tracking.measures import measured, measured_agents
from tests.observe.tracking.journals import CHILD, ROOT, Journal, usage, whole_run


def of_the_root(journal: Journal) -> dict[str, float]:
    return measured([event for event in journal.events if event.run_id == ROOT])


def test_nothing_measures_nothing() -> None:
    assert measured([]) == {}
    assert measured_agents([]) == {}


def test_a_run_measures_its_time_its_tokens_its_money_and_its_steps() -> None:
    figures = of_the_root(whole_run())
    assert figures["time/seconds"] == pytest.approx(1.9)
    assert figures["time/queued_seconds"] == pytest.approx(0.1)
    assert (figures["tokens/total"], figures["cost/usd"], figures["calls/models"]) == (22, 0.02, 1)
    assert figures["latency/model_p50_seconds"] == 0.5
    assert figures["throughput/output_tokens_per_second"] == 4
    assert (figures["step_plan/count"], figures["step_plan/success_rate"]) == (1, 1)
    assert "quality/overall" not in figures
    assert figures["errors/total"] == 0


def test_members_measure_what_each_of_them_took() -> None:
    members = measured_agents([event for event in whole_run().events if event.run_id == CHILD])
    assert set(members) == {"reader"}
    figures = members["reader"].figures()
    assert (figures["work/assignments"], figures["calls/models"], figures["calls/tools"]) == (1, 1, 1)
    assert figures["cost/usd"] == 0.01


def plan(journal: Journal, *chains: tuple[str, tuple[str, ...]]) -> None:
    assignments = [
        {"id": name, "worker": f"w{name}", "goal": "g", "after": list(after), "round": 1}
        for name, after in chains
    ]
    journal.write(Kind.PLAN_MADE, path="plan/1", round=1, assignments=assignments, reason=None)


def shift(journal: Journal, seconds: float) -> None:
    """Let the last event have happened so much after the first."""
    event = journal.events[-1]
    at = datetime.fromisoformat(journal.events[0].at) + timedelta(seconds=seconds)
    journal.events[-1] = replace(event, at=at.isoformat(timespec="milliseconds"))


def work(journal: Journal, name: str, start: float, end: float) -> list[tuple[float, str, str]]:
    return [(start, name, "start"), (end, name, "end")]


def test_coordination_measures_the_plan_and_how_well_its_work_ran_side_by_side() -> None:
    journal = Journal()
    journal.begin()
    plan(journal, ("a1", ()), ("a2", ()), ("a3", ("a1", "a2")))
    turns = [*work(journal, "a1", 1, 3), *work(journal, "a2", 1, 2), *work(journal, "a3", 3, 5)]
    for at, name, what in sorted(turns, key=lambda turn: (turn[0], turn[2])):
        about = {"assignment": name, "worker": f"w{name}"}
        if what == "start":
            journal.write(Kind.WORK_STARTED, actor=f"w{name}#{name}", path=f"work/{name}", goal="g", **about)
        else:
            told: dict[str, Any] = {"findings": 1, "drafts": 0, "dropped": 0, "seconds": 1.0}
            journal.write(Kind.WORK_FINISHED, actor=f"w{name}#{name}", path=f"work/{name}", **about, **told)
        shift(journal, at)
    journal.end()
    shift(journal, 6)
    figures = of_the_root(journal)
    assert (figures["coordination/agents"], figures["coordination/assignments"]) == (3, 3)
    assert (figures["coordination/waves"], figures["coordination/completion_rate"]) == (2, 1)
    assert figures["coordination/busy_seconds"] == 5
    assert figures["coordination/work_seconds"] == 4
    assert figures["coordination/latency_seconds"] == 2
    assert figures["coordination/parallel"] == 2
    assert figures["coordination/parallel_efficiency"] == 0.625
    assert figures["coordination/speedup"] == 1.25


def test_quality_is_that_of_the_version_that_was_kept() -> None:
    journal = Journal()
    journal.begin()
    for score in (2.0, 4.0):
        journal.write(
            Kind.CHECK_FINISHED, path="check", claims=2, quotes=3, unsupported=1, problems=[], score=score
        )
    for score, better in ((3.1, True), (2.0, False)):
        journal.write(Kind.VERSION_KEPT, path="check", revision=0, better=better, score=score, gate="revise")
    journal.end()
    figures = of_the_root(journal)
    assert (figures["quality/overall"], figures["quality/measured"], figures["quality/claims"]) == (
        3.1,
        4.0,
        2,
    )


def test_recovery_and_errors_are_counted_and_a_replayed_call_is_no_call() -> None:
    journal = Journal()
    journal.begin()
    about = {"assignment": "a1", "worker": "reader"}
    journal.write(Kind.WORK_STARTED, actor="reader#a1", path="work/a1", goal="g", **about)
    journal.ask("work/a1", "reader#a1")
    error = {"code": "stalled", "message": "."}
    journal.write(
        Kind.MODEL_FAILED,
        actor="reader#a1",
        path="work/a1",
        provider="v:m",
        call=1,
        usage=usage(),
        error=error,
    )
    journal.write(
        Kind.RECOVERY_TRIED, actor="reader#a1", path="work/a1", assignment="a1", attempt=1, way="retry",
        reason="r", error=error,
    )  # fmt: skip
    journal.answer("work/a1~2", "reader#a1")
    journal.answer("work/a1~2", "reader#a1", replayed=True)
    told: dict[str, Any] = {"findings": 1, "drafts": 0, "dropped": 0, "seconds": 0.1}
    journal.write(Kind.WORK_FINISHED, actor="reader#a1", path="work/a1", **about, **told)
    journal.end()
    figures = of_the_root(journal)
    assert (figures["recovery/tried"], figures["recovery/succeeded"]) == (1, 1)
    assert (figures["calls/models"], figures["calls/models_failed"], figures["calls/replayed"]) == (2, 1, 1)
    assert figures["errors/total"] == 1
    members = measured_agents([event for event in journal.events if event.run_id == ROOT])
    assert (members["reader"].calls, members["reader"].cost_usd) == (2, 0.02)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["search", "recall"]), st.sampled_from(["documents", "words"]), st.integers(1, 9),
        st.floats(0, 9),
    ),
    unique_by=lambda each: each[:2],
)  # fmt: skip


@given(st.lists(OPERATIONS, max_size=4))
def test_each_store_of_memory_measures_how_often_it_was_asked_and_how_long_it_took(
    told: list[list[tuple[str, str, int, float]]],
) -> None:
    journal = Journal()
    journal.begin()
    for operations in told:
        journal.remember("recall", "atlas", *operations)
    journal.end()
    figures = of_the_root(journal)
    for name in {f"{operation}_{store}" for each in told for operation, store, _, _ in each}:
        own = [
            (count, seconds) for each in told for operation, store, count, seconds in each
            if f"{operation}_{store}" == name
        ]  # fmt: skip
        assert figures[f"memory/{name}_count"] == sum(count for count, _ in own)
        assert figures[f"memory/{name}_items"] == 2 * figures[f"memory/{name}_count"]
        assert figures[f"memory/{name}_hits"] == len(own)
        means = [seconds / count for count, seconds in own]
        middle, slow = (figures[f"memory/{name}_{which}_seconds"] for which in ("p50", "p95"))
        assert min(means) - 1e-4 <= middle <= slow + 1e-4
        assert slow <= max(means) + 1e-4
    assert not [name for name in figures if name.endswith("_errors")]
