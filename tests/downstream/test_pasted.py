"""Servers as other programs write them become entries; their secrets become names of variables."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.downstream.entry import Entry, checked_entry
from atlas_mcp.downstream.own import as_toml, keep, read_own, switched
from atlas_mcp.downstream.pasted import Pasted, read_pasted, take_over
from atlas_mcp.errors import InvalidConfiguration, InvalidInput
from atlas_mcp.redaction import holds_secret, names_secret

KEY = "sk-proj-abcdefghijklmnopqrstuv"


def one(text: str | dict[str, Any], name: str = "") -> Pasted:
    (taken,) = read_pasted(text if isinstance(text, str) else json.dumps(text), name)
    return taken


@pytest.mark.parametrize(
    "text",
    [
        '{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time==1"]}}}',
        '{"servers": {"time": {"command": "uvx", "args": ["mcp-server-time==1"]}}, "inputs": 1}',
        '{"mcp": {"servers": {"time": {"command": "uvx", "args": ["mcp-server-time==1"]}}}}',
        '{"context_servers": {"time": {"command": {"path": "uvx", "args": ["mcp-server-time==1"]}}}}',
        '{"time": {"command": ["uvx", "mcp-server-time==1"]}}',
        '"time": {"command": "uvx", "args": ["mcp-server-time==1"]},',
        '{ // mine\n "mcpServers": {"time": {"command": "uvx mcp-server-time==1", /* no args */ },},}',
        '[mcp_servers.time]\ncommand = "uvx"\nargs = ["mcp-server-time==1"]\n',
    ],
)
def test_every_program_s_way_of_writing_a_server_gives_the_same_entry(text: str) -> None:
    entry = one(text).entry
    assert (entry.name, entry.command, entry.args) == ("time", "uvx", ("mcp-server-time==1",))


def test_a_server_without_a_name_takes_the_one_it_is_given() -> None:
    assert one({"command": "x"}, "mine").entry.name == "mine"
    with pytest.raises(InvalidInput):
        one({"command": "x"})


def test_a_secret_of_the_environment_becomes_a_variable_that_is_needed_and_a_plain_value_stays() -> None:
    taken = one({"mcpServers": {"lab": {"command": "x", "env": {
        "LAB_TOKEN": "abc", "LEVEL": "debug", "WORD": KEY, "YEAR": 2026, "KEPT": "", "USE_AUTH": "true",
        "LAB_API_KEY": "<your key>",
    }}}})  # fmt: skip
    assert taken.entry.needs == ("LAB_TOKEN", "WORD", "LAB_API_KEY")
    assert taken.entry.values == {"LEVEL": "debug", "YEAR": "2026", "USE_AUTH": "true"}
    assert taken.entry.env == ("KEPT",)
    assert any("set LAB_TOKEN in the environment" in said for said in taken.told)
    assert KEY not in "".join(taken.told) + as_toml(taken.entry)


def test_secrets_in_arguments_headers_and_addresses_become_variables_named_after_what_they_are() -> None:
    local = one({"tool": {"command": "x", "args": [
        "--api-key", "hush", f"--token={KEY}", "-e", "LAB_SECRET=hush", "--port", "8080",
        "--header", f"Authorization: Bearer {KEY}", "https://x.example/mcp?labApiKey=hush&v=2", "/a/folder",
    ]}}).entry  # fmt: skip
    assert local.args == (
        "--api-key", "${TOOL_API_KEY}", "--token=${TOOL_TOKEN}", "-e", "LAB_SECRET=${LAB_SECRET}",
        "--port", "8080", "--header", "Authorization: Bearer ${TOOL_TOKEN}",
        "https://x.example/mcp?labApiKey=${TOOL_LAB_API_KEY}&v=2", "/a/folder",
    )  # fmt: skip
    remote = one({"lab": {
        "type": "sse", "url": "https://me:hush@x.example/s/0123456789abcdef01234567/sse",
        "headers": {"Authorization": "Bearer hush", "X-API-Key": "hush", "X-Region": "eu"},
    }}).entry  # fmt: skip
    assert remote.transport == "sse"
    assert remote.url == "https://${LAB_LOGIN}@x.example/s/${LAB_KEY}/sse"
    assert remote.headers == {
        "Authorization": "Bearer ${LAB_TOKEN}", "X-API-Key": "${LAB_API_KEY}", "X-Region": "eu",
    }  # fmt: skip
    assert set(remote.needs) == {"LAB_LOGIN", "LAB_KEY", "LAB_TOKEN", "LAB_API_KEY"}


def test_references_to_variables_are_written_as_here() -> None:
    entry = one({"lab": {
        "command": "x", "args": ["${env:HOST}", "${ROOT:-/srv}", "${input:lab-token}"],
        "env": {"A": "${env:B}", "C": "${C}", "D": "${input:d}"},
    }}).entry  # fmt: skip
    assert entry.args == ("${HOST}", "${ROOT}", "${LAB_TOKEN}")
    assert (entry.values, set(entry.needs)) == ({"A": "${B}"}, {"HOST", "ROOT", "LAB_TOKEN", "B", "C", "D"})
    with pytest.raises(InvalidInput, match="workspaceFolder"):
        one({"lab": {"command": "x", "args": ["${workspaceFolder}"]}})


def test_a_variable_that_a_container_is_given_by_name_is_passed_on() -> None:
    entry = one({"hub": {"command": "docker", "args": ["run", "-i", "-e", "HUB_HOST", "image:1"]}}).entry
    assert entry.env == ("HUB_HOST",)


OURS = """
title = "Tides"
description = "Tides of every port."
command = "uvx"
args = ["tides==1.2", "--port", "${TIDES_PORT}"]
needs = ["TIDES_KEY"]
env = ["TIDES_PORT"]
read_only = ["*"]
cost_usd = { find = 0.01 }

