"""`atlas-mcp servers`: listed, shown, added, switched and removed; nothing of this starts one."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from atlas_mcp.catalogue import shipped
from atlas_mcp.cli.program import program
from atlas_mcp.cli.server_checks import server_checks
from atlas_mcp.cli.servers import servers
from atlas_mcp.cli.servers_add import WALK
from atlas_mcp.cli.servers_opening import server_names
from atlas_mcp.cli.servers_view import tell_servers, tool_table
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.settings import Settings

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
    page = shipped("handbook") / "12-servers.md"
    assert f'see "{WALK}" in {page}' in done.stderr
    assert f"\n## {WALK}\n" in page.read_text("utf-8")
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
    assert again.stderr.splitlines()[1].startswith("  Choose another name, or add --force")
    file = home / "config" / "servers" / "lab.toml"
    assert tomllib.loads(file.read_text("utf-8"))["command"] == "one"
    assert atlas_mcp("servers", "add", "lab", "--force", "--", "two").exit_code == Exit.DONE
    assert tomllib.loads(file.read_text("utf-8"))["command"] == "two"


def test_what_a_person_wrote_is_kept_in_a_copy_that_is_no_server_before_force_overwrites_it(
    atlas_mcp: Program, home: Path
) -> None:
    file = home / "config" / "servers" / "lab.toml"
    atlas_mcp("servers", "add", "lab", "--", "one")
    edited = file.read_text("utf-8") + "# an afternoon of work\n"
    file.write_text(edited, "utf-8")
    done = atlas_mcp("servers", "add", "lab", "--force", "--", "two")
    (copy,) = (each for each in file.parent.iterdir() if each != file)
    assert copy.read_text("utf-8") == edited
    assert f"What was there is kept in {copy}" in done.stdout
    assert listed(atlas_mcp)["lab"]["state"] != "wrong"
    assert not [name for name in listed(atlas_mcp) if name.startswith("lab.")]
    (told,) = json.loads(atlas_mcp("servers", "add", "lab", "--force", "--json", "--", "two").stdout)
    assert told["copy"] is None, "it is what it would be"


@pytest.mark.skipif(os.name == "nt", reason="links as POSIX has them")
def test_a_file_that_is_a_link_stays_one_and_what_it_leads_to_is_written(
    atlas_mcp: Program, home: Path, tmp_path: Path
) -> None:
    file, kept = home / "config" / "servers" / "lab.toml", tmp_path / "dotfiles" / "lab.toml"
    atlas_mcp("servers", "add", "lab", "--", "one")
    kept.parent.mkdir()
    file.rename(kept)
    file.symlink_to(kept)
    assert atlas_mcp("servers", "disable", "lab").exit_code == Exit.DONE
    assert atlas_mcp("servers", "add", "lab", "--force", "--", "two").exit_code == Exit.DONE
    assert file.is_symlink()
    assert tomllib.loads(kept.read_text("utf-8"))["command"] == "two"
    assert [each.name for each in kept.parent.iterdir()] == ["lab.toml"]


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


def test_a_command_with_options_of_its_own_is_told_where_the_two_dashes_go(
    atlas_mcp: Program, home: Path
) -> None:
    done = atlas_mcp("servers", "add", "lab6", "npx", "-y", "foo", f"--key={KEY}")
    assert done.exit_code == Exit.USAGE
    assert "The options of npx must come after --; before it they are taken for ours." in done.stderr
    assert "Put -- before the command: atlas-mcp servers add lab6 -- npx …" in done.stderr
    assert KEY not in done.output
    assert "No such option: --titel" in atlas_mcp("servers", "add", "lab6", "--titel", "x").stderr
    assert not (home / "config" / "servers").exists()
    assert atlas_mcp("servers", "add", "lab6", "npx", "foo@1", "--title", "Lab").exit_code == Exit.DONE


def test_a_file_of_atlas_itself_is_added_under_its_own_name(
    atlas_mcp: Program, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tides.toml"
    file.write_text('description = "Tides."\ncommand = "x"\nneeds = ["A_KEY"]\nweb = true\n', "utf-8")
    done = atlas_mcp("servers", "add", "--file", file)
    assert done.exit_code == Exit.DONE, done.output
    assert "Set A_KEY in the environment" in done.stderr
    text = (home / "config" / "servers" / "tides.toml").read_text("utf-8")
    assert tomllib.loads(text) == tomllib.loads(file.read_text("utf-8"))
    assert atlas_mcp("servers", "add", "mine", "--file", file).exit_code == Exit.DONE


def test_the_summary_of_the_commands_leaves_none_out() -> None:
    summary = set(re.findall(r"\w+", str(servers.info.help)))
    assert {str(command.name) for command in servers.registered_commands} <= summary


def test_names_are_completed(own: Path) -> None:
    assert server_names("rea") == ["ready"]
    assert {"word", "keyed"} < set(server_names(""))


def test_a_server_that_is_turned_on_says_how_it_stands_and_what_it_lacks(
    atlas_mcp: Program, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = 'description = "x"\ncommand = "no-such-program"\nenabled = false\n'
    (own / "lab.toml").write_text(lab, "utf-8")
    lacking = atlas_mcp("servers", "enable", "lab").stderr
    assert "It cannot be used yet: lab is started by no-such-program, which is not installed" in lacking
    assert "the PATH that it was started with" in lacking
    assert "servers test" not in lacking
    (check,) = [each for each in server_checks(Settings.load()) if each.name == "Servers"]
    assert "lab: lab is started by no-such-program" in check.todo
    assert (
        "It is ready. Try it: atlas-mcp servers test ready" in atlas_mcp("servers", "enable", "ready").stderr
    )
    (own / "npx").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(own))
    files = atlas_mcp("servers", "enable", "filesystem").stderr
    assert "With atlas-mcp run it reads the working directory." in files
    assert listed(atlas_mcp)["filesystem"]["state"] == "ready", "here it may read what a run may read"


def test_folders_are_named_by_two_lines_that_can_be_typed_as_they_are_shown(
    atlas_mcp: Program, own: Path
) -> None:
    file = own.parent / "atlas.toml"
    other = 'project = "sea"\n[http]\nport = 1234\n'
    doctor = json.loads(atlas_mcp("doctor", "--json").stdout)["checks"]
    (todo,) = [check["todo"] for check in doctor if check["name"] == "Folders"]
    for said in (todo, atlas_mcp("servers", "enable", "filesystem").stderr):
        _, _, shown = said.partition(f" at the end of {file}:\n")
        file.write_text(f"{other}{shown}", "utf-8")
        assert Settings.load().roots.read == (Path("/a/folder"),)
        assert Settings.load().http.port == 1234
        file.unlink()


def test_a_server_whose_program_is_not_there_is_added_and_told_so(atlas_mcp: Program, home: Path) -> None:
    done = atlas_mcp("servers", "add", "lab", "--", "/no/such/program", "--x")
    assert done.exit_code == Exit.DONE
    told = "lab is started by /no/such/program, and there is no such program on this machine."
    assert f"! {told}" in done.stderr
    assert (home / "config" / "servers" / "lab.toml").is_file()
    (facts,) = json.loads(atlas_mcp("servers", "add", "lab2", "--json", "--", "/no/such/program").stdout)
    assert facts["told"] == [told.replace("lab", "lab2")]
    assert "no such program" not in atlas_mcp("servers", "add", "lab3", "--", sys.executable).stderr


def test_a_file_that_is_not_there_or_cannot_be_read_is_told_in_plain_words(
    atlas_mcp: Program, tmp_path: Path
) -> None:
    binary = tmp_path / "picture.json"
    binary.write_bytes(b"\xff\xfe\xfa")
    for file, said in (
        (tmp_path / "gone.json", f"There is no file {tmp_path / 'gone.json'}."),
        (binary, "picture.json is no text in UTF-8."),
        (tmp_path, "cannot be read: "),
    ):
        done = atlas_mcp("servers", "add", "--file", file)
        assert done.exit_code == Exit.USAGE
        assert said in done.stderr
        assert "Errno" not in done.stderr


def test_a_wrong_file_is_a_mistake_in_the_configuration_whoever_asks_for_its_server(
    atlas_mcp: Program, own: Path
) -> None:
    for command in ("show", "test", "approve", "enable"):
        done = atlas_mcp("servers", command, "wrong")
        assert done.exit_code == Exit.USAGE
        assert f"{own / 'wrong.toml'}: colour: there is no such key." in done.stderr
        assert "(invalid_configuration)" in done.stderr


def test_tools_are_shown_in_lines_that_80_columns_hold(capsys: pytest.CaptureFixture[str]) -> None:
    usage = {"calls": 12, "failures": 1, "cached": 0, "seconds": 3.0, "cost_usd": 0.5}
    one: dict[str, Any] = {
        "name": "list_allowed_directories", "standing": "on", "why": "", "reads": True,
        "schema_characters": 1234, "description": "Tells which folders may be read. " * 9, "usage": usage,
    }  # fmt: skip
    other = {**one, "name": "move", "standing": "new", "why": "it is new", "usage": {**usage, "calls": 0}}
    Console(width=80).print(tool_table([one, other]))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "list_allowed_directories  on, reads, schema 1,234"
    assert lines[1].startswith("    Tells which folders may be read.")
    assert lines[2].endswith("…")
    assert lines[3:] == [
        "    12 calls, 1 failed, 3.0 s, 0.25 each, $0.5000",
        "move                      new, reads, schema 1,234", "    it is new",
    ]  # fmt: skip
    assert max(map(len, lines)) <= 80


def test_a_narrow_terminal_shows_name_state_and_tools_and_what_to_type_below(
    atlas_mcp: Program, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = list(listed(atlas_mcp).values())
    tell_servers(Console(width=80), told)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    plain = [" ".join(line.split()) for line in lines]
    assert "ready ready not listed yet" in plain
    assert plain[plain.index("word off") + 1] == "→ atlas-mcp servers enable word"
    assert plain[plain.index("keyed not configured not listed yet") + 1].startswith("→ Set KEYED_KEY in the")
    wide = atlas_mcp("servers").stdout.splitlines()[0].split()
    assert wide == ["server", "state", "where", "tools"], "what none has is no column"


def test_the_doctor_names_all_servers_of_the_web_that_lack_a_key_in_one_line(
    atlas_mcp: Program, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAVILY_API_KEY", raising=False)
    (check,) = [each for each in server_checks(Settings.load()) if each.name == "Servers"]
    web = [line for line in check.todo.splitlines() if "TAVILY_API_KEY (tavily)" in line]
    assert len(web) == 1
    assert "EXA_API_KEY (exa)" in web[0]
    assert "search the web" in web[0]
    assert "keyed: Set KEYED_KEY" in check.todo
