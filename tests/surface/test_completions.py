"""What arguments may go on with: names, ids, suggested texts, and paths that may be read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp_types import Completion, PromptReference, ResourceTemplateReference

from atlas_mcp.surface.server import build_server
from tests.surface.conftest import MODERN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.surface.conftest import MakeSettings


@pytest.fixture
async def client(settings_with: MakeSettings) -> AsyncIterator[Client[Any]]:
    async with Client(build_server(settings_with()), mode=MODERN) as client:
        yield client


async def of_prompt(client: Client[Any], prompt: str, name: str, begun: str = "") -> Completion:
    return await client.complete(PromptReference(name=prompt), {"name": name, "value": begun})


async def of_template(client: Client[Any], uri: str, name: str, begun: str = "") -> Completion:
    return await client.complete(ResourceTemplateReference(uri=uri), {"name": name, "value": begun})


async def test_names_of_teams_and_servers_are_known(client: Client[Any]) -> None:
    found = await of_template(client, "atlas://teams/{team}", "team", "r")
    assert (found.values, found.total, found.has_more) == (["rating", "research"], 2, False)
    assert "filesystem" in (await of_template(client, "atlas://servers/{server}", "server")).values


async def test_what_a_team_allows_and_suggests_is_known(client: Client[Any]) -> None:
    assert (await of_prompt(client, "analysis", "framework", "s")).values == ["swot", "scorecard"]
    assert (await of_prompt(client, "writing", "format", "me")).values == ["memo"]
    for prompt in ("rating", "review", "atlas"):
        found = await of_prompt(client, prompt, "rubric")
        assert found.values == ["analysis", "brief", "document", "general"]


async def test_what_nobody_knows_is_completed_by_nothing(client: Client[Any]) -> None:
    for found in (
        await of_prompt(client, "nobody", "question", "W"),
        await of_prompt(client, "research", "question", "W"),
        await of_template(client, "atlas://memory{?about}", "about", "W"),
    ):
        assert (found.values, found.has_more) in [([], None), ([], False)]


async def test_ids_of_runs_are_known(client: Client[Any], documents: Path) -> None:
    asked = {"question": "Spring tides?", "documents": [str(documents)], "wait_seconds": 0}
    answer = await client.call_tool("research", asked)
    run_id: str = (answer.structured_content or {})["run_id"]
    for template in ("atlas://runs/{run_id}", "atlas://runs/{run_id}/report"):
        found = await of_template(client, template, "run_id", "r_")
        assert (found.values, found.total, found.has_more) == ([run_id], 1, False)


async def test_more_than_fits_is_said_to_be_more(client: Client[Any], home: Path) -> None:
    (home / "config" / "servers").mkdir(parents=True)
    for number in range(101):
        (home / "config" / "servers" / f"mine-{number:03}.toml").write_text('command = ["mine"]', "utf-8")
    found = await of_template(client, "atlas://servers/{server}", "server", "mine-")
    assert (len(found.values), found.total, found.has_more) == (100, 101, True)


async def test_paths_are_completed_inside_the_roots_alone(client: Client[Any], documents: Path) -> None:
    (documents / "tables").mkdir()
    (documents / ".hidden.md").write_text("no", "utf-8")
    (documents.parent / "document-of-others.md").write_text("no", "utf-8")
    begun = str(documents) + os.sep

    async def paths(value: str) -> list[str]:
        return (await of_prompt(client, "research", "documents", value)).values

    assert await paths("") == [begun]
    assert await paths(str(documents)[:-3]) == [begun]
    assert await paths(begun) == [f"{begun}tables{os.sep}", f"{begun}tides.md"]
    assert await paths(f"{begun}ti") == [f"{begun}tides.md"]
    assert await paths(f"{begun}tides.md, {begun}ta") == [f"{begun}tides.md, {begun}tables{os.sep}"]
    for outside in (
        f"{begun}..{os.sep}",
        f"{begun}nowhere{os.sep}",
        "/etc/",
        "\0",
        "~nobody/",
        f"{begun}tides.md/",
    ):
        assert await paths(outside) == []


async def test_a_link_that_leads_out_of_the_roots_is_not_told(client: Client[Any], documents: Path) -> None:
    secret = documents.parent / "secret"
    secret.mkdir()
    (secret / "plan.md").write_text("no", "utf-8")
    try:
        (documents / "way-out").symlink_to(secret)
        (documents / "way-in.md").symlink_to(documents / "tides.md")
    except OSError:
        pytest.skip("this system does not let us make links")
    begun = f"{documents}{os.sep}way"
    assert (await of_prompt(client, "research", "documents", begun)).values == [f"{begun}-in.md"]
    assert (await of_prompt(client, "research", "documents", f"{begun}-out{os.sep}")).values == []


async def test_of_many_paths_fifty_are_told_and_that_there_are_more(
    client: Client[Any], documents: Path
) -> None:
    for number in range(60):
        (documents / f"note-{number:02}.md").write_text("A note.", "utf-8")
    found = await of_prompt(client, "review", "work", f"{documents}{os.sep}note")
    assert (len(found.values), found.total, found.has_more) == (50, 60, True)