[values]
LEVEL = "debug"

[limits]
seconds = 5

[search]
tool = "find"
"""


def test_an_entry_of_ours_is_taken_over_whole_and_called_as_its_file() -> None:
    (taken,) = read_pasted(OURS, file="tides")
    assert taken.entry == checked_entry("tides", tomllib.loads(OURS), "here")
    assert taken.told == ()
    with pytest.raises(InvalidConfiguration, match="'tides': colour: there is no such key"):
        read_pasted(f'colour = "red"\n{OURS}', file="tides")
    secret = OURS.replace('LEVEL = "debug"', f'LAB_TOKEN = "{KEY}"')
    assert KEY not in as_toml(read_pasted(secret, file="tides")[0].entry)


def test_the_time_limits_of_codex_are_limits_here() -> None:
    codex = '[mcp_servers.lab]\ncommand = "x"\nstartup_timeout_sec = 20\ntool_timeout_sec = 7.5\n'
    taken = one(codex)
    assert (taken.entry.limits.start_seconds, taken.entry.limits.seconds) == (20, 7.5)
    assert taken.told == ()


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ('{"bad": {"comand": "npx"}}', "'bad' has neither command nor url; it has comand", "mean command?"),
        ('{"mcpServers": {"good": {"command": "x"}, "bad": {"args": []}}}', "'bad' has neither", "Write its"),
        ('{"comand": "npx"}', "It has neither command nor url; it has comand", "Did you mean command?"),
        ('{"mcpServer": {"a": {"command": "x"}}}', "mcpServer is no place for", "Did you mean mcpServers?"),
        ('{"name": 1, "scripts": {}}', "There is no server in it", "Paste"),
        ('{"command": "npx"}', "It has no name", "Give it a name: atlas-mcp servers add NAME"),
        ('{"a": {"command": "x",,}}', "no JSON, line 1, column 23: ", "whole block"),
        (
            '[mcp_servers.a]\ncommand = "x\n',
            "It is no TOML, at its end: Unterminated string",
            "Correct that line.",
        ),
        ("# mine\ncommand = npx\n", "It is no TOML, line 2, column 11: ", "Correct that line."),
    ],
)
def test_what_is_wrong_is_named_by_its_key_or_its_line(text: str, message: str, remedy: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_pasted(text)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_a_key_that_is_written_otherwise_is_said_with_the_one_that_may_be_meant() -> None:
    (said,) = one({"lab": {"command": "x", "agrs": ["-y"]}}).told
    assert said == "agrs is not taken over: it means nothing here; did you mean args?"


def test_what_is_not_taken_over_is_said() -> None:
    told = one(
        {"My Lab": {"command": "npx", "args": ["-y", "@lab/mcp"], "timeout": 5, "alwaysAllow": ["*"]}}
    ).told
    assert told == (
        "My Lab is called my-lab here.",
        "timeout is not taken over: write seconds under [limits] in its file.",
        "alwaysAllow is not taken over: what an agent may use is said on its card.",
        "Its package has no version, so that each start may fetch a newer one: write name@1.2.3.",
    )
    assert one({"lab": {"command": "npx", "args": ["-y", "@lab/mcp@1.0"], "disabled": True}}).told == ()


@pytest.mark.parametrize(
    "text",
    [
        "no json", "[]", "{}", '{"mcpServers": {}}', '{"mcpServers": {"a": {"args": []}}}',
        '{"a": {"command": 5}}', '{"a": {"command": "x", "args": "-y"}}',
        '{"a": {"command": "x", "env": ["A=b"]}}',
        '{"a": {"command": "x", "env": {"A B": "c"}}}', '{"???": {"command": "x"}}',
        '{"a b": {"command": "x"}, "A-B": {"command": "y"}}', '{"a": {"command": "x", "args": ["\\ud800"]}}',
    ],
)  # fmt: skip
def test_what_cannot_be_a_server_is_refused_without_repeating_values(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_pasted(text)
    assert caught.value.remedy


def test_a_server_that_would_be_no_entry_is_refused_by_name() -> None:
    with pytest.raises(InvalidConfiguration, match=r"'a'.*either command"):
        read_pasted('{"a": {"command": "x", "url": "https://x.example"}}')


def test_no_part_of_a_text_that_cannot_be_read_is_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_pasted(f'{{"mcpServers": {{"a": {{"env": {{"K": "{KEY}"}}')
    assert KEY not in str(caught.value)


@given(
    st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4),
    st.lists(st.text(max_size=40), max_size=5), st.text(max_size=40),
)  # fmt: skip
def test_a_file_that_is_written_is_read_as_the_same_entry(
    headers: dict[str, str], args: list[str], text: str
) -> None:
    try:
        given: list[Entry] = [
            take_over("a", {"command": "x", "args": args, "title": text, "description": text}).entry,
            take_over("b", {"url": "https://x.example/", "headers": headers}).entry,
        ]
    except (InvalidInput, InvalidConfiguration):
        return
    for entry in given:
        assert checked_entry(entry.name, tomllib.loads(as_toml(entry)), "here") == entry


@pytest.mark.parametrize(
    "name", ["API_KEY", "x-api-key", "labApiKey", "--token", "Authorization", "DB_PASSWORD_2"]
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize(
    "name", ["LEVEL", "PATH", "MAX_TOKENS", "PUBLIC_KEY", "TOKENIZER", "PWD", "X-Region"]
)
def test_names_of_what_is_no_secret_are_left_alone(name: str) -> None:
    assert not names_secret(name)


def test_values_that_look_random_are_secrets_but_for_paths_and_digests() -> None:
    assert holds_secret("a8f5f167f44f4964e6c998dee827110c")
    assert holds_secret("123e4567-e89b-12d3-a456-426614174000")
    for plain in ("claude-sonnet-4-20250514", "/srv/a8f5f167f44f4964e6c998dee827110c", "debug", "8080"):
        assert not holds_secret(plain)


# Switching a file ------------------------------------------------------------------------------------------

HERE = Path("lab.toml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('# mine\ncommand = "x"\n', '# mine\nenabled = false\ncommand = "x"\n'),
        ('command = "x" # it\nenabled = true # on\n\n[limits]\nseconds = 5',
         'command = "x" # it\nenabled = false # on\n\n[limits]\nseconds = 5'),
        ("a = '''\nenabled = true\n'''\nenabled = true", "a = '''\nenabled = true\n'''\nenabled = false"),
        ("[limits]\r\nseconds = 5\r\n", "enabled = false\r\n[limits]\r\nseconds = 5\r\n"),
        ("# one\n# two", "# one\nenabled = false\n# two"),
    ],
)  # fmt: skip
def test_switching_changes_one_line_and_nothing_else(before: str, after: str) -> None:
    assert switched(before, "lab", HERE, enabled=False) == after
    assert switched(after, "lab", HERE, enabled=False) == after


def test_a_new_file_says_what_it_is() -> None:
    text = switched("", "lab", HERE, enabled=True)
    assert text.startswith("# Changes keys of the server lab that shipped")
    assert tomllib.loads(text) == {"enabled": True}


def test_a_file_that_is_no_toml_is_not_touched() -> None:
    with pytest.raises(InvalidConfiguration, match=r"lab\.toml"):
        switched("command = ", "lab", HERE, enabled=True)


def test_files_are_written_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", "utf-8")
    with pytest.raises(InvalidConfiguration):
        keep({tmp_path / "a.toml": "x", tmp_path / "taken" / "b.toml": "y"})
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]
    keep({tmp_path / "new" / "a.toml": "ä\r\n"})
    assert read_own(tmp_path / "new" / "a.toml") == "ä\r\n"
