"""Which files of a folder are documents, and which are left out and why."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Found", "find_files"]

LEFT_OUT = frozenset({"node_modules", "__pycache__", "venv", "site-packages", "bower_components"})

_UNMEANT = frozenset({"hidden", "a folder of packages", "neither file nor folder"})
"""Reasons of what nobody meant to be read who named the folder around it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a path holds: files to read, the folder if it is one, what was left out and why.

    Of what was left out, `passed_over` is what nobody meant to be read, by uri.
    """

    files: list[Path] = field(default_factory=list[Path])
    folder: Path | None = None
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    passed_over: set[str] = field(default_factory=set[str])

    def leave_out(self, uri: str, reason: str) -> None:
        """Note that something is not read, and why."""
        self.skipped.append((uri, reason))
        if reason in _UNMEANT:
            self.passed_over.add(uri)


def find_files(path: Path) -> Found:
    """The files `path` stands for: itself, or all in the folder and its subfolders, in order of their names.

    Hidden files and folders, those of packages, and links that leave the folder are left out by name.
    """
    path = path.expanduser().resolve()
    if path.is_dir():
        found = Found(folder=path)
        _walk(path, found)
    elif path.is_file():
        found = Found([path])
    else:
        found = Found(skipped=[(path.as_uri(), "there is no such file or folder")])
    return found


def _walk(root: Path, found: Found) -> None:
    def unreadable(error: OSError) -> None:
        found.skipped.append((Path(error.filename).as_uri(), f"cannot be opened: {error.strerror}"))

    for folder, subfolders, names in os.walk(root, onerror=unreadable):
        entered: list[str] = []
        for name in sorted(subfolders):
            path = Path(folder, name)
            if reason := _reason(path, root, is_folder=True):
                found.leave_out(path.as_uri(), reason)
            elif not path.is_symlink():
                entered.append(name)
        subfolders[:] = entered
        for name in sorted(names):
            path = Path(folder, name)
            if reason := _reason(path, root, is_folder=False):
                found.leave_out(path.as_uri(), reason)
            elif not path.is_symlink():
                found.files.append(path)


def _reason(path: Path, root: Path, *, is_folder: bool) -> str | None:
    """Why something is left out; a link within the folder has no reason, as its target is read anyway."""
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        return "a link that leaves the folder"
    if path.name.startswith("."):
        return "hidden"
    if is_folder:
        return "a folder of packages" if path.name in LEFT_OUT else None
    return None if path.is_file() else "neither file nor folder"
