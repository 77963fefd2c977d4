"""What happens to files on disk: copies, links, permissions, marks, and files that cannot be used."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidConfiguration, InvalidInput, NotConfigured
from atlas_mcp.install import file
from atlas_mcp.install.change import install, stand
from atlas_mcp.install.entry import Wish, is_ours
from atlas_mcp.install.machine import Machine, is_passing
from tests.install.conftest import CLIENTS, KEPT

if TYPE_CHECKING:
    from tests.install.conftest import Desk

POSIX = pytest.mark.skipif(os.name == "nt", reason="permissions and links as POSIX has them")


def test_line_endings_and_a_byte_order_mark_stay(desk: Desk) -> None:
    marked = b"\xef\xbb\xbf" + KEPT["claude-desktop"].replace(b"\n", b"\r\n")
    path = desk.lay("claude-desktop", marked)
    desk.install("claude-desktop")
    held = path.read_bytes()
    assert held.startswith(b"\xef\xbb\xbf{\r\n")
    assert held.count(b"\xef\xbb\xbf") == 1
    assert held.count(b"\n") == held.count(b"\r\n")
    desk.uninstall("claude-desktop")
    assert path.read_bytes() == marked


@POSIX
def test_permissions_stay_for_the_file_and_hold_for_its_copy(desk: Desk) -> None:
    path = desk.lay("cursor")
    path.chmod(0o640)
    desk.install("cursor")
    (copy,) = desk.copies("cursor")
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, copy)] == [0o640, 0o640]


@POSIX
def test_a_new_file_is_its_owners_alone(desk: Desk) -> None:
    desk.install("cursor", force=True)
    assert stat.S_IMODE(desk.path("cursor").stat().st_mode) == 0o600


@POSIX
def test_a_link_stays_a_link_and_what_it_leads_to_is_changed(desk: Desk, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles" / "mcp.json"
    kept.parent.mkdir()
    kept.write_bytes(KEPT["cursor"])
    path = desk.path("cursor")
    path.parent.mkdir()
    path.symlink_to(kept)
    desk.install("cursor")
    assert path.is_symlink()
    assert b"atlas" in kept.read_bytes()
    assert [copy.read_bytes() for copy in desk.copies("cursor")] == [KEPT["cursor"]]


def test_nothing_but_the_file_and_its_copy_is_left(desk: Desk) -> None:
    path = desk.lay("cursor")
    desk.install("cursor")
    assert sorted(each.name.split("-2")[0] for each in path.parent.iterdir()) == [
        "mcp.json", "mcp.json.before-atlas",
    ]  # fmt: skip


def test_installed_and_taken_out_many_times_one_copy_is_enough(desk: Desk) -> None:
    desk.lay("codex")
    for _ in range(3):
        desk.install("codex")
        desk.install("codex", Wish(read=(Path("/home/me/papers"),)))
        desk.uninstall("codex")
    assert len(desk.copies("codex")) == 1


def test_what_was_changed_since_stays_when_atlas_goes(desk: Desk) -> None:
    path = desk.lay("vscode")
    desk.install("vscode")
    path.write_bytes(path.read_bytes().replace(b"OAuth", b"a token"))
    desk.uninstall("vscode")
    assert path.read_bytes() == KEPT["vscode"].replace(b"OAuth", b"a token")


def test_a_file_that_was_made_for_atlas_stays_once_it_holds_more(desk: Desk) -> None:
    desk.install("cursor", force=True)
    path = desk.path("cursor")
    path.write_text(path.read_text("utf-8").replace('"atlas": {', '"other": {},\n    "atlas": {'), "utf-8")
    desk.uninstall("cursor")
    assert path.read_text("utf-8") == '{\n  "mcpServers": {\n    "other": {}\n  }\n}\n'


def test_what_a_person_set_in_the_entry_stays(desk: Desk) -> None:
    path = desk.lay("codex")
    desk.install("codex", Wish(read=(Path("/home/me/papers"),)))
    text = path.read_text("utf-8").replace(
        "tool_timeout_sec = 120", "tool_timeout_sec = 600\nenabled = false"
    )
    path.write_text(text.replace("/opt/atlas/bin", "/old/bin"), "utf-8")
    change = desk.install("codex")
    assert change.after == text
    assert "/home/me/papers" in text


@pytest.mark.parametrize(
    ("name", "held", "says"),
    [
        ("cursor", b'{"mcpServers": {\n  "a": {} "b": {}\n}}', "line 2, column 11: a comma or }"),
        ("claude-code", b"{\n  // no\n}", "line 2, column 3: JSON knows no comments"),
        ("vscode", b'{"servers": []}', "line 1, column 13: servers is no object"),
        ("vscode", b"[]", "line 1, column 1: the file holds no object"),
        ("cursor", b'{"mcpServers": {}, "mcpServers": {}}', 'the key "mcpServers" stands here for a second'),
        ("gemini-cli", b'{ // c\n  "a": [1,],\n}', "line 2, column 10: this client takes no comma"),
        ("codex", b"a = 1\nb = \n", "line 2, column 5"),
        ("codex", b"mcp_servers = { a = { command = 'x' } }\n", "cannot be changed without harm"),
        ("cursor", "{}".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_left_as_it_is(
    desk: Desk, name: str, held: bytes, says: str
) -> None:
    path = desk.lay(name, held)
    with pytest.raises(InvalidConfiguration, match=re.escape(says)) as told:
        desk.install(name, force=True)
    assert str(path) in told.value.message
    assert told.value.remedy
    assert path.read_bytes() == held
    assert desk.copies(name) == []


def test_a_folder_in_the_files_place_is_told(desk: Desk) -> None:
    desk.path("cursor").mkdir(parents=True)
    with pytest.raises(InvalidConfiguration, match="cannot be read"):
        desk.install("cursor")


def test_a_read_only_file_is_left_as_it_is(desk: Desk) -> None:
    path = desk.lay("cursor")
    path.chmod(stat.S_IREAD)
    with pytest.raises(InvalidConfiguration, match="is read-only"):
        desk.install("cursor", force=True)
    assert path.read_bytes() == KEPT["cursor"]
    path.chmod(stat.S_IREAD | stat.S_IWRITE)


def test_a_file_that_another_program_changes_in_between_is_not_overwritten(desk: Desk) -> None:
    path = desk.lay("claude-code")
    change = install(CLIENTS["claude-code"], desk.machine, "atlas", Wish())
    path.write_bytes(b'{"numStartups": 13}')
    with pytest.raises(InvalidConfiguration, match="changed by another program"):
        change.apply()
    assert path.read_bytes() == b'{"numStartups": 13}'


def test_a_client_that_is_not_here_is_told_and_made_a_file_by_force(desk: Desk) -> None:
    with pytest.raises(NotConfigured, match="no sign of Claude Code") as told:
        desk.install("claude-code")
    assert "--force" in told.value.remedy
    assert not desk.path("claude-code").exists()
    desk.install("claude-code", force=True)
    assert desk.path("claude-code").exists()


def test_an_entry_of_another_is_not_overwritten_without_force(desk: Desk) -> None:
    held = b'{"mcpServers": {"atlas": {"command": "npx", "args": ["-y", "mongodb-atlas"]}}}'
    path = desk.lay("cursor", held)
    for act in (desk.install, desk.uninstall):
        with pytest.raises(InvalidInput, match="does not start ATLAS") as told:
            act("cursor")
        assert "--name" in told.value.remedy
        assert path.read_bytes() == held
    desk.install("cursor", force=True)
    assert b"mongodb" not in path.read_bytes()
    assert [copy.read_bytes() for copy in desk.copies("cursor")] == [held]


@pytest.mark.parametrize(
    ("entry", "ours"),
    [
        ({"command": "atlas-mcp", "args": ["serve"]}, True),
        ({"command": "C:\\Users\\me\\bin\\Atlas-MCP.exe", "args": ["serve"]}, True),
        ({"args": ["-m", "atlas_mcp", "serve"], "command": "/usr/bin/python3"}, True),
        ({"command": "uvx", "args": ["atlas-mcp", "serve"]}, True),
        ({"command": "uv", "args": ["tool", "run", "atlas-mcp==0.1", "serve"]}, True),
        ({"type": "local", "command": ["/x/atlas-mcp", "serve"]}, True),
        ({"url": "http://localhost:8765/mcp"}, True),
        ({"type": "http", "url": "http://[::1]:8765/mcp/"}, True),
        ({"command": "uvx", "args": ["--from", "atlas-mcp[all]", "atlas-mcp", "serve"]}, True),
        ({"command": "uv", "args": ["run", "--directory", "/home/me/fork", "atlas-mcp", "serve"]}, True),
        ({"command": "pipx", "args": ["run", "--spec", "atlas-mcp==0.1", "atlas-mcp", "serve"]}, True),
        ({"type": "http", "url": "http://localhost:3000/mcp"}, False),
        ({"url": "https://localhost:8765/mcp"}, False),
        ({"url": "http://localhost:port/mcp"}, False),
        ({"command": "npx", "args": ["-y", "mcp-remote", "http://127.0.0.1:9999/mcp"]}, False),
        ({"command": "uvx", "args": ["--with", "atlas-mcp", "mcp-atlas", "x"]}, False),
        ({"command": "uvx", "args": ["mcp-atlas", "atlas-mcp"]}, False),
        ({"command": "uv", "args": ["pip", "install", "atlas-mcp"]}, False),
        ({"url": "https://mcp.atlassian.com/mcp"}, False),
        ({"command": "npx", "args": ["-y", "atlas-mcp"]}, False),
        ({"command": "python", "args": ["atlas_mcp"], "env": {"A": "atlas-mcp"}}, False),
        ({"env": {"A": "atlas-mcp"}}, False),
        ({}, False),
        ("atlas-mcp", False),
        (None, False),
    ],
)
def test_an_entry_is_known_by_what_it_starts(entry: object, ours: bool) -> None:
    assert is_ours(entry) == ours


def laid(entry: object) -> bytes:
    return json.dumps({"mcpServers": {"atlas": entry}}, indent=2).encode()


def entry_of(held: bytes) -> dict[str, object]:
    return json.loads(held)["mcpServers"]["atlas"]


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "http", "url": "http://localhost:8765/mcp", "headers": {"X": "made by hand"}},
        {"command": "/opt/venv/bin/atlas-mcp", "args": ["--project", "/srv/p", "serve", "--special"]},
        {"command": "uv", "args": ["run", "--directory", "/home/me/fork", "atlas-mcp", "serve"]},
        {"command": "/opt/atlas/bin/atlas-mcp", "args": ["serve"], "env": {"MINE": "written by hand"}},
        {"command": "/opt/atlas/bin/atlas-mcp", "args": ["serve"], "cwd": "/work"},
    ],
)
def test_what_a_person_wrote_into_the_entry_stays_or_a_copy_of_it_is_kept(
    desk: Desk, entry: dict[str, object]
) -> None:
    held = laid(entry)
    path = desk.lay("cursor", held)
    desk.install("cursor")
    stays = {**entry, **entry_of(path.read_bytes())} == entry_of(path.read_bytes())
    assert stays or [copy.read_bytes() for copy in desk.copies("cursor")] == [held]
    path.write_bytes(held)
    desk.uninstall("cursor")
    assert [copy.read_bytes() for copy in desk.copies("cursor")] == [held]


REMARKED = {
    "cursor": b"""{"mcpServers": {"atlas": {
      "command": "/opt/atlas/bin/atlas-mcp", // why
      "args": ["serve"]
    }}}""",
    "codex": b"""[mcp_servers.atlas]
