from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.cli.hints import of_file
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.orchestration.team import load_teams
from tests.orchestration.folders import TOML, sound

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

QUESTION = "How many tides a day?"


def test_a_run_prints_its_brief_on_stdout_and_its_progress_on_stderr(
    atlas_mcp: Program, documents: Path
) -> None:
    done = atlas_mcp("run", "research", QUESTION, "--documents", documents)
    assert done.exit_code == Exit.DONE
    assert done.stdout.startswith(f"# {QUESTION}\n")
    assert "“The moon raises two tides a day.”" in done.stdout
    assert "check: 1 claim, 1 quote verified, measured 5.0 of 5" in done.stderr


def test_a_brief_names_what_was_meant_to_be_read_and_could_not_be(
    atlas_mcp: Program, documents: Path
) -> None:
    (documents / ".vscode").mkdir()
    (documents / ".vscode" / "settings.json").write_text("{}", "utf-8")
    done = atlas_mcp("run", "research", QUESTION, "-d", documents)
    assert "could not be read" not in done.stdout
    assert "picture.png" in atlas_mcp("runs", "show").stdout, "it is told all the same"

    (documents / "a chart.pdf").write_bytes(b"%PDF-1.4 and no more")
    done = atlas_mcp("run", "research", QUESTION, "-d", documents, "-d", documents / "picture.png")
    run_id = json.loads(atlas_mcp("runs", "list", "--json").stdout)[0]["run_id"]
    said = (
        f"2 documents could not be read: `a chart.pdf`, `picture.png`. Why: `atlas-mcp runs show {run_id}`."
    )
    assert said in done.stdout
    story = atlas_mcp("runs", "show", run_id).stdout
    assert all(f"skipped file://{documents}/{name}" in story for name in ("a%20chart.pdf", "picture.png"))


def test_json_prints_the_envelope_with_the_whole_output_and_nothing_else(
    atlas_mcp: Program, documents: Path
) -> None:
    done = atlas_mcp("run", "research", QUESTION, "-d", documents, "--json")
    envelope = json.loads(done.stdout)
    assert envelope["state"] == "done"
    assert envelope["output"]["findings"][0]["quote"] == "The moon raises two tides a day."
    assert "truncated" not in envelope


def test_quiet_says_nothing_but_the_brief(atlas_mcp: Program, documents: Path) -> None:
    assert atlas_mcp("run", "research", QUESTION, "-d", documents, "--quiet").stderr == ""


def test_run_without_a_team_lists_the_teams(atlas_mcp: Program) -> None:
    done = atlas_mcp("run")
    assert done.exit_code == Exit.DONE
    assert "research" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nobody", "x"), "Teams: analysis, atlas"),
        (("reserch", "x"), "Did you mean research?"),
        (("When are the backups made?",), 'atlas-mcp run research "When are the backups made?"'),
        (("What is new?", "analysis"), 'atlas-mcp run analysis "What is new?"'),
        (("research",), "What you want to know"),
        (("research", "  "), "'question' is empty"),
        (("research", "x", "--input", "depth"), "--input KEY=VALUE"),
        (("research", "x", "--input", "depth=2"), "It takes: question, audience"),
        (("research", "x", "--documents", "nowhere"), "nowhere"),
        (("research", "x", "--budget-calls", "0"), "budget.calls"),
    ],
)
def test_a_wrong_request_is_told_with_its_remedy_and_exit_code_2(
    atlas_mcp: Program, words: tuple[str, ...], told: str
) -> None:
    done = atlas_mcp("run", *words)
    assert done.exit_code == Exit.USAGE
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_team_of_ones_own_that_is_wrong_is_not_said_to_be_missing(atlas_mcp: Program, home: Path) -> None:
    sound(home / "config" / "teams", "mine", toml=TOML.replace("workers =", "roundz = 3\nworkers ="))
    done = atlas_mcp("run", "mine", QUESTION)
    assert done.exit_code == Exit.USAGE
    assert "The team 'mine' is there, but cannot be used: " in done.stderr
    assert "atlas-mcp teams check mine" in done.stderr
    assert "Did you mean rounds?" in atlas_mcp("teams", "check", "mine").stdout
    assert "Did you mean research?" in atlas_mcp("teams", "show", "reserch").stderr


