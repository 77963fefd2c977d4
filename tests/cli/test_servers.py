"""`atlas-mcp servers`: listed, shown, added, switched and removed; nothing of this starts one."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from atlas_mcp.catalogue import shipped
from atlas_mcp.cli.program import program
from atlas_mcp.cli.servers_opening import server_names
from atlas_mcp.cli.terminal import Exit

if TYPE_CHECKING:
    from conftest import Program

KEY = "sk-proj-abcdefghijklmnopqrstuv"


@pytest.fixture
def own(home: Path) -> Path:
    """Three servers of the person's own: ready, lacking a key, and wrong."""
    folder = home / "config" / "servers"
    folder.mkdir(parents=True)
    (folder / "ready.toml").write_text(
        f'title = "Ready"\ndescription = "It is there."\ncommand = "{Path(sys.executable).as_posix()}"\n',
        "utf-8",
    )
    (folder / "keyed.toml").write_text(
        'description = "It needs a key."\nurl = "https://x.example/mcp"\nneeds = ["KEYED_KEY"]\n'
        '[headers]\nAuthorization = "Bearer ${KEYED_KEY}"\n', "utf-8"
    )  # fmt: skip
    (folder / "wrong.toml").write_text('description = "x"\ncommand = "x"\ncolour = "red"\n', "utf-8")
    return folder


def listed(atlas_mcp: Program) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(atlas_mcp("servers", "list", "--json").stdout)}


def pasted(text: str, *words: str) -> Any:
    return CliRunner().invoke(program, ["servers", "add", *words], input=text)


def test_each_server_is_listed_with_how_it_stands_and_what_to_type(atlas_mcp: Program, own: Path) -> None:
    done = atlas_mcp("servers")
    assert done.exit_code == Exit.FAILED
    shown = done.stdout
    assert "ready" in shown
    assert "not configured: Set KEYED_KEY in the environment" in shown
    assert "off: atlas-mcp servers enable word" in shown
    assert "wrong: " in shown
    assert "colour: there is no such key" in " ".join(shown.split())
    told = listed(atlas_mcp)
    assert {told[name]["state"] for name in ("ready", "keyed", "wrong", "word")} == {
        "ready", "not_configured", "wrong", "off"
    }  # fmt: skip
    assert len({frozenset(one) for one in told.values()}) == 1, "each has the same keys"


