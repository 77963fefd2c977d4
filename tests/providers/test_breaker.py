"""Breakers: when they open, for how long, and that one call alone finds out whether a member is back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp import errors
from atlas_mcp.providers.breaker import Breaker, BreakerState, Tripwire, blames

if TYPE_CHECKING:
    from atlas_mcp.errors import ProviderError

WIRE = Tripwire()


@dataclass
class Watched:
    """A breaker, the clock it reads, and the states of which it told."""

    now: float = 1_000.0
    told: list[BreakerState] = field(default_factory=list[BreakerState])

    def __post_init__(self) -> None:
        self.breaker = Breaker(clock=lambda: self.now)
        self.breaker.listeners.append(lambda: self.told.append(self.breaker.state))

    def fail(self, error: ProviderError | None = None, times: int = 1) -> None:
        """So many calls through and through that fail."""
        for _ in range(times):
            probe = self.breaker.begin()
            self.breaker.failed(error or errors.Overloaded("It is busy."), probe=probe)

    def answer(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.succeeded(probe=self.breaker.begin())

    def rest(self) -> float:
        """Let it cool down; gives how long that took."""
        seconds = self.breaker.until - self.now
        self.now = self.breaker.until
        return seconds


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_new_one_lets_calls_through(watched: Watched) -> None:
    assert watched.breaker.free
    assert watched.breaker.state is BreakerState.CLOSED
    assert watched.breaker.ready_at == 0.0
    assert not watched.breaker.begin()


def test_it_opens_after_so_many_failures_in_a_row(watched: Watched) -> None:
    watched.fail(times=WIRE.row - 1)
    assert watched.breaker.free
    watched.fail()
    assert not watched.breaker.free
    assert watched.breaker.ready_at == watched.now + WIRE.cool
    assert watched.breaker.reason == "overloaded"
    assert watched.told == [BreakerState.OPEN]


def test_an_answer_ends_a_row(watched: Watched) -> None:
    for _ in range(4):
        watched.fail(times=WIRE.row - 1)
        watched.answer(times=WIRE.row)
    assert watched.breaker.free


def test_answers_to_calls_that_began_before_a_failure_do_not_end_a_row(watched: Watched) -> None:
    # Long answers still come to their ends while every new call is refused.
    for _ in range(WIRE.row):
        watched.breaker.succeeded(began=watched.now)
        watched.now += 1.0
        watched.fail()
    assert not watched.breaker.free


def test_it_opens_when_half_of_what_was_tried_lately_failed(watched: Watched) -> None:
    for _ in range(WIRE.least // 2):
        assert watched.breaker.free
        watched.answer()
        watched.fail()
    assert not watched.breaker.free


def test_failures_of_long_ago_do_not_count_among_those_of_late(watched: Watched) -> None:
    for _ in range(WIRE.least):
        watched.answer()
        watched.fail()
        watched.now += WIRE.window / 4
    assert watched.breaker.free


@pytest.mark.parametrize(
    "error",
    [errors.Authentication, errors.PermissionDenied, errors.QuotaExceeded, errors.ModelNotFound],
)
def test_what_only_a_person_can_mend_opens_it_at_once_and_for_long(
    watched: Watched, error: type[ProviderError]
) -> None:
    watched.fail(error("No."))
    assert not watched.breaker.free
    assert watched.rest() == WIRE.lasting


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidRequest, errors.Unsupported, errors.ContextTooLong, errors.ContentRefused,
        errors.PoolExhausted, errors.Cancelled,
    ],
)  # fmt: skip
def test_what_says_nothing_of_the_member_never_opens_it(watched: Watched, error: type[ProviderError]) -> None:
    assert not blames(error("No."))
    watched.fail(error("No."), times=50)
    assert watched.breaker.free


def test_a_rate_limit_is_kept_and_is_no_failure(watched: Watched) -> None:
    watched.fail(times=WIRE.row - 1)
    watched.fail(errors.RateLimited("Slower.", retry_after=7.0))
    assert not watched.breaker.free
    assert watched.rest() == 7.0
    watched.answer()
    # Had it counted, the row would have been full.
    watched.fail(times=WIRE.row - 1)
    assert watched.breaker.free


def test_what_a_provider_asks_for_is_granted_up_to_a_limit(watched: Watched) -> None:
    watched.fail(errors.RateLimited("Tomorrow.", retry_after=86_400.0))
    assert watched.rest() == WIRE.longest


def test_a_rate_limit_without_a_time_cools_down_as_usual(watched: Watched) -> None:
    watched.fail(errors.RateLimited("Slower."))
    assert watched.rest() == WIRE.cool


def test_once_it_cooled_down_one_call_is_let_through_and_twenty_are_not(watched: Watched) -> None:
    watched.fail(times=WIRE.row)
    watched.rest()
    assert watched.breaker.state is BreakerState.HALF_OPEN
    through = 0
    for _ in range(20):
        if watched.breaker.free:
            through += watched.breaker.begin()
    assert through == 1
    assert watched.breaker.ready_at is None


def test_a_probe_that_is_answered_closes_it(watched: Watched) -> None:
    watched.fail(times=WIRE.row)
    watched.rest()
    watched.answer()
    assert watched.breaker.state is BreakerState.CLOSED
    assert watched.breaker.reason == ""
    assert watched.told == [BreakerState.OPEN, BreakerState.CLOSED]
    watched.fail(times=WIRE.row - 1)
    assert watched.breaker.free


def test_each_probe_that_fails_doubles_the_time_up_to_a_limit(watched: Watched) -> None:
    watched.fail(times=WIRE.row)
    rests = [watched.rest()]
    for _ in range(8):
        watched.fail()
        rests.append(watched.rest())
    assert rests == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]


def test_calls_that_began_before_it_opened_do_not_open_it_again(watched: Watched) -> None:
    under_way = [watched.breaker.begin() for _ in range(200)]
    for probe in under_way:
        watched.breaker.failed(errors.ConnectionFailed("Nobody there."), probe=probe)
        watched.now += 0.001
    assert watched.told == [BreakerState.OPEN]
    watched.rest()
    watched.fail()
    assert watched.rest() == 2 * WIRE.cool, "one probe has failed, not one hundred and ninety-five"


def test_a_call_that_began_before_may_ask_for_longer_and_never_for_less(watched: Watched) -> None:
    under_way = [watched.breaker.begin() for _ in range(3)]
    for probe, seconds in zip(under_way, [20.0, 60.0, 1.0], strict=True):
        watched.breaker.failed(errors.RateLimited("Slower.", retry_after=seconds), probe=probe)
    assert watched.rest() == 60.0


def test_calls_that_began_before_it_was_back_are_not_held_against_it(watched: Watched) -> None:
    began = watched.now
    watched.fail(times=WIRE.row)
    watched.rest()
    watched.answer()
    for _ in range(WIRE.row):
        watched.breaker.failed(errors.ProviderTimeout("No answer began."), began=began)
    assert watched.breaker.free


def test_a_late_answer_does_not_stand_in_for_the_probe(watched: Watched) -> None:
    late = watched.breaker.begin()
    watched.fail(times=WIRE.row)
    watched.breaker.succeeded(probe=late)
    assert watched.breaker.state is BreakerState.OPEN


def test_a_probe_that_breaks_after_its_first_word_rests_as_one_that_broke_before(watched: Watched) -> None:
    watched.fail(times=WIRE.row)
    rests = [watched.rest()]
    for _ in range(4):
        began = watched.now
        assert watched.breaker.begin()
        opened = watched.breaker.answers()
        assert watched.breaker.state is BreakerState.CLOSED, "nobody waits for its last word"
        watched.now += 0.5
        watched.breaker.failed(errors.StreamBroken("It died."), began=began, opened=opened)
        rests.append(watched.rest())
    assert rests == [5.0, 10.0, 20.0, 40.0, 80.0]


def test_a_probe_that_breaks_after_others_were_answered_counts_as_any_call(watched: Watched) -> None:
    watched.fail(times=WIRE.row)
    watched.rest()
    began = watched.now
    watched.breaker.begin()
    opened = watched.breaker.answers()
    watched.now += 1.0
    watched.breaker.succeeded(began=watched.now)
    watched.breaker.failed(errors.StreamBroken("It died."), began=began, opened=opened)
    assert watched.breaker.free


def test_a_probe_that_began_to_answer_and_ends_innocently_leaves_it_closed(watched: Watched) -> None:
    watched.fail(times=WIRE.row)
    watched.rest()
    watched.breaker.begin()
    opened = watched.breaker.answers()
    watched.breaker.failed(errors.ContentRefused("No."), opened=opened)
    assert watched.breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize("ending", ["left", "innocent"])
def test_a_probe_that_told_nothing_makes_room_for_the_next(watched: Watched, ending: str) -> None:
    watched.fail(times=WIRE.row)
    watched.rest()
    probe = watched.breaker.begin()
    if ending == "left":
        watched.breaker.left(probe=probe)
    else:
        watched.breaker.failed(errors.InvalidRequest("No."), probe=probe)
    assert watched.breaker.state is BreakerState.HALF_OPEN
    assert watched.breaker.free
    assert watched.told == [BreakerState.OPEN, BreakerState.HALF_OPEN], "who waits for it is told"


def test_one_that_does_not_trip_never_opens(watched: Watched) -> None:
    breaker = Breaker(Tripwire(trips=False), clock=lambda: 0.0)
    for _ in range(50):
        breaker.failed(errors.Authentication("No."), probe=breaker.begin())
    assert breaker.free


def test_what_was_known_before_a_restart_holds_on(watched: Watched) -> None:
    watched.breaker.restore(30.0, 3, "overloaded")
    assert watched.rest() == 30.0
    watched.fail()
    assert watched.rest() == WIRE.cool * 2**3


deeds = st.lists(st.sampled_from(["begin", "answer", "fail", "limit", "leave", "wait"]), max_size=60)


@given(deeds)
def test_law_never_are_two_probes_under_way_and_whoever_is_free_may_begin(done: list[str]) -> None:
    watched, under_way = Watched(), list[bool]()
    for deed in done:
        match deed:
            case "begin" if watched.breaker.free:
                under_way.append(watched.breaker.begin())
            case "wait":
                watched.now += 3.0
            case "answer" | "fail" | "limit" | "leave" if under_way:
                probe = under_way.pop(0)
                if deed == "answer":
                    watched.breaker.succeeded(probe=probe)
                elif deed == "leave":
                    watched.breaker.left(probe=probe)
                else:
                    kind = errors.RateLimited if deed == "limit" else errors.Overloaded
                    watched.breaker.failed(kind("No."), probe=probe)
            case _:
                pass
        breaker = watched.breaker
        assert sum(under_way) <= 1
        assert (breaker.ready_at is None) == (sum(under_way) == 1)
        assert breaker.free == (breaker.ready_at is not None and breaker.ready_at <= watched.now)
        assert (breaker.state is BreakerState.CLOSED) == (breaker.opens == 0)
