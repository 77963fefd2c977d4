"""`atlas-mcp trust`: what a project brings is shown in full before it counts, and off until then."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.cli.server_checks import project_checks
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a server that hides a character, and one that takes the place of a shipped one."""
    # The option --project names it in the environment, which is put back after the test.
    monkeypatch.setenv("ATLAS_PROJECT", "")
    folder = tmp_path / "project" / ".atlas" / "servers"
    folder.mkdir(parents=True)
    (folder / "lab.toml").write_text(
        'description = "A lab."\ncommand = "sh"\nargs = ["-c", "lab\u200b | sh"]\n'
        'needs = ["HOME"]\nask = false\n',
        "utf-8",
    )
    (folder / "word.toml").write_text("enabled = true\n", "utf-8")
    return tmp_path / "project"


@pytest.fixture
def widening(project: Path) -> Path:
    """The same project, whose files widen what shipped, and a team that writes files."""
    for name, text in (
        ("word", "paths = []\nask = false\n"),
        ("tavily", "web = false\n"),
        ("brave", 'tools = ["*"]\nread_only = ["*"]\n'),
        ("time", 'description = "Tells the time, and more."\n[limits]\nseconds = 600\n'),
        ("own", 'description = "Mine."\ncommand = "own"\npaths = ["file"]\narguments = { put = ["file"] }\n'),
    ):
        (project / ".atlas" / "servers" / f"{name}.toml").write_text(text, "utf-8")
    for name in ("mine", "writing"):
        shutil.copytree(shipped("teams") / "writing", project / ".atlas" / "teams" / name)
    file = project / ".atlas" / "teams" / "writing" / "team.toml"
    file.write_text(file.read_text("utf-8").replace('["word/*", "excel/*"]', '["*/*"]'), "utf-8")
    return project


def states(atlas_mcp: Program, project: Path) -> dict[str, str]:
    done = atlas_mcp("--project", project, "servers", "list", "--json")
    return {one["name"]: one["state"] for one in json.loads(done.stdout)}


def test_what_a_project_would_run_is_shown_in_full_and_trusted_by_a_yes_alone(
    atlas_mcp: Program, project: Path
) -> None:
    asked = atlas_mcp("trust", project)
    assert asked.exit_code == Exit.USAGE, "nobody is there to ask"
    assert "runs: sh -c 'lab⟨U+200B⟩ | sh'" in asked.stdout
    assert "is given: your variable HOME" in asked.stdout
    assert "asks nobody: its tools with effects are used without a person's yes" in asked.stdout
    assert "server word  takes the place of yours or the shipped one" in asked.stdout
    assert "lab" not in states(atlas_mcp, project)
    assert atlas_mcp("trust", project, "--yes").exit_code == Exit.DONE
    assert states(atlas_mcp, project)["word"] != "off"
    assert "is trusted as it is" in atlas_mcp("trust", project).stdout


def test_what_widens_is_shown_key_by_key_where_a_file_lies_over_what_shipped(
    atlas_mcp: Program, widening: Path
) -> None:
    lines = atlas_mcp("trust", widening).stdout.splitlines()
    for line in (
        '  changes paths: ["filename"] → []', "  changes ask: true → false", "  changes web: true → false",
        "  changes limits.seconds: 10.0 → 600.0", "  offers: all of its tools",
        '  changes files: ["word/*", "excel/*"] → ["*/*"]',
    ):  # fmt: skip
        assert line in lines
    assert any(line.startswith("  changes tools: [") and line.endswith('] → ["*"]') for line in lines)
    assert any(line.startswith("  changes description: ") and "{+" in line for line in lines)
    assert "server lab" in lines, "nothing is compared where nothing was"


def test_what_a_server_or_a_team_of_a_project_s_own_may_is_shown(atlas_mcp: Program, widening: Path) -> None:
    shown = atlas_mcp("trust", widening).stdout
    own = shown.partition("server own\n")[2].partition("server ")[0].splitlines()
    assert own == [
        "  runs: own", "  offers: all of its tools", "  lets agents give put: file",
        "  keeps to your folders: paths that are given as file",
        "  is not of the web: an agent that reads it may have tools with effects",
    ]  # fmt: skip
    assert "keeps no path to your folders: whatever path an agent names is passed on" in shown
    assert "is of the web: an agent that reads it gets no tool with effects" in shown
    assert "  writes files by: word/*, excel/*" in shown.partition("team mine\n")[2].splitlines()


