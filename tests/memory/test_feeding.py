"""Indexes hear what changed in the record: once each, in order, and later if they cannot now."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_mcp.errors import IndexUnavailable, InvalidInput
from atlas_mcp.memory.indexes.current import CurrentGraph, CurrentVectors
from atlas_mcp.memory.indexes.feeding import Feeder
from atlas_mcp.memory.indexes.index import digest
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.scope import Scope
from atlas_mcp.text.entities import Entity
from tests.memory.plain_index import PlainIndex
from tests.memory.remembered import EMBEDDER, keep, vector

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from atlas_mcp.memory.record.record import Indexed, Record

ANN, BOB = Scope("ann"), Scope("bob")
RIVERS = ["The Danube ends in the Black Sea.", "The Rhine is long.", "Mills stand on the Elbe."]


@pytest.fixture
async def record(tmp_path: Path) -> AsyncGenerator[Record]:
    async with open_memory(tmp_path, EMBEDDER) as memory:
        yield memory.record


async def held(record: Record) -> dict[str, str]:
    """What an index must hold."""
    return {each.stored.id: digest(each) async for portion in record.every() for each in portion}


class TestFeeding:
    async def test_an_index_is_filled_first_and_then_told_what_changes(self, record: Record) -> None:
        first, second, third = await keep(record, ANN, RIVERS)
        index = PlainIndex()
        feeder = Feeder(record, [index])
        assert (await feeder.feed()).changes == {"plain": 3}
        assert index.held == await held(record)
        await record.remove([first], ANN)
        await record.close([second], ANN, at=now(), by=third)
        await keep(record, BOB, ["The Oder is a border."])
        fed = await feeder.feed()
        assert fed.changes == {"plain": 3}
        assert index.held == await held(record)
        assert first not in index.held
        assert (await feeder.feed()).changes == {}
        assert index.puts == 5

    async def test_what_was_told_before_a_death_is_told_again_and_changes_nothing(
        self, record: Record
    ) -> None:
        index = PlainIndex()
        feeder = Feeder(record, [index])
        await feeder.feed()
        await keep(record, ANN, RIVERS)
        index.fail_after = 2
        assert "down" in (await feeder.feed()).waiting["plain"]
        index.down, index.fail_after = False, None
        assert (await Feeder(record, [index]).feed()).changes == {"plain": 3}
        assert index.held == await held(record)

    async def test_one_that_is_down_keeps_no_other_waiting_and_is_fed_when_it_is_back(
        self, record: Record, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        up, down = PlainIndex("up"), PlainIndex("down")
        feeder = Feeder(record, [down, up])
        down.down = True
        await keep(record, ANN, RIVERS)
        for _ in range(3):
            fed = await feeder.feed()
            assert list(fed.waiting) == ["down"]
        assert up.held == await held(record)
        assert caplog.text.count("is fed later") == 1
        down.down = False
        assert (await feeder.feed()).waiting == {}
        assert "is fed again" in caplog.text
        assert down.held == await held(record)

    async def test_a_filling_that_was_cut_short_is_done_again_by_whoever_comes(self, record: Record) -> None:
        await keep(record, ANN, RIVERS)
        index = PlainIndex()
        index.fail_after = 1
        await Feeder(record, [index]).feed()
        assert len(index.held) == 1
        index.down, index.fail_after = False, None
        index._filled = True  # as an index that cannot tell would let one believe
        await Feeder(record, [index]).feed()
        assert index.held == await held(record)

    async def test_one_that_lost_everything_is_filled_again(self, record: Record) -> None:
        await keep(record, ANN, RIVERS)
        index = PlainIndex()
        feeder = Feeder(record, [index])
        await feeder.feed()
        index.empty()
        await feeder.feed()
        assert index.held == await held(record)

    @pytest.mark.parametrize("stays", [True, False])
    async def test_one_that_was_left_too_far_behind_is_filled_again_when_it_is_back(
        self, record: Record, monkeypatch: pytest.MonkeyPatch, *, stays: bool
    ) -> None:
        monkeypatch.setattr("atlas_mcp.memory.record.outbox.MOST_WAITING", 3)
        monkeypatch.setattr("atlas_mcp.memory.record.outbox.LOOK", 2)
        index = PlainIndex()
        feeder = Feeder(record, [index])
        first, *_ = await keep(record, ANN, RIVERS)
        await feeder.feed()
        await record.remove([first], ANN)
        await keep(record, ANN, [f"River {number} is long." for number in range(10)])
        assert (await record.counts())["behind"] == {"plain": 12}
        assert await record.pending("plain") is None
        with pytest.raises(IndexUnavailable, match="has not heard everything"):
            await CurrentVectors(record, index).nearest(await vector("river"), ANN, most=5)
        await (feeder if stays else Feeder(record, [index])).feed()
        assert index.held == await held(record)
        assert await record.pending("plain") == []

    async def test_only_one_feeds_and_looks_again_before_it_leaves(self, record: Record) -> None:
        index = PlainIndex()
        feeders = [Feeder(record, [index]) for _ in range(4)]
        await feeders[0].feed()

        async def write_and_feed(feeder: Feeder, at: int) -> None:
            for number in range(5):
                await keep(record, ANN, [f"River {at} has {number} mills."])
                await feeder.feed()

        await asyncio.gather(*(write_and_feed(feeder, at) for at, feeder in enumerate(feeders)))
        assert index.held == await held(record)
        assert await record.pending("plain") == []

    async def test_it_feeds_in_the_background_when_woken_and_what_others_left(self, record: Record) -> None:
        index = PlainIndex()
        feeder = Feeder(record, [index], look=0.01)
        async with feeder.running(), asyncio.timeout(20):
            await keep(record, ANN, RIVERS[:1])
            feeder.wake()
            await index.holds(1)
            await keep(record, ANN, RIVERS[1:])
            await index.holds(3)
        assert index.held == await held(record)

    async def test_whoever_asks_is_told_what_has_heard_everything(self, record: Record) -> None:
        index, other = PlainIndex(), PlainIndex("other")
        feeder = Feeder(record, [index, other])
        async with feeder.running():
            assert await feeder.heard(seconds=20) == {"plain": True, "other": True}
            other.down = True
            await keep(record, ANN, RIVERS)
            assert await feeder.heard(seconds=20) == {"plain": True, "other": False}
        assert index.held == await held(record)

    async def test_whoever_asks_does_not_wait_for_an_index_that_takes_long(self, record: Record) -> None:
        await keep(record, ANN, RIVERS)
        index, slow = PlainIndex(), SlowIndex("slow")
        feeder = Feeder(record, [index, slow])
        async with feeder.running():
            async with asyncio.timeout(20):
                while not (told := await feeder.heard(seconds=0))["plain"]:
                    pass
            assert told == {"plain": True, "slow": False}
            slow.goes_on.set()
            assert await feeder.heard(seconds=20) == {"plain": True, "slow": True}


class SlowIndex(PlainIndex):
    """Takes nothing in until it is let go on."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.goes_on = asyncio.Event()

    async def put(self, items: Sequence[Indexed]) -> None:
        await self.goes_on.wait()
        await super().put(items)


