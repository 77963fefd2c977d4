"""Real servers beneath `Servers`: what an agent reads of each kind of result, in both protocols."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.downstream.entry import Entry, Limits, load_entry
from atlas_mcp.downstream.toolbox import Found, Tool, Toolbox
from atlas_mcp.errors import DownstreamFailed, ToolFailed, ToolRefused
from atlas_mcp.messages import ToolCall, ToolSpec
from tests.downstream.places import opened
from tests.downstream.third_party.places import EVERYTHING, FILESYSTEM, INSTALLED, here

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.downstream.servers import Servers

pytestmark = pytest.mark.downstream

TIDES = "# Tides\n\nThe moon raises them.\n"
MESSAGE = "Tides are written down"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a repository of one commit that may be read, and a file beside it that may not."""
    assert all(path.exists() for path in INSTALLED), "The servers are not installed; run `make downstream`."
    folder = tmp_path_factory.mktemp("third-party")
    (folder / "secret.md").write_text("Nobody reads this.\n", "utf-8")
    documents = folder / "documents"
    documents.mkdir()
    (documents / "tides.md").write_text(TIDES, "utf-8")
    for arguments in (["init", "--quiet"], ["add", "tides.md"], ["commit", "--quiet", "-m", MESSAGE]):
        who = ["-c", "user.name=Pilot", "-c", "user.email=pilot@sternhaven.example"]
        subprocess.run(["git", *who, "-c", "commit.gpgsign=false", *arguments], cwd=documents, check=True)
    return folder


@pytest.fixture(scope="module")
async def servers(folder: Path, anyio_backend: str) -> AsyncGenerator[Servers]:
    """Every server of these tests; each is started by the first that calls it."""
    shipped_ones = {
        path.stem: here(load_entry(path))
        for path in shipped("servers").glob("*.toml")
        if path.stem in {"filesystem", "git", "memory", "time"}
    }
    everything = Entry(
        name="everything", description="Every kind of result.", command=EVERYTHING[0], args=EVERYTHING[1:],
        limits=Limits(at_once=1),
    )  # fmt: skip
    # The same server without our own look at paths: what it refuses by itself.
    bare = Entry(
        name="bare", description="Files.", command=FILESYSTEM[0],
        args=(*FILESYSTEM[1:], str(folder / "documents")),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_REPOSITORY", str(folder / "documents"))
        patch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
        entries = (everything, bare, *shipped_ones.values())
        async with opened(folder, *entries, roots=(folder / "documents",)) as servers:
            yield servers


# Every kind of result ---------------------------------------------------------------------------------------

KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "echo": ({"message": "hello"}, "Echo: hello"),
    "get-tiny-image": ({}, "[image/png, 4,035 bytes, not shown]"),
    "get-structured-content": ({"location": "New York"}, '"conditions":"Cloudy"'),
    "get-resource-links": ({"count": 2}, "[Text Resource 2: demo://resource/dynamic/text/2]"),
    "get-resource-reference": ({"resourceType": "Text", "resourceId": 1}, "This is a plaintext resource"),
    "get-annotated-message": ({"messageType": "error", "includeImage": True}, "Error: Operation failed"),
    "trigger-long-running-operation": ({"duration": 1, "steps": 5}, "Long running operation completed"),
}


@pytest.mark.parametrize("tool", KINDS)
async def test_every_kind_of_result_is_words_to_an_agent(tool: str, servers: Servers) -> None:
    arguments, words = KINDS[tool]
    said = await servers.call(f"everything/{tool}", arguments)
    assert words in said.text
    assert not said.error
    assert len(said.text) < 500


async def test_structured_content_arrives_beside_its_text(servers: Servers) -> None:
    said = await servers.call("everything/get-structured-content", {"location": "Chicago"})
    assert said.structured == json.loads(said.text)


async def test_arguments_that_a_server_does_not_take_are_an_error_in_its_words(servers: Servers) -> None:
    said = await servers.call("everything/get-sum", {"a": "one", "b": 2})
    assert said.error
    assert "expected number" in said.text


@pytest.mark.parametrize(
    "tool", ["trigger-sampling-request", "trigger-elicitation-request", "get-roots-list"]
)
async def test_what_would_ask_us_for_a_model_a_person_or_folders_is_not_even_offered(
    tool: str, servers: Servers
) -> None:
    assert tool not in {each.offer.name for each in await servers.offered("everything")}
    with pytest.raises(ToolRefused, match=f"everything has no tool '{tool}' for us. Use another tool."):
        await servers.call(f"everything/{tool}", {})


async def test_a_tool_that_is_a_task_alone_says_so(servers: Servers) -> None:
    outcome = ""
    try:
        outcome = (await servers.call("everything/simulate-research-query", {"topic": "tides"})).text
    except ToolFailed as error:
        outcome = str(error)
    assert "task" in outcome.lower()


async def test_a_server_is_given_no_variable_that_its_entry_does_not_name(servers: Servers) -> None:
    said = await servers.call("everything/get-env", {})
    assert "PATH" in json.loads(said.text)
    assert "OPENAI_API_KEY" not in said.text


