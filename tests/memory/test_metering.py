"""What memory does is measured by operation and store, and counted for whoever had it done."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.documents.knowledge import Inline
from atlas_mcp.memory.indexes.opening import Indexes
from atlas_mcp.memory.memory import Memory, open_memory
from atlas_mcp.memory.metering import NEWEST, Meter, Tally, Took, counted_by
from atlas_mcp.memory.queries import MeteredEmbedder
from atlas_mcp.memory.scope import Scope
from atlas_mcp.memory.snapshots import Snapshots
from tests.memory.plain_index import PlainIndex
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from pathlib import Path

ANNA = Scope("anna")
DANUBE = "The Danube ends in the Black Sea."


def counts(told: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    return {(each["operation"], each["store"]): each["count"] for each in told}


def test_what_is_done_is_counted_with_its_items_its_hits_and_its_time() -> None:
    meter = Meter()
    for hits in (0, 1):
        with meter.measured("search", "documents") as operation:
            operation.items, operation.hits = 3, hits
    (figures,) = meter.figures()
    assert (figures.operation, figures.store, figures.count) == ("search", "documents", 2)
    assert (figures.items, figures.hits, figures.errors) == (6, 1, 0)
    assert figures.seconds > 0
    assert figures.items_per_second > 0
    assert 0 <= figures.p50_ms <= figures.p95_ms


def test_what_fails_is_an_error_and_what_is_called_off_is_nothing() -> None:
    meter = Meter()
    with pytest.raises(ValueError, match="no"), meter.measured("recall", "chroma"):
        raise ValueError("no")
    with pytest.raises(asyncio.CancelledError), meter.measured("recall", "chroma"):
        raise asyncio.CancelledError
    (figures,) = meter.figures()
    assert (figures.count, figures.errors) == (1, 1)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["recall", "keep"]), st.sampled_from(["record", "chroma"]),
        st.integers(0, 9), st.integers(0, 1), st.integers(0, 1_000),
    )
)  # fmt: skip


@given(OPERATIONS, st.integers(0, 20))
def test_however_often_a_tally_is_taken_its_parts_add_up_to_what_the_meter_counted(
    done: list[tuple[str, str, int, int, int]], cut: int
) -> None:
    meter, tally, between = Meter(), Tally(), Tally()
    with counted_by(tally):
        for operation, store, items, hits, milliseconds in done[:cut]:
            meter.note(operation, store, Took(1, milliseconds / 1000, items, hits))
    told = tally.take()
    with counted_by(between):
        for operation, store, items, hits, milliseconds in done[cut:]:
            meter.note(operation, store, Took(1, milliseconds / 1000, items, hits))
    between.pour_into(tally)
    assert between.take() == []
    told += tally.take()
    assert tally.take() == []
    for key in ("count", "items", "hits", "errors", "seconds"):
        summed: Counter[tuple[str, str]] = Counter()
        for each in told:
            summed[each["operation"], each["store"]] += each[key]
        counted = {(each.operation, each.store): getattr(each, key) for each in meter.figures()}
        assert {name: pytest.approx(value) for name, value in counted.items()} == dict(summed)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=2 * NEWEST))
def test_half_of_the_newest_latencies_lie_below_the_median_and_one_in_twenty_above_the_slow_end(
    milliseconds: list[int],
) -> None:
    meter = Meter()
    for each in milliseconds:
        meter.note("recall", "record", Took(1, each / 1000))
    (figures,) = meter.figures()
    newest = milliseconds[-NEWEST:]
    assert figures.count == len(milliseconds)
    assert sum(each < figures.p50_ms for each in newest) <= len(newest) / 2
    assert sum(each > figures.p95_ms for each in newest) <= len(newest) / 20
    assert min(newest) <= figures.p50_ms <= figures.p95_ms <= max(newest)


async def test_two_who_work_at_once_count_each_their_own_and_the_tasks_that_they_begin() -> None:
    meter = Meter()
    one, other = Tally(), Tally()
    begun = asyncio.Barrier(2)

    async def keep(store: str) -> None:
        with meter.measured("keep", store):
            await begun.wait()  # both are at it

    async def work(tally: Tally, store: str) -> None:
        with counted_by(tally):
            await asyncio.create_task(keep(store))

    await asyncio.gather(work(one, "chroma"), work(other, "neo4j"))
    assert counts(one.take()) == {("keep", "chroma"): 1}
    assert counts(other.take()) == {("keep", "neo4j"): 1}
    assert sum(each.count for each in meter.figures()) == 2


async def test_each_store_of_a_memory_says_what_it_did(tmp_path: Path) -> None:
    async with open_memory(tmp_path, WordEmbedder()) as memory:
        await memory.ingest([Inline(f"# Rivers\n\n{DANUBE}\n")], scope="user:anna")
        for _ in range(2):
            assert await memory.search("Where does the Danube end?", scope="user:anna")
        (added,) = await memory.remember([Learning(LearningKind.FACT, DANUBE)], scope=ANNA)
        assert await memory.recall("Where does the Danube end?", scope=ANNA)
        await memory.check(mend=True)
        await memory.forget_memories([added.id], scope=ANNA)
        told = {(each.operation, each.store): each for each in memory.meter.figures()}
    assert {
        ("ingest", "documents"), ("search", "documents"), ("keep", "record"), ("recall", "record"),
        ("recall", "words"), ("recall", "vectors"), ("recall", "graph"), ("embed", "embedder"),
        ("mend", "record"), ("forget", "record"),
    } <= told.keys()  # fmt: skip
    assert told["search", "documents"].hits == 1, "the second search finds the passages at hand"
    assert told["recall", "words"].items == told["recall", "graph"].items == 1
    assert told["embed", "embedder"].hits == 2, "the question was asked three times"


async def test_an_index_says_what_it_was_fed_and_whether_it_failed(tmp_path: Path) -> None:
    index = PlainIndex("chroma")
    async with open_memory(tmp_path, None) as opened:
        snapshots = Snapshots(tmp_path / "sources")
        memory = Memory(opened.database, snapshots, WordEmbedder(), Indexes(vectors=index))
        await memory.remember([Learning(LearningKind.FACT, DANUBE)], scope=ANNA)
        await memory.feeder.feed()
        assert await memory.recall("Where does the Danube end?", scope=ANNA)
        index.down = True
        assert await memory.recall("Where is the Danube?", scope=ANNA)
        told = {(each.operation, each.store): each for each in memory.meter.figures()}
    assert (told["feed", "chroma"].items, told["feed", "chroma"].errors) == (1, 0)
    assert (told["recall", "chroma"].count, told["recall", "chroma"].errors) == (2, 1)
    assert told["recall", "record"].errors == 0, "the record answers in its place"


async def test_who_opens_a_memory_is_not_counted_what_others_write_into_its_indexes(tmp_path: Path) -> None:
    index, tally = PlainIndex("chroma"), Tally()
    async with open_memory(tmp_path, None) as opened:
        with counted_by(tally):
            memory = Memory(opened.database, Snapshots(tmp_path / "s"), None, Indexes(vectors=index))
            async with memory.feeder.running():
                with counted_by(None):
                    await memory.remember([Learning(LearningKind.FACT, DANUBE)], scope=ANNA)
                await index.holds(1)
                assert (await memory.feeder.heard(seconds=10))["chroma"]
    assert tally.take() == []
    assert ("feed", "chroma") in {(each.operation, each.store) for each in memory.meter.figures()}


async def test_the_vector_of_a_query_is_the_same_when_it_is_at_hand_and_is_the_callers_to_change() -> None:
    inner, meter = WordEmbedder(), Meter()
    embedder = MeteredEmbedder(inner, meter)
    first = await embedder.embed([DANUBE])
    first[:] = 0
    again = await embedder.embed([DANUBE])
    assert (again == await inner.embed([DANUBE])).all()
    assert inner.embedded == 2, "one of them was ours"
    await embedder.embed([DANUBE, "Another."])
    (figures,) = meter.figures()
    assert (figures.count, figures.items, figures.hits) == (3, 4, 1)


async def test_an_embedder_that_is_down_is_an_error_and_is_asked_again() -> None:
    class Down(WordEmbedder):
        async def embed(self, *_: Any, **__: Any) -> Any:
            raise IndexUnavailable("It is down.")

    meter = Meter()
    embedder = MeteredEmbedder(Down(), meter)
    for _ in range(2):
        with pytest.raises(IndexUnavailable):
            await embedder.embed([DANUBE])
    (figures,) = meter.figures()
    assert (figures.count, figures.errors, figures.hits) == (2, 2, 0)
