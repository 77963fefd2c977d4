"""Makes the folder of a new team: a copy of `starter/`, which works at once and is there to be changed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_mcp.errors import InvalidInput
from atlas_mcp.orchestration.team import TEAM_NAME, load_team

if TYPE_CHECKING:
    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.orchestration.team import Team

__all__ = ["new_team"]

STARTER = Path(__file__).parent / "starter"
_DESCRIPTION = re.compile(r'\Adescription = ".*"')


def new_team(catalogue: Catalogue, folder: Path, name: str, description: str = "") -> Team:
    """Make a team in `folder`, which holds a person's own; without a description it keeps the starter's.

    Raises:
        InvalidInput: the name is none, is taken, or the folder cannot be written to.
    """
    _refuse(catalogue, folder, name)
    made = folder / name
    try:
        _copy(made)
        if description.strip():
            _describe(made / "team.toml", " ".join(description.split()))
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise InvalidInput(
            f"{made} cannot be written: {error.strerror or error}.",
            remedy="Mend the permissions of its folder, or choose another name.",
        ) from None
    return load_team(made)


def _copy(made: Path) -> None:
    """The starter's files, in folders that are their user's alone."""
    for file in sorted(STARTER.rglob("*")):
        if file.is_file() and file.suffix in {".json", ".md", ".toml"}:
            there = made / file.relative_to(STARTER)
            # Each by itself: the mode that is given counts for the last folder of a path alone.
            missing = [folder for folder in there.parents if not folder.exists()]
            for folder in reversed(missing):
                folder.mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(file, there)


def _refuse(catalogue: Catalogue, folder: Path, name: str) -> None:
    if not TEAM_NAME.match(name):
        raise InvalidInput(
            f"{name!r} is no name of a team; write small letters, digits, - and _, a letter first.",
            remedy=f"Try: atlas-mcp teams new {_proper(name)}",
        )
    taken = catalogue.entries("teams", "team.toml")
    if name in taken:
        raise InvalidInput(
            f"There is a team {name!r} already: {taken[name]}.",
            remedy=f"Choose another name, such as {_free(name, taken)}, or change the files of that one.",
        )
    if (folder / name).exists():
        raise InvalidInput(
            f"{folder / name} exists already, and is no team: it has no team.toml.",
            remedy="Choose another name, or move it away.",
        )


def _proper(name: str) -> str:
    """The nearest name that would do."""
    plain = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-_").lstrip("0123456789-_")
    return plain[:64] or "my-team"


def _free(name: str, taken: dict[str, Path]) -> str:
    tries = (f"{'my-' * times}{name}" for times in range(1, len(taken) + 2))
    return next(each for each in tries if each not in taken)


def _describe(file: Path, description: str) -> None:
    # Text in JSON's quotes is text in TOML's, save for the one control character that JSON leaves bare.
    quoted = json.dumps(description, ensure_ascii=False).replace("\x7f", "\\u007f")
    text = file.read_text("utf-8")
    file.write_text(
        _DESCRIPTION.sub(lambda _: f"description = {quoted}", text, count=1), "utf-8", newline="\n"
    )
