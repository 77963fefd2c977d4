"""Record and indexes are compared item by item, and made to agree, while they are in use."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.memory.indexes.chroma.index import ChromaIndex
from atlas_mcp.memory.indexes.consistency import check
from atlas_mcp.memory.indexes.feeding import Feeder
from atlas_mcp.memory.indexes.naming import record_name
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.scope import Scope
from tests.memory.chroma_places import store_at
from tests.memory.plain_index import PlainIndex
from tests.memory.remembered import EMBEDDER, keep

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.memory.indexes.consistency import Difference
    from atlas_mcp.memory.record.record import Record

ANN, BOB = Scope("ann"), Scope("bob")
TEXTS = [
    f"The river {number} flows past the town {number * 7} and the mill {number * 13}." for number in range(60)
]


@pytest.fixture
async def record(tmp_path: Path) -> AsyncGenerator[Record]:
    async with open_memory(tmp_path, EMBEDDER) as memory:
        yield memory.record


@pytest.fixture
async def chroma(chroma_place: str, tmp_path: Path) -> AsyncGenerator[ChromaIndex]:
    index = ChromaIndex(
        store_at(chroma_place), record=record_name(tmp_path), model=EMBEDDER.name, patience=40
    )
    yield index
    await index.close()


def named(differences: tuple[Difference, ...]) -> set[tuple[str, str]]:
    return {(each.item, each.what) for each in differences}


async def test_every_difference_is_named_and_mended(record: Record, chroma: ChromaIndex) -> None:
    ids = await keep(record, ANN, TEXTS)
    others = await keep(record, BOB, TEXTS[:5])
    await Feeder(record, [chroma]).feed()
    assert (await check(record, [chroma])).score == 1.0
    first, second, third, fourth = await record.indexed(ids[:4])
    await chroma.remove([first.stored.id])
    changed = replace(second, vector=third.vector)
    await chroma.put([changed])
    (stranger,) = await record.indexed(others[:1])
    await record.remove([stranger.stored.id], BOB)
    await Feeder(record, [chroma]).feed()
    await chroma.put([stranger])
    # What stands in the list and lies somewhere else: the list alone does not show it.
    store, where = chroma._store, await chroma._find("user:ann")
    assert where is not None
    noted = dict(await store.page(where.key, 0, 100))
    assert third.vector is not None
    await store.upsert(where.key, [fourth.stored.id], third.vector[None], [noted[fourth.stored.id]])

    found_out = await check(record, [chroma])
    assert named(found_out.stores["chroma"].differences) == {
        (first.stored.id, "missing"), (second.stored.id, "changed"),
        (stranger.stored.id, "unknown"), (fourth.stored.id, "lost"),
    }  # fmt: skip
    assert found_out.score == found_out.stores["chroma"].score == pytest.approx(1 - 4 / 65)
    assert found_out.stores["record"].score == 1.0
    assert found_out.mended == 0

    mended = await check(record, [chroma], mend=True)
    assert (mended.score, mended.mended) == (1.0, 4)
    assert (await check(record, [chroma])).score == 1.0


async def test_an_index_that_was_never_filled_is_filled_when_mended(
    record: Record, chroma: ChromaIndex
) -> None:
    await keep(record, ANN, TEXTS[:8])
    before = await check(record, [chroma])
    assert (before.score, len(before.stores["chroma"].differences)) == (0.0, 8)
    told: list[tuple[str, int, int]] = []
    after = await check(
        record, [chroma], mend=True, on_progress=lambda name, done, of: told.append((name, done, of))
    )
    assert after.score == 1.0
    assert told == [("record", 8, 8), ("chroma", 8, 8)]
    assert await chroma.filled()


async def test_what_waits_to_be_told_is_no_fault(record: Record) -> None:
    index = PlainIndex()
    await Feeder(record, [index]).feed()
    await keep(record, ANN, TEXTS[:3])
    found = (await check(record, [index])).stores["plain"]
    assert (found.score, found.differences, found.waiting) == (1.0, (), 3)


async def test_one_that_is_down_has_no_score_and_the_others_are_looked_at(record: Record) -> None:
    up, down = PlainIndex("up"), PlainIndex("down")
    await keep(record, ANN, TEXTS[:3])
    await Feeder(record, [up, down]).feed()
    down.down = True
    for mend in (False, True):
        found = await check(record, [down, up], mend=mend)
        assert (found.score, found.stores["up"].score) == (0.0, 1.0)
        assert found.to_dict()["stores"]["down"]["differences"] == ["It is down. Wait."]


async def test_it_is_whole_while_others_write_and_feed(record: Record) -> None:
    index = PlainIndex()
    feeder = Feeder(record, [index])
    await feeder.feed()
    done = asyncio.Event()

    async def write() -> None:
        for number in range(30):
            ids = await keep(record, ANN, [f"Stream {number} is short.", f"Stream {number} is cold."])
            await feeder.feed()
            await record.remove(ids[:1], ANN)
        done.set()

    async def look() -> list[float]:
        scores: list[float] = []
        while not done.is_set():
            scores.append((await check(record, [index], mend=len(scores) % 2 == 1)).score)
        return scores

    _, scores = await asyncio.gather(write(), look())
    assert scores
    assert set(scores) == {1.0}


async def test_a_vector_that_mending_cannot_make_findable_stays_named(record: Record) -> None:
    class Stubborn(PlainIndex):
        async def remove(self, ids: object) -> None:
            """Remove nothing."""

    index = Stubborn()
    ids = await keep(record, ANN, TEXTS[:4])
    await Feeder(record, [index]).feed()
    index.unfindable.add(ids[0])
    found = await check(record, [index], mend=True)
    assert named(found.stores["plain"].differences) == {(ids[0], "lost")}
    assert (found.score, found.mended) == (0.75, 0)
