"""What an argument may go on with: names and ids that are there, texts that a team suggests, paths."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_types import Completion, PromptReference

from atlas_mcp.errors import AtlasError
from atlas_mcp.orchestration.prompt_file import DOCUMENTS
from atlas_mcp.surface.memory_resources import memory_ids
from atlas_mcp.trust import catalogue_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fastmcp import FastMCP
    from mcp_types import CompletionArgument

    from atlas_mcp.orchestration.prompt_file import TeamPrompt
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.surface.opening import Opening

__all__ = ["add_completions"]

MOST_VALUES = 100
"""Values of one answer; the protocol allows no more."""

MOST_PATHS = 50
"""Paths of one answer."""

MOST_ENTRIES = 2_000
"""Entries of a folder that are looked at."""

MOST_RUNS = 1_000
"""Runs, newest first, whose ids are looked at."""


def add_completions(
    server: FastMCP, opening: Opening, teams: Mapping[str, Team], prompts: Mapping[str, TeamPrompt]
) -> None:
    """Give a server the completions of its resource templates and prompts."""

    @server.completion
    async def complete(
        reference: object, argument: CompletionArgument, _context: object
    ) -> Completion | None:
        try:
            if isinstance(reference, PromptReference):
                prompt = prompts.get(reference.name)
                return await _of_prompt(opening, prompt, argument) if prompt else None
            return await _of_template(opening, teams, argument)
        except AtlasError:
            # The data folder cannot be opened: whoever uses it is told so, and here nothing is known.
            return None


async def _of_template(
    opening: Opening, teams: Mapping[str, Team], argument: CompletionArgument
) -> Completion | None:
    begun = argument.value
    match argument.name:
        case "team":
            return _beginning(teams, begun)
        case "run_id":
            rows = await (await opening.atlas()).list(limit=MOST_RUNS)
            return _beginning((row.run_id for row in rows), begun, cut=len(rows) == MOST_RUNS)
        case "memory_id":
            found = await memory_ids(opening, begun, MOST_VALUES + 1)
            return _beginning(found, begun, cut=len(found) > MOST_VALUES)
        case "server":
            return _beginning(catalogue_of(opening.settings).entries("servers", "*.toml"), begun)
        case _:
            return None


async def _of_prompt(opening: Opening, prompt: TeamPrompt, argument: CompletionArgument) -> Completion | None:
    field = prompt.team.input.get(argument.name)
    match prompt.suggest.get(argument.name, DOCUMENTS if argument.name == DOCUMENTS else ()):
        case "documents":
            roots = (await opening.atlas()).roots
            return await asyncio.to_thread(_paths, argument.value, roots)
        case "rubrics":
            return _beginning(_rubrics(prompt.team), argument.value)
        case suggested:
            return _beginning(suggested or (field and field.enum) or (), argument.value)


def _beginning(values: Iterable[str], begun: str, *, cut: bool = False) -> Completion:
    """Those that begin so; `cut` says that there are others that were not looked at."""
    found = [value for value in values if value.startswith(begun)]
    return Completion(
        values=found[:MOST_VALUES],
        total=None if cut else len(found),
        has_more=cut or len(found) > MOST_VALUES,
    )


def _rubrics(team: Team) -> list[str]:
    """The names of the rubrics of a team and of those that work for it."""
    folders = (each.folder for each in (team, *team.teams.values()))
    return sorted({file.stem for folder in folders for file in (folder / "rubrics").glob("*.toml")})


def _paths(written: str, roots: Sequence[Path]) -> Completion:
    """Paths that may be read and begin as what is written last, with what is written before it.

    Folders end in a separator. Nothing outside the roots is looked at, and no link that leads out is told.
    """
    begun = written[max(written.rfind(","), written.rfind("\n")) + 1 :].lstrip()
    before = written[: len(written) - len(begun)]
    try:
        allowed = [root.expanduser().resolve() for root in roots]
        found, cut = _within(begun, allowed)
    except (OSError, RuntimeError, ValueError):
        # No such folder, one that may not be read, a loop of links, a null byte: nothing begins so.
        return _beginning((), written)
    names = sorted(before + path for path in found)
    return Completion(
        values=names[:MOST_PATHS],
        total=None if cut else len(names),
        has_more=cut or len(names) > MOST_PATHS,
    )


def _within(begun: str, allowed: Sequence[Path]) -> tuple[list[str], bool]:
    """What begins so inside the allowed folders, and whether there was more than was looked at."""
    written, name = os.path.split(begun)
    folder = Path(written).expanduser().resolve()
    if not written or not any(folder.is_relative_to(root) for root in allowed):
        starts = (f"{root}{os.sep if root.is_dir() else ''}" for root in allowed)
        return [start for start in starts if start.startswith(begun)], False
    found: list[str] = []
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number == MOST_ENTRIES:
                return found, True
            if entry.name.startswith(".") or not entry.name.startswith(name):
                continue
            if entry.is_symlink() and not _leads_into(Path(entry.path), allowed):
                continue
            found.append(f"{begun[: len(begun) - len(name)]}{entry.name}{os.sep if entry.is_dir() else ''}")
    return found, False


def _leads_into(link: Path, allowed: Sequence[Path]) -> bool:
    try:
        return any(link.resolve().is_relative_to(root) for root in allowed)
    except (OSError, RuntimeError):
        return False
