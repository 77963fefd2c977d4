"""`atlas-mcp trust`: what a project brings is shown in full before it counts, and off until then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.cli.terminal import Exit

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
