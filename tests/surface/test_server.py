"""What the server does beside its wires: opening, failing, pictures of its tools."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS

from atlas_mcp.surface.answers import hand_made
from atlas_mcp.surface.server import build_server
from tests.surface.caller import Caller
from tests.surface.conftest import MODERN, NEVER_ENDS, stdio

if TYPE_CHECKING:
    from pathlib import Path

    from fastmcp.tools.base import ToolResult

    from tests.surface.caller import Served
    from tests.surface.conftest import MakeSettings

QUESTION = "When do spring tides come?"


async def test_a_broken_data_folder_is_told_by_every_tool_and_by_health(
    settings_with: MakeSettings, home: Path
) -> None:
    settings = settings_with()
    (home / "runs.db").write_bytes(b"this is no database" * 100)
    async with Caller(build_server(settings), MODERN) as caller:
        answer = await caller.ask("run_list", {})
        health = json.loads(await caller.read("atlas://health"))
    assert answer.is_error
    assert "runs.db" in answer.text
    assert (health["status"], health["error"]["code"]) == ("broken", "incompatible_store")


async def test_what_nobody_foresaw_is_one_sentence_to_the_client_and_a_traceback_in_the_log(
    settings_with: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async def explode(arguments: dict[str, Any]) -> ToolResult:
        raise ZeroDivisionError("the secret of zero")

    built = build_server(settings_with())
    parameters: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
    built.add_tool(hand_made(explode, name="explode", parameters=parameters))
    async with Caller(built, MODERN) as caller:
        answer = await caller.ask("explode", {})
        assert (answer.is_error, answer.text) == (True, "ATLAS itself failed; its log says more.")
        assert (await caller.call("run_list"))["runs"] == []
    assert "the secret of zero" in caplog.text


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_what_is_not_there_is_refused_without_a_traceback_in_the_clients_log(
    settings_with: MakeSettings, home: Path, mode: str
) -> None:
    async with Caller(stdio(settings_with()), mode) as caller:
        for uri in ("runs/r_none", "teams/nobody", "memory/m_none", "servers/nothing", "nowhere", "runs/a/b"):
            with pytest.raises(MCPError) as told:
                await caller.read(f"atlas://{uri}")
            assert told.value.error.code == INVALID_PARAMS, uri
        assert (await caller.ask("run_result", {"run_id": "r_none"})).is_error
    written = [home / "stderr.txt", home / "logs" / "atlas.log"]
    assert not [file for file in written if "Traceback" in await asyncio.to_thread(file.read_text, "utf-8")]


async def test_a_server_that_stopped_can_be_started_again(settings_with: MakeSettings) -> None:
    server = build_server(settings_with())
    for _ in range(2):
        async with Caller(server, MODERN) as caller:
            assert (await caller.call("run_list"))["runs"] == []


async def test_a_run_at_work_when_the_server_stops_goes_on_when_it_starts_again(
    settings_with: MakeSettings, documents: Path
) -> None:
    server = build_server(settings_with(NEVER_ENDS))
    asked = {"question": QUESTION, "documents": [str(documents)], "wait_seconds": 1}
    async with Caller(server, MODERN) as caller:
        begun = await caller.call("research", **asked)
    async with Caller(server, MODERN) as caller:
        standing = await caller.call("run_result", run_id=begun["run_id"], wait_seconds=1)
        assert standing["state"] == "running"


async def test_a_link_that_leads_out_of_the_roots_is_not_followed(server: Served, documents: Path) -> None:
    secret = documents.parent / "secret.md"
    secret.write_text("for nobody", "utf-8")
    try:
        (documents / "link.md").symlink_to(secret)
    except OSError:
        pytest.skip("this system does not let us make links")
    async with server() as dial, dial() as caller:
        answer = await caller.ask(
            "research", {"question": QUESTION, "documents": [str(documents / "link.md")]}
        )
        assert answer.is_error
        assert "may not be read" in answer.text


async def test_any_team_runs_by_name(server: Served, documents: Path) -> None:
    async with server() as dial, dial() as caller:
        envelope = await caller.call(
            "run_team", team="research", input={"question": QUESTION}, documents=[str(documents)]
        )
    assert envelope["state"] == "done"


async def test_a_team_of_ones_own_is_run_by_name_and_read_as_a_resource(
    server: Served, home: Path, documents: Path
) -> None:
    from shutil import copytree

    from atlas_mcp.catalogue import shipped

    copytree(shipped("teams") / "research", home / "config" / "teams" / "mine")
    async with server() as dial, dial() as caller:
        assert "mine" not in {tool.name for tool in await caller.tools()}
        assert json.loads(await caller.read("atlas://teams/mine"))["name"] == "mine"
        envelope = await caller.call(
            "run_team", team="mine", input={"question": QUESTION}, documents=[str(documents)]
        )
    assert envelope["state"] == "done"


async def test_every_schema_is_small_and_says_what_each_argument_is_for(server: Served) -> None:
    async with server() as dial, dial() as caller:
        tools = await caller.tools()
    assert len(tools) <= 16
    for tool in tools:
        assert tool.description
        assert len(json.dumps(tool.input_schema)) < 2_500
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is not None


async def test_a_list_of_runs_stays_small_however_long_their_questions(
    server: Served, documents: Path
) -> None:
    async with server() as dial, dial() as caller:
        for number in range(45):
            long = f"{number} " + "\u6f6e" * 200
            await caller.call("research", question=long, documents=[str(documents)], wait_seconds=0)
        listed = await caller.call("run_list", limit=100)
    assert len(json.dumps(listed, ensure_ascii=False).encode()) <= 20_000
    assert listed["runs"][0]["title"].startswith("44 ")


async def test_what_was_skipped_is_counted_where_it_is_too_much_to_name(
    server: Served, documents: Path
) -> None:
    for number in range(300):
        (documents / f".hidden-{number:03}.md").write_text("A tide.", "utf-8")
    async with server() as dial, dial() as caller:
        answer = await caller.ask("ingest", {"documents": [str(documents)]})
    assert len(json.dumps(answer.structured, ensure_ascii=False).encode()) <= 20_000
    assert answer.structured["skipped_in_all"] == 300 > len(answer.structured["skipped"]) > 50
    assert f"skipped {300 - len(answer.structured['skipped'])} more" in answer.text


async def test_many_calls_at_once_are_each_answered(server: Served, documents: Path) -> None:
    async with server() as dial, dial() as caller:
        envelopes = await asyncio.gather(
            *(
                caller.call("research", question=f"{QUESTION} {number}", documents=[str(documents)])
                for number in range(8)
            )
        )
    assert {envelope["state"] for envelope in envelopes} == {"done"}
    assert len({envelope["run_id"] for envelope in envelopes}) == 8


async def test_names_are_completed(server: Served, documents: Path) -> None:
    async with server() as dial, dial() as caller:
        begun = await caller.call("research", question=QUESTION, documents=[str(documents)])
        assert await caller.complete("atlas://teams/{team}", "team", "res") == ["research"]
        assert await caller.complete("atlas://runs/{run_id}", "run_id", "r_") == [begun["run_id"]]
        assert await caller.complete("atlas://runs/{run_id}", "run_id", "x") == []
