"""Changes reach indexes and other processes, and nothing that nobody asks for is kept for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.text.entities import entities
from tests.memory.test_record import ANNA, DANUBE, EMBEDDER, RHINE, keep, waiting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.memory.record.record import Record


@pytest.fixture
async def record(tmp_path: Path) -> AsyncGenerator[Record]:
    async with open_memory(tmp_path, EMBEDDER) as memory:
        yield memory.record


class TestRemovals:
    @pytest.mark.parametrize("portion", [1, 5], ids=["one by one", "at once"])
    @pytest.mark.parametrize("most", [2, 100])
    async def test_what_went_elsewhere_is_not_found_however_much_went(
        self, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, portion: int
    ) -> None:
        monkeypatch.setattr("atlas_mcp.memory.record.removals.MOST", most)
        ids = [await keep(record, f"The river {number} is long.") for number in range(6)]
        assert len(await record.matching("river", ANNA, Filters())) == 6
        async with open_memory(tmp_path, EMBEDDER) as other:
            for start in range(0, 5, portion):
                await other.record.remove(ids[start : min(start + portion, 5)], ANNA)
            kept = await other.database.read(
                lambda connection: connection.execute("SELECT count(*) AS rows FROM removed").fetchone()
            )
        assert kept["rows"] <= min(most + 1, 5)
        found = await record.matching("river", ANNA, Filters())
        assert [each.id for each in (await record.rows([*found], ANNA)).values()] == ids[5:]
        vector = (await EMBEDDER.embed(["river"]))[0]
        assert len(await record.nearest(vector, ANNA, Filters())) == 1
        await keep(record, "A new river.")
        assert len(await record.matching("river", ANNA, Filters())) == 2


class TestOutbox:
    async def test_an_index_hears_what_came_after_it_began(self, record: Record) -> None:
        await keep(record, DANUBE)
        assert await record.begin_feed("chroma")
        assert not await record.begin_feed("chroma")
        assert await record.pending("chroma") == []
        memory_id = await keep(record, RHINE)
        (change,) = await waiting(record, "chroma")
        assert (change.action, change.item, change.owner) == ("put", memory_id, "user:anna")

    async def test_of_several_changes_the_last_is_heard(self, record: Record) -> None:
        await record.begin_feed("chroma")
        memory_id = await keep(record, DANUBE)
        await record.close([memory_id], ANNA, at="2030-01-01")
        await record.remove([memory_id], ANNA)
        (change,) = await waiting(record, "chroma")
        assert change.action == "remove"
        await record.fed("chroma", change.number)
        assert await record.pending("chroma") == []

    async def test_each_index_hears_at_its_own_pace(self, record: Record) -> None:
        await record.begin_feed("chroma")
        await record.begin_feed("neo4j")
        await keep(record, DANUBE)
        (change,) = await waiting(record, "chroma")
        await record.fed("chroma", change.number)
        assert len(await waiting(record, "neo4j")) == 1
        assert (await record.counts())["behind"] == {"chroma": 0, "neo4j": 1}
        await record.end_feed("neo4j")
        assert await record.pending("neo4j") is None

    async def test_an_index_that_nobody_feeds_any_more_does_not_keep_entries_for_ever(
        self, record: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("atlas_mcp.memory.record.outbox.MOST_WAITING", 8)
        monkeypatch.setattr("atlas_mcp.memory.record.outbox.LOOK", 4)
        for name in ("chroma", "neo4j.filling", "neo4j"):
            await record.begin_feed(name)
        for number in range(40):
            await keep(record, f"River {number} is long.")
            (*_, change) = await waiting(record, "chroma")
            await record.fed("chroma", change.number)
        assert await record.pending("neo4j") is None
        assert (await record.counts())["behind"] == {"chroma": 0, "neo4j": 40}
        await record.fed("neo4j", 40)
        assert await record.pending("neo4j") is None
        assert await record.begin_feed("neo4j")
        assert not await record.begin_feed("neo4j")
        assert await record.pending("neo4j") == []
        assert await record.begin_feed("neo4j.filling")

    async def test_nothing_is_written_for_indexes_that_are_all_lost(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("atlas_mcp.memory.record.outbox.MOST_WAITING", 8)
        monkeypatch.setattr("atlas_mcp.memory.record.outbox.LOOK", 4)
        async with open_memory(tmp_path, EMBEDDER) as memory:
            await memory.record.begin_feed("neo4j.filling")
            for number in range(40):
                await keep(memory.record, f"River {number} is long.")
            written = await memory.database.read(
                lambda connection: connection.execute("SELECT count(*) AS rows FROM outbox").fetchone()
            )
            assert written["rows"] == 1
            assert await memory.record.behind() == {"neo4j": 40}

    async def test_an_index_that_begins_late_does_not_hear_the_past(self, record: Record) -> None:
        await record.begin_feed("chroma")
        await keep(record, DANUBE)
        (change,) = await waiting(record, "chroma")
        await record.fed("chroma", change.number)
        await record.begin_feed("neo4j")
        assert await record.pending("neo4j") == []
        await keep(record, RHINE)
        assert len(await waiting(record, "neo4j")) == len(await waiting(record, "chroma")) == 1

    async def test_one_at_a_time_feeds_an_index(self, record: Record) -> None:
        async with record.feeding("chroma") as first, record.feeding("chroma") as second:
            assert (first, second) == (True, False)
        async with record.feeding("chroma") as again:
            assert again

    async def test_an_index_is_given_vectors_and_names(self, record: Record) -> None:
        memory_id = await keep(record, DANUBE)
        (whole,) = await record.indexed([memory_id, "m_none"])
        assert whole.vector is not None
        assert whole.vector.shape == (EMBEDDER.dimensions,)
        assert {each.key for each in whole.entities} == {each.key for each in entities(DANUBE)}
        assert [each async for each in record.every()] != []
