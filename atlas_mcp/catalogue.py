"""Finds what a person writes as data: teams, servers and clients that shipped, the user's, the project's.

Later wins by name. A project's folder counts only when it was named and is trusted; both are settled by
whoever builds the `Catalogue`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Catalogue", "shipped"]

_PACKAGE = Path(__file__).resolve().parent


def shipped(kind: str) -> Path:
    """The folder of shipped data of a kind (`teams`, `servers`, `clients`, `handbook`).

    In an installed wheel it lies inside the package; in a checkout beside it.

    Raises:
        FileNotFoundError: the installation is damaged.
    """
    checkout = _PACKAGE.parent / ("docs/handbook" if kind == "handbook" else kind)
    for folder in (_PACKAGE / "shipped" / kind, checkout):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"The shipped folder {kind!r} is missing; install ATLAS anew.")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Where to look, lowest precedence first: shipped data, then each of `folders`."""

    folders: tuple[Path, ...] = ()

    def entries(self, kind: str, marker: str) -> dict[str, Path]:
        """Name to path of every entry of a kind, sorted by name.

        `marker` is the file that makes a folder an entry (`team.toml`), or a pattern (`*.toml`) of files.
        Hidden files and folders do not count.
        """
        found: dict[str, Path] = {}
        for folder in (shipped(kind), *(folder / kind for folder in self.folders)):
            if marker.startswith("*"):
                found |= {path.stem: path for path in folder.glob(marker)}
            else:
                found |= {path.parent.name: path.parent for path in folder.glob(f"*/{marker}")}
        return {name: path for name, path in sorted(found.items()) if not name.startswith(".")}
