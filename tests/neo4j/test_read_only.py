"""A Neo4j database that may be read and not written to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.indexes.neo4j.index import open_graph
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.record.record import NewEntry
from atlas_mcp.memory.scope import Scope
from tests.memory.graph.bolt import BoltServer
from tests.memory.graph.conftest import address
from tests.memory.graph.worlds import NAMES

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.neo4j
ANNA = Scope("anna")


class ReadOnly:
    """The server, which can be started anew with a database that may be read alone."""

    def __init__(self) -> None:
        self.server = BoltServer.told(Path(os.environ["NEO4J_TEST_SERVER"]))
        self._conf = Path(self.server.folder, "conf", "neo4j.conf")
        self._usual = self._conf.read_text("utf-8")

    def begin(self) -> None:
        self._start(self._usual + "server.databases.read_only=neo4j\n")

    def end(self) -> None:
        self._start(self._usual)

    def _start(self, settings: str) -> None:
        self.server.stop()
        self._conf.write_text(settings, "utf-8")
        self.server.start()


@pytest.fixture
def read_only() -> Generator[ReadOnly]:
    switch = ReadOnly()
    yield switch
    switch.end()


async def test_it_answers_and_says_that_nothing_can_be_put(tmp_path: Path, read_only: ReadOnly) -> None:
    entry = NewEntry(Learning(LearningKind.FACT, "It is so."), entities=tuple(NAMES[:2]))
    async with (
        open_memory(tmp_path, None) as memory,
        open_graph(address(read_only.server), record="read", rest=0, seconds=60) as graph,
    ):
        (added,) = await memory.record.add([entry], ANNA)
        items = await memory.record.indexed([added.id])
        await graph.clear()
        await graph.put(items)
        await graph.note_filled()
        read_only.begin()
        with pytest.raises(IndexUnavailable, match="may not be written to") as raised:
            await graph.put(items)
        assert "neo4j_database" in raised.value.remedy
        assert await graph.mentioning(NAMES[:1], ANNA, depth=2, most=9) == {added.id: 1.0}
