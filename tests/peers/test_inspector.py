"""The MCP Inspector's command line against ATLAS, over stdio and HTTP, in both eras of the protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.place import PACKAGES, PROTOCOL, SPRING, run_node

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.peers.place import Place

pytestmark = [
    pytest.mark.peer,
    pytest.mark.parametrize("era", ["legacy", "modern"]),
    pytest.mark.parametrize("transport", ["stdio", "http"]),
]

INSPECTOR = PACKAGES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"


class Inspector:
    """The Inspector's command line, told which server and which era."""

    def __init__(self, target: Sequence[str], era: str, place: Place, folder: Path) -> None:
        self.place = place
        self._target = [*target, "--protocol-era", era]
        self._folder = folder

    def ask(self, method: str, *options: str) -> Any:
        """The result of one request."""
        done = run_node(
            str(INSPECTOR), "--cli", *self._target, "--method", method, *options, "--format", "json",
            folder=self._folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["result"]

    def research(self) -> Any:
        arguments = json.dumps(self.place.asked)
        return self.ask("tools/call", "--tool-name", "research", "--tool-args-json", arguments)


@pytest.fixture
def inspector(transport: str, era: str, tmp_path: Path, request: pytest.FixtureRequest) -> Inspector:
    if transport == "http":
        place: Place = request.getfixturevalue("http_place")
        return Inspector([f"{request.getfixturevalue('address')}/mcp"], era, place, tmp_path)
    place = request.getfixturevalue("place")
    return Inspector(["--config", str(place.configure()), "--server", "atlas"], era, place, tmp_path)


def test_the_inspector_speaks_the_era_it_is_told_to(inspector: Inspector, era: str) -> None:
    assert inspector.ask("initialize")["protocolVersion"] == PROTOCOL[era]


def test_the_inspector_lists_the_tools_and_finds_no_schema_that_clients_refuse(inspector: Inspector) -> None:
    tools = inspector.ask("tools/list", "--strict")["tools"]
    names = [tool["name"] for tool in tools]
    assert names[0] == "research"
    assert {"run_team", "run_result", "run_list", "run_control", "ingest"} <= set(names)
    assert len(names) <= 16


def test_the_inspector_calls_research_and_reads_its_report_afterwards(inspector: Inspector) -> None:
    result = inspector.research()
    brief = result["structuredContent"]
    assert not result["isError"]
    assert brief["state"] == "done"
    assert brief["output"]["findings"][0]["quote"] == SPRING
    assert brief["output"]["claims"][0]["finding_ids"] == ["f1"]
    report = inspector.ask("resources/read", "--uri", brief["report_uri"])["contents"][0]
    assert report["mimeType"] == "text/markdown"
    assert report["text"] == brief["output"]["report"]
