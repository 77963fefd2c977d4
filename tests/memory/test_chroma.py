"""Chroma as an index of vectors: the same promises for a folder and for a server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ulid import ULID

from atlas_mcp.errors import IndexUnavailable, InvalidConfiguration, MissingExtra
from atlas_mcp.memory.indexes.chroma.index import ChromaIndex, open_chroma
from atlas_mcp.memory.indexes.chroma.server import address
from atlas_mcp.memory.indexes.index import digest
from atlas_mcp.memory.indexes.naming import record_name
from atlas_mcp.memory.scope import Scope
from tests.memory.chroma_places import store_at
from tests.memory.remembered import item

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.memory.record.record import Indexed
    from atlas_mcp.text.ranking import FloatArray

ANN, BOB = Scope("ann"), Scope("bob")
MODEL = "words"
DIMENSIONS = 32


@pytest.fixture
async def index(chroma_place: str) -> AsyncGenerator[ChromaIndex]:
    """An index of a record of its own, filled with nothing."""
    index = ChromaIndex(store_at(chroma_place), record=str(ULID()).lower(), model=MODEL, patience=40)
    await index.note_filled()
    yield index
    await index.close()


def directions(many: int, seed: int = 0) -> FloatArray:
    """Unit vectors in groups, as sentences lie."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(40, DIMENSIONS))
    spread = centres[chance.integers(0, 40, many)] + 0.6 * chance.normal(size=(many, DIMENSIONS))
    vectors = spread.astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def items(many: int, seed: int = 0, owner: str = "user:ann", team: str | None = None) -> list[Indexed]:
    return [
        item(f"text {at}", each, owner=owner, team=team) for at, each in enumerate(directions(many, seed))
    ]


def along(axis: int) -> FloatArray:
    """A direction at right angles to all others of this kind."""
    return np.eye(DIMENSIONS, dtype=np.float32)[axis]


class TestFinding:
    async def test_what_is_superseded_later_is_found_until_then(self, index: ChromaIndex) -> None:
        held = [
            item(to, along(at), valid_from="2019-01-01", closed_at="2021-01-01", valid_to=to)
            for at, to in enumerate(("2999-01-01", "2020-01-01"))
        ]
        await index.put(held)
        assert list(await index.nearest(along(0), ANN, most=5)) == [held[0].stored.id]

    async def test_the_nearest_ten_are_those_of_exact_search(self, index: ChromaIndex) -> None:
        held = items(1_500)
        await index.put(held)
        vectors = np.stack([each.vector for each in held if each.vector is not None])
        hits = 0
        for question in directions(40, seed=1):
            exact = np.argsort(-(vectors @ question))[:10]
            found = await index.nearest(question, ANN, most=10)
            assert list(found.values()) == sorted(found.values(), reverse=True)
            best = next(iter(found.values()))
            assert best == pytest.approx(float(vectors[exact[0]] @ question), abs=1e-4)
            hits += sum(held[int(at)].stored.id in found for at in exact)
        assert hits / 400 >= 0.97

    async def test_each_sees_their_own_their_projects_and_their_teams(self, index: ChromaIndex) -> None:
        own, other = item("own", along(0)), item("other's", along(0), owner="user:bob")
        shared = item("shared", along(0), owner="project:rivers")
        of_team = item("of a team", along(0), team="research")
        await index.put([own, other, shared, of_team])

        async def seen(scope: Scope) -> set[str]:
            return set(await index.nearest(along(0), scope, most=10))

        assert await seen(ANN) == {own.stored.id, of_team.stored.id}
        assert await seen(BOB) == {other.stored.id}
        assert await seen(Scope("ann", "rivers")) == {own.stored.id, of_team.stored.id, shared.stored.id}
        assert await seen(Scope("ann", None, "writing")) == {own.stored.id}
        assert await seen(Scope("ann", None, "research")) == {own.stored.id, of_team.stored.id}
        assert await seen(Scope("carl")) == set()

    async def test_what_does_not_hold_now_is_not_found(self, index: ChromaIndex) -> None:
        holds = item("holds", along(0))
        others = [
            item("closed", along(0), closed_at="2026-01-01", valid_to="2026-01-01"),
            item("over", along(0), valid_to="2021-01-01"),
            item("to come", along(0), valid_from="2999-01-01"),
        ]
        await index.put([holds, *others])
        assert set(await index.nearest(along(0), ANN, most=10)) == {holds.stored.id}

    async def test_the_record_is_left_to_answer_where_few_of_the_near_may_be_read(
        self, index: ChromaIndex
    ) -> None:
        held = items(40) + items(40, seed=1, team="writing")
        await index.put(held)
        closed = [
            item("closed", each.vector, closed_at="2026-01-01", valid_to="2026-01-01") for each in held[:30]
        ]
        await index.put(closed)
        with pytest.raises(IndexUnavailable, match="The record answers"):
            await index.nearest(directions(1, seed=2)[0], Scope("ann", None, "research"), most=60)
        assert len(await index.nearest(directions(1, seed=2)[0], ANN, most=60)) == 60


