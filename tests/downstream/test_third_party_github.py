"""GitHub's official server, started by us and over HTTP as GitHub runs it; GitHub itself is a stand-in."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.downstream.results import documents
from atlas_mcp.errors import AtlasError, DownstreamFailed, ToolFailed, ToolRefused
from tests.downstream.places import opened
from tests.downstream.third_party.configured import entry
from tests.downstream.third_party.github import COMMIT, ENTERPRISE, REPOSITORY
from tests.downstream.third_party.places import GITHUB, KEY, behind

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from atlas_mcp.downstream.servers import Servers
    from tests.downstream.third_party.stand_in import StandIn

pytestmark = pytest.mark.downstream

NAMES = ("github", "github-local")
TOKEN = "GITHUB_PERSONAL_ACCESS_TOKEN"  # noqa: S105 - its name
WRONG = "ghp_" + "w" * 36
"""Of the form that GitHub gives: another the server does not even send on."""
TIDES = {"owner": "sternhaven", "repo": "tides"}
START_SECONDS = 20


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def over_http(address: str) -> Generator[str]:
    """The official server as GitHub runs it for everybody: no token of its own, one with each request."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*GITHUB, "http", "--listen-host", "127.0.0.1", "--port", str(port)]
    env = {**os.environ, "GITHUB_HOST": f"http://{ENTERPRISE}", "HTTP_PROXY": address}
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as program:
        try:
            until = time.monotonic() + START_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < until, "The server did not start."
                    assert program.poll() is None, "The server ended."
            yield f"http://127.0.0.1:{port}/"
        finally:
            program.terminate()


@pytest.fixture(scope="module")
async def servers(
    web: StandIn, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[Servers]:
    """Both entries, each as it ships but for the address."""
    folder: Path = tmp_path_factory.mktemp("github")
    with over_http(web.address) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv(TOKEN, KEY)
        remote = entry("github").model_copy(update={"url": url})
        async with opened(folder, remote, behind(entry("github-local"), web.address)) as servers:
            yield servers


CASES: dict[str, tuple[str, dict[str, Any], list[tuple[str, str]]]] = {
    "repositories": ("search_repositories", {"query": "tides"}, [("", "Tide tables of Sternhaven")]),
    "issues": (
        "search_issues",
        {"query": "spring range"},
        [("/issues/7", "the harbour master 5.4 metres."), ("/issues/9", "has no neap tides.")],
    ),
    "pull requests": (
        "search_pull_requests",
        {"query": "range"},
        [("/pull/8", "Sets the mean spring range")],
    ),
    "an issue": ("issue_read", {**TIDES, "method": "get", "issue_number": 7}, [("/issues/7", "The almanac")]),
    "comments": (
        "issue_read",
        {**TIDES, "method": "get_comments", "issue_number": 7},
        [("/issues/7", "The staff was read in feet.\n\nIt is 5.4 metres by the new gauge.")],
    ),
    "a pull request": (
        "pull_request_read",
        {**TIDES, "method": "get", "pullNumber": 8},
        [("/pull/8", "5.4")],
    ),
    "a release": ("get_latest_release", TIDES, [("/releases/tag/v2.1", "at the east mole.")]),
    "commits": ("list_commits", TIDES, [(f"/commit/{COMMIT}", "Measure the range anew")]),
    "a file": (
        "get_file_contents",
        {**TIDES, "path": "tides/tables.py"},
        [("/blob/HEAD/tides/tables.py", "RANGE_METRES = {")],
    ),
    "code": ("search_code", {"query": "RANGE_METRES"}, []),
    "a tree": ("get_repository_tree", TIDES, []),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
async def test_what_a_tool_finds_is_a_source_at_its_own_address(
    case: str, name: str, servers: Servers
) -> None:
    tool, arguments, expected = CASES[case]
    said = await servers.call(f"{name}/{tool}", arguments)
    assert not said.error, said.text
    assert "tables.py" in said.text or expected
    found = documents(servers.entries[name], tool, arguments, said.text, said.structured)
    assert [document.uri for document in found] == [REPOSITORY + path for path, _ in expected]
    assert all(words in document.text for (_, words), document in zip(expected, found, strict=True)), found


@pytest.mark.parametrize("name", NAMES)
async def test_there_is_no_tool_that_writes(name: str, servers: Servers) -> None:
    offered = {each.offer.name for each in await servers.offered(name)}
    assert offered == set(servers.entries[name].tools)
    with pytest.raises(ToolRefused, match="has no tool 'create_issue' for us"):
        await servers.call(f"{name}/create_issue", {**TIDES, "title": "Mine"})


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_not_there_is_said_in_its_words(name: str, servers: Servers) -> None:
    with pytest.raises(ToolFailed, match=r"issues/77: 404 there is nothing at this address"):
        await servers.call(f"{name}/issue_read", {**TIDES, "method": "get", "issue_number": 77})


@pytest.mark.parametrize("name", NAMES)
async def test_a_wrong_token_is_an_error_that_does_not_hold_it(
    name: str, web: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, WRONG)
    with over_http(web.address) as url:
        given = entry(name)
        given = behind(given, web.address) if given.command else given.model_copy(update={"url": url})
        async with opened(tmp_path, given) as servers:
            try:
                said = (await servers.call(f"{name}/search_issues", {"query": "tides"})).text
            except AtlasError as error:
                said = str(error)
    assert "401" in said
    assert WRONG not in said


async def test_what_is_no_token_at_all_is_refused_in_the_servers_words(
    web: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "not-a-token-of-github")
    with over_http(web.address) as url:
        async with opened(tmp_path, entry("github").model_copy(update={"url": url})) as servers:
            with pytest.raises(
                DownstreamFailed, match=r"400 Bad Request: .*Authorization header is badly formatted"
            ):
                await servers.offered("github")
