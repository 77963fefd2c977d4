"""The machine and the person that ATLAS is installed for: folders, variables, and how ATLAS is started."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOCAL", "Machine", "is_passing"]

LOCAL = "http://127.0.0.1:8765/mcp"
"""Where `atlas-mcp serve --http` answers, unless settings say otherwise."""

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<otherwise>[^}]*))?\}")
_PASSING = re.compile(r"(?:archive|environments|builds)-v\d+")
"""Folders of uv's cache that hold environments; `uv cache prune` removes them."""
_PROGRAMS = ("uvx", "npx", "node", "docker")
"""What downstream servers are started by."""
_USUAL: Mapping[str, tuple[str, ...]] = {
    "linux": ("~/.local/bin", "/usr/local/bin", "/usr/bin", "/bin"),
    "macos": (
        "~/.local/bin",
        "/opt/homebrew/bin",
        "/usr/local/bin",
        "/usr/bin",
        "/bin",
        "/usr/sbin",
        "/sbin",
    ),
}
"""Where programs usually lie. On Windows a program of the desktop sees the whole PATH anyway."""
_PIPX_RUN = {(".cache", "pipx"), ("pipx", ".cache"), ("cache", "pipx"), ("caches", "pipx"), ("pipx", "cache")}


@dataclass(frozen=True, slots=True)
class Machine:
    """What is looked at and written to; `here` is this one."""

    home: Path
    """The person's home folder."""
    folder: Path
    """The folder of the project."""
    environment: Mapping[str, str]
    system: Literal["linux", "macos", "windows"] = "linux"
    command: tuple[str, ...] = ("atlas-mcp",)
    """How ATLAS is started, before the word `serve`."""
    prefix: Path = field(default_factory=lambda: Path(sys.prefix))
    """The environment of Python that ATLAS is installed in."""
    serves: str = LOCAL
    """Where `atlas-mcp serve --http` answers by this person's settings."""

    @classmethod
    def here(cls) -> Machine:
        """This machine, the working directory, and this installation of ATLAS."""
        system = "windows" if sys.platform == "win32" else "macos" if sys.platform == "darwin" else "linux"
        return cls(Path.home(), Path.cwd(), dict(os.environ), system, _command())

    def expanded(self, written: str) -> Path | None:
        """A path as `clients/NAME.toml` writes it, with `~`, `${NAME}` and `${NAME:-otherwise}`.

        None where it names a variable that is not set.
        """
        unset = False

        def value(found: re.Match[str]) -> str:
            nonlocal unset
            said = self.environment.get(found["name"]) or found["otherwise"]
            unset = unset or said is None
            return said or ""

        text = _VARIABLE.sub(value, written)
        if unset:
            return None
        return self.home / text[2:] if text.startswith("~/") else self.home if text == "~" else Path(text)

    def has(self, sign: str) -> bool:
        """Whether a path is there, or, where `sign` is a bare word, a command of that name."""
        if "/" not in sign and not sign.startswith("~"):
            return shutil.which(sign, path=self.environment.get("PATH", "")) is not None
        path = self.expanded(sign)
        return path is not None and path.exists()

    def program_folders(self) -> tuple[str, ...]:
        """Where programs lie that downstream servers are started by: where they are now, then as usual.

        None on Windows, where no client cuts the PATH short.
        """
        usual = [self.expanded(each) for each in _USUAL.get(self.system, ())]
        if not usual:
            return ()
        path = self.environment.get("PATH", "")
        found = [Path(program) for name in _PROGRAMS if (program := shutil.which(name, path=path))]
        # A folder that a version manager made for one shell leads to the one that stays.
        folders = [*(program.parent.resolve() for program in found), *filter(None, usual)]
        return tuple(dict.fromkeys(map(str, folders)))


def is_passing(prefix: Path) -> bool:
    """Whether an environment of Python lies in the cache of `uvx` or `pipx run`, and may go any day."""
    parts = [part.lower() for part in prefix.parts]
    return any(map(_PASSING.fullmatch, parts)) or any(pair in _PIPX_RUN for pair in pairwise(parts))


def _command() -> tuple[str, ...]:
    """The script of this installation; where there is none, this Python and the name of the module."""
    name = "atlas-mcp.exe" if sys.platform == "win32" else "atlas-mcp"
    for scheme in (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")):
        script = Path(sysconfig.get_path("scripts", scheme)) / name
        # A person's own scripts may be another Python's, and of another package that has this name.
        own = scheme == sysconfig.get_default_scheme() or _is_within(sysconfig.get_path("purelib", scheme))
        if own and script.is_file():
            return (str(script),)
    return (sys.executable, "-m", "atlas_mcp")


def _is_within(folder: str) -> bool:
    """Whether this installation of ATLAS lies in a folder."""
    return Path(__file__).resolve().is_relative_to(Path(folder).resolve())
