"""`atlas-mcp install` as it is typed, in a home of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Protocol

import pytest
from typer.testing import CliRunner, Result

from atlas_mcp.cli.program import program
from atlas_mcp.cli.terminal import Exit
from tests.install.conftest import CLIENTS, KEPT

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-0123456789abcdef0123"  # noqa: S105 - nobody's


class Program(Protocol):
    def __call__(self, *words: str | Path) -> Result: ...


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of somebody who has Cursor, Codex and Claude Desktop."""
    folder = tmp_path / "person"
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(folder))
    for variable in ("APPDATA", "LOCALAPPDATA", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    for path, name in ((".cursor/mcp.json", "cursor"), (".codex/config.toml", "codex")):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_bytes(KEPT[name])
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return folder


@pytest.fixture
def install(home: Path, person: Path) -> Program:
    def call(*words: str | Path) -> Result:
        return CliRunner().invoke(program, ["install", *map(str, words)])

    return call


def test_the_clients_are_listed_with_how_they_stand(install: Program, person: Path) -> None:
    assert install("codex").exit_code == Exit.DONE
    told = install("--json")
    assert told.exit_code == Exit.DONE
    listed = {one["name"]: one for one in json.loads(told.stdout)}
    assert list(listed) == sorted(CLIENTS)
    assert listed["codex"]["here"]
    assert not listed["gemini-cli"]["here"]
    assert listed["codex"]["scopes"]["user"] == {
        "file": str(person / ".codex" / "config.toml"), "state": "installed",
    }  # fmt: skip
    assert listed["cursor"]["scopes"]["user"]["state"] == "absent"
    # A narrow terminal folds long paths, so that not every line begins with a name.
    firsts = [line.split()[0] for line in install().stdout.splitlines() if not line.startswith(" ")]
    assert [first for first in firsts if first in CLIENTS] == sorted(CLIENTS)


@pytest.mark.parametrize("width", [40, 80, 400])
def test_a_path_is_whole_on_one_line_however_narrow_the_terminal_is(
    install: Program, person: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in install().stdout.splitlines()]
    path = str(person / ".gemini" / "settings.json")
    (line,) = (line for line in lines if path in line)
    assert line.startswith("gemini-cli" if width > len(path) else f"  {path}")


def test_a_dry_run_shows_the_diff_without_secrets_and_writes_nothing(install: Program, person: Path) -> None:
    shown = install("cursor", "--dry-run")
    assert shown.exit_code == Exit.DONE
    assert '"atlas": {"command":' in shown.stdout
    assert "plain-and-short" not in shown.stdout, "neither are secrets of others shown"
    assert SECRET not in shown.stdout
    assert (person / ".cursor" / "mcp.json").read_bytes() == KEPT["cursor"]
    assert len(list((person / ".cursor").iterdir())) == 1


def test_installing_says_what_was_done_and_what_is_next(install: Program, person: Path) -> None:
    done = install("cursor")
    assert "Cursor has ATLAS now" in done.stdout
    assert "What was there is kept in" in done.stdout
    assert "Passed on by name, no value is in the file: " in done.stderr
    assert "OPENAI_API_KEY" in done.stderr
    assert "Next: Start Cursor again" in done.stderr
    again = install("cursor")
    assert (again.exit_code, "has ATLAS already" in again.stdout) == (Exit.DONE, True)
    gone = install("cursor", "--uninstall")
    assert "has ATLAS no longer" in gone.stdout
    assert (person / ".cursor" / "mcp.json").read_bytes() == KEPT["cursor"]
    assert "has no entry 'atlas'" in install("cursor", "--uninstall").stdout


def test_folders_to_read_and_the_data_folder_stand_in_the_entry(
    install: Program, person: Path, home: Path, tmp_path: Path
) -> None:
    papers = tmp_path / "my papers"
    papers.mkdir()
    install("cursor", "--read", papers, "--name", "mine")
    entry = json.loads((person / ".cursor" / "mcp.json").read_text("utf-8"))["mcpServers"]["mine"]
    assert json.loads(entry["env"]["ATLAS_ROOTS__READ"]) == [str(papers)]
    assert entry["env"]["ATLAS_HOME"] == str(home)
    assert entry["env"]["OPENAI_API_KEY"] == "${env:OPENAI_API_KEY}"
    missing = install("cursor", "--read", tmp_path / "none")
    assert missing.exit_code == Exit.USAGE
    assert "is no folder" in missing.stderr


def test_what_enabled_servers_and_tracking_need_is_passed_on_by_name_like_a_key_of_a_provider(
    install: Program, person: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = home / "config" / "servers"
    servers.mkdir(parents=True)
    mine = 'description = "Mine."\ncommand = "mine"\nneeds = ["LAB_PASS", "PATH"]\nenv = ["LAB_HOST"]\n'
    (servers / "mine.toml").write_text(mine, "utf-8")
    (servers / "off.toml").write_text(mine.replace("LAB", "OFF") + "enabled = false\n", "utf-8")
    (servers / "wrong.toml").write_text('needs = "what"\n', "utf-8")
    expected = {
        "TAVILY_API_KEY", "LAB_PASS", "LAB_HOST", "OPENAI_API_KEY", "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_TOKEN", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS",
    }  # fmt: skip
    for name in (*expected, "OFF_PASS", "OFF_HOST", "MLFLOW_OF_NO_CONCERN"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.delenv("EXA_API_KEY", raising=False)
    shown = install("cursor", "--print")
    env: dict[str, str] = json.loads(shown.stdout)["mcpServers"]["atlas"]["env"]
    named = {name for name, value in env.items() if value == f"${{env:{name}}}"}
    assert expected <= named
    assert not named & {"OFF_PASS", "OFF_HOST", "MLFLOW_OF_NO_CONCERN", "EXA_API_KEY"}
    assert SECRET not in shown.output
    assert all(name in shown.stderr for name in expected)
    assert "PATH" not in named, "a PATH is given anyway, and here the entry brings its own"
    unseen = install("claude-desktop", "--force").stderr
    assert all(name in unseen for name in expected), "it is said that this client does not pass them on"
    assert expected <= set(
        tomllib.loads(install("codex", "--print").stdout)["mcp_servers"]["atlas"]["env_vars"]
    )


def test_a_client_that_sees_no_variables_is_told_of(install: Program, person: Path) -> None:
    done = install("claude-desktop", "--force")
    assert "starts servers without your shell's variables" in done.stderr
    assert "--copy-env NAME" in done.stderr
    refused = install("claude-desktop", "--env", "OPENAI_API_KEY")
    assert (refused.exit_code, "looks up no variable by name" in refused.stderr) == (Exit.USAGE, True)
    copied = install("claude-desktop", "--copy-env", "OPENAI_API_KEY", "--json")
    told = json.loads(copied.stdout)
    assert SECRET not in copied.stdout + copied.stderr
    assert "[secret]" in "".join(told["diff"])
    with open(told["file"], encoding="utf-8") as file:  # noqa: PTH123 - as it is told
        assert json.load(file)["mcpServers"]["atlas"]["env"]["OPENAI_API_KEY"] == SECRET
    printed = install("claude-desktop", "--copy-env", "OPENAI_API_KEY", "--print").stdout
    assert SECRET not in printed
    assert "the value of OPENAI_API_KEY" in printed


def test_a_value_that_is_typed_as_a_name_is_refused_and_not_repeated(install: Program) -> None:
    for option in ("--env", "--copy-env"):
        refused = install("cursor", option, f"OPENAI_API_KEY={SECRET}")
        assert refused.exit_code == Exit.USAGE
        assert SECRET not in refused.output
        assert "without its value" in refused.stderr


def test_the_entry_is_printed_for_any_client(install: Program, person: Path) -> None:
    entry = json.loads(install("--print").stdout)["mcpServers"]["atlas"]
    assert entry["args"][-1] == "serve"
    assert "[mcp_servers.atlas]" in install("codex", "--print").stdout
    assert json.loads(install("--print", "--http").stdout)["mcpServers"]["atlas"] == {
        "type": "http", "url": "http://127.0.0.1:8765/mcp",
    }  # fmt: skip
    assert json.loads(install("vscode", "--http", "https://a.example", "--print").stdout) == {
        "servers": {
            "atlas": {
                "type": "http",
                "url": "https://a.example/mcp",
                "headers": {"Authorization": "Bearer ${env:ATLAS_HTTP__TOKEN}"},
            }
        }
    }


def test_the_file_of_a_project_is_written_and_others_are_thought_of(install: Program, person: Path) -> None:
    done = install("vscode", "--scope", "project")
    assert done.exit_code == Exit.DONE
    assert "others need their own mcp.json" in done.stderr
    assert (person.parent / "project" / ".vscode" / "mcp.json").exists()
    for show in ((), ("--print",)):
        refused = install("claude-desktop", "--scope", "project", *show)
        assert (refused.exit_code, refused.stdout) == (Exit.USAGE, "")
        assert "no configuration of a project" in refused.stderr
    assert install("vscode", "--scope", "project", "--print").exit_code == Exit.DONE
    secret = install("vscode", "--scope", "project", "--copy-env", "OPENAI_API_KEY")
    assert (secret.exit_code, "seen by all" in secret.stderr) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("curser",), Exit.USAGE, "Did you mean cursor?"),
        (("gemini-cli",), Exit.FAILED, "no sign of Gemini CLI"),
        (("--read", "."), Exit.USAGE, "No client is named"),
        (("cursor", "--name", "a b"), Exit.USAGE, "is no name of a server"),
        (("cursor", "--http", "ftp://x"), Exit.USAGE, "no address of a server"),
        (("cursor", "--http", "--read", "."), Exit.USAGE, "Over HTTP the server decides"),
        (("cursor", "--copy-env", "NOT_SET_ANYWHERE"), Exit.USAGE, "is not set here"),
        (("claude-desktop", "--force", "--http"), Exit.USAGE, "takes no address"),
    ],
)
def test_what_cannot_be_done_is_told_with_what_to_write(
    install: Program, words: tuple[str, ...], code: Exit, says: str
) -> None:
    told = install(*words)
    assert (told.exit_code, says in told.stderr) == (code, True), told.stderr


@pytest.mark.skipif(os.name == "nt", reason="a terminal as POSIX has it")
def test_at_a_terminal_a_person_is_asked_for_folders_once(person: Path, home: Path, tmp_path: Path) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "atlas_mcp", "install", "cursor"]
    path = person / ".cursor" / "mcp.json"
    os.write(ours, f"{tmp_path / 'none'}\n{papers}\n\n".encode())
    done = subprocess.run(
        command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, check=False, timeout=60
    )
    assert done.returncode == 0
    assert "Which folders may Cursor name documents in?" in os.read(ours, 65536).decode()
    env = json.loads(path.read_text("utf-8"))["mcpServers"]["atlas"]["env"]
    assert json.loads(env["ATLAS_ROOTS__READ"]) == [str(papers)]
    again = subprocess.run(
        command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, check=False, timeout=60
    )
    assert b"has ATLAS already" in again.stdout
    os.close(ours)
    os.close(theirs)