class TestHolding:
    async def test_the_same_again_changes_nothing_and_a_change_replaces(self, index: ChromaIndex) -> None:
        first = item("first", along(0))
        await index.put([first])
        await index.put([first, first])
        assert await index.digests() == {first.stored.id: digest(first)}
        changed = item("changed", along(1), id=first.stored.id, closed_at="2026-01-01", valid_to="2026-01-01")
        await index.put([changed])
        assert await index.digests() == {first.stored.id: digest(changed)}
        assert await index.nearest(along(0), ANN, most=5) == {}
        again = item("open again", along(1), id=first.stored.id)
        await index.put([again])
        assert await index.nearest(along(1), ANN, most=5) == {first.stored.id: pytest.approx(1, abs=1e-5)}

    async def test_removing_takes_what_is_there_and_minds_nothing_else(self, index: ChromaIndex) -> None:
        mine, other = item("mine", along(0)), item("other's", along(0), owner="user:bob")
        await index.put([mine, other])
        await index.remove([mine.stored.id, "m_unknown"])
        assert set(await index.digests()) == {other.stored.id}
        assert await index.nearest(along(0), ANN, most=5) == {}
        await index.remove(["m_unknown"])

    async def test_what_has_no_direction_is_not_held(self, index: ChromaIndex) -> None:
        without, nothing = item("without"), item("nothing", np.zeros(DIMENSIONS, np.float32))
        broken = item("broken", np.full(DIMENSIONS, np.nan, np.float32))
        whole = item("whole", along(0))
        await index.put([without, nothing, broken, whole])
        assert set(await index.digests()) == {whole.stored.id}
        assert await index.lost([without, nothing, broken, whole]) == []
        await index.put([item("bare now", id=whole.stored.id)])
        assert await index.digests() == {}

    async def test_what_is_listed_and_not_found_by_its_vector_is_named(self, index: ChromaIndex) -> None:
        held = items(150)
        alike = [item(f"alike {at}", along(3)) for at in range(12)]
        await index.put([*held, *alike])
        assert await index.lost([*held, *alike]) == []
        moved = item("moved", along(5), id=held[7].stored.id)
        await index.put([moved])
        assert await index.lost(held) == [held[7].stored.id]
        assert await index.lost([item("never put", along(9))]) != []


