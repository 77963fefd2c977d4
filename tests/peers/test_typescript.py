"""The TypeScript SDKs, first and second generation, as clients of ATLAS."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.place import PROTOCOL, SPRING, run_node

if TYPE_CHECKING:
    from tests.peers.place import Place

pytestmark = pytest.mark.peer

PROGRAMS = Path(__file__).parent / "programs"


def converse(
    program: str, transport: str, era: str, request: pytest.FixtureRequest, folder: Path
) -> dict[str, Any]:
    """What the program saw: `brief`, `progress`, `started`, `finished`, `protocol`."""
    if transport == "stdio":
        place: Place = request.getfixturevalue("place")
        server = place.stdio
    else:
        place = request.getfixturevalue("http_place")
        path = "mcp" if transport == "http" else "sse"
        server = {"url": f"{request.getfixturevalue('address')}/{path}"}
    asked = {"transport": transport, "server": server, "era": era, **place.asked}
    done = run_node(str(PROGRAMS / f"{program}.mjs"), json.dumps(asked), folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_useful(seen: dict[str, Any]) -> None:
    """Progress grows, the brief cites verbatim, and a run that nobody waited for gives its result later."""
    counted = [each["progress"] for each in seen["progress"]]
    assert len(counted) > 1
    assert all(earlier < later for earlier, later in pairwise(counted))
    brief = seen["brief"]["structuredContent"]
    assert seen["progress"][0]["message"].startswith(f"run {brief['run_id']}:")
    quotes = {finding["id"]: finding["quote"] for finding in brief["output"]["findings"]}
    assert [quotes[cited] for cited in brief["output"]["claims"][0]["finding_ids"]] == [SPRING]
    started, finished = seen["started"]["structuredContent"], seen["finished"]["structuredContent"]
    assert started["output"] is None
    assert started["run_id"] in started["next"]
    assert finished["run_id"] == started["run_id"] != brief["run_id"]
    assert finished["state"] == "done"
    assert finished["output"]["claims"] == brief["output"]["claims"]


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_client_of_the_second_sdk_follows_a_run_and_fetches_another(
    transport: str, era: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    seen = converse("typescript-v2", transport, era, request, tmp_path)
    assert seen["protocol"] == PROTOCOL[era]
    assert_useful(seen)


@pytest.mark.parametrize("transport", ["stdio", "http", "sse"])
def test_a_client_of_the_first_sdk_follows_a_run_and_fetches_another(
    transport: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    assert_useful(converse("typescript-v1", transport, "legacy", request, tmp_path))
