"""The smaller commands: teams, ingest, doctor, version, help."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from atlas_mcp.catalogue import shipped
from atlas_mcp.cli.program import program
from atlas_mcp.cli.reflowing import reflowed
from atlas_mcp.cli.terminal import Exit
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Program


@pytest.fixture
def own_team(home: Path) -> Path:
    """A team of the person's own that is not right."""
    folder = home / "config" / "teams" / "mine"
    shutil.copytree(shipped("teams") / "research", folder)
    text = (folder / "team.toml").read_text("utf-8")
    (folder / "team.toml").write_text(text.replace("rounds = 2", "rounds = 99"), "utf-8")
    return folder


def test_teams_are_listed_and_shown(atlas_mcp: Program) -> None:
    listed = [team["name"] for team in json.loads(atlas_mcp("teams", "list", "--json").stdout)]
    assert listed == ["analysis", "atlas", "rating", "research", "writing"]
    shown = atlas_mcp("teams", "show", "research").stdout
    assert "**supervisor** (supervisor)" in shown
    assert "`question` (string)" in shown


def test_checking_teams_names_file_and_key_and_fails(atlas_mcp: Program, own_team: Path) -> None:
    done = atlas_mcp("teams", "check")
    assert done.exit_code == Exit.FAILED
    assert f"{own_team / 'team.toml'}: rounds" in done.stdout
    assert "✓ research" in done.stdout


def test_one_team_can_be_checked_by_name_or_by_folder(atlas_mcp: Program, own_team: Path) -> None:
    assert atlas_mcp("teams", "check", "research").exit_code == Exit.DONE
    assert atlas_mcp("teams", "check", own_team).exit_code == Exit.FAILED


def test_ingested_documents_answer_runs_that_name_none(atlas_mcp: Program, documents: Path) -> None:
    done = atlas_mcp("ingest", documents)
    assert done.exit_code == Exit.DONE
    assert "picture.png" in done.stdout
    assert "1 document can be searched" in done.stdout
    brief = json.loads(atlas_mcp("run", "research", "How many tides a day?", "--json").stdout)
    assert [source["title"] for source in brief["output"]["sources"]] == ["Tides"]


def test_ingesting_again_says_what_did_not_change(atlas_mcp: Program, documents: Path) -> None:
    atlas_mcp("ingest", documents)
    again = json.loads(atlas_mcp("ingest", documents, "--json").stdout)
    assert (len(again["added"]), len(again["unchanged"]), again["documents"]) == (0, 1, 1)
    assert [Path(each["uri"]).name for each in again["skipped"]] == ["picture.png"]


def test_the_doctor_finds_a_sound_installation_ready(atlas_mcp: Program) -> None:
    done = atlas_mcp("doctor")
    assert done.exit_code == Exit.DONE, done.stdout
    assert "Ready." in done.stdout


def test_the_doctor_names_what_is_broken_and_what_to_do(
    atlas_mcp: Program, own_team: Path, home: Path
) -> None:
    (home / "runs.db").write_text("no database", "utf-8")
    done = atlas_mcp("doctor", "--json")
    assert done.exit_code == Exit.FAILED
    report = json.loads(done.stdout)
    broken = {check["name"]: check for check in report["checks"] if check["health"] == "broken"}
    assert set(broken) == {"Runs", "Teams"}
    assert report["ok"] is False
    assert all(check["todo"] for check in broken.values())


def test_the_doctor_names_each_mistake_in_what_a_person_wrote_of_models(
    atlas_mcp: Program, home: Path
) -> None:
    def told() -> list[tuple[str, str, str]]:
        checks = json.loads(atlas_mcp("doctor", "--json").stdout)["checks"]
        return [(each["health"], each["says"], each["todo"]) for each in checks if each["name"] == "Models"]

    file = home / "config" / "models.toml"
    assert told() == [("ok", f"as shipped; {file} would hold what you know better", "")]
    file.parent.mkdir(parents=True)
    file.write_text('["openai:a"]\nwidnow = 5\n["openai:b"]\nwindow = "wide"\n', "utf-8")
    first, second = told()
    assert (first[0], second[0]) == ("broken", "broken")
    assert f'{file}: ["openai:a"] widnow' in first[1]
    assert second[2] == "Write a number of tokens, such as window = 128_000."
    file.write_text('["openai:a"]\nwindow = 5\n', "utf-8")
    assert told() == [("ok", str(file), "")]


