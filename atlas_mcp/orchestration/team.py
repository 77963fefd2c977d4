"""A team's folder as a `Team`; every mistake is named by file and key.

A folder holds `team.toml` (wiring and limits), one `<agent>.md` an agent, and `output.schema.json`. The
hash of the folder, without its `cases` and `prompts`, is the team's version; a run remembers the one it began
with.
"""

from __future__ import annotations

import hashlib
import logging
import re
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from atlas_mcp.agents.card import Card, load_card
from atlas_mcp.catalogue import shipped
from atlas_mcp.errors import InvalidConfiguration, InvalidInput, UnknownTeam
from atlas_mcp.messages import TaskType
from atlas_mcp.orchestration.output_schema import is_computed, read_output_schema
from atlas_mcp.orchestration.team_file import TEAM_WORKER, Budget, InputField, TeamFile, misfit, read_wiring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.catalogue import Catalogue

__all__ = [
    "CASES", "PROMPTS", "TEAM_NAME", "Budget", "InputField", "Team", "TeamFile", "check_limits",
    "check_wiring", "linked", "load_team", "load_teams", "pick_team", "read_wiring",
]  # fmt: skip

TEAM_NAME = re.compile(r"\A[a-z][a-z0-9_-]{0,63}\Z")
"""What a team's folder may be called."""

CASES = "cases"
"""The folder of a team's cases, which try the team and are no part of it."""

PROMPTS = "prompts"
"""The folder of what people say to have a team called, which changes nothing of what it does."""

log = logging.getLogger(__name__)


class Team(TeamFile):
    """A supervisor, its workers, their limits and the shape of what they give."""

    name: str
    folder: Path
    version: str
    cards: dict[str, Card]
    output_schema: dict[str, Any]
    teams: dict[str, Team] = Field(default_factory=dict[str, "Team"], repr=False)

    @property
    def title(self) -> str:
        """The team's name as a person reads it."""
        return self.name.replace("_", " ").replace("-", " ").title()

    @cached_property
    def composed_schema(self) -> dict[str, Any]:
        """What the supervisor composes: the output's schema without what the run computes itself."""
        properties = {
            key: value for key, value in self.output_schema["properties"].items() if not is_computed(value)
        }
        required = [key for key in self.output_schema.get("required", []) if key in properties]
        shape = {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }
        return shape | ({"$defs": self.output_schema["$defs"]} if "$defs" in self.output_schema else {})

    def describe(self, worker: str) -> str:
        """What a worker does, for whoever assigns."""
        name = worker.removeprefix(TEAM_WORKER)
        return self.teams[name].description if worker != name else self.cards[worker].description

    def task_of(self, worker: str) -> TaskType:
        """What kind of work a worker does."""
        name = worker.removeprefix(TEAM_WORKER)
        if worker != name:
            return self.teams[name].task
        return self.cards[worker].task or TaskType.EXTRACTION

    def check_input(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The input with defaults filled in.

        Raises:
            InvalidInput: an argument is unknown, missing, empty, too long or of the wrong type.
        """
        unknown = sorted(set(given) - set(self.input))
        if unknown:
            raise InvalidInput(
                f"{self.name} takes no argument {unknown[0]!r}.", remedy=f"It takes: {', '.join(self.input)}."
            )
        checked: dict[str, Any] = {}
        for name, field in self.input.items():
            value = given.get(name)
            if value is None:
                value = field.default
            if value is None:
                if field.required:
                    raise InvalidInput(f"{self.name} needs {name!r}.", remedy=f"{name}: {field.description}")
                continue
            if wrong := misfit(field, value):
                raise InvalidInput(f"{self.name}: {name!r} {wrong}.", remedy=f"{name}: {field.description}")
            checked[name] = value
        return checked


def load_team(folder: Path) -> Team:
    """Read a team's folder.

    Raises:
        InvalidConfiguration: something in it is missing or wrong; names file and key.
    """
    name = folder.name
    file = folder / "team.toml"
    if not TEAM_NAME.match(name):
        raise InvalidConfiguration(
            f"{folder}: a team's folder is named with small letters, digits, - and _.", remedy="Rename it."
        )
    wiring = read_wiring(file)
    check_wiring(folder, wiring)
    names = [name for name in (wiring.supervisor, *wiring.workers) if not name.startswith(TEAM_WORKER)]
    cards = {card: load_card(folder / f"{card}.md") for card in names}
    for card, written in cards.items():
        check_limits(folder / f"{card}.md", written, wiring.budget)
    return Team(
        **wiring.model_dump(),
        name=name,
        folder=folder,
        version=_version(folder),
        cards=cards,
        output_schema=read_output_schema(folder / "output.schema.json"),
    )


def check_wiring(folder: Path, wiring: TeamFile) -> None:
    """Refuse who cannot be on a team.

    Raises:
        InvalidConfiguration: the supervisor works too, the team names itself, or there is no such card.
    """
    file = folder / "team.toml"
    if wiring.supervisor in wiring.workers:
        raise InvalidConfiguration(
            f"{file}: workers: {wiring.supervisor!r} is the supervisor.", remedy="Name others."
        )
    cards = {path.stem for path in folder.glob("*.md")}
    for key, names in (("supervisor", (wiring.supervisor,)), ("workers", wiring.workers)):
        for name in names:
            if name in cards or name.startswith(TEAM_WORKER):
                if name.removeprefix(TEAM_WORKER) == folder.name and name not in cards:
                    raise InvalidConfiguration(
                        f"{file}: {key}: {name!r} is the team itself.",
                        remedy="A team cannot work for itself; name another team.",
                    )
                continue
            if name == folder.name:
                raise InvalidConfiguration(
                    f"{file}: {key}: {name!r} is the team itself.",
                    remedy=f"A team cannot work for itself; write {name}.md if an agent is meant.",
                )
            near = get_close_matches(name, cards - {wiring.supervisor, *wiring.workers}, n=1)
            hint = f", or did you mean {near[0]!r}" if near else ""
            raise InvalidConfiguration(
                f"{file}: {key}: {name!r}: there is no such card; {folder / f'{name}.md'} is missing.",
                remedy=f"Write {name}.md{hint}.",
            )


def check_limits(file: Path, card: Card, budget: Budget) -> None:
    """Refuse an assignment that may take more than the whole run.

    Raises:
        InvalidConfiguration: names the key of the card.
    """
    for key in ("tokens", "cost_usd", "calls") if card.budget else ():
        one, all_together = getattr(card.budget, key), getattr(budget, key)
        if one is not None and all_together is not None and one > all_together:
            raise InvalidConfiguration(
                f"{file}: budget.{key}: {one:g} for one assignment is more than the {all_together:g}"
                " that team.toml allows the whole run.",
                remedy="Lower it, or raise [budget] in team.toml.",
            )


def _version(folder: Path) -> str:
    """SHA-256 over the folder's files, by name and content; cases, prompts and hidden files do not count."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if (
            relative.parts[0] not in {CASES, PROMPTS}
            and path.is_file()
            and not any(part.startswith((".", "__")) for part in relative.parts)
        ):
            digest.update(f"{relative.as_posix()}\0".encode())
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
            digest.update(b"\0")
    return digest.hexdigest()


