"""What memory does is timed, and told."""

from __future__ import annotations

import pytest

from atlas_mcp.memory.metrics import Meter, Operation


def test_whoever_listens_is_told_each_operation() -> None:
    meter = Meter()
    told: list[Operation] = []
    meter.listeners.append(told.append)
    with meter.timed("recall") as operation:
        operation.items = 3
    assert [(each.name, each.items, each.ok) for each in told] == [("recall", 3, True)]
    assert told[0].seconds > 0


def test_what_fails_is_counted_as_failed_and_raised() -> None:
    meter = Meter()
    with pytest.raises(ValueError, match="no"), meter.timed("recall"):
        raise ValueError("no")
    summary = meter.summary()["recall"]
    assert (summary.times, summary.failed) == (1, 1)


def test_a_summary_tells_of_the_newest() -> None:
    meter = Meter()
    for _ in range(1000):
        with meter.timed("add"):
            pass
    summary = meter.summary()["add"]
    assert summary.times == 1000
    assert 0 <= summary.p50_ms <= summary.p95_ms