def test_a_failed_run_tells_why_and_how_to_look_at_it(
    atlas_mcp: Program, documents: Path, script: Path
) -> None:
    script.write_text('[[reply]]\nfail = "authentication"\n', "utf-8")
    done = atlas_mcp("run", "research", QUESTION, "-d", documents)
    assert done.exit_code == Exit.FAILED
    assert "(authentication)" in done.stderr
    assert "atlas-mcp runs show r_" in done.stderr


def test_a_run_beyond_its_budget_is_partial_and_says_so(
    atlas_mcp: Program, documents: Path, script: Path
) -> None:
    second = ', {"id": "a2", "worker": "documents", "goal": "And when?", "after": ["a1"]}]}'
    script.write_text(script.read_text("utf-8").replace("]}]}", "]}" + second, 1), "utf-8")
    done = atlas_mcp("run", "research", QUESTION, "-d", documents, "--budget-calls", "2")
    assert done.exit_code == Exit.PARTIAL
    assert "**Partial.**" in done.stdout


def test_another_provider_can_be_named(atlas_mcp: Program, documents: Path) -> None:
    done = atlas_mcp("run", "research", QUESTION, "-d", documents, "--provider", "extractive")
    assert done.exit_code == Exit.DONE
    assert "No language model wrote this" in done.stdout


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(os.name == "nt", reason="Windows delivers Ctrl-C to a whole console, not to one process")
def test_ctrl_c_cancels_the_run_and_says_how_to_look_at_it(
    atlas_mcp: Program, documents: Path, script: Path
) -> None:
    script.write_text('[[reply]]\nwhen = { intent = "plan" }\nsay = "thinking"\nseconds = 60\n', "utf-8")
    command = [sys.executable, "-m", "atlas_mcp", "run", "research", QUESTION, "-d", documents]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "plan: breaking" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == Exit.INTERRUPTED
    assert "was cancelled. Look at it: atlas-mcp runs show r_" in rest
    assert '"state": "cancelled"' in atlas_mcp("runs", "list", "--json").stdout


def test_the_same_question_is_asked_anew_once_its_run_has_ended(atlas_mcp: Program, documents: Path) -> None:
    ids = {
        json.loads(atlas_mcp("run", "research", QUESTION, "-d", documents, "--json").stdout)["run_id"]
        for _ in "ab"
    }
    assert len(ids) == 2


def test_a_run_that_names_no_documents_says_once_that_the_handbook_is_read(
    atlas_mcp: Program, documents: Path
) -> None:
    said = "No documents named: the handbook of ATLAS is read; for your own add --documents ."
    ask = ("run", "research", QUESTION, "--provider", "extractive")
    assert atlas_mcp(*ask).stderr.count(said) == 1
    assert said not in atlas_mcp(*ask, "-d", documents).stderr
    assert atlas_mcp(*ask, "--quiet", "--fresh").stderr == ""
    atlas_mcp("ingest", documents)
    assert said not in atlas_mcp(*ask, "--fresh").stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("writing", "A memo on tides as a Word file."), "servers enable word, then --input file=memo.docx"),
        (("writing", "tides.xlsx with the range"), "servers enable excel, then --input file=figures.xlsx"),
        (("writing", "A memo on tides.", "-i", "draft=Two tides."), ""),
        (("research", "What does tides.docx say?"), ""),
    ],
)
def test_who_asks_for_a_file_in_words_alone_is_told_how_to_have_one(
    atlas_mcp: Program, documents: Path, words: tuple[str, ...], hint: str
) -> None:
    done = atlas_mcp("run", *words, "-d", documents, "--provider", "extractive")
    assert done.exit_code in {Exit.DONE, Exit.PARTIAL}, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert hint in last
    assert ("atlas-mcp servers enable" in last) == bool(hint)


def test_the_teams_that_write_files_say_how_to_have_one(home: Path) -> None:
    teams = load_teams(Catalogue())
    for team in ("atlas", "writing"):
        said = of_file(teams[team], {"task": "Compare them in a .docx."})
        assert said.endswith("servers enable word, then --input file=memo.docx")
        assert of_file(teams[team], {"task": "A .docx", "file": "a.docx"}) == ""
    assert of_file(teams["research"], {"question": "Compare them in a .docx."}) == ""