class TestRebuilding:
    async def test_an_index_is_made_anew_from_the_record(self, record: Record) -> None:
        await keep(record, ANN, RIVERS)
        index = PlainIndex()
        feeder = Feeder(record, [index])
        await feeder.feed()
        index.held["m_unknown"] = "?"
        index.held.pop(next(iter(index.held)))
        told: list[tuple[int, int]] = []
        assert await feeder.rebuild("plain", lambda done, of: told.append((done, of))) == 3
        assert index.held == await held(record)
        assert told == [(3, 3)]

    async def test_one_that_is_not_configured_is_named(self, record: Record) -> None:
        with pytest.raises(InvalidInput, match="No index 'neo4j' is configured; there is plain"):
            await Feeder(record, [PlainIndex()]).rebuild("neo4j")


class TestAnsweringWithWhatWaits:
    async def test_a_memory_is_found_before_the_index_has_heard_of_it(self, record: Record) -> None:
        index = PlainIndex()
        feeder, current = Feeder(record, [index]), CurrentVectors(record, index)
        danube, rhine, elbe = await keep(record, ANN, RIVERS)
        await feeder.feed()
        index.puts = 0
        (oder,) = await keep(record, ANN, ["The Oder is a border."])
        await keep(record, BOB, ["The Oder floods."])
        await record.remove([rhine], ANN)
        await record.close([elbe], ANN, at=now())
        question = await vector("a border")
        found = await current.nearest(question, ANN, most=5)
        exact = {oder, danube}
        assert set(found) == exact
        assert index.puts == 0
        assert next(iter(found)) == oder
        await feeder.feed()
        assert await current.nearest(question, ANN, most=5) == pytest.approx(found)

    async def test_one_that_is_far_behind_is_not_asked(
        self, record: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("atlas_mcp.memory.indexes.current.MOST_BEHIND", 2)
        index = PlainIndex()
        await Feeder(record, [index]).feed()
        await keep(record, ANN, RIVERS)
        with pytest.raises(IndexUnavailable, match="has not heard everything"):
            await CurrentVectors(record, index).nearest(await vector("river"), ANN, most=5)

    async def test_a_graph_that_is_behind_in_a_scope_is_not_asked_there(self, record: Record) -> None:
        graph = PlainIndex()
        await Feeder(record, [graph]).feed()
        await keep(record, ANN, RIVERS)
        current = CurrentGraph(record, graph)
        assert await current.mentioning([], BOB, depth=1, most=5) == {}
        with pytest.raises(IndexUnavailable, match="has not heard everything"):
            await current.mentioning([], ANN, depth=1, most=5)
        one, two = Entity("name", "one", "One"), Entity("name", "two", "Two")
        assert await current.path(one, two, BOB, longest=5) is None
        with pytest.raises(IndexUnavailable, match="has not heard everything"):
            await current.path(one, two, ANN, longest=5)


@given(st.lists(st.sampled_from(["add", "remove", "close", "feed", "fail", "back", "empty"]), max_size=25))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_happened_it_holds_in_the_end_what_the_record_holds(
    tmp_path_factory: pytest.TempPathFactory, happened: list[str]
) -> None:
    async with open_memory(tmp_path_factory.mktemp("law"), EMBEDDER) as memory:
        record, index = memory.record, PlainIndex()
        feeder, ids = Feeder(record, [index]), list[str]()
        for number, what in enumerate(happened):
            if what == "add":
                ids += await keep(record, ANN, [f"River {number} is long."])
            elif what == "remove" and ids:
                await record.remove([ids.pop(0)], ANN)
            elif what == "close" and ids:
                await record.close([ids[-1]], ANN, at=now())
            elif what == "feed":
                await feeder.feed()
            elif what == "fail":
                index.fail_after = 1
            elif what == "back":
                index.down, index.fail_after = False, None
            elif what == "empty":
                index.empty()
        index.down, index.fail_after = False, None
        await Feeder(record, [index]).feed()
        assert index.held == await held(record)
