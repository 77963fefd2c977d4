"""What a server can be other than a Neo4j that is up and ours: it is said, with what to do, and is cheap."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from atlas_mcp.errors import IndexUnavailable, InvalidConfiguration, MissingExtra
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.indexes.consistency import check
from atlas_mcp.memory.indexes.feeding import Feeder
from atlas_mcp.memory.indexes.neo4j import link as neo4j_link
from atlas_mcp.memory.indexes.neo4j.index import Neo4jGraph, configured, open_graph
from atlas_mcp.memory.indexes.neo4j.link import Address
from atlas_mcp.memory.record.record import Filters, NewEntry
from atlas_mcp.memory.scope import Scope
from atlas_mcp.settings import MemorySettings
from tests.memory.graph.bolt import free_port
from tests.memory.graph.conftest import address
from tests.memory.graph.fake_bolt import FakeBolt, open_fake
from tests.memory.graph.worlds import NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.memory.record.record import Record
    from tests.memory.graph.bolt import BoltServer

ANNA = Scope("anna")


@asynccontextmanager
async def index(where: str, *, rest: float = 0.0) -> AsyncGenerator[Neo4jGraph]:
    async with open_graph(Address(where), record="tested", rest=rest) as graph:
        yield graph


async def refusal(graph: Neo4jGraph) -> str:
    """Why it cannot be used."""
    with pytest.raises(IndexUnavailable) as raised:
        await graph.mentioning(NAMES[:1], ANNA, depth=1, most=9)
    assert raised.value.remedy
    return str(raised.value)


class TestAddress:
    def test_it_comes_from_the_settings_and_the_secret_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEO4J_USERNAME", "anna")
        monkeypatch.setenv("NEO4J_PASSWORD", "s3cret")
        assert configured(MemorySettings()) is None
        found = configured(MemorySettings(neo4j="neo4j+s://graph.example:7687", neo4j_database="atlas"))
        assert found is not None
        assert (found.username, found.database) == ("anna", "atlas")
        assert "s3cret" not in repr(found)

    @pytest.mark.parametrize(
        "wrong", ["localhost:7687", "http://localhost:7474", "bolt://", "bolt://h:port", "bolt://[::1", "x"]
    )
    def test_what_is_no_address_of_a_bolt_server_is_refused(self, wrong: str) -> None:
        with pytest.raises(InvalidConfiguration, match=r"bolt://127\.0\.0\.1:7687"):
            Address(wrong)

    def test_a_password_in_it_is_refused_and_not_repeated(self) -> None:
        with pytest.raises(InvalidConfiguration, match="NEO4J_PASSWORD") as raised:
            Address("bolt://anna:s3cret@localhost:7687")
        assert "s3cret" not in str(raised.value)

    async def test_without_the_driver_it_is_said_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "neo4j", None)
        with pytest.raises(MissingExtra, match=r"uv tool install '\.\[neo4j\]'"):
            async with index("bolt://127.0.0.1:7687"):
                pass


class TestSomethingElse:
    async def test_a_server_that_is_down(self) -> None:
        async with index(f"bolt://127.0.0.1:{free_port()}") as graph:
            assert "cannot be reached" in await refusal(graph)

    async def test_a_host_that_does_not_exist(self) -> None:
        async with index("bolt://no-such-host.invalid:7687") as graph:
            assert "cannot be reached" in await refusal(graph)

    @pytest.mark.parametrize(
        ("agent", "said"),
        [
            ("Neo4j/v5.11.0 compatible graph database server - Memgraph", "which is not Neo4j"),
            ("TuGraph/4.1", "not Neo4j"),
            ("Neo4j/4.4.30", "too old"),
        ],
    )
    async def test_another_product_or_an_old_one(self, agent: str, said: str) -> None:
        async with open_fake(FakeBolt(agent)) as fake, index(fake.url) as graph:
            assert said in await refusal(graph)

    async def test_a_newer_one_is_welcome(self) -> None:
        async with open_fake(FakeBolt("Neo4j/2027.03.1")) as fake, index(fake.url) as graph:
            assert await graph.digests() == {}

    async def test_one_that_speaks_an_old_protocol(self) -> None:
        async with open_fake(FakeBolt("Neo4j/5.3.0", version=(5, 0))) as fake, index(fake.url) as graph:
            assert "too old" in await refusal(graph)

    async def test_one_that_is_no_bolt_server_at_all(self) -> None:
        async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(20)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(page, "127.0.0.1", 0)
        async with server, index(f"bolt://127.0.0.1:{server.sockets[0].getsockname()[1]}") as graph:
            assert "cannot be reached" in await refusal(graph)

    async def test_one_that_accepts_and_says_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(neo4j_link, "CONNECT_SECONDS", 0.1)
        async with open_fake(FakeBolt(silent=True)) as fake, index(fake.url) as graph:
            assert "cannot be reached" in await refusal(graph)

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("Neo.ClientError.General.ForbiddenOnReadOnlyDatabase", "may not be written to"),
            ("Neo.ClientError.Database.DatabaseNotFound", "has no database"),
            ("Neo.ClientError.Security.Forbidden", "NEO4J_USERNAME"),
            ("Neo.TransientError.General.MemoryPoolOutOfMemoryError", "failed: No more"),
            ("Neo.DatabaseError.General.UnknownError", "failed: No more"),
        ],
    )
    async def test_one_that_refuses(self, code: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(neo4j_link, "PAUSE", 0.001)
        async with open_fake(FakeBolt(refuses=(code, "No more."))) as fake, index(fake.url) as graph:
            assert said in await refusal(graph)


class TestCost:
    async def test_one_that_failed_is_left_in_peace_for_a_while(self) -> None:
        fake = FakeBolt("Neo4j/4.4.30")
        async with open_fake(fake), index(fake.url, rest=60.0) as graph:
            first = await refusal(graph)
            came = fake.connections
            assert [await refusal(graph) for _ in range(5)] == [first] * 5
            assert fake.connections == came

    async def test_connections_are_closed_at_the_end(self) -> None:
        fake = FakeBolt()
        async with open_fake(fake), index(fake.url) as graph:
            await asyncio.gather(*(graph.digests() for _ in range(4)))
            assert fake.open_connections > 0
        assert fake.open_connections == 0

    async def test_nothing_is_asked_before_it_is_used(self) -> None:
        fake = FakeBolt()
        async with open_fake(fake), index(fake.url):
            pass
        assert fake.connections == 0


class TestServers:
    async def test_a_wrong_password(self, server: BoltServer) -> None:
        wrong = replace(address(server), password=SecretStr("wrong-one"))
        async with open_graph(wrong, record="tested") as graph:
            said = await refusal(graph)
        assert "NEO4J_PASSWORD" in said
        assert "wrong-one" not in said

    async def test_a_database_that_is_not_there(self, server: BoltServer) -> None:
        async with open_graph(replace(address(server), database="nowhere"), record="tested") as graph:
            assert "neo4j_database" in await refusal(graph)

    async def test_it_says_what_it_is(self, graph: Neo4jGraph, server: BoltServer) -> None:
        await graph.digests()
        assert "Neo4j/5.26" in graph.product
        assert ("ArcadeDB" in graph.product) == (server.username == "root")

    async def test_an_empty_database_makes_no_noise(
        self, graph: Neo4jGraph, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            assert await graph.mentioning(NAMES, Scope("anna", "delta", "red"), depth=3, most=9) == {}
            assert await graph.path(NAMES[0], NAMES[1], ANNA) is None
        assert caplog.records == []

    async def test_what_was_not_filled_does_not_answer(self, graph: Neo4jGraph) -> None:
        await graph.clear()
        assert "not filled" in await refusal(graph)
        with pytest.raises(IndexUnavailable):
            await graph.path(NAMES[0], NAMES[1], ANNA)

    async def test_two_records_keep_apart_on_one_server(self, record: Record, server: BoltServer) -> None:
        entry = NewEntry(Learning(LearningKind.FACT, "It is so."), entities=tuple(NAMES[:2]))
        (added,) = await record.add([entry], ANNA)
        items = await record.indexed([added.id])
        async with (
            open_graph(address(server), record="one", seconds=60) as one,
            open_graph(address(server), record="two", seconds=60) as two,
        ):
            for graph in (one, two):
                await graph.clear()
                await graph.put(items)
                await graph.note_filled()
            await one.clear()
            assert await one.digests() == {}
            assert await two.lost(items) == []
            assert await two.mentioning(NAMES[:1], ANNA, depth=2, most=9) == {added.id: 1.0}
            await two.clear()


class TestOutage:
    async def test_a_server_that_was_away_is_told_what_it_missed(
        self, record: Record, graph: Neo4jGraph, server: BoltServer
    ) -> None:
        async def remember(number: int) -> str:
            entry = NewEntry(Learning(LearningKind.FACT, f"Memory {number}."), entities=tuple(NAMES[:2]))
            return (await record.add([entry], ANNA))[0].id

        feeder = Feeder(record, [graph])
        first = [await remember(number) for number in range(10)]
        await feeder.feed()
        await asyncio.to_thread(server.stop)
        try:
            later = [await remember(number) for number in range(10, 20)]
            await record.remove(first[:5], ANNA)
            await record.close(first[5:7], ANNA, at="2027-01-01T00:00:00.000000+00:00", by=later[0])
            fed = await feeder.feed()
            assert "cannot be reached" in fed.waiting["neo4j"]
            away = await check(record, [graph])
            assert (away.score, away.stores["record"].score) == (0.0, 1.0)
            assert await record.mentioning(NAMES[:1], ANNA, Filters(), depth=2)
        finally:
            await asyncio.to_thread(server.start)
        fed = await feeder.feed()
        assert fed.waiting == {}
        found = await check(record, [graph])
        assert (found.score, found.stores["neo4j"].items) == (1.0, 15)

    async def test_a_database_that_was_emptied_is_filled_again(
        self, record: Record, graph: Neo4jGraph
    ) -> None:
        entry = NewEntry(Learning(LearningKind.FACT, "It is so."), entities=tuple(NAMES[:2]))
        await record.add([entry], ANNA)
        feeder = Feeder(record, [graph])
        await feeder.feed()
        await graph._link.write(lambda ask: ask("MATCH (n) DETACH DELETE n"))
        await feeder.feed()
        assert (await check(record, [graph])).score == 1.0