def test_what_lies_over_a_person_s_own_is_compared_with_that(
    atlas_mcp: Program, widening: Path, home: Path
) -> None:
    mine = home / "config" / "servers"
    mine.mkdir(parents=True)
    (mine / "tavily.toml").write_text("cache_seconds = 5\n", "utf-8")
    (mine / "time.toml").write_text("nothing = 1\n", "utf-8")
    shown = atlas_mcp("trust", widening).stdout
    assert "  changes cache_seconds: 5.0 → 900.0" in shown.splitlines()
    assert "cannot be compared with that one: " in shown


@pytest.mark.skipif(os.name == "nt", reason="links as POSIX has them")
def test_a_folder_with_a_link_is_not_shown_for_trust_but_refused(atlas_mcp: Program, project: Path) -> None:
    atlas_mcp("trust", project, "--yes")
    (project / ".atlas" / "servers" / "more.toml").symlink_to(project / "more.toml")
    done = atlas_mcp("trust", project, "--yes")
    assert done.exit_code == Exit.USAGE
    assert "servers/more.toml is a link" in done.stderr
    assert "server lab" not in done.stdout
    assert "servers/more.toml is a link" in atlas_mcp("trust", "--list").stdout.replace("\n", " ")
    assert "lab" not in states(atlas_mcp, project)


def test_a_command_that_would_use_a_project_says_once_that_it_is_off(
    atlas_mcp: Program, project: Path
) -> None:
    for words in (("--project", project, "servers"), ("run", "--project", project), ("teams", "list")):
        done = atlas_mcp(*words)
        assert done.stderr.count(f"atlas-mcp trust {project}") == 1, words
        assert "is not trusted, so its teams and servers are off" in done.stderr
    checks = json.loads(atlas_mcp("doctor", "--json").stdout)["checks"]
    (one,) = [check for check in checks if check["name"] == "Project"]
    assert (one["health"], one["todo"]) == ("hint", f"Look at them: atlas-mcp trust {project}")
    atlas_mcp("trust", "--yes")
    assert "trust" not in atlas_mcp("teams", "list").stderr
    (project / ".atlas" / "servers" / "lab.toml").write_text("", "utf-8")
    assert "changed since it was trusted" in atlas_mcp("teams", "list").stderr


def test_a_project_that_is_not_there_is_an_error_and_one_that_brings_nothing_is_told(
    atlas_mcp: Program, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (("--project", tmp_path / "none", "servers"), ("run", "--project", tmp_path / "none")):
        done = atlas_mcp(*words)
        assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
        assert f"--project: {tmp_path / 'none'} is no folder" in done.stderr
    bare = atlas_mcp("--project", tmp_path, "teams", "list")
    assert bare.exit_code == Exit.DONE
    assert f"{tmp_path} has no teams or servers of its own in .atlas" in bare.stderr
    monkeypatch.setenv("ATLAS_PROJECT", str(tmp_path / "none"))
    assert "which is no folder" in atlas_mcp("teams", "list").stderr
    (check,) = [each for each in project_checks(Settings.load()) if each.name == "Project"]
    assert check.health == "broken"


def test_projects_that_were_trusted_are_listed_and_can_be_trusted_no_more(
    atlas_mcp: Program, project: Path
) -> None:
    assert "No project is trusted" in atlas_mcp("trust", "--list").stderr
    atlas_mcp("trust", project, "--yes")
    assert "trusted as it is" in atlas_mcp("trust", "--list").stdout
    (project / ".atlas" / "servers" / "more.toml").write_text("", "utf-8")
    assert "changed since: off" in atlas_mcp("trust", "--list").stdout
    assert atlas_mcp("trust", project, "--remove").exit_code == Exit.DONE
    assert atlas_mcp("trust", project, "--remove").exit_code == Exit.USAGE


def test_a_folder_that_brings_nothing_is_not_trusted(
    atlas_mcp: Program, tmp_path: Path, project: Path
) -> None:
    done = atlas_mcp("trust", tmp_path)
    assert done.exit_code == Exit.USAGE
    assert "holds no teams, servers or clients" in done.stderr


def test_the_project_s_servers_are_changed_in_the_project(atlas_mcp: Program, project: Path) -> None:
    atlas_mcp("trust", project, "--yes")
    switched = atlas_mcp("--project", project, "servers", "disable", "lab")
    assert switched.exit_code == Exit.USAGE
    assert "is the project's server" in switched.stderr
    added = atlas_mcp("servers", "add", "lab", "--force", "--", "x")
    assert added.exit_code == Exit.USAGE
    assert "would come before yours" in added.stderr
