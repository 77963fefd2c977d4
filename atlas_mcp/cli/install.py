"""`atlas-mcp install`: which MCP clients there are, and ATLAS put into their configuration or taken out."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import typer

from atlas_mcp.cli.terminal import give_json, leaving, stderr, stdout
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.install.change import Change
    from atlas_mcp.install.client import Client, ClientFile
    from atlas_mcp.install.entry import Wish
    from atlas_mcp.install.machine import Machine
    from atlas_mcp.settings import HttpSettings

__all__ = ["install"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STATES = {
    "absent": ("no", "dim"),
    "installed": ("yes", "green"),
    "elsewhere": ("another installation of ATLAS", "yellow"),
    "broken": ("its program is gone: install again", "red"),
    "taken": ("the name is taken by another server", "yellow"),
    "unreadable": ("its file cannot be read", "red"),
}
"""How a client stands to ATLAS, as a person is told."""

Scope = Literal["user", "project"]


def install(  # noqa: PLR0917 - each is an option, and none is passed by position
    client: Annotated[
        str | None, typer.Argument(metavar="CLIENT", help="A client by name; all are listed if left out.")
    ] = None,
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="With --http: an address other than this machine's.")
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="Name the address of `atlas-mcp serve --http`, and start nothing.")
    ] = False,
    scope: Annotated[
        Scope, typer.Option(help="For you everywhere, or for the project in this folder.")
    ] = "user",
    name: Annotated[str, typer.Option("--name", help="What the entry is called.")] = "atlas",
    read: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="A folder that the client may name documents in. Repeatable."),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A variable to pass on by name, never its value. Repeatable."),
    ] = None,
    copy_env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A variable whose value is written into the file. Repeatable."),
    ] = None,
    show: Annotated[bool, typer.Option("--print", help="Show the entry and write nothing.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change and write nothing.")
    ] = False,
    remove: Annotated[bool, typer.Option("--uninstall", help="Take the entry out; all else stays.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Go on where the client is not here, or the name is taken.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write ATLAS into the configuration of an MCP client, or list the clients.

    All else in the file stays as it is, and a copy of it is kept beside it. Installed again, the entry is
    brought up to date.
    """
    with leaving():
        if client is not None and "://" in client and url is None:
            client, url = None, client
        if client is None and not show and (read or env or copy_env or http or url or dry_run or remove):
            raise InvalidInput("No client is named.", remedy="Say which: atlas-mcp install lists them.")
        errand = _Errand(name, scope, dry_run=dry_run, force=force, as_json=as_json)
        if client is None and not show:
            errand.list_all()
        elif remove and client is not None:
            errand.remove(client, _address(url) if url else None)
        else:
            wish = _Wishes(read, env, copy_env, _address(url) if http or url else None)
            errand.show(client, wish) if show else errand.write(str(client), wish)


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What the entry shall hold, as it was typed."""

    read: list[Path] | None
    env: list[str] | None
    copy_env: list[str] | None
    url: str | None


class _Errand:
    """What one call of the command does, on this machine and with the person's settings."""

    def __init__(self, name: str, scope: Scope, *, dry_run: bool, force: bool, as_json: bool) -> None:
        from atlas_mcp.catalogue import Catalogue
        from atlas_mcp.install.machine import Machine
        from atlas_mcp.settings import Settings

        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"--name: {name!r} is no name of a server.", remedy="Write up to 64 letters, digits, - and _."
            )
        self._name = name
        self._scope: Scope = scope
        self._dry_run = dry_run
        self._force = force
        self._as_json = as_json
        self._settings = Settings.load()
        self._catalogue: Catalogue = Catalogue((self._settings.config,))
        self._machine: Machine = replace(Machine.here(), serves=_own_address(self._settings.http))

    def list_all(self) -> None:
        """Say which clients there are, which are here, and where ATLAS is installed."""
        from atlas_mcp.install.change import stand
        from atlas_mcp.install.client import load_clients

        told = list[dict[str, Any]]()
        for client in load_clients(self._catalogue).values():
            scopes = {
                scope: {"file": str(path), "state": stand(client, self._machine, self._name, scope)}
                for scope in ("user", "project")
                if (path := client.config(self._machine, scope))
            }
            here = client.is_here(self._machine)
            told.append({"name": client.name, "title": client.says.title, "here": here, "scopes": scopes})
        if self._as_json:
            give_json(told)
        else:
            _tell_clients(told)

    def show(self, asked: str | None, wishes: _Wishes) -> None:
        """Print the entry as it would stand in a file of its own."""
        from atlas_mcp.install.change import place_of
        from atlas_mcp.install.client import ANY, find_client
        from atlas_mcp.install.entry import made
        from atlas_mcp.install.text import Notation

        client = find_client(self._catalogue, asked) if asked else None
        says = client.says if client else ANY
        if client and self._scope == "project":
            place_of(client, self._machine, self._scope)  # what cannot be written is not shown either
        wish = self._wish(wishes)
        # What is printed may be seen and copied elsewhere, so values are not.
        values = {each: f"the value of {each}" for each in wish.copied}
        machine = replace(self._machine, environment={**self._machine.environment, **values})
        sys.stdout.write(Notation(says, Path(says.title)).shown(self._name, made(says, machine, wish)))
        for remark in self._remarks(says, wish):
            stderr().print(remark, style="yellow", markup=False, soft_wrap=True)

    def write(self, asked: str, wishes: _Wishes) -> None:
        """Install ATLAS in a client."""
        from atlas_mcp.install.change import install, stand
        from atlas_mcp.install.client import find_client

        client = find_client(self._catalogue, asked)
        wish = self._wish(wishes)
        change = install(
            client, self._machine, self._name, wish, scope=self._scope, force=self._force
        )  # before anything is asked, so that nobody answers in vain
        new = stand(client, self._machine, self._name, self._scope) in {"absent", "taken"}
        if new and wish.url is None and wish.read is None and self._may_ask:
            wish = replace(wish, read=_asked_folders(client.says.title))
            change = install(client, self._machine, self._name, wish, scope=self._scope, force=self._force)
        then = client.after(self._scope).replace("NAME", self._name)
        remarks = (
            [] if change.is_nothing else [*self._remarks(client.says, wish), *self._shared(change, wish)]
        )
        self._perform(
            client, change, "has ATLAS already, as it should be", "has ATLAS now", remarks, then=then
        )

    def remove(self, asked: str, url: str | None) -> None:
        """Take ATLAS out of a client; `url` is where it serves, if that is an address of one's own."""
        from atlas_mcp.install.change import uninstall
        from atlas_mcp.install.client import find_client

        client = find_client(self._catalogue, asked)
        machine = replace(self._machine, serves=url) if url else self._machine
        change = uninstall(client, machine, self._name, scope=self._scope, force=self._force)
        self._perform(
            client, change, f"has no entry {self._name!r}", "has ATLAS no longer", [], then="start it again."
        )

    @property
    def _may_ask(self) -> bool:
        return sys.stdin.isatty() and sys.stderr.isatty() and not (self._as_json or self._dry_run)

    def _wish(self, typed: _Wishes) -> Wish:
        from atlas_mcp.install.entry import Wish, is_loopback

        if typed.url is not None:
            if typed.read or typed.env or typed.copy_env:
                raise InvalidInput(
                    "--read, --env and --copy-env are for an ATLAS that the client starts.",
                    remedy="Over HTTP the server decides: its own variables, and [roots] read in atlas.toml.",
                )
            token = self._settings.http.token is not None or not is_loopback(typed.url)
            return Wish(url=typed.url, token=token)
        _check_variables([*(typed.env or ()), *(typed.copy_env or ())])
        if typed.copy_env and self._scope == "project":
            raise InvalidInput(
                "--copy-env: the file of a project is seen by all who work on it.",
                remedy="Pass the variable on by its name, with --env, or write --scope user.",
            )
        for each in typed.copy_env or ():
            if not self._machine.environment.get(each):
                raise InvalidInput(f"--copy-env: {each} is not set here.", remedy=f"Set {each} first.")
        folders = tuple(map(_folder, typed.read)) if typed.read else None
        return Wish(folders, tuple(typed.env or ()), self._needed(), tuple(typed.copy_env or ()))

    def _needed(self) -> tuple[str, ...]:
        """The variables of this person's providers, and of the servers that teams may use."""
        from atlas_mcp.downstream.entries import load_entries
        from atlas_mcp.trust import catalogue_of

        keys = [one.key_env for one in self._settings.provider.values() if one.key_env]
        # A file that is wrong counts for nothing in ATLAS, and doctor says what is wrong with it.
        entries, _wrong = load_entries(catalogue_of(self._settings))
        on = (entry for entry in entries.values() if entry.enabled)
        return (*keys, *(name for entry in on for name in (*entry.needs, *entry.env)))

    def _perform(
        self, client: Client, change: Change, nothing: str, done: str, remarks: list[str], *, then: str
    ) -> None:
        """Write the change unless it is only to be shown, and say what came of it."""
        if self._dry_run and not self._as_json:
            _tell_diff(change) if not change.is_nothing else stderr().print("Nothing would change.")
            return
        copy = None if self._dry_run else change.apply()
        if self._as_json:
            give_json({
                "client": client.name, "scope": self._scope, "file": str(change.path),
                "changed": not change.is_nothing, "written": not (change.is_nothing or self._dry_run),
                "diff": change.diff(), "copy": str(copy) if copy else None, "remarks": remarks,
            })  # fmt: skip
            return
        said = nothing if change.is_nothing else done
        console = stdout()
        console.print(f"{client.says.title} {said}: {change.path}", markup=False, soft_wrap=True)
        if copy:
            console.print(f"What was there is kept in {copy}", style="dim", markup=False, soft_wrap=True)
        if not change.is_nothing:
            for remark in remarks:
                stderr().print(remark, style="yellow", markup=False, soft_wrap=True)
            stderr().print(f"Next: {then}", markup=False, soft_wrap=True)

    def _remarks(self, says: ClientFile, wish: Wish) -> list[str]:
        """What a person should know of the entry before they rely on it."""
        from atlas_mcp.install.client import ANY
        from atlas_mcp.install.entry import passed, unseen

        remarks = list[str]()
        if wish.url is not None:
            if wish.token:
                remarks.append(says.remote or "The server asks for a token, which this client must send.")
            return remarks
        if says is not ANY and (names := unseen(says, self._machine, wish)):
            remarks.append(
                f"{says.title} starts servers without your shell's variables, so ATLAS does not see"
                f" {', '.join(names)} there. Put settings into {self._settings.file}; for a key, repeat this"
                " with --copy-env NAME, which writes its value into the file in plain text, or use a model on"
                " this machine (Ollama), which needs none."
            )
        elif says.variables not in {"all", "none"} and (names := passed(self._machine, wish)):
            remarks.append(f"Passed on by name, no value is in the file: {', '.join(names)}.")
        if wish.copied:
            remarks.append(f"The file holds the value of {', '.join(wish.copied)} in plain text.")
        return remarks

    def _shared(self, change: Change, wish: Wish) -> list[str]:
        if self._scope == "user" or wish.url is not None:
            return []
        return [f"The entry names a program on this machine: others need their own {change.path.name}."]


