"""Whose data counts: what shipped, the person's own, and a project's once they trust it as it is.

A project's `.atlas/` comes with a checkout from somebody else, and its servers start programs. It counts only
where it is named (`--project`, `ATLAS_PROJECT`) and the hash of its files is the one that was trusted. A link
in it would lead to what the hash does not hold, so a folder with one is never trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_mcp.settings import Settings

__all__ = ["FOLDER", "Project", "catalogue_of", "distrust", "project_of", "trust", "trusted"]

FOLDER = ".atlas"
KINDS = ("teams", "servers", "clients")
MOST_FILES = 2_000
MOST_BYTES = 20_000_000
_JUNCTION = 0xA0000003


@dataclass(frozen=True, slots=True)
class Project:
    """A project's folder of data: `hash` is of its files as they are now, `trusted` whether that one is."""

    path: Path
    folder: Path
    hash: str
    files: tuple[str, ...]
    trusted: bool
    changed: bool = False
    """Whether it was trusted as it was before."""
    odd: str = ""
    """What in it is neither a plain file nor a folder, and so cannot be trusted; empty where nothing is."""

    @property
    def known(self) -> bool:
        """Whether there is anything in it."""
        return bool(self.files or self.odd)

    @property
    def why_off(self) -> str:
        """Why what is in it does not count; empty where it does, or where there is nothing."""
        if self.trusted or not self.known:
            return ""
        why = "changed since it was trusted" if self.changed else "is not trusted"
        why = f"cannot be trusted: {self.odd}" if self.odd else why
        return f"{self.folder} {why}, so its teams and servers are off."


def catalogue_of(settings: Settings) -> Catalogue:
    """Where teams, servers and clients are looked for under these settings."""
    folders = [settings.config]
    if (project := project_of(settings)) is not None and project.trusted:
        folders.append(project.folder)
    return Catalogue(tuple(folders))


def project_of(settings: Settings) -> Project | None:
    """The project that is named, if one is.

    Raises:
        InvalidInput: its folder holds more than a person can look through.
    """
    if settings.project is None:
        return None
    path = settings.project.expanduser().resolve()
    return _project(path, _read(settings.home))


def trust(settings: Settings, path: Path) -> Project:
    """Trust a project's folder as it is now.

    Raises:
        InvalidInput: there is none, it holds too much, or a link.
    """
    project = _project(path.expanduser().resolve(), {})
    if project.odd:
        raise InvalidInput(
            f"{project.folder} cannot be trusted: {project.odd}.",
            remedy="Put the files themselves in its place.",
        )
    if not project.known:
        raise InvalidInput(
            f"{project.folder} holds no teams, servers or clients.",
            remedy="Name the folder that holds .atlas, such as atlas-mcp trust .",
        )
    _write(settings.home, {**_read(settings.home), str(project.path): project.hash})
    return _project(project.path, _read(settings.home))


def distrust(settings: Settings, path: Path) -> bool:
    """Trust a project no more; False if it was not trusted."""
    trusted = _read(settings.home)
    gone = trusted.pop(str(path.expanduser().resolve()), None)
    if gone is not None:
        _write(settings.home, trusted)
    return gone is not None


def trusted(settings: Settings) -> list[Path]:
    """The projects that were trusted, as they are now or as they were."""
    return sorted(map(Path, _read(settings.home)))


def _project(path: Path, trusted: dict[str, str]) -> Project:
    folder = path / FOLDER
    digest, names = hashlib.sha256(), list[str]()
    size, odd = 0, ""
    for file in _held(folder):
        if odd := _oddity(folder, file):
            break
        name = file.relative_to(folder).as_posix()
        data = file.read_bytes()
        size += len(data)
        names.append(name)
        if len(names) > MOST_FILES or size > MOST_BYTES:
            raise InvalidInput(
                f"{folder} holds more than {MOST_FILES:,} files or {MOST_BYTES / 1e6:.0f} MB.",
                remedy="Keep nothing but teams, servers and clients in it.",
            )
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    made = digest.hexdigest()
    before = trusted.get(str(path))
    if odd:  # what was read until there says nothing of the whole
        return Project(path, folder, made, tuple(names), trusted=False, odd=odd)
    return Project(
        path, folder, made, tuple(names), bool(names) and before == made, before not in {None, made}
    )


def _held(folder: Path) -> Iterator[Path]:
    """Every file of a kind that counts, and every link on the way to one, which is not followed."""
    tops = [folder, *(folder / kind for kind in KINDS)]
    yield from filter(_is_link, tops)
    for top in tops[1:]:
        held: list[Path] = []
        for within, folders, files in os.walk(top, followlinks=False):
            here = Path(within)
            links = [name for name in folders if _is_link(here / name)]
            held += [here / name for name in (*files, *links)]
            folders[:] = [name for name in folders if name not in links]
        yield from sorted(held)


def _oddity(folder: Path, file: Path) -> str:
    """Why what is found at a path cannot be trusted by the hash of its content; empty where it can."""
    name = FOLDER if file == folder else file.relative_to(folder).as_posix()
    if _is_link(file):
        return f"{name} is a link, and what it leads to may change unseen"
    return "" if file.is_file() else f"{name} is no plain file"


def _is_link(path: Path) -> bool:
    """Whether a path is a link, or what Windows calls a junction."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) == _JUNCTION


def _read(home: Path) -> dict[str, str]:
    try:
        kept: Any = json.loads((home / "trusted.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, str]", kept) if isinstance(kept, dict) else {}


def _write(home: Path, trusted: dict[str, str]) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=home, prefix="trusted-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(trusted, file, indent=1)
    Path(draft).replace(home / "trusted.json")
