"""Every shipped client, with a file that holds servers and comments of others."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.errors import InvalidConfiguration, InvalidInput
from atlas_mcp.install.change import install, stand
from atlas_mcp.install.client import find_client, load_clients
from atlas_mcp.install.entry import LOCAL, Wish, made
from atlas_mcp.install.machine import Machine
from atlas_mcp.install.text import Notation
from tests.install.conftest import CLIENTS, KEPT

if TYPE_CHECKING:
    from atlas_mcp.install.client import Client
    from tests.install.conftest import Desk

SNAPSHOTS = Path(__file__).parent / "snapshots"
FULL = Wish(read=(Path("/home/me/papers"), Path("/home/me/my notes")), variables=())


def test_what_is_written_is_this(client: Client, desk: Desk) -> None:
    path = desk.lay(client.name)
    shown = "\n".join(desk.install(client.name, FULL).diff()).replace(str(path), path.name) + "\n"
    shown = shown.replace(str(desk.machine.home), "/home/me")
    snapshot = SNAPSHOTS / f"{client.name}.diff"
    assert shown == snapshot.read_text("utf-8"), f"If it is right, write it to {snapshot}:\n{shown}"


def test_taken_out_again_the_file_is_what_it_was_to_the_byte(client: Client, desk: Desk) -> None:
    path = desk.lay(client.name)
    assert not desk.install(client.name).is_nothing
    assert path.read_bytes() != KEPT[client.name]
    desk.uninstall(client.name)
    assert path.read_bytes() == KEPT[client.name]


def test_every_line_of_others_is_there_as_it_was(client: Client, desk: Desk) -> None:
    path = desk.lay(client.name)
    desk.install(client.name)
    lines = path.read_bytes().splitlines(keepends=True)
    others = [line.rstrip(b",\r\n") for line in KEPT[client.name].splitlines(keepends=True)]
    if client.name not in {"cursor", "inspector"}:  # theirs are on the line that the entry is put into
        assert [line for line in others if not any(each.startswith(line) for each in lines)] == []
    ending = b"\r\n" if b"\r\n" in KEPT[client.name] else b"\n"
    assert all(line.endswith(ending) for line in lines[:-1])


def test_installed_twice_nothing_changes_and_one_copy_is_kept(client: Client, desk: Desk) -> None:
    path = desk.lay(client.name)
    desk.install(client.name, FULL)
    first = path.read_bytes()
    assert desk.install(client.name).is_nothing
    assert path.read_bytes() == first
    assert [copy.read_bytes() for copy in desk.copies(client.name)] == [KEPT[client.name]]


def test_a_client_that_has_no_file_yet_gets_one_and_loses_it_again(client: Client, desk: Desk) -> None:
    desk.install(client.name, force=True)
    assert desk.path(client.name).exists()
    assert desk.uninstall(client.name).after is None
    assert not desk.path(client.name).exists()


def test_a_client_with_a_short_path_is_told_where_programs_lie_now_and_usually(
    client: Client, desk: Desk, tmp_path: Path
) -> None:
    for name in ("uvx", "npx"):
        program = tmp_path / f"of-{name}" / "bin" / name
        program.parent.mkdir(parents=True)
        program.touch(mode=0o755)
    path = os.pathsep.join(str(tmp_path / f"of-{name}" / "bin") for name in ("none", "npx", "uvx"))
    machine = replace(desk.machine, environment={"PATH": path})
    file = desk.lay(client.name)
    entry = made(client.says, machine, Wish()).get("env", {})
    if not client.says.short_path:
        assert "PATH" not in entry
        return
    usual = [str(machine.home / ".local" / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]
    given: list[str] = entry["PATH"].removesuffix(":${env:PATH}").split(":")
    assert given == [str(tmp_path / "of-uvx" / "bin"), str(tmp_path / "of-npx" / "bin"), *usual]
    assert made(client.says, replace(machine, system="windows"), Wish()).get("env", {}).get("PATH") is None
    # What a person put there stays, and comes first.
    notation = Notation(client.says, file)
    own = {"command": machine.command[0], "args": ["serve"], "env": {"PATH": "/mine:/usr/bin"}}
    file.write_text(notation.put("{}", "atlas", own), "utf-8")
    install(client, machine, "atlas", Wish()).apply()
    there: str = notation.entry(file.read_text("utf-8"), "atlas")["env"]["PATH"]
    assert there.split(":")[:3] == ["/mine", "/usr/bin", str(tmp_path / "of-uvx" / "bin")]
    assert install(client, machine, "atlas", Wish()).is_nothing


def test_no_value_of_a_secret_is_written(client: Client, desk: Desk) -> None:
    path = desk.lay(client.name)
    desk.install(client.name)
    assert b"sk-0123456789" not in path.read_bytes()
    named = b"OPENAI_API_KEY" in path.read_bytes()
    assert named == (client.name in {"codex", "cursor", "gemini-cli", "vscode"})


def test_an_address_is_written_where_the_client_takes_one(client: Client, desk: Desk) -> None:
    path = desk.lay(client.name)
    if client.name == "claude-desktop":
        with pytest.raises(InvalidInput, match="takes no address"):
            desk.install(client.name, Wish(url=LOCAL))
        return
    desk.install(client.name)
    desk.install(client.name, Wish(url=LOCAL))
    entry = Notation(client.says, path).entry(path.read_text("utf-8"), "atlas")
    assert entry["url"] == LOCAL
    assert not {"command", "args", "env", "env_vars", "headers"} & entry.keys()
    desk.install(client.name)
    assert "url" not in Notation(client.says, path).entry(path.read_text("utf-8"), "atlas")


def test_an_address_that_asks_for_a_token_names_the_variable(client: Client, desk: Desk) -> None:
    if client.says.token:
        path = desk.lay(client.name)
        desk.install(client.name, Wish(url="https://atlas.example/mcp", token=True))
        assert "ATLAS_HTTP__TOKEN" in path.read_text("utf-8")


@pytest.mark.parametrize("system", ["linux", "macos", "windows"])
def test_every_client_has_a_place_on_every_system(client: Client, system: str, tmp_path: Path) -> None:
    machine = replace(Machine(tmp_path, tmp_path, {}), system=system)
    path = client.config(machine, "user")
    assert path
    assert path.is_relative_to(tmp_path)


def test_variables_move_the_places(tmp_path: Path) -> None:
    moved = {
        "APPDATA": "claude-desktop", "CLAUDE_CONFIG_DIR": "claude-code", "CODEX_HOME": "codex",
        "GEMINI_CLI_HOME": "gemini-cli", "MCP_CATALOG_PATH": "inspector", "XDG_CONFIG_HOME": "vscode",
    }  # fmt: skip
    for variable, name in moved.items():
        there = tmp_path / "elsewhere"
        if variable == "APPDATA":
            (there / "Claude").mkdir(parents=True)
        machine = Machine(tmp_path, tmp_path, {variable: str(there)})
        if variable == "APPDATA":
            machine = replace(machine, system="windows")
        path = CLIENTS[name].config(machine, "user")
        assert path, name
        assert path.is_relative_to(there), name


def test_a_client_of_a_persons_own_is_a_file_without_python(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "clients"
    folder.mkdir(parents=True)
    (folder / "opencode.toml").write_text(
        'title = "opencode"\nformat = "jsonc"\nservers = "mcp"\nfound = ["~/.opencode"]\nthen = "Restart."\n'
        'variables = "{env:NAME}"\n'
        'user.linux = "~/.opencode/opencode.json"\n'
        '[stdio]\ntype = "local"\ncommand = ["{command}", "{args}"]\nenvironment = "{env}"\nenabled = true\n',
        "utf-8",
    )
    (folder / "vscode.toml").write_text(CLIENTS["vscode"].file.read_text("utf-8").replace("VS Code", "Mine"))
    clients = load_clients(Catalogue((tmp_path / "config",)))
    assert clients["vscode"].says.title == "Mine"
    change = install(clients["opencode"], desk.machine, "atlas", Wish(), force=True)
    change.apply()
    assert json.loads(change.path.read_text("utf-8"))["mcp"]["atlas"] == {
        "type": "local", "command": ["/opt/atlas/bin/atlas-mcp", "serve"],
        "environment": {"OPENAI_API_KEY": "{env:OPENAI_API_KEY}"}, "enabled": True,
    }  # fmt: skip
    assert stand(clients["opencode"], desk.machine, "atlas", "user") == "broken", "the program is not there"


def test_a_wrong_file_of_a_client_is_named_with_its_key(tmp_path: Path) -> None:
    folder = tmp_path / "clients"
    folder.mkdir()
    file = folder / "mine.toml"
    file.write_text(CLIENTS["cursor"].file.read_text("utf-8").replace("found =", "fuond ="), "utf-8")
    with pytest.raises(InvalidConfiguration, match=r"mine\.toml: fuond: there is no such key"):
        find_client(Catalogue((tmp_path,)), "mine")


def test_a_client_nobody_knows_is_told_what_may_be_meant() -> None:
    with pytest.raises(InvalidInput) as told:
        find_client(Catalogue(), "claude-dekstop")
    assert "Did you mean claude-desktop?" in told.value.remedy
    assert find_client(Catalogue(), "Claude Desktop").name == "claude-desktop"
