"""From an entry to what is started: nothing is made by looking, and no secret of it is told by anybody."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.downstream.entry import Entry
from atlas_mcp.downstream.launch import Launch, Places, no_program, prepared
from atlas_mcp.downstream.overview import overview
from atlas_mcp.errors import AtlasError, NotConfigured
from atlas_mcp.redaction import redacted
from tests.downstream.places import misbehaving, opened

if TYPE_CHECKING:
    from pathlib import Path

SAYS = 'import os, sys; sys.exit(f\'{os.environ["ACME_PLACE"]} {os.environ["ACME_AUTH"]} is refused\')'


def program(*args: str, **more: Any) -> Entry:
    return Entry(name="odd", description="A server.", command=sys.executable, args=args, **more)


async def test_looking_at_servers_makes_no_folder(tmp_path: Path) -> None:
    entry = misbehaving("fine", values={"OUT": "{output}", "OWN": "{data}/memory.json"})
    async with opened(tmp_path, entry) as servers:
        (told,) = await overview(servers)
        assert servers.usable(["odd/*"]) == ("odd",)
        assert not (tmp_path / "files").exists()
        assert not (tmp_path / "servers").exists()
        await servers.call("odd/echo", {"text": "hello"})
        assert (tmp_path / "files").is_dir()
        assert (tmp_path / "servers" / "odd").is_dir()
    assert told["state"] == "ready"


async def test_a_server_whose_folder_cannot_be_made_says_so_and_costs_the_others_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "files").write_text("a file stands there", "utf-8")
    bad, good = misbehaving("fine", name="bad", values={"OUT": "{output}"}), misbehaving("fine", name="good")
    async with opened(tmp_path, bad, good) as servers:
        told = {each["name"]: each["state"] for each in await overview(servers)}
        assert servers.usable(["*/*"]) == ("good",)
        for look in (
            servers.offered("bad"),
            servers.call("bad/echo", {"text": "x"}),
            servers.free_path("a.md", "r_1"),
        ):
            with pytest.raises(NotConfigured, match=str(tmp_path / "files")):
                await look
        assert (await servers.call("good/echo", {"text": "hello"})).text == "hello"
    assert told == {"bad": "not_configured", "good": "ready"}


async def test_what_a_server_says_of_its_secrets_is_told_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redacted("read before they are set")
    monkeypatch.setenv("ACME_AUTH", "violet-penguin-31")
    monkeypatch.setenv("ACME_PLACE", "ada:umbrella-17")
    entry = program("-c", SAYS, needs=("ACME_PLACE",), env=("ACME_AUTH",))
    async with opened(tmp_path, entry) as servers:
        with pytest.raises(AtlasError) as failed:
            await servers.offered("odd")
        told = f"{failed.value} {servers.notices(['odd'])} {await overview(servers)}"
    assert "Its last words: [secret] [secret] is refused" in told
    assert "penguin" not in told
    assert "umbrella" not in told


async def test_a_secret_at_the_end_of_long_last_words_is_not_half_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_AUTH", "violet-penguin-31")
    says = "import os, sys; sys.exit('x' * 290 + os.environ['ACME_AUTH'])"
    async with opened(tmp_path, program("-c", says, needs=("ACME_AUTH",))) as servers:
        with pytest.raises(AtlasError) as failed:
            await servers.offered("odd")
    assert "violet" not in str(failed.value)
    assert "xxx" in str(failed.value)


async def test_a_folder_that_people_need_is_told_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_REPOSITORY", str(tmp_path))
    says = "import os, sys; sys.exit('no repository at ' + os.environ['GIT_REPOSITORY'])"
    async with opened(tmp_path, program("-c", says, needs=("GIT_REPOSITORY",))) as servers:
        with pytest.raises(AtlasError, match=str(tmp_path)):
            await servers.offered("odd")


async def test_of_a_program_that_is_not_there_the_whole_command_is_told(tmp_path: Path) -> None:
    whole = Entry(name="odd", description="A server.", command="/no/such/program", args=("--x",))
    bare = whole.model_copy(update={"command": "no-such-program"})
    places, environment = Places((), tmp_path, tmp_path), {"PATH": "", "HOME": str(tmp_path)}
    with pytest.raises(
        NotConfigured, match="odd is started by /no/such/program, and there is no such"
    ) as path:
        prepared(whole, places, environment)
    assert "write its whole path" not in path.value.remedy
    with pytest.raises(NotConfigured, match="by no-such-program, which is not installed") as name:
        prepared(bare, places, environment)
    assert "write its whole path as command" in name.value.remedy
    assert no_program(program(), environment) is None
    assert no_program(Entry(name="odd", description="d", url="https://x.example"), environment) is None


def test_a_program_in_a_usual_folder_is_found_though_a_desktops_path_is_short(tmp_path: Path) -> None:
    program = tmp_path / ".local" / "bin" / "lighthouse"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o700)
    entry = Entry(name="odd", description="A server.", command="lighthouse")
    how = prepared(entry, Places((), tmp_path, tmp_path), {"PATH": "/usr/bin", "HOME": str(tmp_path)})
    assert isinstance(how, Launch)
    assert how.command == str(program)
    # What it starts in its turn lies there too.
    assert str(program.parent) in how.env["PATH"].split(os.pathsep)
