"""`atlas-mcp install` into a home of its own; then the clients themselves say what they read there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.peers.clients import Inspector
from tests.peers.place import PACKAGES, ROOT, Place, clean, run_node

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer

CLAUDE_CODE = PACKAGES / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
CODEX = PACKAGES / "@openai" / "codex" / "bin" / "codex.js"
GEMINI_CLI = PACKAGES / "@google" / "gemini-cli" / "bundle" / "gemini.js"

PATIENCE = 3
KEY = "sk-0123456789abcdef0123"
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "OPENAI_API_KEY": KEY,
}


def atlas(place: Place, *words: str) -> str:
    """What `atlas-mcp install` prints, for a person whose home is below the place's folder."""
    environment = clean(place.folder / "home", ATLAS_HOME=str(place.folder / "atlas"), OPENAI_API_KEY=KEY)
    done = subprocess.run(
        [sys.executable, "-m", "atlas_mcp", "install", *words],
        cwd=place.folder, env={**environment, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def told(program: Path, place: Place, *words: str) -> str:
    """What a client prints, started by the same person in the place's folder."""
    done = run_node(str(program), *words, folder=place.folder, **QUIET)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("scope", ["user", "project"])
def test_claude_code_starts_what_was_installed_and_nothing_after_it_is_taken_out(
    place: Place, scope: str
) -> None:
    atlas(place, "claude-code", "--force", "--scope", scope, "--read", place.documents)
    listed = told(CLAUDE_CODE, place, "mcp", "list")
    assert "atlas: " in listed
    # A project's server waits until a person approves it, and only its own command line does not say so.
    assert "Connected" in listed or (scope == "project" and "approv" in listed), listed
    assert "Warning" not in listed
    atlas(place, "claude-code", "--scope", scope, "--uninstall")
    assert "No MCP servers configured" in told(CLAUDE_CODE, place, "mcp", "list")


def test_claude_code_lists_an_address_it_was_given(http_place: Place, address: str, tmp_path: Path) -> None:
    place = Place.make(tmp_path / "person")
    atlas(place, "claude-code", "--force", "--http", f"{address}/mcp")
    listed = told(CLAUDE_CODE, place, "mcp", "list")
    assert f"atlas: {address}/mcp" in listed
    assert "Connected" in listed


def test_codex_reads_the_entry_its_time_limits_and_the_names_of_variables(place: Place) -> None:
    config = place.folder / "home" / ".codex" / "config.toml"
    config.parent.mkdir(parents=True)
    before = 'model = "gpt-5.4" # mine\n\n[mcp_servers.other]\ncommand = "true"\n'
    config.write_text(before, "utf-8")
    atlas(place, "codex", "--read", place.documents)
    listed = told(CODEX, place, "mcp", "list")
    assert [line.split()[0] for line in listed.splitlines() if "enabled" in line] == ["atlas", "other"]
    entry = json.loads(run_node(str(CODEX), "mcp", "get", "atlas", "--json", folder=place.folder).stdout)
    transport = entry["transport"]
    assert (entry["startup_timeout_sec"], entry["tool_timeout_sec"]) == (30.0, 120.0)
    assert transport["args"][-1] == "serve"
    assert transport["env_vars"] == ["OPENAI_API_KEY"]
    assert json.loads(transport["env"]["ATLAS_ROOTS__READ"]) == [place.documents]
    assert KEY not in config.read_text("utf-8")
    atlas(place, "codex", "--uninstall")
    assert config.read_text("utf-8") == before
    assert "atlas" not in told(CODEX, place, "mcp", "list")


def test_codex_reads_an_address_and_where_its_token_is(place: Place) -> None:
    atlas(place, "codex", "--force", "--http", "https://atlas.example")
    entry = json.loads(run_node(str(CODEX), "mcp", "get", "atlas", "--json", folder=place.folder).stdout)
    assert entry["transport"]["url"] == "https://atlas.example/mcp"
    assert entry["transport"]["bearer_token_env_var"] == "ATLAS_HTTP__TOKEN"  # noqa: S105 - its name


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_gemini_cli_connects_in_a_folder_that_it_trusts(
    place: Place, transport: str, request: pytest.FixtureRequest
) -> None:
    settings = place.folder / "home" / ".gemini" / "settings.json"
    settings.parent.mkdir(parents=True)
    before = '{\n    // mine\n    "ui": { "theme": "GitHub" } // last\n}\n'
    settings.write_text(before, "utf-8")
    trusted = {str(place.folder): "TRUST_FOLDER"}
    settings.with_name("trustedFolders.json").write_text(json.dumps(trusted), "utf-8")
    at = [] if transport == "stdio" else ["--http", f"{request.getfixturevalue('address')}/mcp"]
    atlas(place, "gemini-cli", *at)
    # `mcp list` gives a server five seconds, whatever its time limit; a busy machine may need longer once.
    listed = [told(GEMINI_CLI, place, "mcp", "list")]
    while "- Connected" not in listed[-1] and len(listed) < PATIENCE:
        listed.append(told(GEMINI_CLI, place, "mcp", "list"))
    assert re.search(r"atlas: .* - Connected", listed[-1]), listed
    atlas(place, "gemini-cli", *at, "--uninstall")
    assert settings.read_text("utf-8") == before


def test_the_inspector_lists_the_tools_by_the_file_that_was_written(place: Place) -> None:
    atlas(place, "inspector", "--force", "--read", place.documents)
    catalog = place.folder / "home" / ".mcp-inspector" / "mcp.json"
    inspector = Inspector(["--config", str(catalog), "--server", "atlas"], "modern", place.folder)
    assert {"research", "run_result"} <= {tool["name"] for tool in inspector.ask("tools/list")["tools"]}
    result = inspector.call("research", place.asked)
    assert result["structuredContent"]["state"] == "done", "the folder given by --read may be read"
    own = Inspector(["--server", "atlas"], "legacy", place.folder)
    assert own.ask("tools/list")["tools"], "it is where the Inspector looks of its own accord, too"
