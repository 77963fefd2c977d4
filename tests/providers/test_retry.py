"""Retries: who may be tried again after what, and after how long."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp import errors
from atlas_mcp.errors import ProviderError
from atlas_mcp.providers.retry import Retry

LEAVES = [
    leaf for name in errors.__all__
    if isinstance(leaf := getattr(errors, name), type) and issubclass(leaf, ProviderError)
]  # fmt: skip


class Least(random.Random):
    """Chance that cuts nothing off."""

    def random(self) -> float:
        return 0.0


WHOLE = Least()


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if not leaf.retryable])
def test_what_would_fail_again_is_never_tried_again(leaf: type[ProviderError]) -> None:
    assert Retry().wait(leaf("No."), 1, WHOLE) is None


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf.retryable])
def test_whatever_is_said_to_be_worth_another_try_gets_one(leaf: type[ProviderError]) -> None:
    assert Retry().wait(leaf("No."), 1, WHOLE) == 0.5


def test_waits_double_up_to_a_limit_and_tries_come_to_an_end() -> None:
    retry = Retry(times={errors.Overloaded: 6})
    waits = [retry.wait(errors.Overloaded("No."), tries, WHOLE) for tries in range(1, 8)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, None]


def test_what_the_provider_asks_for_is_waited_for_in_any_case() -> None:
    asks = errors.RateLimited("Slower.", retry_after=42.0)
    assert Retry().wait(asks, 1, WHOLE) == 42.0
    hardly = errors.RateLimited("Slower.", retry_after=0.1)
    assert Retry().wait(hardly, 1, WHOLE) == 0.5, "and never less than without"


@given(st.integers(1, 4), st.integers(0, 10**6))
def test_law_chance_cuts_off_at_most_half(tries: int, seed: int) -> None:
    retry = Retry()
    whole = retry.wait(errors.RateLimited("No."), tries, WHOLE)
    cut = retry.wait(errors.RateLimited("No."), tries, random.Random(seed))  # noqa: S311 - a test's chance
    assert whole is not None
    assert cut is not None
    assert whole / 2 <= cut <= whole


def test_who_failed_together_does_not_come_back_together() -> None:
    chance = random.Random(1)  # noqa: S311 - a test's chance
    waits = {Retry().wait(errors.ServerFailed("No."), 1, chance) for _ in range(100)}
    assert len(waits) == 100
