from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.app import open_atlas
from atlas_mcp.cli.terminal import Exit
from tests.orchestration.house import ASKED, SCRIPT, build_house
from tests.orchestration.talk import SPRING, TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

QUESTION = "How many tides a day?"


@pytest.fixture
def run_id(atlas_mcp: Program, documents: Path) -> str:
    done = atlas_mcp("run", "research", QUESTION, "-d", documents, "--json")
    return json.loads(done.stdout)["run_id"]


def test_runs_are_listed_newest_first_with_their_state(atlas_mcp: Program, run_id: str) -> None:
    listed = atlas_mcp("runs", "list").stdout
    assert run_id in listed
    assert "done" in listed
    assert QUESTION in listed
    assert [row["run_id"] for row in json.loads(atlas_mcp("runs", "list", "--json").stdout)] == [run_id]


def test_a_question_that_is_too_long_for_the_line_leaves_the_state_readable(
    atlas_mcp: Program, documents: Path
) -> None:
    atlas_mcp("run", "research", "How many tides a day? " * 20, "-d", documents, "-q")
    listed = atlas_mcp("runs", "list").stdout
    assert "done" in listed
    assert "research" in listed
    assert "3 calls" in listed


def test_runs_can_be_listed_by_state(atlas_mcp: Program, run_id: str) -> None:
    assert json.loads(atlas_mcp("runs", "list", "--state", "failed", "--json").stdout) == []
    wrong = atlas_mcp("runs", "list", "--state", "lost")
    assert wrong.exit_code == Exit.USAGE
    assert "interrupted" in wrong.stderr


def test_a_run_is_told_as_a_story(atlas_mcp: Program, run_id: str) -> None:
    story = atlas_mcp("runs", "show", run_id).stdout
    in_order = [
        f"question: {QUESTION}",
        "documents: getting ready",
        "skipped",
        "plan: breaking the question down",
        "script.toml answered",
        "a1 documents: How many tides a day?",
        'search_documents query="How many tides a day?"',
        "1 passage",
        "1 finding",
        "compose: writing",
        "1 claim, 1 verified quote, measured 5.0 of 5",
        " s  done",
        "used: 3 calls",
    ]
    places = [story.index(said) for said in in_order]
    assert places == sorted(places)


def test_what_a_run_recalled_is_told_with_its_words(atlas_mcp: Program, documents: Path) -> None:
    given = ("memory", "add", "Tides of the harbour are two a day.", "--json")
    kept = json.loads(atlas_mcp(*given).stdout)["id"]
    done = atlas_mcp("run", "research", "How many tides a day has the harbour?", "-d", documents, "--json")
    run_id = json.loads(done.stdout)["run_id"]
    assert f"{kept}  Tides of the harbour are two a day." in atlas_mcp("runs", "show", run_id).stdout
    atlas_mcp("memory", "forget", kept, "--yes")
    story = atlas_mcp("runs", "show", run_id).stdout
    assert kept in story
    assert "Tides of the harbour" not in story


def test_a_failure_is_told_with_its_cause(atlas_mcp: Program, documents: Path, script: Path) -> None:
    script.write_text(
        '[[reply]]\nwhen = { intent = "gather" }\nfail = "overloaded"\n' + script.read_text("utf-8"), "utf-8"
    )
    atlas_mcp("run", "research", QUESTION, "-d", documents)
    story = atlas_mcp("runs", "show").stdout
    assert "failed: " in story
    assert "nothing_to_show: " in story


def test_a_run_can_be_exported_whole_as_its_brief_and_as_a_picture(
    atlas_mcp: Program, run_id: str, tmp_path: Path
) -> None:
    whole = json.loads(atlas_mcp("runs", "export", run_id).stdout)
    assert whole["events"][0]["kind"] == "run.queued"
    assert whole["events"][-1]["kind"] == "run.finished"
    assert atlas_mcp("runs", "export", run_id, "-f", "markdown").stdout.startswith(f"# {QUESTION}")
    file = tmp_path / "picture.mmd"
    assert atlas_mcp("runs", "export", run_id, "-f", "mermaid", "-o", file).stdout == ""
    assert "flowchart" in file.read_text("utf-8")


