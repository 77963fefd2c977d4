"""Every mistake in a team's folder at once, so that a person mends them in one go.

Loading a team stops at the first; this goes on, and also looks at what harms nobody but the team itself:
tools that do not exist, and cases that cannot be tried.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from atlas_mcp.agents.card import load_card
from atlas_mcp.agents.skills import FOLDER as SKILLS
from atlas_mcp.catalogue import Catalogue
from atlas_mcp.downstream.entries import load_entries
from atlas_mcp.downstream.toolbox import grants
from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.evaluation.case import case_files, load_case, read_case
from atlas_mcp.messages import TaskType
from atlas_mcp.mistakes import nearest
from atlas_mcp.orchestration.desk import SEARCH, TOOLS
from atlas_mcp.orchestration.output_schema import read_output_schema
from atlas_mcp.orchestration.prompt_file import load_prompt, prompt_files, read_prompt
from atlas_mcp.orchestration.table_specs import CALCULATE
from atlas_mcp.orchestration.team import PROMPTS, check_limits, check_wiring, load_team, read_wiring
from atlas_mcp.orchestration.team_file import TEAM_WORKER, right_wiring
from atlas_mcp.orchestration.trades.known import trade_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from atlas_mcp.agents.card import Card
    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.orchestration.team import Team, TeamFile

__all__ = ["Checked", "check"]

Result = TypeVar("Result")

_FOREIGN = re.compile(r"[A-Z]|mcp__")
"""How the names of Claude Code's own tools begin; its agent files are cards as they are."""


@dataclass(slots=True)
class Checked:
    """What is wrong with a team's folder, what is only worth a remark, and the team where it can be used."""

    mistakes: list[InvalidConfiguration] = field(default_factory=list[InvalidConfiguration])
    remarks: list[str] = field(default_factory=list[str])
    team: Team | None = None

    def tried(self, read: Callable[[], Result]) -> Result | None:
        """What `read` gives; None, and each mistake noted, where it finds one."""
        try:
            return read()
        except InvalidConfiguration as error:
            for each in error.each or (error,):
                if str(each) not in map(str, self.mistakes):
                    self.mistakes.append(each)
            return None


def check(
    folder: Path, known: Collection[str] = (), servers: Mapping[str, Entry] | None = None,
    listed: Mapping[str, Collection[str]] | None = None,
) -> Checked:  # fmt: skip
    """Look at everything in a team's folder.

    `known` are the teams that may work for it, if known; `servers` the downstream servers there are, by
    default those that shipped; `listed` the tools of each of these that was listed once.
    """
    checked = Checked()
    servers = load_entries(Catalogue())[0] if servers is None else servers
    checked.tried(lambda: read_wiring(folder / "team.toml"))
    # What is wrong in one key must not hide what is wrong elsewhere until it is mended.
    wiring = right_wiring(folder / "team.toml")
    if wiring is not None:
        checked.tried(partial(check_wiring, folder, wiring))
        _check_cards(checked, folder, wiring, servers, listed or {})
        for worker in wiring.workers if known else ():
            name = worker.removeprefix(TEAM_WORKER)
            if name != worker and name not in known:
                checked.mistakes.append(
                    InvalidConfiguration(
                        f"{folder / 'team.toml'}: workers: {worker!r}: there is no such team.",
                        remedy=f"Teams: {', '.join(sorted(known))}.",
                    )
                )
    checked.tried(lambda: read_output_schema(folder / "output.schema.json"))
    checked.team = team = checked.tried(lambda: load_team(folder))
    for file in case_files(folder):
        checked.tried(partial(read_case, file) if team is None else partial(load_case, file, team))
    for file in sorted((folder / PROMPTS).glob("*.md")) if team is None else prompt_files(team):
        checked.tried(partial(read_prompt, file) if team is None else partial(load_prompt, file, team))
    return checked