@pytest.mark.parametrize("mistake", ["[budgets]\nday_usd = 1", '[http]\nport = "many"', "[http\n"])
def test_the_doctor_tells_a_mistake_in_the_settings_among_what_it_can_look_at_all_the_same(
    atlas_mcp: Program, home: Path, mistake: str
) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "atlas.toml").write_text(mistake, "utf-8")
    done = atlas_mcp("doctor", "--json")
    assert done.exit_code == Exit.FAILED
    report = json.loads(done.stdout)
    checks = {check["name"]: check for check in report["checks"]}
    assert report["ok"] is False
    assert checks["Settings"]["health"] == "broken"
    assert "atlas.toml" in checks["Settings"]["says"]
    assert checks["Settings"]["todo"]
    assert {"Python", "Installation", "Data folder", "Teams"} < checks.keys()
    assert "begin with the first ✗" in atlas_mcp("doctor").stdout


def test_the_doctor_shows_no_secret(atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:password@127.0.0.1:9/v1")
    monkeypatch.setenv("ATLAS_MODELS__DEFAULT", "openai:any")
    monkeypatch.setenv("ATLAS_HTTP__TOKEN", "hidden-token")
    done = atlas_mcp("doctor")
    assert done.exit_code == Exit.FAILED
    assert "127.0.0.1:9" in done.stdout
    for secret in ("very-secret", "password", "hidden-token"):
        assert secret not in done.output


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("http://me:password@127.0.0.1/v1", "sk-very-secret"),
        ("http://me:password@[bad/v1", "sk-very-secret"),
        ("http://me:password@127.0.0.1:99999/v1", "sk-very-secret"),
        ("http://127.0.0.1:9/v1", "sk-very-secret\nand more"),
        ("http://127.0.0.1:9/\u00e9", "sk-very-secret"),
    ],
)
def test_the_doctor_survives_what_cannot_work_and_shows_no_secret_of_it(
    atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch, address: str, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.setenv("ATLAS_MODELS__DEFAULT", "openai:any")
    done = atlas_mcp("doctor", "--json")
    assert done.exit_code == Exit.FAILED
    (broken,) = (each for each in json.loads(done.stdout)["checks"] if each["health"] == "broken")
    assert broken["name"] == "Provider"
    for secret in ("very-secret", "password"):
        assert secret not in done.output


def test_setting_up_embeddings_embeds_what_was_taken_in_before(
    atlas_mcp: Program, documents: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def installed(folder: Path) -> Path:
        return folder / "weights"

    def found(_home: Path) -> WordEmbedder:
        return WordEmbedder()

    assert atlas_mcp("ingest", documents).exit_code == Exit.DONE
    monkeypatch.setattr("atlas_mcp.text.embedding.install_weights", installed)
    monkeypatch.setattr("atlas_mcp.text.embedding.find_embedder", found)
    done = atlas_mcp("setup", "embeddings")
    assert "embedded 1 text of" in done.stdout
    assert str(home / "weights") in done.stdout
    again = atlas_mcp("setup", "embeddings")
    assert (again.exit_code, "embedded 1" in again.stdout) == (Exit.DONE, False)


@pytest.mark.parametrize(
    "command", ["run", "runs", "top", "teams", "ingest", "memory", "serve", "setup", "doctor"]
)
def test_every_command_explains_itself(atlas_mcp: Program, command: str) -> None:
    done = atlas_mcp(command, "--help")
    assert done.exit_code == Exit.DONE
    assert "Usage" in done.stdout


def test_wrong_settings_are_told_in_one_block(atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_HTTP__PORT", "many")
    done = atlas_mcp("runs", "list")
    assert done.exit_code == Exit.USAGE
    assert "http.port" in done.stderr


def every_command(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from every_command(each, (*path, name))


def test_paragraphs_of_help_are_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for _, command in every_command(get_command(program)):
        paragraphs = (command.help or "").split("\n\n")
        assert [each for each in paragraphs if "\n" in each and not each.startswith("- ")] == []
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(program, ["mlflow", "--help"]).stdout
    assert "keeps what it has; the next start adds" in shown


def test_lists_and_examples_in_help_stay_as_they_are() -> None:
    text = 'What.\n\nOne\ntwo.\n\n- a\n- b, as in\n{"c": 1}\n\n  an example\n  of it\n\n1. First\n2. Second'
    assert reflowed(text) == text.replace("One\ntwo", "One two")
    assert '\n{"at": "2023-05-08T13:56"' in next(
        command.help for path, command in every_command(get_command(program)) if path == ("ingest",)
    )


def test_help_shows_every_word_that_was_written_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for path, command in every_command(get_command(program)):
        shown = CliRunner().invoke(program, [*path, "--help"]).stdout
        written = [command.help or "", *(getattr(each, "help", None) or "" for each in command.params)]
        # What stands in brackets is taken for a colour where help is drawn in colours, and left out.
        words = [word for text in written for word in re.findall(r"\[[^\]\s]+\]", text)]
        assert [word for word in words if word not in shown] == [], path
