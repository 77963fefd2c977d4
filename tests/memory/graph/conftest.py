"""The servers that a graph of memories is tested on."""

from __future__ import annotations

import os
import secrets
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from atlas_mcp.memory.indexes.neo4j.index import open_graph
from atlas_mcp.memory.indexes.neo4j.link import Address
from atlas_mcp.memory.memory import open_memory
from tests.memory.graph.bolt import BoltServer, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from atlas_mcp.memory.indexes.neo4j.index import Neo4jGraph
    from atlas_mcp.memory.record.record import Record

SERVERS = ["arcadedb", pytest.param("neo4j", marks=pytest.mark.neo4j)]


@pytest.fixture(scope="session")
def arcadedb(tmp_path_factory: pytest.TempPathFactory) -> Generator[BoltServer]:
    """ArcadeDB, which speaks Bolt and Cypher and comes as a wheel."""
    if find_spec("arcadedb_embedded") is None:
        pytest.skip("There is no wheel of arcadedb-embedded for this platform; `make neo4j` tests the same.")
    folder, port = str(tmp_path_factory.mktemp("arcadedb")), free_port()
    password = secrets.token_hex(8)
    script = str(Path(__file__).with_name("arcadedb_server.py"))
    server = BoltServer((sys.executable, script, folder, str(port), password), folder, port, "root", password)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=SERVERS, scope="session")
def server(request: pytest.FixtureRequest) -> BoltServer:
    """Each server, running; whoever stops it starts it again."""
    if request.param == "arcadedb":
        return request.getfixturevalue("arcadedb")
    return BoltServer.told(Path(os.environ["NEO4J_TEST_SERVER"]))


def address(server: BoltServer) -> Address:
    return Address(server.url, username=server.username, password=SecretStr(server.password))


@pytest.fixture
async def graph(server: BoltServer) -> AsyncGenerator[Neo4jGraph]:
    """The index on a server, empty; one that failed is asked again at once."""
    async with open_graph(address(server), record="tested", rest=0, seconds=60) as graph:
        await graph.clear()
        await graph.note_filled()
        yield graph


@pytest.fixture
async def record(tmp_path: Path) -> AsyncGenerator[Record]:
    """The record, empty."""
    async with open_memory(tmp_path, None) as memory:
        yield memory.record