def test_no_value_of_a_variable_is_ever_shown(
    atlas_mcp: Program, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYED_KEY", KEY)
    for words in (("list",), ("list", "--json"), ("show", "keyed"), ("show", "keyed", "--json")):
        assert KEY not in atlas_mcp("servers", *words).output
    shown = atlas_mcp("servers", "show", "keyed").stdout
    assert "needs: KEYED_KEY, which is set" in shown
    assert "sends: Authorization: Bearer ${KEYED_KEY}" in shown
    assert f"{own / 'keyed.toml'} (yours)" in shown


def test_an_unknown_server_is_named_with_those_there_are(atlas_mcp: Program, own: Path) -> None:
    for command in ("show", "enable", "disable", "remove", "test", "approve"):
        done = atlas_mcp("servers", command, "nothing")
        assert done.exit_code == Exit.USAGE, command
        assert "There is no server 'nothing'" in done.stderr
        assert "keyed" in done.stderr


def test_a_server_that_shipped_is_turned_on_and_off_in_a_file_of_one_s_own(
    atlas_mcp: Program, home: Path
) -> None:
    file = home / "config" / "servers" / "word.toml"
    assert "Word is off already" in atlas_mcp("servers", "disable", "word").stdout
    assert not file.exists()
    assert "Word is on" in atlas_mcp("servers", "enable", "word").stdout
    assert tomllib.loads(file.read_text("utf-8")) == {"enabled": True}
    assert listed(atlas_mcp)["word"]["state"] != "off"
    file.write_text(file.read_text("utf-8") + "ask = false # mine\n", "utf-8")
    atlas_mcp("servers", "disable", "word")
    assert listed(atlas_mcp)["word"]["state"] == "off"
    assert file.read_text("utf-8").endswith("enabled = false\nask = false # mine\n")


def test_a_file_of_one_s_own_is_removed_and_what_shipped_counts_again(atlas_mcp: Program, own: Path) -> None:
    atlas_mcp("servers", "enable", "word")
    done = atlas_mcp("servers", "remove", "word")
    assert f"{shipped('servers') / 'word.toml'} (shipped) counts now" in done.stdout
    assert listed(atlas_mcp)["word"]["state"] == "off"
    refused = atlas_mcp("servers", "remove", "word")
    assert refused.exit_code == Exit.USAGE
    assert "is not yours to remove" in refused.stderr
    assert atlas_mcp("servers", "remove", "ready").exit_code == Exit.DONE
    assert not (own / "ready.toml").exists()


def test_a_server_is_added_by_its_command_and_told_how_to_go_on(atlas_mcp: Program, home: Path) -> None:
    done = atlas_mcp("servers", "add", "lab", "--", "npx", "-y", "@lab/mcp@1.0", "--api-key", KEY)
    assert done.exit_code == Exit.DONE, done.output
    text = (home / "config" / "servers" / "lab.toml").read_text("utf-8")
    assert tomllib.loads(text) == {
        "description": "Tools of the server lab.", "command": "npx",
        "args": ["-y", "@lab/mcp@1.0", "--api-key", "${LAB_API_KEY}"], "needs": ["LAB_API_KEY"],
    }  # fmt: skip
    assert KEY not in text + done.output
    assert "set LAB_API_KEY in the environment" in done.stderr
    assert "atlas-mcp servers test lab" in done.stderr
    assert 'tools: ["lab/*"]' in done.stderr
    by_option = atlas_mcp(
        "servers", "add", "lab2", "--command", "npx", "--arg", "-y", "--arg", "@lab/mcp", "-e", "LAB_LEVEL=3",
        "--title", "The Lab", "--json",
    )  # fmt: skip
    (told,) = json.loads(by_option.stdout)
    assert (told["name"], told["needs"]) == ("lab2", [])
    assert tomllib.loads(Path(told["file"]).read_text("utf-8"))["values"] == {"LAB_LEVEL": "3"}


def test_a_server_is_added_by_its_address(atlas_mcp: Program) -> None:
    done = atlas_mcp(
        "servers", "add", "lab", "--url", "https://x.example/mcp", "--header", "Authorization: Bearer hush",
        "--json",
    )  # fmt: skip
    (told,) = json.loads(done.stdout)
    assert (told["needs"], told["unset"]) == (["LAB_TOKEN"], ["LAB_TOKEN"])
    assert listed(atlas_mcp)["lab"]["local"] is False


def test_servers_are_pasted_whole_from_stdin_a_file_or_as_an_argument(
    atlas_mcp: Program, tmp_path: Path
) -> None:
    block = json.dumps({"mcpServers": {"one": {"command": "x"}, "Two": {"url": "https://x.example"}}})
    assert pasted(block).exit_code == Exit.DONE
    assert {"one", "two"} < listed(atlas_mcp).keys()
    assert atlas_mcp("servers", "add", '{"three": {"command": "x"}}').exit_code == Exit.DONE
    assert atlas_mcp("servers", "add", "four", '{"command": "x"}').exit_code == Exit.DONE
    file = tmp_path / "mcp.json"
    file.write_text('{"servers": {"five": {"command": "x"}}}', "utf-8")
    assert atlas_mcp("servers", "add", "--file", file).exit_code == Exit.DONE
    assert {"three", "four", "five"} < listed(atlas_mcp).keys()


def test_either_all_that_is_pasted_is_added_or_none(atlas_mcp: Program, home: Path) -> None:
    for second in ({"command": "x", "url": "https://x.example"}, {"command": 5}):
        done = pasted(json.dumps({"mcpServers": {"one": {"command": "x"}, "two": second}}))
        assert done.exit_code == Exit.USAGE
    done = pasted(json.dumps({"mcpServers": {"one": {"command": "x"}, "word": {"command": "y"}}}))
    assert done.exit_code == Exit.USAGE
    assert "atlas-mcp servers enable word" in done.stderr
    assert not (home / "config" / "servers").exists()


def test_a_server_that_is_there_is_overwritten_by_force_alone(atlas_mcp: Program, home: Path) -> None:
    atlas_mcp("servers", "add", "lab", "--", "one")
    again = atlas_mcp("servers", "add", "lab", "--", "two")
    assert again.exit_code == Exit.USAGE
    assert "nothing was written" in again.stderr
    file = home / "config" / "servers" / "lab.toml"
    assert tomllib.loads(file.read_text("utf-8"))["command"] == "one"
    assert atlas_mcp("servers", "add", "lab", "--force", "--", "two").exit_code == Exit.DONE
    assert tomllib.loads(file.read_text("utf-8"))["command"] == "two"


@pytest.mark.parametrize(
    "words",
    [
        (), ("lab",), ("lab", "--command", "x", "--url", "https://x.example"), ("--command", "x"),
        ("lab", "--command", "x", "--", "y"), ("lab", "--url", "https://x.example", "--header", "hush"),
        ("lab", "--url", "ftp://x.example"), ("lab", "--env", "A=b"),
    ],
)  # fmt: skip
def test_what_says_too_little_or_too_much_is_answered_with_how_to_say_it(
    atlas_mcp: Program, words: tuple[str, ...]
) -> None:
    done = atlas_mcp("servers", "add", *words)
    assert done.exit_code == Exit.USAGE, done.output
    assert len(done.stderr.strip().splitlines()) > 1, "an error, and what to do"
    assert "hush" not in done.stderr


def test_names_are_completed(own: Path) -> None:
    assert server_names("rea") == ["ready"]
    assert {"word", "keyed"} < set(server_names(""))
