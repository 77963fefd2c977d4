"""From an entry to what is started or asked: variables and places filled in, or what is missing said."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_mcp.downstream.entry import VARIABLE
from atlas_mcp.errors import NotConfigured
from atlas_mcp.redaction import hide, is_secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.downstream.entry import Entry

__all__ = ["ROOTS", "Address", "Launch", "Places", "no_program", "prepared", "ready"]

_INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT",
    "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "USERNAME",
    "PROGRAMFILES", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "npm_config_registry", "npm_config_cache",
    "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CACHE_DIR", "PIP_INDEX_URL",
)  # fmt: skip
"""What any program needs to find its files, its proxy and its packages; nothing else is inherited."""

ROOTS = "[roots]\nread = ['/a/folder']"
"""What to write at the end of atlas.toml for folders that may be read: two lines, since one is no TOML."""

_PROGRAMS = {
    "npx": "Install Node.js 22 or newer: https://nodejs.org",
    "node": "Install Node.js 22 or newer: https://nodejs.org",
    "uvx": "Install uv: https://docs.astral.sh/uv",
    "docker": "Install Docker, or use the server's own program.",
}


@dataclass(frozen=True, slots=True)
class Places:
    """The folders that an entry may stand for: those that may be read, where files are written, our own."""

    roots: tuple[Path, ...]
    output: Path
    data: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to start; its environment holds secrets, so that it is never shown."""

    command: str
    args: tuple[str, ...]
    cwd: str | None
    env: Mapping[str, str] = field(repr=False)
    folders: tuple[Path, ...] = ()
    """Those that stand among its arguments, which are there when it is started."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server to ask over HTTP; its headers hold secrets, so that they are never shown."""

    url: str
    transport: str
    headers: Mapping[str, str] = field(repr=False)


def prepared(entry: Entry, places: Places, environment: Mapping[str, str] | None = None) -> Launch | Address:
    """What an entry comes to on this machine; `environment` is ours by default. Nothing is made for it.

    Raises:
        NotConfigured: it is off, or lacks a variable, a program or a folder; says which and what to type.
    """
    environment = os.environ if environment is None else environment
    _must_be_ready(entry, places, environment)
    for name in (*entry.needs, *entry.env):
        # Whatever the server makes of it, and says in its errors.
        if (value := environment.get(name)) and is_secret(name, value, needed=name in entry.needs):
            hide(value)
    filled = _Filled(environment, places, places.data / entry.name)
    if not entry.local:
        headers = {name: filled.text(value) for name, value in entry.headers.items()}
        return Address(filled.text(entry.url), entry.transport, headers)
    passed = {name: environment[name] for name in (*entry.needs, *entry.env) if environment.get(name)}
    given = {name: environment[name] for name in _INHERITED if name in environment}
    values = {name: filled.text(value) for name, value in entry.values.items()}
    search = _search(environment)
    command = shutil.which(entry.command, path=search) or entry.command
    if shutil.which(entry.command, path=environment.get("PATH")) is None:
        # What it starts in its turn, such as node, lies beside it.
        given["PATH"] = search
    args = tuple(part for arg in entry.args for part in filled.parts(arg))
    cwd = filled.text(entry.cwd) or None
    folders = tuple(filled.folders)
    for folder in folders:
        _must_be_possible(entry, folder)
    return Launch(command, args, cwd, {**given, **passed, **values}, folders)


def ready(entry: Entry, places: Places) -> Launch | Address:
    """The same for a server that is started now, with its folders made.

    Raises:
        NotConfigured: as for `prepared`, and where a folder cannot be made.
    """
    how = prepared(entry, places)
    for folder in how.folders if isinstance(how, Launch) else ():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _no_folder(entry, folder, error.strerror or str(error)) from None
    return how


def _must_be_possible(entry: Entry, folder: Path) -> None:
    """See that nothing stands in the way of a folder, without making it."""
    try:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        if not there.is_dir():
            raise _no_folder(entry, folder, f"{there} is a file")
    except OSError as error:
        raise _no_folder(entry, folder, error.strerror or str(error)) from None


def _no_folder(entry: Entry, folder: Path, why: str) -> NotConfigured:
    return NotConfigured(
        f"{entry.shown_title} needs the folder {folder}, which cannot be made: {why}.",
        remedy="Move what is in its way, or name another one in atlas.toml under [roots].",
    )


def _must_be_ready(entry: Entry, places: Places, environment: Mapping[str, str]) -> None:
    if not entry.enabled:
        raise NotConfigured(
            f"{entry.shown_title} is off.", remedy=f"Turn it on: atlas-mcp servers enable {entry.name}"
        )
    if lacking := [name for name in entry.needs if not environment.get(name)]:
        names = " and ".join(lacking)
        raise NotConfigured(
            f"{entry.shown_title} needs {names}.",
            remedy=f"Set {names} in the environment that ATLAS is started in.",
        )
    if any("{roots}" in arg for arg in entry.args) and not places.roots:
        raise NotConfigured(
            f"{entry.shown_title} needs folders that may be read.",
            remedy=f"Name them in two lines at the end of atlas.toml:\n{ROOTS}",
        )
    if lacking := no_program(entry, environment):
        raise lacking


def no_program(entry: Entry, environment: Mapping[str, str] | None = None) -> NotConfigured | None:
    """That the program of a local server is not there, and what to do; None where it is."""
    search = _search(os.environ if environment is None else environment)
    if not entry.local or shutil.which(entry.command, path=search) is not None:
        return None
    named = f"{entry.shown_title} is started by {entry.command}"
    if Path(entry.command).name != entry.command:
        return NotConfigured(
            f"{named}, and there is no such program on this machine.",
            remedy="Install it there, or correct command in the server's file.",
        )
    return NotConfigured(
        f"{named}, which is not installed, or not where ATLAS looks: on the PATH that it was started with,"
        " and in the usual folders.",
        remedy=_PROGRAMS.get(entry.command, f"Install {entry.command}, or write its whole path as command."),
    )


def _search(environment: Mapping[str, str]) -> str:
    """Where programs are looked for: a desktop's own PATH is short, and lacks what a terminal's has."""
    home = Path(environment.get("HOME") or environment.get("USERPROFILE") or "~").expanduser()
    usual = (
        Path(sys.executable).parent, home / ".local" / "bin", home / ".cargo" / "bin", Path("/usr/local/bin"),
        Path("/opt/homebrew/bin"),
    )  # fmt: skip
    return os.pathsep.join([*filter(None, [environment.get("PATH")]), *map(str, usual)])


class _Filled:
    """Texts of an entry with variables and places filled in."""

    def __init__(self, environment: Mapping[str, str], places: Places, own: Path) -> None:
        self._environment = environment
        self._places = places
        self._own = own
        self.folders: dict[Path, None] = {}

    def parts(self, text: str) -> Sequence[str]:
        """An argument as the program gets it: `{roots}` alone becomes one for each folder."""
        if text == "{roots}":
            return [str(root) for root in self._places.roots]
        return [self.text(text)]

    def text(self, text: str) -> str:
        for place, folder in (("{output}", self._places.output), ("{data}", self._own)):
            if place in text:
                self.folders[folder] = None
                text = text.replace(place, str(folder))
        text = text.replace("{roots}", os.pathsep.join(map(str, self._places.roots)))
        return VARIABLE.sub(lambda found: self._environment.get(found[1], ""), text)