# The servers that ship --------------------------------------------------------------------------------------


async def test_a_graph_is_written_by_whom_its_card_lets_and_read_again(servers: Servers) -> None:
    tide = {"name": "Sternhaven", "entityType": "harbour", "observations": ["The spring range is 5.2 m."]}
    toolbox = await agents_tools(servers, "memory", writes=["memory/create_entities"])
    written = await toolbox.call(ToolCall("1", "create_entities", {"entities": [tide]}))
    assert not written.error, written.text
    refused = await toolbox.call(ToolCall("2", "create_relations", {"relations": []}))
    assert refused.error
    assert "There is no tool 'create_relations' for you." in refused.text
    read = await toolbox.call(ToolCall("3", "search_nodes", {"query": "Sternhaven"}))
    assert "The spring range is 5.2 m." in read.text
    assert (servers._places.data / "memory" / "memory.jsonl").exists()


async def agents_tools(servers: Servers, name: str, *, writes: list[str]) -> Toolbox:
    """The tools of a server for an agent that may read all of it, and write as its card says."""

    def tool(each: Any) -> Tool:
        async def run(arguments: dict[str, Any]) -> Found:
            return Found((await servers.call(each.address, arguments)).text)

        spec = ToolSpec(each.offer.name, each.offer.description, each.offer.parameters)
        return Tool(spec, run, each.address, reads=each.reads)

    return Toolbox([tool(each) for each in await servers.offered(name)], [f"{name}/*"], writes)


async def test_a_time_is_told_in_another_zone(servers: Servers) -> None:
    noon = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    said = await servers.call("time/convert_time", noon)
    assert "T21:00:00+09:00" in said.structured["target"]["datetime"]


async def test_a_repository_is_read_and_never_written(servers: Servers) -> None:
    log = await servers.call("git/git_log", {"repo_path": "."})
    assert MESSAGE in log.text
    shown = await servers.call("git/git_show", {"repo_path": ".", "revision": "HEAD"})
    assert "+The moon raises them." in shown.text
    with pytest.raises(ToolRefused, match="Git has no tool 'git_commit' for us"):
        await servers.call("git/git_commit", {"repo_path": ".", "message": "Mine"})


async def test_files_are_read_below_the_folders_that_may_be_read(folder: Path, servers: Servers) -> None:
    documents = folder / "documents"
    listed = await servers.call("filesystem/list_directory", {"path": str(documents)})
    read = await servers.call("filesystem/read_text_file", {"path": str(documents / "tides.md")})
    assert "[FILE] tides.md" in listed.text
    assert read.text == TIDES


@pytest.mark.skipif(sys.platform == "win32", reason="making a link needs a privilege on Windows")
async def test_a_file_outside_of_them_is_refused_by_us_and_by_the_server_itself(
    folder: Path, servers: Servers
) -> None:
    link = folder / "documents" / "link.md"
    link.symlink_to(folder / "secret.md")
    for path in (folder / "secret.md", folder / "documents" / ".." / "secret.md", link):
        with pytest.raises(ToolRefused, match="is outside of what may be read"):
            await servers.call("filesystem/read_text_file", {"path": str(path)})
        said = await servers.call("bare/read_text_file", {"path": str(path)})
        assert said.error
        assert "Access denied" in said.text


async def test_the_newer_protocol_is_spoken_where_a_server_knows_it(servers: Servers) -> None:
    for name in ("everything", "filesystem", "git", "memory", "time"):
        await servers.pins(name, ask=True)
    spoken = {name: state.protocol for name in servers.entries if (state := servers.state(name))}
    newer, older = "2026-07-28", "2025-11-25"
    assert {name: spoken[name] for name in ("git", "time")} == {"git": newer, "time": newer}
    assert {spoken[name] for name in ("everything", "filesystem", "memory")} == {older}


# The end of a server ----------------------------------------------------------------------------------------


def child(program: str) -> int:
    """The number of the one child of ours that runs a program."""
    # Twice wide: the width of a terminal is none of its business.
    command = ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = (line.split(maxsplit=2) for line in listed.stdout.splitlines())
    (number,) = [int(pid) for pid, parent, told in rows if int(parent) == os.getpid() and program in told]
    return number


@pytest.mark.skipif(sys.platform == "win32", reason="the numbers of processes are asked of ps")
async def test_a_server_that_is_killed_fails_one_call_in_words_and_is_started_by_the_next(
    servers: Servers,
) -> None:
    await servers.call("everything/echo", {"message": "hello"})
    before = servers.state("everything")
    slow = {"duration": 60, "steps": 1}
    call = asyncio.create_task(servers.call("everything/trigger-long-running-operation", slow))
    while not servers._known["everything"].connection._places.locked():  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0)
    os.kill(child("server-everything"), signal.SIGKILL)
    with pytest.raises(DownstreamFailed, match="it ended during trigger-long-running-operation"):
        await call
    said = await servers.call("everything/echo", {"message": "hello again"})
    after = servers.state("everything")
    assert said.text == "Echo: hello again"
    assert before is not None
    assert after is not None
    assert (after.starts, after.failure) == (before.starts + 1, "")