# why
command = "/opt/atlas/bin/atlas-mcp"
args = ["serve"]
""",
}


@pytest.mark.parametrize("name", REMARKED)
def test_a_remark_inside_the_entry_is_kept_in_a_copy(desk: Desk, name: str) -> None:
    for act in (lambda: desk.install(name, Wish(read=(Path("/home/me"),))), lambda: desk.uninstall(name)):
        path = desk.lay(name, REMARKED[name])
        act()
        assert b"why" not in (path.read_bytes() if path.exists() else b"")
        (copy,) = desk.copies(name)
        assert copy.read_bytes() == REMARKED[name]
        copy.unlink()


def test_arguments_of_a_persons_own_stay_when_the_entry_is_brought_up_to_date(desk: Desk) -> None:
    own = ["--project", "/srv/p", "serve", "--special"]
    for command, args in (("/old/atlas-mcp", own), ("uvx", ["--from", "x", "atlas-mcp", *own])):
        path = desk.lay("cursor", laid({"command": command, "args": args}))
        desk.install("cursor")
        entry = entry_of(path.read_bytes())
        assert (entry["command"], entry["args"]) == ("/opt/atlas/bin/atlas-mcp", own)
        assert desk.install("cursor").is_nothing


def test_an_entry_that_holds_nothing_but_what_atlas_wrote_is_changed_without_a_copy(desk: Desk) -> None:
    desk.install("cursor", force=True)
    desk.install("cursor", Wish(read=(Path("/home/me/papers"),)))
    desk.uninstall("cursor")
    assert desk.copies("cursor") == []


def test_an_address_is_known_again_where_it_is_asked_for_or_settings_say_so(desk: Desk) -> None:
    there = "http://127.0.0.1:9000/mcp"
    desk.lay("cursor", b"{}")
    desk.install("cursor", Wish(url=there))
    assert desk.install("cursor", Wish(url=there)).is_nothing
    with pytest.raises(InvalidInput, match="does not start ATLAS"):
        desk.uninstall("cursor")
    serving = replace(desk, machine=replace(desk.machine, serves="http://localhost:9000/mcp"))
    assert not serving.uninstall("cursor").is_nothing


@pytest.mark.parametrize(
    ("prefix", "passing"),
    [
        ("/home/me/.cache/uv/archive-v0/zNcG6qYvLTRO9kWp", True),
        ("C:/Users/me/AppData/Local/uv/cache/environments-v2/x-1", True),
        ("/home/me/.cache/pipx/3e0d7a", True),
        ("/home/me/.local/pipx/.cache/3e0d7a", True),
        ("/home/me/.local/share/uv/tools/atlas-mcp", False),
        ("/home/me/.local/share/pipx/venvs/atlas-mcp", False),
        ("/home/me/work/.venv", False),
    ],
)
def test_an_atlas_in_a_cache_is_not_installed_for_good(desk: Desk, prefix: str, passing: bool) -> None:
    assert is_passing(Path(prefix)) == passing
    desk.lay("cursor")
    machine = replace(desk.machine, prefix=Path(prefix))
    if passing:
        with pytest.raises(NotConfigured) as told:
            install(CLIENTS["cursor"], machine, "atlas", Wish())
        assert "`uv tool install .`" in told.value.remedy
    assert not install(CLIENTS["cursor"], machine, "atlas", Wish(), force=True).is_nothing


def test_how_a_client_stands_to_atlas_is_told(desk: Desk, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "atlas-mcp"
    program.parent.mkdir()
    program.write_text("", "utf-8")
    here = replace(desk.machine, command=(str(program),))
    cursor = CLIENTS["cursor"]
    path = desk.lay("cursor")

    def standing(held: str) -> str:
        path.write_text(held, "utf-8")
        return stand(cursor, here, "atlas", "user")

    assert standing("{}") == "absent"
    assert standing("{") == "unreadable"
    assert standing('{"mcpServers": {"atlas": {"command": "npx", "args": ["x"]}}}') == "taken"
    assert (
        standing('{"mcpServers": {"atlas": {"command": "uvx", "args": ["atlas-mcp", "serve"]}}}')
        == "elsewhere"
    )
    assert (
        standing('{"mcpServers": {"atlas": {"command": "/gone/atlas-mcp", "args": ["serve"]}}}') == "broken"
    )
    path.write_bytes(KEPT["cursor"])
    install(cursor, here, "atlas", Wish()).apply()
    assert stand(cursor, here, "atlas", "user") == "installed"
    assert stand(cursor, here, "atlas", "project") == "absent"


def test_this_machine_starts_this_installation() -> None:
    machine = Machine.here()
    assert Path(machine.command[0]).is_absolute()
    assert Path(machine.command[0]).exists()


def test_a_copy_is_not_made_of_what_is_not_there(tmp_path: Path) -> None:
    assert file.keep_copy(file.read(tmp_path / "none.json")) is None
    assert file.backups(tmp_path / "nowhere" / "none.json") == []
