"""What is tried after each failure, in one count, and who is told when it did not help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp import errors
from atlas_mcp.errors import AtlasError, ProviderError
from atlas_mcp.quality.escalation import ATTEMPTS, RECOVERIES, Recovery, Way, classify

LEVELS = (Way.SUPERVISOR, Way.PERSON)
EVERY = [getattr(errors, name) for name in errors.__all__]


def test_every_class_of_error_has_a_row_of_its_own_and_no_row_is_left_over() -> None:
    assert set(RECOVERIES) == set(EVERY)


@pytest.mark.parametrize("kind", EVERY)
def test_at_most_three_attempts_are_made_each_once_and_levels_come_last(kind: type[AtlasError]) -> None:
    recovery = classify(kind("It broke."))
    assert len(recovery.attempts) <= ATTEMPTS
    assert len(set(recovery.ways)) == len(recovery.ways)
    assert not set(recovery.attempts) & {*LEVELS, Way.NONE}
    assert recovery.levels in ((), (Way.PERSON,), LEVELS)
    assert recovery.reason
    assert recovery == classify(kind.code)


@pytest.mark.parametrize("kind", [kind for kind in EVERY if issubclass(kind, ProviderError)])
def test_nothing_that_the_provider_layer_retried_is_retried_first(kind: type[ProviderError]) -> None:
    recovery = classify(kind("It broke."))
    if kind.retryable and kind.fall_back:
        assert recovery.ways[0] is Way.OTHER_MEMBER
    if not kind.fall_back:
        assert Way.OTHER_MEMBER not in recovery.attempts


@pytest.mark.parametrize(
    ("kind", "ways"),
    [
        (errors.ContextTooLong, "smaller_task other_member other_worker supervisor person"),
        (errors.InvalidOutput, "other_member smaller_task other_worker supervisor person"),
        (errors.BudgetSpent, "none"),
        (errors.Cancelled, "none"),
        (errors.LeaseLost, "none"),
        (errors.ContentRefused, "other_member person"),
        (errors.UnreadableDocument, "person"),
        (errors.InvalidConfiguration, "person"),
        (errors.Authentication, "other_member other_worker person"),
        (errors.RateLimited, "other_member other_worker retry supervisor person"),
        (errors.TurnLost, "supervisor person"),
        (errors.ToolFailed, "other_worker smaller_task supervisor person"),
        (errors.ToolRefused, "other_worker supervisor person"),
        (errors.DownstreamFailed, "other_worker smaller_task supervisor person"),
        (errors.NotConfigured, "person"),
    ],
)
def test_what_helps_differs_by_class(kind: type[AtlasError], ways: str) -> None:
    assert " ".join(classify(kind("It broke.")).ways) == ways


def test_ways_are_taken_in_order_and_end_with_none() -> None:
    recovery = classify(errors.RateLimited("Slow down.", retry_after=8))
    taken: list[Way] = []
    while (way := recovery.next(taken)) is not Way.NONE:
        taken.append(way)
    assert tuple(taken) == recovery.ways
    assert recovery.wait == 8


def test_attempts_below_and_after_another_error_share_the_count() -> None:
    recovery = classify("rate_limited")
    assert recovery.next(spent=2) is Way.OTHER_MEMBER
    assert recovery.next([Way.OTHER_MEMBER], spent=2) is Way.SUPERVISOR
    assert recovery.next(spent=ATTEMPTS) is Way.SUPERVISOR
    # It was too long before it was limited.
    assert recovery.next([Way.SMALLER_TASK, Way.OTHER_MEMBER]) is Way.OTHER_WORKER
    assert recovery.next([Way.SMALLER_TASK, Way.OTHER_MEMBER, Way.OTHER_WORKER]) is Way.SUPERVISOR


@given(st.sampled_from(EVERY), st.lists(st.sampled_from(list(Way)), max_size=6), st.integers(0, 6))
def test_what_is_next_was_not_done_and_is_an_attempt_only_while_there_are_any(
    kind: type[AtlasError], done: list[Way], spent: int
) -> None:
    recovery = classify(kind.code)
    way = recovery.next(done, spent)
    assert way is Way.NONE or way not in done
    if way in recovery.attempts:
        assert spent + sum(each not in LEVELS for each in done) < ATTEMPTS


def test_an_unknown_error_is_the_supervisors() -> None:
    assert classify("never_heard_of").ways == LEVELS


def test_a_class_without_a_row_is_treated_as_the_nearest_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RECOVERIES, errors.RateLimited)
    assert classify(errors.RateLimited("Slow down.")) == Recovery(*RECOVERIES[ProviderError])


def test_only_what_may_be_retried_says_how_long_to_wait() -> None:
    assert classify(errors.ContextTooLong("Too long.", retry_after=3)).wait is None
    assert classify(errors.Unavailable("All are down.", retry_after=3)).wait == 3
