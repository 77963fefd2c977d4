"""What a graph of memories promises: the record in SQLite and each server answer by the book, and alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.connections import around, chain
from atlas_mcp.memory.indexes.feeding import Feeder
from atlas_mcp.memory.indexes.index import digest
from atlas_mcp.memory.indexes.opening import Indexes
from atlas_mcp.memory.memory import Memory, open_memory
from atlas_mcp.memory.record import graph as graphs
from atlas_mcp.memory.record.record import Filters, NewEntry
from atlas_mcp.memory.scope import Scope
from atlas_mcp.memory.snapshots import Snapshots
from atlas_mcp.text.entities import Entity, entities
from tests.memory.graph.worlds import NAMES, SCOPES, Question, answer, chance_of, fill, readable, shortest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from atlas_mcp.memory.indexes.neo4j.index import Neo4jGraph
    from atlas_mcp.memory.record.record import Indexed, NamePath, Record
    from atlas_mcp.memory.record.sqlite_record import SqliteRecord

ANNA = Scope("anna", "delta")
ALL = Filters(closed=True)


async def everything(record: Record) -> list[Indexed]:
    return [item async for portion in record.every() for item in portion]


async def copied(record: Record, graph: Neo4jGraph) -> list[Indexed]:
    """All memories, once they are in the graph too."""
    items = await everything(record)
    await graph.put(items)
    return items


async def by_record(record: SqliteRecord, question: Question) -> dict[str, float]:
    weights = await record.mentioning(
        question.names, question.scope, question.filters, depth=question.depth, most=question.most
    )
    rows = await record.rows(list(weights), question.scope)
    return {rows[number].id: weight for number, weight in weights.items()}


async def by_graph(graph: Neo4jGraph, question: Question) -> dict[str, float]:
    return await graph.mentioning(
        question.names, question.scope, depth=question.depth, most=question.most, filters=question.filters
    )


async def path_by_record(record: SqliteRecord, question: Question) -> NamePath | None:
    start, end = question.names[0], question.names[-1]
    return await record.path(start, end, question.scope, question.filters)


async def path_by_graph(graph: Neo4jGraph, question: Question) -> NamePath | None:
    return await graph.path(question.names[0], question.names[-1], question.scope, filters=question.filters)


async def kept(record: Record, *memories: Sequence[Entity], scope: Scope = ANNA) -> list[str]:
    """Memories that hold these names; gives their ids."""
    entries = [
        NewEntry(Learning(LearningKind.FACT, f"Memory {number}."), entities=tuple(names))
        for number, names in enumerate(memories)
    ]
    return [added.id for added in await record.add(entries, scope)]


class TestAnswers:
    @pytest.mark.parametrize("seed", range(6))
    async def test_the_record_answers_by_the_book(self, record: SqliteRecord, seed: int) -> None:
        chance = chance_of(seed)
        await fill(record, chance)
        items = await everything(record)
        for question in [Question.by(chance) for _ in range(60)]:
            found = await by_record(record, question)
            expected = answer(items, question)
            assert found == pytest.approx(expected), question
            assert list(found) == list(expected), question

    @pytest.mark.parametrize("seed", range(2))
    async def test_a_server_answers_as_the_record_does(
        self, record: SqliteRecord, graph: Neo4jGraph, seed: int
    ) -> None:
        chance = chance_of(seed)
        await fill(record, chance)
        await copied(record, graph)
        for question in [Question.by(chance) for _ in range(25)]:
            found, expected = await by_graph(graph, question), await by_record(record, question)
            assert found == pytest.approx(expected), question
            assert list(found) == list(expected), question

    async def test_common_names_and_light_memories_lead_nowhere_in_either(
        self, record: SqliteRecord, graph: Neo4jGraph, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(graphs, "COMMON", 6)
        monkeypatch.setattr(graphs, "FOLLOWED", 4)
        chance = chance_of(7)
        await fill(record, chance)
        items = await copied(record, graph)
        for question in [Question.by(chance) for _ in range(25)]:
            expected = answer(items, question)
            assert await by_record(record, question) == pytest.approx(expected), question
            assert await by_graph(graph, question) == pytest.approx(expected), question

    async def test_no_scope_is_given_what_another_may_read_alone(
        self, record: SqliteRecord, graph: Neo4jGraph
    ) -> None:
        chance = chance_of(11)
        await fill(record, chance)
        items = await copied(record, graph)
        for scope in SCOPES:
            mine = {item.stored.id for item in readable(items, scope, ALL)}
            found = await graph.mentioning(NAMES, scope, depth=6, most=1000, filters=ALL)
            assert found.keys() <= mine

    async def test_what_a_scope_may_not_read_changes_none_of_its_answers(
        self, record: SqliteRecord, graph: Neo4jGraph
    ) -> None:
        chance = chance_of(13)
        await fill(record, chance)
        items = await copied(record, graph)
        question = Question(tuple(NAMES[:2]), Scope("anna", None, "red"), ALL, 3, 50)
        before = await by_graph(graph, question)
        await graph.clear()
        await graph.put(readable(items, question.scope, ALL))
        await graph.note_filled()
        assert await by_graph(graph, question) == pytest.approx(before)

    async def test_by_default_a_server_gives_what_holds_now(
        self, record: SqliteRecord, graph: Neo4jGraph
    ) -> None:
        (old,) = await kept(record, NAMES[:1])
        newer = NewEntry(
            Learning(LearningKind.FACT, "It is otherwise."), entities=tuple(NAMES[:1]), closes=(old,)
        )
        (added,) = await record.add([newer], ANNA)
        await copied(record, graph)
        assert await graph.mentioning(NAMES[:1], ANNA, depth=2, most=9) == {added.id: 1.0}


class TestPaths:
    @pytest.mark.parametrize("seed", range(4))
    async def test_the_records_paths_are_the_shortest_and_lead_through_what_may_be_read(
        self, record: SqliteRecord, seed: int
    ) -> None:
        chance = chance_of(seed)
        await fill(record, chance, memories=40)
        items = await everything(record)
        for question in [Question.by(chance) for _ in range(25)]:
            found = await path_by_record(record, question)
            length = shortest(items, question)
            assert (None if found is None else len(found.memories)) == length, question
            if found is not None:
                held = {
                    item.stored.id: {(each.label, each.key) for each in item.entities}
                    for item in readable(items, question.scope, question.filters)
                }
                steps = zip(found.names, found.names[1:], found.memories, strict=False)
                assert all({here, there} <= held[memory] for here, there, memory in steps)

    async def test_a_server_gives_the_same_paths(self, record: SqliteRecord, graph: Neo4jGraph) -> None:
        chance = chance_of(3)
        await fill(record, chance, memories=40)
        await copied(record, graph)
        for question in [Question.by(chance) for _ in range(25)]:
            assert await path_by_graph(graph, question) == await path_by_record(record, question), question

    async def test_a_path_may_lead_from_a_users_memory_into_the_projects(
        self, record: SqliteRecord, graph: Neo4jGraph
    ) -> None:
        one, two, three = NAMES[:3]
        (own,) = await kept(record, [one, two])
        shared = NewEntry(Learning(LearningKind.FACT, "Ours.", shared=True), entities=(two, three))
        (ours,) = await record.add([shared], ANNA)
        await copied(record, graph)
        question = Question((one, three), ANNA, ALL, 1, 1)
        found = await path_by_graph(graph, question)
        assert found == await path_by_record(record, question)
        assert found is not None
        assert found.memories == (own, ours.id)
        assert await graph.path(one, three, Scope("anna")) is None


class TestConnections:
    """What people are told of how names hang together, with a graph and without."""

    TOLD = (
        "Anna works with Boris.", "Boris lives in Ulm.", "Ulm lies on the Danube.", "Anna likes Clara.",
        "Clara and Boris sail.",
    )  # fmt: skip

    async def test_they_are_the_same_whoever_answers(self, tmp_path: Path, graph: Neo4jGraph) -> None:
        anna = Scope("anna")
        async with open_memory(tmp_path / "asked", None) as memory:
            await memory.remember([Learning(LearningKind.FACT, text) for text in self.TOLD], scope=anna)
            alone = await chain(memory, "Anna", "Danube", anna), await around(memory, "Anna", anna, most=9)
            beside = Memory(memory.database, Snapshots(tmp_path / "sources"), None, Indexes(graph=graph))
            # It has not heard yet, and then it has.
            assert await chain(beside, "Anna", "Danube", anna) == alone[0]
            await Feeder(memory.record, [graph]).feed()
            await memory.database.write(lambda c: c.execute("DELETE FROM node"))
            assert await memory.record.mentioning(entities("Anna"), anna, Filters()) == {}
            one, other = entities("Anna knows the Danube")
            assert beside.graph is not None
            path = await beside.graph.path(one, other, anna, longest=8)
            assert path is not None
            assert alone[0] is not None
            assert path.memories == tuple(each.id for each in alone[0].memories)
            near = await beside.graph.mentioning([one], anna, depth=3, most=9)
            assert near == pytest.approx({each.stored.id: each.score for each in alone[1]}, abs=1e-4)


class TestKeeping:
    async def test_an_item_put_again_changes_nothing_and_what_became_of_it_replaces_it(
        self, record: SqliteRecord, graph: Neo4jGraph
    ) -> None:
        chance = chance_of(5)
        await fill(record, chance)
        items = await copied(record, graph)
        await graph.put(items[::-1])
        assert await graph.digests() == {item.stored.id: digest(item) for item in items}
        assert await graph.lost(items) == []
        open_ids = [item.stored.id for item in items if item.stored.closed_at is None]
        for scope in SCOPES:
            await record.close(open_ids[:20], scope, at="2026-05-05T00:00:00.000000+00:00")
        after = await copied(record, graph)
        assert (
            await graph.digests()
            == {item.stored.id: digest(item) for item in after}
            != {item.stored.id: digest(item) for item in items}
        )
        assert await graph.lost(after) == []

    @pytest.mark.parametrize("portion", [1, 3, 4, 1_000])
    async def test_all_that_it_holds_is_told_portion_by_portion(
        self, record: SqliteRecord, graph: Neo4jGraph, portion: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("atlas_mcp.memory.indexes.neo4j.index.PORTION", portion)
        await kept(record, *([name] for name in NAMES[:4]))
        items = await copied(record, graph)
        assert await graph.digests() == {item.stored.id: digest(item) for item in items}

    async def test_a_supersession_is_there_whichever_memory_came_first(
        self, record: SqliteRecord, graph: Neo4jGraph
    ) -> None:
        (old,) = await kept(record, NAMES[:1])
        newer = NewEntry(Learning(LearningKind.FACT, "It is otherwise."), closes=(old,))
        await record.add([newer], ANNA)
        items = await everything(record)
        for order in (items, items[::-1]):
            await graph.clear()
            for item in order:
                await graph.put([item])
            assert await graph.lost(items) == []
        (row,) = await graph._link.read(
            "MATCH (m:AtlasMemory)-[:SUPERSEDED_BY]->(by:AtlasMemory) RETURN m.id AS id, by.text AS text"
        )
        assert row == {"id": old, "text": "It is otherwise."}

    @pytest.mark.parametrize(
        "harm",
        [
            "MATCH (m:AtlasMemory {id: $id}) DETACH DELETE m",
            "MATCH (m:AtlasMemory {id: $id})-[held:MENTIONS]->(:AtlasName) DELETE held",
            "MATCH (m:AtlasMemory {id: $id}) SET m.owner = 'user:bob'",
            "MATCH (m:AtlasMemory {id: $id})-[by:SUPERSEDED_BY]->(:AtlasMemory) DELETE by",
        ],
    )
    async def test_what_was_harmed_is_lost_and_put_right_by_putting_it_again(
        self, record: SqliteRecord, graph: Neo4jGraph, harm: str
    ) -> None:
        old, other = await kept(record, NAMES[:2], NAMES[1:3])
        await record.close([old], ANNA, at="2027-01-01T00:00:00.000000+00:00", by=other)
        items = await copied(record, graph)
        await graph._link.write(lambda ask: ask(harm, id=old))
        assert await graph.lost(items) == [old]
        await graph.put([item for item in items if item.stored.id == old])
        assert await graph.lost(items) == []

    async def test_removing_takes_the_names_along_that_nothing_else_holds(
        self, record: SqliteRecord, graph: Neo4jGraph
    ) -> None:
        first, second = await kept(record, NAMES[:2], NAMES[1:3])
        await copied(record, graph)
        await graph.remove([first, "m_unknown"])
        await graph.remove([first])
        assert list(await graph.digests()) == [second]
        names = await graph._link.read("MATCH (n:AtlasName) RETURN n.key AS key, n.label AS label")
        assert {(row["label"], row["key"]) for row in names} == {
            (each.label, each.key) for each in NAMES[1:3]
        }

    async def test_names_that_an_item_no_longer_holds_go(
        self, record: SqliteRecord, graph: Neo4jGraph
    ) -> None:
        await kept(record, NAMES[:2])
        (item,) = await copied(record, graph)
        await graph.put([replace(item, entities=tuple(NAMES[1:2]))])
        (name,) = await graph._link.read("MATCH (n:AtlasName) RETURN n.key AS key, n.label AS label")
        assert (name["label"], name["key"]) == (NAMES[1].label, NAMES[1].key)

    async def test_clearing_leaves_what_is_not_ours(self, record: SqliteRecord, graph: Neo4jGraph) -> None:
        async def told(text: str) -> list[dict[str, object]]:
            return await graph._link.write(lambda ask: ask(text))

        await told("MATCH (p:Person) DETACH DELETE p")
        await kept(record, NAMES[:2])
        await copied(record, graph)
        await told("MATCH (m:AtlasMemory) CREATE (:Person {name: 'Ada'})-[:KNOWS]->(:Person {name: 'Bob'})")
        await graph.clear()
        assert await graph.digests() == {}
        assert await told("MATCH (n:AtlasName) RETURN n.key AS key") == []
        assert await told("MATCH (:Person)-[:KNOWS]->(p:Person) RETURN p.name AS name") == [{"name": "Bob"}]
        await told("MATCH (p:Person) DETACH DELETE p")

    async def test_any_script_and_any_size_are_kept(self, record: SqliteRecord, graph: Neo4jGraph) -> None:
        names = [
            Entity("name", text, text)
            for text in ("дунай", "ドナウ川", "نهر", "🏞️", 'it\'s "so" \\ `x` {y}', "x" * 400)
        ]
        await kept(record, names, *[[name] for name in names])
        items = await copied(record, graph)
        assert await graph.lost(items) == []
        question = Question((names[4],), ANNA, ALL, 2, 50)
        assert await by_graph(graph, question) == pytest.approx(await by_record(record, question))
