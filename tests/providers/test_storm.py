"""Many streams at once through a group of which one is dead, one flaps and one is slow, over real sockets.

The storm is that of `python -m benchmarks storm`, smaller, on a loop whose clock jumps while all wait.
"""

from __future__ import annotations

from functools import cache

import pytest

from atlas_mcp.providers.breaker import BreakerState
from benchmarks.storm import EVERYBODY, Report, Storm, lived_through

SMALL = Storm(readers=25, seconds=20.0)


@cache
def lived(strategy: str, names: tuple[str, ...]) -> Report:
    return lived_through(strategy, names, SMALL)


STRATEGIES = pytest.mark.parametrize("strategy", ["failover", "round_robin", "adaptive"])
GROUPS = pytest.mark.parametrize("names", [EVERYBODY, ("dead", "flapping")], ids="-".join)


@STRATEGIES
def test_while_one_is_healthy_every_request_is_answered(strategy: str) -> None:
    report = lived(strategy, EVERYBODY)
    assert report.failed == []
    assert len(report.whole) >= 2 * SMALL.readers


@STRATEGIES
def test_where_nobody_else_is_left_nearly_all_wait_until_the_flapping_one_is_back(strategy: str) -> None:
    report = lived(strategy, ("dead", "flapping"))
    assert report.success > 0.95
    assert all("openai:flapping: overloaded" in why for why in report.failed)


def test_whoever_learns_keeps_away_from_the_slow_one() -> None:
    asked = {
        strategy: sum(lived(strategy, EVERYBODY).members["slow"].asked.values())
        for strategy in ("round_robin", "adaptive")
    }
    assert asked["adaptive"] < asked["round_robin"]


@STRATEGIES
@GROUPS
def test_nobody_is_asked_while_left_alone_and_one_call_finds_out_whether_they_are_back(
    strategy: str, names: tuple[str, ...]
) -> None:
    report = lived(strategy, names)
    for seen in report.members.values():
        assert seen.asked[BreakerState.OPEN] == 0
        # Each time it opened it was left alone for a while, then tried by one call at most.
        assert seen.asked[BreakerState.HALF_OPEN] <= seen.opened
    dead = report.members["dead"]
    assert dead.asked[BreakerState.CLOSED] <= SMALL.readers, "only those under way when it opened"
    if strategy != "adaptive":  # which may not ask it often enough for its breaker to open
        assert dead.asked[BreakerState.HALF_OPEN] >= 2
        assert report.members["flapping"].asked[BreakerState.HALF_OPEN] >= 1
