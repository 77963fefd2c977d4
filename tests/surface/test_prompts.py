"""The prompts that clients see, and what they say to a model."""

from __future__ import annotations

import json
from shutil import copytree
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp import MCPError
from mcp_types import TextContent

from atlas_mcp.catalogue import shipped
from atlas_mcp.shapes import misfits
from atlas_mcp.surface.server import build_server
from tests.surface.conftest import MODERN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.surface.caller import Served
    from tests.surface.conftest import MakeSettings

TEAMS = ["analysis", "atlas", "rating", "research", "writing"]
JOBS = ["brief", "compare", "decide", "review"]


async def told(client: Client[Any], prompt: str, **given: str) -> str:
    """What a prompt says."""
    (message,) = (await client.get_prompt(prompt, given)).messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    return message.content.text


def called(text: str) -> dict[str, Any]:
    return json.loads(text.partition("```json\n")[2].partition("\n```")[0])


async def test_there_is_one_prompt_a_team_and_the_common_jobs(served: Served) -> None:
    async with served() as dial, dial() as caller:
        prompts = await caller._client.list_prompts()
        assert [each.name for each in prompts][:5] == TEAMS
        assert sorted(each.name for each in prompts[5:]) == JOBS
        for prompt in prompts:
            assert prompt.title
            assert prompt.description
            assert prompt.arguments
            assert all(argument.description for argument in prompt.arguments)
            assert prompt.arguments[-1].name == "documents"
        assert called(await told(caller._client, "brief", question="Why?"))["question"] == "Why?"
        with pytest.raises(MCPError, match="Prompt brief: 'question' is missing") as refused:
            await told(caller._client, "brief", audience="me")
        assert refused.value.error.code == -32602


async def test_what_a_prompt_says_fits_the_tool_that_it_names(server: Served) -> None:
    asked = {
        "brief": ("research", {"question": "Why?"}),
        "compare": ("analysis", {"things": "ebb and flood", "criteria": "speed"}),
        "decide": ("atlas", {"decision": "When to sail.", "options": "May, or June"}),
        "review": ("rating", {"work": "# Tides\n\nThey come and go.", "rubric": "brief"}),
        "writing": ("writing", {"task": "A memo on tides.", "tone": "plain"}),
    }
    async with server() as dial, dial() as caller:
        tools = {tool.name: tool for tool in await caller.tools()}
        for prompt, (team, given) in asked.items():
            text = await told(caller._client, prompt, **given, documents="/a/b.md")
            assert f"Call the tool `{team}` once" in text
            assert misfits(tools[team].input_schema, called(text)) == []
            assert called(text)["documents"] == ["/a/b.md"]
        assert called(await told(caller._client, "compare", things="a and b"))["framework"] == "comparison"


async def test_what_a_prompt_says_to_call_gives_a_brief(server: Served, documents: Path) -> None:
    async with server() as dial, dial() as caller:
        text = await told(
            caller._client, "brief", question="When do spring tides come?", documents=str(documents)
        )
        assert (await caller.call("research", **called(text)))["state"] == "done"


async def test_a_team_of_ones_own_is_run_by_name_and_a_job_of_the_same_name_keeps_its_place(
    server: Served, home: Path, documents: Path
) -> None:
    copytree(shipped("teams") / "research", home / "config" / "teams" / "mine")
    async with server() as dial, dial() as caller:
        names = {each.name for each in await caller._client.list_prompts()}
        assert {*TEAMS, *JOBS, "mine", "mine_brief"} == names
        text = await told(caller._client, "mine_brief", question="Spring tides?", documents=str(documents))
        assert "Call the tool `run_team` once" in text
        assert (await caller.call("run_team", **called(text)))["state"] == "done"
        assert "`research`" in await told(caller._client, "brief", question="Spring tides?")


async def test_a_team_that_takes_a_shipped_ones_place_brings_its_own_prompts(
    server: Served, home: Path
) -> None:
    mine = home / "config" / "teams" / "research"
    copytree(shipped("teams") / "research", mine)
    (mine / "prompts" / "brief.md").write_text("---\ntitle: Mine\n---\nMy way.\n\n{call}\n", "utf-8")
    async with server() as dial, dial() as caller:
        assert (await told(caller._client, "brief", question="Why?")).startswith("My way.")


async def test_a_wrong_prompt_of_ones_own_is_logged_and_takes_nothing_else_down(
    settings_with: MakeSettings, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_with()
    mine = home / "config" / "teams" / "mine"
    copytree(shipped("teams") / "research", mine)
    (mine / "prompts" / "brief.md").write_text("---\ntitel: Mine\n---\nMy way.\n\n{call}\n", "utf-8")
    async with Client(build_server(settings), mode=MODERN) as client:
        names = {each.name for each in await client.list_prompts()}
    assert "mine" in names
    assert "mine_brief" not in names
    assert "brief.md: titel" in caplog.text