class TestWhoseItIs:
    async def test_two_records_on_one_place_do_not_see_each_other(
        self, index: ChromaIndex, chroma_place: str
    ) -> None:
        other = ChromaIndex(store_at(chroma_place), record=str(ULID()).lower(), model=MODEL, patience=40)
        mine, theirs = item("mine", along(0)), item("theirs", along(0))
        await index.put([mine])
        await other.note_filled()
        await other.put([theirs])
        assert set(await other.nearest(along(0), ANN, most=5)) == {theirs.stored.id}
        await other.clear()
        assert set(await index.digests()) == {mine.stored.id}
        await other.close()

    async def test_a_collection_that_is_not_ours_is_refused_and_stays(
        self, index: ChromaIndex, chroma_place: str
    ) -> None:
        store = store_at(chroma_place)
        name = index._name("user:ann")
        made = await store.make(name, {"made_by": "somebody"})
        await store.upsert(made.key, ["x"], along(0)[None], [{"a": 1}])
        with pytest.raises(IndexUnavailable, match="was not made by this ATLAS"):
            await index.nearest(along(0), ANN, most=5)
        with pytest.raises(IndexUnavailable, match="was not made by this ATLAS"):
            await index.put([item("mine", along(0))])
        await index.clear()
        assert await store.page(made.key, 0, 10) == [("x", {"a": 1})]
        await store.drop(name)
        await store.close()

    async def test_vectors_of_another_model_are_refused_until_it_is_made_anew(
        self, index: ChromaIndex, chroma_place: str
    ) -> None:
        await index.put([item("old", along(0))])
        newer = ChromaIndex(store_at(chroma_place), record=index._record, model="other", patience=40)
        with pytest.raises(IndexUnavailable, match=r"holds vectors of words \(32 .* memory rebuild chroma"):
            await newer.nearest(along(0), ANN, most=5)
        with pytest.raises(IndexUnavailable, match="holds vectors of words"):
            await newer.put([item("new", along(0), model="other")])
        with pytest.raises(IndexUnavailable, match="is in use"):
            await newer.put([item("old", along(0))])
        with pytest.raises(IndexUnavailable, match="16"):
            await index.nearest(along(0)[:16], ANN, most=5)
        await newer.clear()
        await newer.put([item("new", along(0)[:16], model="other")])
        await newer.note_filled()
        assert len(await newer.nearest(along(0)[:16], ANN, most=5)) == 1
        await newer.close()

    async def test_an_index_that_is_made_anew_by_another_does_not_answer_meanwhile(
        self, index: ChromaIndex, chroma_place: str
    ) -> None:
        held = item("held", along(0))
        await index.put([held])
        assert await index.nearest(along(0), ANN, most=5) != {}
        other = ChromaIndex(store_at(chroma_place), record=index._record, model=MODEL, patience=40)
        await other.clear()
        with pytest.raises(IndexUnavailable, match="made anew"):
            await index.nearest(along(0), ANN, most=5)
        await other.put([held])
        with pytest.raises(IndexUnavailable, match="not filled yet"):
            await index.nearest(along(0), ANN, most=5)
        assert not await index.filled()
        await other.note_filled()
        assert set(await index.nearest(along(0), ANN, most=5)) == {held.stored.id}
        await other.close()

    async def test_what_another_writes_is_found_at_once(self, index: ChromaIndex, chroma_place: str) -> None:
        other = ChromaIndex(store_at(chroma_place), record=index._record, model=MODEL, patience=40)
        for axis in range(5):
            new = item(f"new {axis}", along(axis))
            await other.put([new])
            assert new.stored.id in await index.nearest(along(axis), ANN, most=1)
            await other.remove([new.stored.id])
            assert new.stored.id not in await index.nearest(along(axis), ANN, most=1)
        await other.close()


class TestSettingUp:
    @pytest.mark.parametrize("url", ["chroma", "ftp://host", "http://", "http://host:0x1", "http://u:p@host"])
    async def test_an_address_that_is_none_is_refused(self, url: str, tmp_path: Path) -> None:
        with pytest.raises(InvalidConfiguration, match=r"\[memory\] chroma") as refused:
            async with open_chroma(url, tmp_path, model=MODEL):
                pass
        assert "u:p" not in str(refused.value)

    def test_an_address_says_host_port_and_whether_it_is_secret(self) -> None:
        assert address("http://127.0.0.1:8000") == ("127.0.0.1", 8000, False)
        assert address("https://chroma.example/") == ("chroma.example", 443, True)

    def test_a_data_folder_keeps_the_name_of_its_record(self, tmp_path: Path) -> None:
        assert record_name(tmp_path / "a") == record_name(tmp_path / "a") != record_name(tmp_path / "b")

    async def test_without_chroma_it_is_said_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "chromadb", None)
        with pytest.raises(MissingExtra, match=r"uv tool install '\.\[chroma\]'"):
            async with open_chroma("embedded", tmp_path, model=MODEL):
                pass

    async def test_nothing_is_started_before_it_is_used(self, tmp_path: Path) -> None:
        async with open_chroma("embedded", tmp_path, model=MODEL):
            pass
        assert not (tmp_path / "chroma").exists()
