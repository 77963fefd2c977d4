"""The commands that make a team, check it, try its cases, and let a run go on with a changed one."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING

from atlas_mcp.app import open_atlas
from atlas_mcp.catalogue import shipped
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.events import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program


def test_a_new_team_is_made_checked_tried_and_answers(
    atlas_mcp: Program, home: Path, documents: Path
) -> None:
    made = atlas_mcp("teams", "new", "tides", "--description", "Knows tides.")
    assert (made.exit_code, made.stdout.strip()) == (Exit.DONE, str(home / "config" / "teams" / "tides"))
    assert "atlas-mcp teams test tides" in made.stderr
    assert "✓ tides  2 members" in atlas_mcp("teams", "check", "tides").stdout
    tried = atlas_mcp("teams", "test", "tides")
    assert (tried.exit_code, "✓ tides  quotes-the-rule" in tried.stdout) == (Exit.DONE, True)
    assert not (home / "runs.db").exists(), "a trial leaves a person's own runs alone"
    words = ("How many tides a day?", "--documents", documents, "--provider", "extractive", "--json")
    brief = json.loads(atlas_mcp("run", "tides", *words).stdout)
    assert brief["output"]["claims"][0]["text"] == "The moon raises two tides a day."


def test_a_name_that_will_not_do_is_refused_with_what_to_write(atlas_mcp: Program) -> None:
    refused = atlas_mcp("teams", "new", "Tide Team")
    assert refused.exit_code == Exit.USAGE
    assert "Try: atlas-mcp teams new tide-team" in refused.stderr


def test_what_failed_is_told_case_by_case(atlas_mcp: Program, home: Path) -> None:
    atlas_mcp("teams", "new", "tides")
    cases = home / "config" / "teams" / "tides" / "cases"
    passing = (cases / "quotes-the-rule.toml").read_text("utf-8")
    (cases / "dreams.toml").write_text(passing.replace('"every month" }', '"every year" }'), "utf-8")
    (cases / "broken.toml").write_text("input = {}", "utf-8")
    tried = atlas_mcp("teams", "test", "tides")
    assert tried.exit_code == Exit.FAILED
    assert [line[:9] for line in tried.stdout.splitlines() if not line.startswith(" ")] == [
        "✗ tides  ", "✗ tides  ", "✓ tides  ",
    ]  # fmt: skip
    assert "    answer: does not contain 'every year'; it is The tide table" in tried.stdout
    assert f"{cases / 'broken.toml'}: input" in tried.stdout
    assert "3 cases, 2 failed." in tried.stderr
    told = json.loads(atlas_mcp("teams", "test", "tides", "--json").stdout)
    assert [(each["case"], bool(each["problems"])) for each in told] == [
        ("broken", True), ("dreams", True), ("quotes-the-rule", False),
    ]  # fmt: skip


def test_a_team_without_cases_is_told_where_to_write_one(atlas_mcp: Program, home: Path) -> None:
    atlas_mcp("teams", "new", "tides")
    shutil.rmtree(home / "config" / "teams" / "tides" / "cases")
    refused = atlas_mcp("teams", "test", "tides")
    assert refused.exit_code == Exit.USAGE
    assert str(home / "config" / "teams" / "tides" / "cases" / "NAME.toml") in refused.stderr


def test_remarks_do_not_fail_a_check(atlas_mcp: Program, home: Path) -> None:
    atlas_mcp("teams", "new", "tides")
    card = home / "config" / "teams" / "tides" / "reader.md"
    card.write_text(card.read_text("utf-8").replace("[search_documents]", "Read, Grep"), "utf-8")
    checked = atlas_mcp("teams", "check", "tides")
    assert checked.exit_code == Exit.DONE
    assert "✓ tides" in checked.stdout
    assert "! tides" in checked.stdout
    assert "'Read' is a tool of Claude Code" in checked.stdout


def test_what_an_agent_may_change_is_shown(atlas_mcp: Program, home: Path) -> None:
    atlas_mcp("teams", "new", "tides")
    card = home / "config" / "teams" / "tides" / "reader.md"
    text = card.read_text("utf-8").replace("[search_documents]", "[search_documents]\nwrites: [word/*]")
    card.write_text(text, "utf-8")
    assert "May change things by: `word/*`." in atlas_mcp("teams", "show", "tides").stdout
    assert json.loads(atlas_mcp("teams", "show", "tides", "--json").stdout)["writes"] == {
        "reader": ["word/*"]
    }
    assert "to a file by: `word/*`, `excel/*`." in atlas_mcp("teams", "show", "writing").stdout


def test_the_version_of_a_team_is_listed_and_shown(atlas_mcp: Program) -> None:
    teams = json.loads(atlas_mcp("teams", "list", "--json").stdout)
    team = next(each for each in teams if each["name"] == "research")
    for command in (("list",), ("show", "research"), ("check", "research")):
        assert team["version"][:12] in atlas_mcp("teams", *command).stdout


async def _interrupted(documents: Path) -> str:
    async with open_atlas(roots=[documents]) as atlas:
        run = await atlas.start("research", question="How many tides a day?", documents=[str(documents)])
        async for event in atlas.watch(run.id):
            if event.kind is Kind.RUN_STARTED:
                break
    return run.id


def test_a_run_goes_on_with_a_changed_team_when_told_to(
    atlas_mcp: Program, documents: Path, home: Path, script: Path
) -> None:
    folder = home / "config" / "teams" / "research"
    shutil.copytree(shipped("teams") / "research", folder)
    told = script.read_text("utf-8")
    script.write_text(
        told.replace('when = { intent = "plan" }', 'when = { intent = "plan" }\nseconds = 60'), "utf-8"
    )
    run_id = asyncio.run(_interrupted(documents))
    script.write_text(told, "utf-8")
    (folder / "team.toml").write_text((folder / "team.toml").read_text("utf-8") + "# changed\n", "utf-8")

    refused = atlas_mcp("runs", "resume", run_id)
    assert refused.exit_code == Exit.FAILED
    assert f"atlas-mcp runs resume {run_id} --changed-team" in refused.stderr
    done = atlas_mcp("runs", "resume", run_id, "--changed-team")
    assert done.exit_code == Exit.DONE
    assert "two tides a day" in done.stdout
