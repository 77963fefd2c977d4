"""Runs as a list: told apart on a narrow terminal, and an empty list says why it is empty."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from atlas_mcp.cli.run_list import narrow_lines, whole_lines
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.orchestration.store import RunRow, RunState
from tests.orchestration.folders import TOML, sound

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

QUESTIONS = ("When are the backups made, and by whom?", "Where are the keys of the harbour kept?")
SHORT = ("r_01M8MRVP", "r_01M8MRVQ")


def rows(team: str = "research", **usage: Any) -> list[RunRow]:
    used = {"calls": 12, "input_tokens": 34_000, "output_tokens": 567, "cost_usd": 0.12, **usage}
    at = datetime.now(UTC).isoformat()
    return [
        RunRow(
            f"{short}2CE4RQXZ6MFQ1YJFJ6", "ada", team, "v1", {"question": question}, {}, RunState.DONE,
            partial=True, created_at=at, updated_at=at, usage=used,
        )
        for short, question in zip(SHORT, QUESTIONS, strict=True)
    ]  # fmt: skip


@pytest.fixture
def two_runs(atlas_mcp: Program, documents: Path) -> list[str]:
    """The ids of two runs, the newest first."""
    for question in QUESTIONS:
        atlas_mcp("run", "research", question, "-d", documents, "-q")
    return [row["run_id"] for row in json.loads(atlas_mcp("runs", "list", "--json").stdout)]


def test_at_eighty_columns_runs_are_told_apart_by_what_was_asked() -> None:
    lines = [line.plain for line in narrow_lines(rows(), SHORT, 80)]
    assert lines[0].split() == ["run", "state", "team", "age", "asked"]
    assert [line.split("  ")[0] for line in lines[1:]] == [*SHORT]
    assert "When are the backups made, and" in lines[1]
    assert "Where are the keys of the harbour…" in lines[2]
    assert max(map(cell_len, lines)) <= 80


def test_a_long_name_of_a_team_takes_the_place_of_the_age_and_not_of_what_was_asked() -> None:
    lines = [line.plain for line in narrow_lines(rows("comparison-of-both-harbours-of"), SHORT, 80)]
    assert lines[0].split() == ["run", "state", "team", "asked"]
    assert "When are the backups…" in lines[1]


def test_where_there_is_room_nothing_is_left_out() -> None:
    lines = [line.plain for line in whole_lines(rows(), 160)]
    assert "r_01M8MRVP2CE4RQXZ6MFQ1YJFJ6" in lines[1]
    assert "12 calls, 34,567 tokens, $0.1200" in lines[1]
    assert lines[1].endswith(QUESTIONS[0])


def test_on_a_narrow_terminal_ids_are_short_and_can_be_typed_so(
    atlas_mcp: Program, two_runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"COLUMNS": "80", "FORCE_COLOR": "1", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    shown = [line.split()[0] for line in atlas_mcp("runs", "list").stdout.splitlines()[1:]]
    monkeypatch.delenv("FORCE_COLOR")
    assert [whole.startswith(short) for whole, short in zip(two_runs, shown, strict=True)] == [True, True]
    assert all(len(short) < len(whole) for whole, short in zip(two_runs, shown, strict=True))
    for whole, short in zip(two_runs, shown, strict=True):
        assert json.loads(atlas_mcp("runs", "show", short, "--json").stdout)["run"]["run_id"] == whole
        assert atlas_mcp("runs", "export", short, "-f", "markdown").stdout.startswith("# W")


def test_what_is_piped_has_whole_ids_however_narrow(
    atlas_mcp: Program, two_runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    listed = atlas_mcp("runs", "list").stdout
    assert all(run_id in listed for run_id in two_runs)


def test_a_beginning_that_fits_several_runs_names_them(atlas_mcp: Program, two_runs: list[str]) -> None:
    for command in ("show", "watch", "export", "pause", "cancel", "resume", "answer"):
        done = atlas_mcp("runs", command, "r_")
        assert done.exit_code == Exit.USAGE
        assert "r_ fits several runs: " in done.stderr
        assert all(f"{run_id} (research)" in done.stderr for run_id in two_runs)
    assert "There is no run 'r_nobody'" in atlas_mcp("runs", "show", "r_nobody").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--state", "failed"), "None of your 2 runs is failed."),
        (("--state", "failed", "--state", "paused"), "None of your 2 runs is failed or paused."),
        (("--team", "writing"), "None of your 2 runs is of the team writing."),
        (("--team", "mine"), "None of your 2 runs is of the team mine."),
        (
            ("--team", "research", "--state", "waiting"),
            "None of your 2 runs of the team research is waiting.",
        ),
    ],
)
def test_an_empty_list_says_what_there_is_instead(
    atlas_mcp: Program, two_runs: list[str], home: Path, words: tuple[str, ...], said: str
) -> None:
    sound(home / "config" / "teams", "mine", toml=TOML.replace("workers =", "rounds = 99\nworkers ="))
    done = atlas_mcp("runs", "list", *words)
    assert (done.exit_code, done.stdout) == (Exit.DONE, "")
    assert said in done.stderr
    assert json.loads(atlas_mcp("runs", "list", *words, "--json").stdout) == []


def test_without_any_run_it_says_how_to_start_one(atlas_mcp: Program) -> None:
    assert "No runs. Start one: " in atlas_mcp("runs", "list", "--state", "failed").stderr


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_team_that_there_is_not_is_a_wrong_request_and_the_near_one_is_named(
    atlas_mcp: Program, two_runs: list[str], as_json: tuple[str, ...]
) -> None:
    done = atlas_mcp("runs", "list", "--team", "reserch", *as_json)
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
    assert "There is no team 'reserch'." in done.stderr
    assert "Did you mean research?" in done.stderr
    assert "Did you mean cancelled?" in atlas_mcp("runs", "list", "--state", "canceled").stderr