def _check_cards(
    checked: Checked, folder: Path, wiring: TeamFile, servers: Mapping[str, Entry],
    listed: Mapping[str, Collection[str]],
) -> None:  # fmt: skip
    for name in (wiring.supervisor, *wiring.workers):
        file = folder / f"{name}.md"
        if file.exists() and (card := checked.tried(partial(load_card, file))) is not None:
            _check_tools(checked, file, card, finds=name in wiring.workers and _finds(card))
            _check_servers(checked, file, card, servers)
            for key, granted in (("tools", card.tools), ("writes", card.writes)):
                checked.mistakes += _unlisted(file, key, granted, servers, listed)
            checked.tried(partial(check_limits, file, card, wiring.budget))
            if card.skills and not (folder / SKILLS).is_dir():
                checked.remarks.append(
                    f"{file}: skills: {', '.join(card.skills)}: this team has none; the card goes without."
                    f" To use one, copy its folder to {folder / SKILLS}."
                )


def _finds(card: Card) -> bool:
    """Whether an agent finds by itself, and does not go on from what others found."""
    task = card.task or TaskType.EXTRACTION
    return task is not TaskType.RATING and not trade_of(task).needs_material


def _check_tools(checked: Checked, file: Path, card: Card, *, finds: bool) -> None:
    usable = [tool for tool in TOOLS if any(fnmatchcase(tool, granted) for granted in card.tools)]
    for granted in card.tools:
        if "/" in grants([granted])[0] or any(fnmatchcase(tool, granted) for tool in TOOLS):
            continue
        if _FOREIGN.match(granted):
            checked.remarks.append(
                f"{file}: tools: {granted!r} is a tool of Claude Code; it is left out here."
            )
            continue
        near = nearest(granted, TOOLS)
        hint = f" Did you mean {near!r}?" if near else ""
        checked.mistakes.append(
            InvalidConfiguration(
                f"{file}: tools: there is no tool {granted!r}.", remedy=f"Tools: {', '.join(TOOLS)}.{hint}"
            )
        )
    outside = any("/" in each for each in grants(card.tools))
    if finds and not outside and not set(usable) - {CALCULATE.name}:
        checked.remarks.append(
            f"{file}: tools: this worker can search nothing, and knows only what others found."
            f" To let it read: tools: [{SEARCH}]"
        )


def _check_servers(checked: Checked, file: Path, card: Card, servers: Mapping[str, Entry]) -> None:
    """Grants of downstream tools: to servers there are, and never of effects beside the open web."""
    for key, patterns in (("tools", grants(card.tools)), ("writes", grants(card.writes))):
        for granted in patterns:
            server = granted.partition("/")[0]
            if "/" in granted and not any(fnmatchcase(name, server) for name in servers):
                near = nearest(server, servers)
                hint = f" Did you mean {near}/…?" if near else " Add it: atlas-mcp servers add"
                checked.remarks.append(f"{file}: {key}: {granted!r} is of no server there is.{hint}")
            elif key == "writes" and "/" not in granted:
                checked.remarks.append(f"{file}: writes: {granted!r}: write server/tool, such as word/*.")
    named = [each.partition("/")[0] for each in grants(card.tools)]
    web = [name for name, entry in servers.items() if entry.web and name in named]
    if web and card.writes:
        checked.remarks.append(
            f"{file}: writes: who reads the open web ({web[0]}) gets no tool with effects, whatever its card"
            " says. Give them to another agent."
        )


def _unlisted(
    file: Path, key: str, granted: Sequence[str], servers: Mapping[str, Entry],
    listed: Mapping[str, Collection[str]],
) -> Iterator[InvalidConfiguration]:  # fmt: skip
    """Grants of tools that no server has which they are of, as far as the tools of all of these are known."""
    for each in grants(granted):
        server, _, tool = each.partition("/")
        of = [name for name in servers if fnmatchcase(name, server)]
        there = [f"{name}/{known}" for name in of for known in listed.get(name, ())]
        if not (tool and of) or not all(listed.get(name) for name in of):
            continue
        if not any(fnmatchcase(known, each) for known in there):
            near = nearest(each, there)
            hint = f"Did you mean {near!r}? " if near else ""
            yield InvalidConfiguration(
                f"{file}: {key}: there is no tool {each!r}.",
                remedy=f"{hint}Its tools: atlas-mcp servers show {of[0]}",
            )