def _check_variables(names: list[str]) -> None:
    if any(not _VARIABLE.fullmatch(each) for each in names):
        # What stands there may hold a secret, so it is not repeated.
        raise InvalidInput(
            "--env and --copy-env take the name of a variable, without its value.",
            remedy="Write --env OPENAI_API_KEY; the client looks up its value.",
        )


def _address(url: str | None) -> str:
    from atlas_mcp.install.entry import LOCAL

    if url is None:
        return LOCAL
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and parts.hostname and not parts.username
    except ValueError:
        sound = False
    if not sound:
        raise InvalidInput("That is no address of a server over HTTP.", remedy=f"Write one such as {LOCAL}.")
    return url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/mcp"


def _own_address(http: HttpSettings) -> str:
    """Where a program on this machine finds ATLAS once it serves over HTTP."""
    host = http.host.strip("0.:") and http.host  # nothing but zeros is every address of this machine
    host = f"[{host}]" if ":" in host else host
    return f"http://{host or 'localhost'}:{http.port}/mcp"


def _folder(path: Path) -> Path:
    folder = path.expanduser().resolve()
    if not folder.is_dir():
        raise InvalidInput(f"--read: {folder} is no folder.", remedy="Name a folder that is there.")
    return folder


def _asked_folders(title: str) -> tuple[Path, ...] | None:
    """The folders that a person at a terminal names, one at a time, until they name none."""
    stderr().print(f"Which folders may {title} name documents in? None is a good answer.", markup=False)
    folders = list[Path]()
    while said := typer.prompt("Folder", default="", show_default=False, err=True).strip():
        try:
            folders.append(_folder(Path(said)))
        except InvalidInput as error:
            stderr().print(error.message, style="yellow", markup=False)
    return tuple(folders) or None


