"""What every record promises, run on each there is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.errors import IncompatibleStore, InvalidInput
from atlas_mcp.learning import Evidence, Learning, LearningKind
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.record.record import Filters, NewEntry
from atlas_mcp.memory.scope import Scope
from atlas_mcp.text.entities import entities
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.memory.record.record import Change, Record

ANNA, BOB = Scope("anna"), Scope("bob")
DANUBE = "The Danube ends in the Black Sea."
RHINE = "The Rhine flows into the North Sea near Rotterdam."
EVERY = Filters(closed=True)

EMBEDDER = WordEmbedder()


@pytest.fixture(params=["sqlite"])
async def record(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Record]:
    """Each record that there is, empty."""
    assert request.param == "sqlite"
    async with open_memory(tmp_path, EMBEDDER) as memory:
        yield memory.record


async def entry(text: str, *, closes: tuple[str, ...] = (), **said: Any) -> NewEntry:
    """A fact as it is written, with vector and names."""
    learning = Learning(LearningKind(said.pop("kind", "fact")), text, **said)
    vector = (await EMBEDDER.embed([text]))[0]
    return NewEntry(learning, vector, EMBEDDER.name, tuple(entities(text)), closes)


async def keep(record: Record, text: str, scope: Scope = ANNA, **said: Any) -> str:
    (added,) = await record.add([await entry(text, **said)], scope)
    return added.id


async def texts(record: Record, scope: Scope, filters: Filters = EVERY) -> list[str]:
    return [each.text for each in await record.listing(scope, filters)]


async def waiting(record: Record, name: str) -> list[Change]:
    """What an index that reads has not heard yet."""
    found = await record.pending(name)
    assert found is not None
    return found


class TestKeeping:
    async def test_what_was_written_is_read_as_it_was(self, record: Record) -> None:
        quote = Evidence("quote", "ends in the Black Sea", "file:///rivers.md", "a" * 64)
        memory_id = await keep(record, DANUBE, evidence=(quote,), score=4.5, run_id="r_1", origin="run")
        (stored,) = await record.get([memory_id], ANNA)
        assert (stored.text, stored.score, stored.run_id, stored.evidence) == (DANUBE, 4.5, "r_1", (quote,))
        assert stored.owner == "user:anna"
        assert stored.valid_from == stored.recorded_at
        assert stored.valid_to is None

    async def test_the_same_words_are_one_memory_with_all_the_evidence(self, record: Record) -> None:
        first = await keep(record, DANUBE, evidence=(Evidence("quote", "a", "file:///a"),), score=4.0)
        again = await entry(
            "  the danube  ends in the BLACK sea.", evidence=(Evidence("quote", "b", "file:///b"),), score=4.8
        )
        (added,) = await record.add([again], ANNA)
        assert (added.id, added.new) == (first, False)
        (stored,) = await record.get([first], ANNA)
        assert [each.source for each in stored.evidence] == ["file:///a", "file:///b"]
        assert stored.score == 4.8
        assert await record.resting_on(["file:///b"], ANNA) == [first]

    async def test_a_memory_that_ran_out_can_be_said_again(self, record: Record) -> None:
        first = await keep(record, DANUBE, valid_from="2020-01-01", valid_to="2021-01-01")
        second = await keep(record, DANUBE)
        assert first != second
        assert await texts(record, ANNA) == [DANUBE, DANUBE]

    async def test_what_is_known_ends_when_it_is_said_to_end(self, record: Record) -> None:
        first = await keep(record, DANUBE, valid_from="2020-01-01")
        assert await keep(record, DANUBE, valid_to="2099-01-01") == first
        assert await texts(record, ANNA, Filters(at="2098-01-01")) == [DANUBE]
        assert await texts(record, ANNA, Filters(at="2100-01-01")) == []
        assert await keep(record, DANUBE) == first
        assert await keep(record, DANUBE, valid_to="2099-01-01", origin="import") == first
        await record.begin_feed("chroma")
        assert await keep(record, DANUBE, valid_to="2021-01-01") == first
        assert [change.item for change in await waiting(record, "chroma")] == [first]
        assert await texts(record, ANNA, Filters(at="2022-01-01")) == []

    async def test_what_is_taken_in_from_elsewhere_ends_nothing_that_is_known(self, record: Record) -> None:
        first = await keep(record, DANUBE, valid_from="2020-01-01")
        assert await keep(record, DANUBE, valid_to="2021-01-01", origin="import") == first
        assert await texts(record, ANNA, Filters(at="2022-01-01")) == [DANUBE]

    async def test_an_earlier_time_of_what_is_known_is_a_memory_of_its_own(self, record: Record) -> None:
        first = await keep(record, DANUBE, valid_from="2020-01-01")
        early: dict[str, Any] = {"valid_from": "2010-01-01", "valid_to": "2011-01-01"}
        added = await record.add([await entry(RHINE), await entry(DANUBE, **early)], ANNA)
        assert [each.new for each in added] == [True, True]
        assert await keep(record, DANUBE, **early) == added[1].id
        assert await keep(record, DANUBE) == first
        found = [await texts(record, ANNA, Filters(at=f"{year}-06-01")) for year in (2009, 2010, 2015, 2021)]
        assert found == [[], [DANUBE], [], [DANUBE]]
        assert await texts(record, ANNA, Filters()) == [DANUBE, RHINE]

    async def test_what_is_known_cannot_have_ended_before_it_began(self, record: Record) -> None:
        first = await keep(record, DANUBE, valid_from="2020-01-01")
        with pytest.raises(InvalidInput, match=f"{first} says so already and holds from 2020-01-01") as told:
            await keep(record, DANUBE, valid_to="2011-01-01")
        assert "valid_from of an earlier time" in str(told.value)

    async def test_indexes_hear_of_evidence_that_is_new(self, record: Record) -> None:
        first = await keep(record, DANUBE)
        await record.begin_feed("neo4j")
        await keep(record, DANUBE)
        assert await record.pending("neo4j") == []
        await keep(record, DANUBE, evidence=(Evidence("quote", "a", "file:///a"),))
        assert [change.item for change in await waiting(record, "neo4j")] == [first]

    async def test_all_are_written_or_none(self, record: Record) -> None:
        with pytest.raises(InvalidInput, match="shared without a project"):
            await record.add([await entry(DANUBE), await entry(RHINE, shared=True)], ANNA)
        assert await texts(record, ANNA) == []

    async def test_a_vector_of_another_model_is_refused(self, record: Record) -> None:
        await keep(record, DANUBE)
        other = NewEntry(Learning(LearningKind.FACT, RHINE), (await EMBEDDER.embed([RHINE]))[0], "other")
        with pytest.raises(IncompatibleStore, match="other"):
            await record.add([other], ANNA)

    async def test_a_memory_cannot_end_before_it_begins(self, record: Record) -> None:
        with pytest.raises(InvalidInput, match="valid_to"):
            await keep(record, DANUBE, valid_from="2026-01-01", valid_to="2025-01-01")

    async def test_a_time_that_is_none_is_named(self, record: Record) -> None:
        with pytest.raises(InvalidInput, match="valid_from 'next week'"):
            await keep(record, DANUBE, valid_from="next week")


class TestWhose:
    async def test_nobody_reads_another_users_memories(self, record: Record) -> None:
        memory_id = await keep(record, DANUBE)
        vector = (await EMBEDDER.embed([DANUBE]))[0]
        assert await record.get([memory_id], BOB) == []
        assert await texts(record, BOB) == []
        assert await record.matching("Danube", BOB, EVERY) == {}
        assert await record.nearest(vector, BOB, EVERY) == {}
        assert await record.mentioning(entities("Danube"), BOB, EVERY) == {}
        assert await record.cosines(vector, [1, 2, 3], BOB) == {}
        assert await record.rows([1, 2, 3], BOB) == {}
        assert await record.names(BOB) == []
        assert await record.close([memory_id], BOB, at="2026-01-01") == []
        assert await record.remove([memory_id], BOB) == []
        assert await texts(record, ANNA) == [DANUBE]

    async def test_a_project_is_shared_by_its_members_alone(self, record: Record) -> None:
        await keep(record, DANUBE, Scope("anna", project="rivers"), shared=True)
        assert await texts(record, Scope("bob", project="rivers")) == [DANUBE]
        assert await texts(record, Scope("bob", project="lakes")) == []
        assert await texts(record, BOB) == []

    async def test_a_teams_memories_are_its_own_and_the_persons(self, record: Record) -> None:
        await keep(record, DANUBE, team="research")
        await keep(record, RHINE)
        assert await texts(record, Scope("anna", team="writing")) == [RHINE]
        assert await texts(record, Scope("anna", team="research")) == [DANUBE, RHINE]
        assert await texts(record, ANNA) == [DANUBE, RHINE]

    async def test_a_team_does_not_remember_for_another(self, record: Record) -> None:
        with pytest.raises(InvalidInput, match="cannot remember for the team writing"):
            await keep(record, DANUBE, Scope("anna", team="research"), team="writing")

    async def test_two_users_may_know_the_same(self, record: Record) -> None:
        assert await keep(record, DANUBE, ANNA) != await keep(record, DANUBE, BOB)

    def test_a_name_that_says_nothing_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="name of a user"):
            Scope("  ")


class TestTime:
    async def test_what_contradicts_closes_and_nothing_is_deleted(self, record: Record) -> None:
        old = await keep(record, "The limit is 45 s.", valid_from="2025-01-01")
        (added,) = await record.add(
            [await entry("The limit is 60 s.", closes=(old,), valid_from="2026-01-01")], ANNA
        )
        assert added.closed == (old,)
        (stored,) = await record.get([old], ANNA)
        assert stored.superseded_by == added.id
        assert stored.valid_to is not None
        assert stored.valid_to.startswith("2026-01-01")
        assert await texts(record, ANNA, Filters()) == ["The limit is 60 s."]

    async def test_the_past_is_answered_as_it_was(self, record: Record) -> None:
        old = await keep(record, "The limit is 45 s.", valid_from="2025-01-01")
        await record.add([await entry("The limit is 60 s.", closes=(old,), valid_from="2026-01-01")], ANNA)
        then = Filters(at="2025-06-01T00:00:00.000000+00:00")
        now = Filters(at="2026-06-01T00:00:00.000000+00:00")
        for filters, said in ((then, "The limit is 45 s."), (now, "The limit is 60 s.")):
            assert await texts(record, ANNA, filters) == [said]
            (number,) = await record.matching("limit", ANNA, filters)
            assert (await record.rows([number], ANNA))[number].text == said

    async def test_what_is_closed_again_stays_closed_as_it_was(self, record: Record) -> None:
        memory_id = await keep(record, DANUBE, valid_from="2025-01-01")
        assert await record.close([memory_id], ANNA, at="2026-01-01") == [memory_id]
        assert await record.close([memory_id], ANNA, at="2027-01-01") == []


class TestFinding:
    async def test_words_find_what_shares_them(self, record: Record) -> None:
        await keep(record, DANUBE)
        await keep(record, RHINE)
        rows = await record.rows([*await record.matching("where does the Rhine flow", ANNA, Filters())], ANNA)
        assert [each.text for each in rows.values()] == [RHINE]

    async def test_scripts_without_spaces_are_found(self, record: Record) -> None:
        await keep(record, "東京は日本の首都です。")
        assert len(await record.matching("日本の首都", ANNA, Filters())) == 1

    async def test_a_query_of_nothing_but_signs_finds_nothing(self, record: Record) -> None:
        await keep(record, DANUBE)
        for query in ("", "?!", '"', "the of", "NEAR(", "a OR", "words:"):
            assert await record.matching(query, ANNA, Filters()) == {}

    async def test_meaning_finds_the_nearest_first(self, record: Record) -> None:
        await keep(record, DANUBE)
        await keep(record, RHINE)
        near = await record.nearest((await EMBEDDER.embed([RHINE]))[0], ANNA, Filters())
        rows = await record.rows([*near], ANNA)
        assert rows[next(iter(near))].text == RHINE
        assert max(near.values()) == pytest.approx(1, abs=1e-4)

    async def test_filters_hold_for_every_way_of_finding(self, record: Record) -> None:
        await keep(record, "The Danube is long.", evidence=(Evidence("quote", "long", "file:///a"),))
        await keep(record, "Write of the Danube briefly.", kind="preference")
        vector = (await EMBEDDER.embed(["Danube"]))[0]
        wanted = Filters(kinds=frozenset({LearningKind.PREFERENCE}))
        resting = Filters(source="file:///a")
        for filters, said in ((wanted, "Write of the Danube briefly."), (resting, "The Danube is long.")):
            for numbers in (
                await record.matching("Danube", ANNA, filters),
                await record.nearest(vector, ANNA, filters),
                await record.mentioning(entities("Where is the Danube?"), ANNA, filters),
            ):
                assert [each.text for each in (await record.rows([*numbers], ANNA)).values()] == [said]
            assert await texts(record, ANNA, filters) == [said]

    async def test_times_of_recording_bound_what_is_found(self, record: Record) -> None:
        await keep(record, DANUBE)
        assert await record.matching("Danube", ANNA, Filters(until="2020-01-01")) == {}
        assert len(await record.matching("Danube", ANNA, Filters(since="2020-01-01"))) == 1

    async def test_names_lead_over_a_memory_to_the_next(self, record: Record) -> None:
        await keep(record, "Yesterday Ulm met Danube.")
        await keep(record, "Later Danube met Vienna.")
        direct = await record.mentioning(entities("in Ulm"), ANNA, Filters(), depth=1)
        further = await record.mentioning(entities("in Ulm"), ANNA, Filters(), depth=2)
        assert (len(direct), len(further)) == (1, 2)

    async def test_names_say_which_memories_hold_them(self, record: Record) -> None:
        memory_id = await keep(record, DANUBE)
        found = {each.entity.name: each.memories for each in await record.names(ANNA)}
        assert found["Danube"] == (memory_id,)


class TestForgetting:
    async def test_what_is_removed_is_nowhere(self, record: Record) -> None:
        memory_id = await keep(record, DANUBE, evidence=(Evidence("quote", "x", "file:///a"),))
        await keep(record, RHINE)
        vector = (await EMBEDDER.embed([DANUBE]))[0]
        assert len(await record.nearest(vector, ANNA, Filters())) == 2
        (gone,) = await record.remove([memory_id], ANNA)
        assert gone.text == DANUBE
        assert await texts(record, ANNA) == [RHINE]
        assert await record.matching("Danube Black", ANNA, EVERY) == {}
        assert len(await record.nearest(vector, ANNA, EVERY)) == 1
        assert await record.resting_on(["file:///a"], ANNA) == []
        assert "Danube" not in [each.entity.name for each in await record.names(ANNA)]
        assert await record.check() == []


class TestSoundness:
    async def test_a_sound_record_has_nothing_wrong(self, record: Record) -> None:
        await keep(record, DANUBE)
        await keep(record, "東京は日本の首都です。")
        await keep(record, "!?")
        assert await record.check() == []
        assert await record.mend() == 0

    async def test_vectors_come_later_where_they_are_missing(self, record: Record) -> None:
        (added,) = await record.add([NewEntry(Learning(LearningKind.FACT, DANUBE))], ANNA)
        ((number, text),) = await record.without_vector(EMBEDDER.name)
        assert text == DANUBE
        await record.put_vectors(EMBEDDER.name, {number: (await EMBEDDER.embed([text]))[0]})
        assert await record.without_vector(EMBEDDER.name) == []
        near = await record.nearest((await EMBEDDER.embed([DANUBE]))[0], ANNA, Filters())
        assert [each.id for each in (await record.rows([*near], ANNA)).values()] == [added.id]

    async def test_a_use_is_counted(self, record: Record) -> None:
        memory_id = await keep(record, DANUBE)
        await record.used([memory_id], ANNA, at="2030-01-01T00:00:00.000000+00:00")
        (stored,) = await record.get([memory_id], ANNA)
        assert (stored.uses, stored.used_at) == (1, "2030-01-01T00:00:00.000000+00:00")


async def test_damage_in_the_file_is_found_and_mended(tmp_path: Path) -> None:
    async with open_memory(tmp_path, EMBEDDER) as memory:
        await memory.record.add([await entry(DANUBE), await entry(RHINE)], ANNA)

        def damage(connection: Any) -> None:
            connection.execute("INSERT INTO memory_text (memory_text) VALUES ('delete-all')")
            connection.execute("UPDATE memory_vector SET data = zeroblob(8) WHERE number = 1")
            connection.execute("INSERT INTO mention VALUES (1, 'memory', 99, 1)")

        await memory.database.write(damage)
        wrong = await memory.record.check()
        assert len(wrong) == 4, json.dumps(wrong, indent=1)
        await memory.record.mend()
        assert await memory.record.check() == []
        assert await memory.embed_memories() == 1
        found = await memory.recall("Danube", scope=ANNA)
        assert found[0].stored.text == DANUBE


async def test_two_openers_see_each_others_writes_at_once(tmp_path: Path) -> None:
    async with open_memory(tmp_path, EMBEDDER) as one, open_memory(tmp_path, EMBEDDER) as other:
        for number in range(20):
            text = f"Fact {number} about the harbour of Hamburg."
            memory_id = await keep(one.record, text)
            near = await other.record.nearest((await EMBEDDER.embed([text]))[0], ANNA, Filters(), most=200)
            assert len(near) == number + 1
            await other.record.close([memory_id], ANNA, at="2020-01-01")
            assert await one.record.matching(f"Fact {number}", ANNA, Filters(source="none")) == {}
            (stored,) = await one.record.get([memory_id], ANNA)
            assert stored.closed_at
            await other.record.remove([memory_id], ANNA)
            assert await one.record.get([memory_id], ANNA) == []
            await keep(other.record, f"{text} Kept.")
