"""The MCP Inspector's command line against ATLAS, over stdio and HTTP, in both eras of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.clients import Inspector
from tests.peers.place import PROTOCOL, SPRING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.place import Place

pytestmark = [
    pytest.mark.peer,
    pytest.mark.parametrize("era", ["legacy", "modern"]),
    pytest.mark.parametrize("transport", ["stdio", "http"]),
]


@pytest.fixture
def inspector(transport: str, era: str, tmp_path: Path, request: pytest.FixtureRequest) -> Inspector:
    if transport == "http":
        return Inspector([f"{request.getfixturevalue('address')}/mcp"], era, tmp_path)
    place: Place = request.getfixturevalue("place")
    return Inspector(["--config", str(place.configure()), "--server", "atlas"], era, tmp_path)


def test_the_inspector_speaks_the_era_it_is_told_to(inspector: Inspector, era: str) -> None:
    assert inspector.ask("initialize")["protocolVersion"] == PROTOCOL[era]


def test_the_inspector_lists_the_tools_and_finds_no_schema_that_clients_refuse(inspector: Inspector) -> None:
    tools = inspector.ask("tools/list", "--strict")["tools"]
    names = [tool["name"] for tool in tools]
    assert {"research", "analysis", "writing", "rating", "atlas"} <= set(names)
    assert {"run_team", "run_result", "run_list", "run_control", "ingest"} <= set(names)
    assert len(names) <= 16


def test_the_inspector_calls_research_and_reads_its_report_afterwards(
    inspector: Inspector, transport: str, request: pytest.FixtureRequest
) -> None:
    place: Place = request.getfixturevalue("http_place" if transport == "http" else "place")
    result = inspector.call("research", place.asked)
    brief = result["structuredContent"]
    assert not result["isError"]
    assert brief["state"] == "done"
    assert brief["output"]["findings"][0]["quote"] == SPRING
    assert brief["output"]["claims"][0]["finding_ids"] == ["f1"]
    report = inspector.ask("resources/read", "--uri", brief["report_uri"])["contents"][0]
    assert report["mimeType"] == "text/markdown"
    assert report["text"] == brief["output"]["report"]