def load_teams(catalogue: Catalogue) -> dict[str, Team]:
    """Every team of a catalogue by name; a wrong one of a person's own is left out, and the log says so.

    Raises:
        InvalidConfiguration: a shipped team is wrong.
    """
    teams: dict[str, Team] = {}
    for name, folder in catalogue.entries("teams", "team.toml").items():
        try:
            teams[name] = load_team(folder)
        except InvalidConfiguration as error:
            if folder.parent == shipped("teams"):
                raise
            log.warning("team %s is left out: %s", name, error)
    return linked(teams)


def linked(teams: Mapping[str, Team]) -> dict[str, Team]:
    """The teams, each with those that work for it; one whose worker is no team is left out, and logged.

    Raises:
        InvalidConfiguration: that happens to a shipped team.
    """
    made: dict[str, Team] = {}
    for name, team in teams.items():
        try:
            made[name] = _link(team, teams, ())
        except InvalidConfiguration as error:
            if team.folder.parent == shipped("teams"):
                raise
            log.warning("team %s is left out: %s", name, error)
    return made


def _link(team: Team, teams: Mapping[str, Team], above: tuple[str, ...]) -> Team:
    members: dict[str, Team] = {}
    for worker in team.workers:
        name = worker.removeprefix(TEAM_WORKER)
        if name == worker:
            continue
        file = team.folder / "team.toml"
        if name in (*above, team.name):
            raise InvalidConfiguration(
                f"{file}: workers: {worker!r} would work for itself.",
                remedy=f"Take it out of one of {' and '.join(dict.fromkeys((*above, team.name)))}.",
            )
        if name not in teams:
            near = get_close_matches(name, teams, n=1)
            hint = f" Did you mean 'team:{near[0]}'?" if near else ""
            raise InvalidConfiguration(
                f"{file}: workers: {worker!r}: there is no such team.",
                remedy=f"Teams: {', '.join(teams)}.{hint}",
            )
        members[name] = _link(teams[name], teams, (*above, team.name))
    return team.model_copy(update={"teams": members}) if members else team


def pick_team(teams: Mapping[str, Team], name: str) -> Team:
    """The team of that name.

    Raises:
        UnknownTeam: there is none; names those there are.
    """
    if name not in teams:
        raise UnknownTeam(
            f"There is no team {name!r}.",
            remedy=f"Teams: {', '.join(teams)}. If it is your own, see `atlas-mcp teams check`.",
        )
    return teams[name]
