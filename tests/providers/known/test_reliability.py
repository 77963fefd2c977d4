"""Records: how each member fared, how that fades, and that apart or together one comes to know the same."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import isclose
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.messages import TaskType
from atlas_mcp.providers.known.reliability import HALF_LIFE, Record, Reliability
from atlas_mcp.providers.known.track import QUICKER, Histogram, Outcome, Track

ANSWERED = Outcome("", 2.0, 50.0, 0.002, 100)
FAILED = Outcome("overloaded", 0.5)
WRITING, CODE = TaskType.WRITING, TaskType.CODE


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reliability(clock: Clock) -> Reliability:
    return Reliability(clock=clock)


def observed(reliability: Reliability, outcome: Outcome, times: int, task: TaskType = WRITING) -> Record:
    for _ in range(times):
        reliability.observe("m", task, outcome)
    return reliability.record("m", task)


# What is known ---------------------------------------------------------------------------------------------


def test_of_nobody_anything_is_known_at_first(reliability: Reliability) -> None:
    assert reliability.record("m", WRITING) == Record()
    assert reliability.members == ()


def test_a_record_says_what_was_observed(reliability: Reliability) -> None:
    reliability.heard("m", WRITING, 0.3)
    reliability.rate("m", WRITING, 4.0)
    observed(reliability, FAILED, 1)
    record = observed(reliability, ANSWERED, 3)
    assert (record.calls, record.answers) == (4.0, 3.0)
    assert record.failures == {"overloaded": 1.0}
    assert record.seconds == pytest.approx(2.0, rel=0.5)
    assert record.seconds_p95 == pytest.approx(2.0, rel=0.5)
    assert record.first_token == pytest.approx(0.3, rel=0.5)
    assert record.tokens_per_second == pytest.approx(50.0, rel=0.5)
    assert record.lost_seconds == pytest.approx(0.5)
    assert record.answer_tokens == pytest.approx(100.0)
    assert record.cost_usd == pytest.approx(0.002)
    assert (record.quality, record.rated) == (pytest.approx(4.0), 1.0)
    assert reliability.members == ("m",)


def test_the_speed_of_an_answer_counts_while_it_flows(reliability: Reliability) -> None:
    reliability.paced("m", WRITING, 30.0)
    assert reliability.record("m", WRITING).tokens_per_second == pytest.approx(30.0, rel=0.5)


def test_a_price_that_nobody_knows_stays_unknown(reliability: Reliability) -> None:
    assert observed(reliability, Outcome("", 2.0), 5).cost_usd is None


def test_one_failure_does_not_condemn_a_member_and_many_do(reliability: Reliability) -> None:
    assert observed(reliability, FAILED, 1).success >= 0.5
    assert observed(reliability, FAILED, 99).success < 0.02


@given(answered=st.integers(0, 60), failed=st.integers(0, 60))
def test_law_the_share_of_success_comes_close_to_what_was_observed(answered: int, failed: int) -> None:
    reliability = Reliability(clock=Clock())
    observed(reliability, FAILED, failed)
    success = observed(reliability, ANSWERED, answered).success
    total = answered + failed
    assert 0.0 <= success <= 1.0
    assert not total or abs(success - answered / total) <= 4.0 / (total + 4.0)


# From task to task -----------------------------------------------------------------------------------------


def test_a_task_of_which_nothing_is_known_borrows_from_the_others(reliability: Reliability) -> None:
    reliability.rate("m", CODE, 4.0)
    observed(reliability, ANSWERED, 10, CODE)
    record = reliability.record("m", WRITING)
    assert (record.calls, record.rated) == (0.0, 0.0), "it was not observed, all the same"
    assert record.seconds == pytest.approx(2.0, rel=0.5)
    assert record.cost_usd == pytest.approx(0.002)
    assert record.quality == pytest.approx(4.0)


def test_what_is_known_of_a_task_soon_counts_for_more_than_what_it_borrowed(reliability: Reliability) -> None:
    for _ in range(50):
        reliability.rate("m", CODE, 5.0)
        reliability.rate("m", WRITING, 2.0)
    writing, code = reliability.record("m", WRITING).quality, reliability.record("m", CODE).quality
    assert writing == pytest.approx(2.0, abs=0.2)
    assert code == pytest.approx(5.0, abs=0.2)


def test_over_all_tasks_it_is_known_what_each_of_them_taught(reliability: Reliability) -> None:
    observed(reliability, ANSWERED, 2, CODE)
    observed(reliability, FAILED, 1, WRITING)
    record = reliability.record("m")
    assert (record.calls, record.failures) == (3.0, {"overloaded": 1.0})


# As time passes --------------------------------------------------------------------------------------------


def test_what_was_observed_counts_half_after_a_half_life(reliability: Reliability, clock: Clock) -> None:
    for _ in range(8):
        reliability.rate("m", WRITING, 4.0)
    clock.now += HALF_LIFE
    record = reliability.record("m", WRITING)
    assert record.rated == pytest.approx(4.0)
    assert record.quality == pytest.approx(4.0), "less is known, not something else"


def test_whether_tries_are_answered_fades_sooner_than_what_answers_are_like(
    reliability: Reliability, clock: Clock
) -> None:
    observed(reliability, ANSWERED, 8)
    observed(reliability, FAILED, 8)
    clock.now += HALF_LIFE / QUICKER
    record = reliability.record("m", WRITING)
    assert record.calls == pytest.approx(8.0)
    assert record.failures == {"overloaded": pytest.approx(4.0)}
    assert (record.seconds, record.answer_tokens) == (pytest.approx(2.0, rel=0.5), pytest.approx(100.0))
    clock.now += HALF_LIFE
    assert reliability.record("m", WRITING).success > 0.75, "failures of yesterday are nearly forgiven"


def test_what_is_observed_now_outweighs_what_was_long_ago(reliability: Reliability, clock: Clock) -> None:
    observed(reliability, FAILED, 100)
    clock.now += 5 * HALF_LIFE
    assert observed(reliability, ANSWERED, 20).success > 0.8


def test_a_member_that_rested_for_years_is_as_good_as_new(reliability: Reliability, clock: Clock) -> None:
    observed(reliability, FAILED, 100)
    clock.now += 10 * 365 * 86_400.0
    assert reliability.record("m", WRITING).calls == pytest.approx(0.0)
    record = observed(reliability, ANSWERED, 5)
    assert record.calls == pytest.approx(5.0)
    assert record.success == pytest.approx(1.0)
    assert record.failures == {}


def test_a_clock_that_is_set_back_does_no_harm(reliability: Reliability, clock: Clock) -> None:
    observed(reliability, ANSWERED, 5)
    clock.now -= 10 * 365 * 86_400.0
    assert observed(reliability, ANSWERED, 5).calls == pytest.approx(10.0)


def test_few_observations_show_at_once_and_every_one_within_a_second(
    reliability: Reliability, clock: Clock
) -> None:
    assert observed(reliability, ANSWERED, 3).calls == 3.0
    assert observed(reliability, ANSWERED, 1).calls == 4.0
    observed(reliability, ANSWERED, 1000)
    assert observed(reliability, ANSWERED, 1).calls >= 1004.0
    clock.now += 1.1
    assert reliability.record("m", WRITING).calls == pytest.approx(1005.0, rel=1e-4)


def test_what_was_observed_at_another_task_shows_at_once_too(reliability: Reliability) -> None:
    assert reliability.record("m", WRITING).seconds is None
    observed(reliability, ANSWERED, 1, CODE)
    assert reliability.record("m", WRITING).seconds is not None


# Apart and together ----------------------------------------------------------------------------------------

outcomes = st.builds(
    Outcome,
    failure=st.sampled_from(["", "", "overloaded", "stalled"]),
    seconds=st.floats(0.02, 500.0),
    tokens_per_second=st.none() | st.floats(1.0, 300.0),
    cost_usd=st.none() | st.floats(0.0, 1.0),
    tokens=st.integers(0, 4000),
)
deeds = st.one_of(
    st.tuples(st.just("observe"), outcomes),
    st.tuples(st.just("heard"), st.floats(0.02, 60.0)),
    st.tuples(st.just("paced"), st.floats(1.0, 300.0)),
    st.tuples(st.just("rate"), st.floats(0.0, 5.0)),
)
passed = st.tuples(
    st.floats(0.0, 2 * 86_400.0),
    st.sampled_from(["one", "two"]),
    st.sampled_from([WRITING, CODE]),
    deeds,
    st.booleans(),
)
"""So much later, in one of two processes, for a task, this was observed; then it was stored, or not yet."""


@given(st.lists(passed, max_size=20), st.floats(0.0, 86_400.0))
def test_law_what_two_observe_apart_and_store_is_what_one_would_have_observed(
    history: list[tuple[float, str, TaskType, tuple[str, Any], bool]], later: float
) -> None:
    clock = Clock()
    alone = Reliability(clock=clock)
    apart = {"one": Reliability(clock=clock), "two": Reliability(clock=clock)}
    stored: dict[tuple[str, str], Track] = {}

    def store(process: Reliability) -> None:
        for key, track in process.take().items():
            if key in stored:
                stored[key].merge(track, HALF_LIFE)
            else:
                stored[key] = track

    for seconds, who, task, (deed, what), stores in history:
        clock.now += seconds
        for reliability in (alone, apart[who]):
            getattr(reliability, deed)("m", task, what)
        if stores:
            store(apart[who])
    for process in apart.values():
        store(process)
    clock.now += later
    third = Reliability(clock=clock)
    third.restore(stored)
    for task in (WRITING, CODE, None):
        assert_close(third.record("m", task), alone.record("m", task))
    assert third.take() == {}, "what is stored is not stored again"


def test_what_was_observed_since_it_was_taken_outlives_a_restoration(reliability: Reliability) -> None:
    observed(reliability, ANSWERED, 3)
    stored = reliability.take()
    observed(reliability, ANSWERED, 2)
    reliability.restore(stored)
    assert reliability.record("m", WRITING).calls == pytest.approx(5.0)


@given(st.lists(passed, max_size=20))
def test_law_a_track_survives_being_written_down(
    history: list[tuple[float, str, TaskType, tuple[str, Any], bool]],
) -> None:
    clock = Clock()
    reliability = Reliability(clock=clock)
    for seconds, _, task, (deed, what), _ in history:
        clock.now += seconds
        getattr(reliability, deed)("m", task, what)
    tracks = reliability.take()
    kept = {key: Track.from_dict(json.loads(json.dumps(track.to_dict()))) for key, track in tracks.items()}
    assert {key: track.to_dict() for key, track in kept.items()} == {
        key: track.to_dict() for key, track in tracks.items()
    }
    restored = Reliability(clock=clock)
    restored.restore(kept)
    for task in (WRITING, CODE):
        assert_close(restored.record("m", task), reliability.record("m", task))


def assert_close(left: Record, right: Record) -> None:
    """Two records are the same, but for the last digits."""
    for name, value in asdict(left).items():
        other = getattr(right, name)
        if name != "failures":
            assert value == other or isclose(value, other, rel_tol=1e-6, abs_tol=1e-6), name
    for code in {*left.failures, *right.failures}:
        # What is nearly forgotten may stand in one and not in the other.
        assert isclose(left.failures.get(code, 0.0), right.failures.get(code, 0.0), abs_tol=2e-3)


# Percentiles -----------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.02, 2_000.0), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_law_a_percentile_lies_within_a_bucket_of_the_true_one(values: list[float], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    (found,) = histogram.quantiles(share)
    place = max(0, min(len(values) - 1, -int(-share * len(values) // 1) - 1))
    near = sorted(values)[max(0, place - 1) : place + 2]
    assert found is not None
    assert min(near) / 1.5 <= found <= max(near) * 1.5


@given(st.lists(st.floats(0.0, 1e9), min_size=1, max_size=50))
def test_law_percentiles_rise_and_stay_within_what_is_there(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    found = histogram.quantiles(0.05, 0.5, 0.95, 1.0)
    assert found == sorted(found, key=lambda each: each or 0.0)
    assert found[-1] is not None
    assert found[-1] <= max(0.01, *values) * 1.5


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert Histogram().quantiles(0.5, 0.95) == [None, None]
