"""Runs wait for a place by priority, then in the order in which they came."""

from __future__ import annotations

import asyncio

from atlas_mcp.orchestration.places import Places


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_higher_priority_goes_first_and_equals_keep_their_order() -> None:
    places = Places(1)
    came: list[str] = []

    async def work(name: str, priority: str) -> None:
        async with places.taken(priority):
            came.append(name)

    async with asyncio.TaskGroup() as group, places.taken("normal"):
        for name, priority in (("a", "low"), ("b", "normal"), ("c", "normal"), ("d", "high")):
            group.create_task(work(name, priority))
        await settle()
        assert came == []
    assert came == ["d", "b", "c", "a"]


async def test_one_who_stops_waiting_costs_nobody_a_place() -> None:
    places = Places(1)
    async with places.taken("normal"):
        waiting = asyncio.create_task(places.taken("normal").__aenter__())
        await settle()
        waiting.cancel()
        await settle()
    async with asyncio.timeout(1), places.taken("normal"):
        pass


async def test_a_place_that_is_lent_is_taken_by_the_next_and_taken_back_at_once() -> None:
    places = Places(1)
    async with places.taken("normal") as mine:
        mine.lend()
        async with asyncio.timeout(1), places.taken("normal"):
            mine.take_back()
            third = asyncio.create_task(places.taken("normal").__aenter__())
        await settle()
        assert not third.done(), "there was one more than there are places"
    async with asyncio.timeout(1):
        (await third).leave()


async def test_however_it_is_lent_and_left_no_place_is_lost_or_made() -> None:
    places = Places(1)
    async with places.taken("normal") as mine:
        mine.lend()
        mine.lend()
    mine.take_back()
    async with asyncio.timeout(1), places.taken("normal"):
        waiting = asyncio.create_task(places.taken("normal").__aenter__())
        await settle()
        assert not waiting.done()
        waiting.cancel()