def test_a_file_that_cannot_be_written_is_named(atlas_mcp: Program, run_id: str, tmp_path: Path) -> None:
    done = atlas_mcp("runs", "export", run_id, "-o", tmp_path / "no" / "such" / "folder.json")
    assert done.exit_code == Exit.USAGE
    assert "folder.json cannot be written" in done.stderr


def test_an_unknown_run_is_a_wrong_request(atlas_mcp: Program) -> None:
    assert atlas_mcp("runs", "show", "r_nobody").exit_code == Exit.USAGE
    assert "There are no runs yet" in atlas_mcp("runs", "show").stderr


def test_a_run_that_has_ended_cannot_be_steered(atlas_mcp: Program, run_id: str) -> None:
    done = atlas_mcp("runs", "cancel", run_id)
    assert done.exit_code == Exit.USAGE
    assert "it has ended" in done.stderr


def test_a_run_that_has_ended_is_not_resumed_and_says_so(
    atlas_mcp: Program, run_id: str, documents: Path, script: Path
) -> None:
    again = atlas_mcp("runs", "resume", run_id)
    assert (again.exit_code, again.stdout.startswith(f"# {QUESTION}")) == (Exit.DONE, True)
    assert f"Run {run_id} has ended (done); there is nothing to resume. This is its brief:" in again.stderr
    script.write_text('[[reply]]\nfail = "authentication"\n', "utf-8")
    atlas_mcp("run", "research", QUESTION, "-d", documents, "-i", "audience=sailors")
    done = atlas_mcp("runs", "resume")
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
    assert "has ended (failed); there is nothing to resume." in done.stderr
    asked = f'atlas-mcp run research "{QUESTION}" --input audience=sailors --documents {documents}'
    assert f"Ask again: {asked}" in done.stderr
    assert "authentication" not in done.stderr


def test_a_run_of_teams_shows_theirs_as_a_tree_and_lists_only_itself(
    atlas_mcp: Program, documents: Path, script: Path, home: Path
) -> None:
    build_house(home / "config")
    script.write_text(SCRIPT, "utf-8")
    (documents / "tides.md").write_text(f"# Tides\n\n{SPRING}\n{TABLE}\n", "utf-8")
    done = atlas_mcp("run", "house", ASKED, "-d", documents, "--plain")
    assert done.exit_code == Exit.DONE
    inside = "tides \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "
    assert f"{inside}reader#a1: 1 finding" in done.stderr
    assert len(json.loads(atlas_mcp("runs", "list", "--json").stdout)) == 1

    told = json.loads(atlas_mcp("runs", "show", "--json").stdout)
    children = [each["run"]["run_id"] for each in told["children"]]
    assert [each["assignment"] for each in told["children"]] == ["a1", "a2"]
    story = atlas_mcp("runs", "show").stdout
    for name, child in zip(("a1", "a2"), children, strict=True):
        assert f"{name} tides  {child}  done  measured 5 of 5, 3 calls" in story
    below = atlas_mcp("runs", "show", children[0]).stdout
    assert f"part of run {told['run']['run_id']}" in below
    assert "When do they come?" in below
    assert atlas_mcp("runs", "export", children[0], "-f", "mermaid").exit_code == Exit.DONE


async def interrupted_run(documents: Path) -> str:
    """A run whose process left while its model was speaking."""
    async with open_atlas(roots=[documents]) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        async for event in run:
            if event.kind.value == "model.started":
                break
    return run.id


def test_an_interrupted_run_is_taken_up_where_it_was_and_prints_its_brief(
    atlas_mcp: Program, documents: Path, script: Path
) -> None:
    whole = script.read_text("utf-8")
    script.write_text('[[reply]]\nsay = "thinking"\nseconds = 60\n', "utf-8")
    run_id = asyncio.run(interrupted_run(documents))
    script.write_text(whole, "utf-8")

    watched = atlas_mcp("runs", "watch", run_id)
    assert watched.exit_code == Exit.INTERRUPTED
    assert f"atlas-mcp runs resume {run_id}" in watched.stderr
    done = atlas_mcp("runs", "resume", run_id)
    assert done.exit_code == Exit.DONE
    assert "“The moon raises two tides a day.”" in done.stdout
    assert atlas_mcp("runs", "resume", run_id).stdout == done.stdout
