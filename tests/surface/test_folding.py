"""Changes are told at once, then at most once a second, and always once after the last."""

from __future__ import annotations

import asyncio
from time import monotonic

from atlas_mcp.surface.folding import FOLD_SECONDS, Folding


async def test_a_burst_is_told_at_once_and_once_more_after_it() -> None:
    told: asyncio.Queue[float] = asyncio.Queue()
    folding = Folding(lambda _: told.put_nowait(monotonic()))
    for _ in range(100):
        folding.add("a run")
    first, second = await told.get(), await told.get()
    assert second - first >= FOLD_SECONDS * 0.99
    assert told.empty()


async def test_two_things_do_not_wait_for_each_other_and_the_end_waits_for_nobody() -> None:
    told: list[str] = []
    folding = Folding(told.append)
    for name in ("a", "b", "a", "b"):
        folding.add(name)
    assert told == ["a", "b"]
    folding.flush()
    assert told == ["a", "b", "a", "b"]
    folding.flush()
    assert len(told) == 4


async def test_what_nobody_wants_to_hear_of_any_more_is_not_told() -> None:
    told: list[str] = []
    folding = Folding(told.append)
    for name in ("a", "b", "a", "b"):
        folding.add(name)
    folding.drop("a")
    folding.flush()
    assert told == ["a", "b", "b"]
    folding.add("b")
    folding.close()
    folding.flush()
    assert told == ["a", "b", "b"]
