"""Many streams at once through a group of which one is dead, one flaps and one is slow, over real sockets.

The storm is that of `python -m benchmarks storm`, smaller, on a loop whose clock jumps while all wait.
"""

from __future__ import annotations

import asyncio
from functools import cache

import pytest

from atlas_mcp.providers.breaker import BreakerState
from benchmarks.storm import EVERYBODY, Report, Storm, weather
from tests.skipping import SkippingLoop

SMALL = Storm(readers=40, seconds=30.0, token=0.2, flap=4.0)
GRACE = 0.02
"""Real seconds that the loop waits for the sockets before its clock jumps."""


@cache
def lived_through(strategy: str, names: tuple[str, ...]) -> Report:
    with asyncio.Runner(loop_factory=lambda: SkippingLoop(grace=GRACE)) as runner:
        return runner.run(weather(strategy, names, SMALL))


STRATEGIES = pytest.mark.parametrize("strategy", ["failover", "round_robin", "adaptive"])
GROUPS = pytest.mark.parametrize("names", [EVERYBODY, ("dead", "flapping")], ids="-".join)


@STRATEGIES
@GROUPS
def test_every_request_is_answered(strategy: str, names: tuple[str, ...]) -> None:
    report = lived_through(strategy, names)
    assert report.failed == []
    assert len(report.whole) >= SMALL.readers


@STRATEGIES
@GROUPS
def test_nobody_is_asked_while_left_alone_and_one_call_finds_out_whether_they_are_back(
    strategy: str, names: tuple[str, ...]
) -> None:
    report = lived_through(strategy, names)
    for name in ("dead", "flapping"):
        seen = report.members[name]
        assert seen.opened > 0
        assert seen.asked[BreakerState.OPEN] == 0
        # Each time it opened it was left alone for a while, then tried by one call at most.
        assert seen.asked[BreakerState.HALF_OPEN] <= seen.opened
    dead = report.members["dead"]
    assert dead.asked[BreakerState.HALF_OPEN] >= 2
    assert dead.asked[BreakerState.CLOSED] <= SMALL.readers, "only those under way when it opened"
