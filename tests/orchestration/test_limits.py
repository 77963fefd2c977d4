"""What a run may still take."""

from __future__ import annotations

import asyncio

import pytest

from atlas_mcp.chunks import Usage
from atlas_mcp.errors import BudgetSpent
from atlas_mcp.orchestration.limits import Limits
from atlas_mcp.orchestration.team import Budget
from atlas_mcp.providers.budget import Budget as Spending
from atlas_mcp.providers.budget import Limit


def test_calls_under_way_count_so_that_not_all_take_the_last_one() -> None:
    limits = Limits(Budget(calls=2))
    limits.check()
    limits.budget.reserve(10)
    limits.check()
    limits.budget.reserve(10)
    with pytest.raises(BudgetSpent, match=r"^The run's limit of 2 calls is reached\."):
        limits.check()


def test_tokens_and_money_bind_where_they_are_known() -> None:
    assert Limits(Budget(tokens=10)).reached == ""
    limits = Limits(Budget(tokens=10, cost_usd=1.0))
    limits.budget.add(Usage(input_tokens=6, output_tokens=4, cost_usd=None))
    assert limits.reached == "run's limit of 10 tokens"
    priced = Limits(Budget(cost_usd=1.0))
    priced.budget.add(Usage(cost_usd=1.2))
    assert priced.reached == "run's limit of $1.00"


def test_a_part_is_held_back_for_the_turn_that_hands_back_what_there_is() -> None:
    limits = Limits(Budget(tokens=1_000))
    limits.budget.add(Usage(850))
    assert limits.reached
    assert limits.budget.left(closing=True) == (150, None)
    limits.budget.reserve(80, closing=True)


def test_what_a_day_allows_binds_every_run_of_it() -> None:
    day = Spending(Limit(tokens=100), name="day", remedy="Raise it, or go on after midnight UTC.")
    Limits(Budget(), day=day).budget.add(Usage(100))
    limits = Limits(Budget(tokens=1_000), day=day)
    assert limits.reached == "day's limit of 100 tokens"
    with pytest.raises(BudgetSpent, match="go on after midnight") as refused:
        limits.check()
    assert refused.value.remedy == day.remedy


def test_a_run_at_its_limit_names_the_teams_budget_and_the_option_that_raises_it() -> None:
    counted = Limits(Budget(calls=1))
    counted.budget.reserve(1)
    for limits, option in (
        (counted, "--budget-tokens, -usd or -calls"),
        (Limits(Budget(seconds=1), seconds_before=2), "--budget-seconds"),
    ):
        with pytest.raises(BudgetSpent) as refused:
            limits.check()
        assert "[budget] in the team's team.toml" in refused.value.remedy
        assert option in refused.value.remedy


def test_the_time_of_earlier_owners_counts() -> None:
    assert Limits(Budget(seconds=10), seconds_before=11).reached == "run's limit of 10 seconds"


async def test_a_scope_ends_at_the_time_limit() -> None:
    limits = Limits(Budget(seconds=0.05))
    with pytest.raises(BudgetSpent, match="seconds"):
        async with limits.within():
            await asyncio.Event().wait()


async def test_a_scope_ends_where_the_clock_is_coarse_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(Budget(seconds=0.05))
    monkeypatch.setattr("atlas_mcp.orchestration.limits.monotonic", lambda: limits._began)
    with pytest.raises(BudgetSpent, match="0 seconds"):
        async with limits.within():
            await asyncio.Event().wait()


async def test_a_pause_stops_the_clock_of_scopes_that_are_open() -> None:
    limits = Limits(Budget(seconds=0.2))
    async with limits.within():
        limits.pause()
        await asyncio.sleep(0.3)
        limits.resume()
        assert limits.seconds_left is not None
        assert limits.seconds_left > 0.1


async def test_a_time_out_of_somebody_elses_is_not_the_budgets() -> None:
    with pytest.raises(TimeoutError):
        async with Limits(Budget(seconds=60)).within(), asyncio.timeout(0.01):
            await asyncio.Event().wait()


async def test_a_clock_that_two_hold_goes_on_when_both_let_go() -> None:
    limits = Limits(Budget(seconds=0.02))
    limits.pause()
    limits.pause()
    limits.resume()
    left = limits.seconds_left
    assert limits.seconds_left == left
    limits.resume()
    with pytest.raises(BudgetSpent):
        async with limits.within():
            await asyncio.Event().wait()