def _tell_clients(told: list[dict[str, Any]]) -> None:
    """The clients as a table; a path is never broken, and has a line of its own where there is no room."""
    from rich.cells import cell_len
    from rich.text import Text

    from atlas_mcp.cli.aligned import Column, aligned

    columns = (Column("client"), Column("", dear=False), Column("here"), Column("ATLAS"))
    rows, files = list[list[str | Text]](), list[str]()
    for one in told:
        here = Text("yes", style="green") if one["here"] else Text("no", style="dim")
        for scope, each in one["scopes"].items():
            if scope == "project" and each["state"] == "absent":
                continue
            said, style = _STATES[each["state"]]
            said = f"{said} (project)" if scope == "project" else said
            rows.append([Text(one["name"], "bold"), one["title"], here, Text(said, style)])
            files.append(each["file"])
    console = stdout()
    lines = aligned(columns, rows, console.width)
    left = max(line.cell_len for line in lines) + len("  ")
    beside = left + max(map(cell_len, files), default=0) <= console.width
    paths = [Text("file", "dim"), *map(Text, files)]
    for line, path in zip(lines, paths, strict=True):
        if beside:
            line.append(" " * (left - line.cell_len)).append_text(path)
        console.print(line, soft_wrap=True)
        if not beside and path is not paths[0]:
            console.print(Text("  ").append_text(path), soft_wrap=True)
    stderr().print("\natlas-mcp install CLIENT writes the entry; add --dry-run to see it first.", style="dim")


def _tell_diff(change: Change) -> None:
    from rich.text import Text

    styles = {"+": "green", "-": "red", "@": "cyan"}
    console = stdout()
    for number, line in enumerate(change.diff()):
        style = "bold" if number < len(("---", "+++")) else styles.get(line[:1], "")
        console.print(Text(line, style=style), soft_wrap=True)
