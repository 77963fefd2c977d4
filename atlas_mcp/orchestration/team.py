"""A team's folder as a `Team`; every mistake is named by file and key.

A folder holds `team.toml` (wiring and limits), one `<agent>.md` an agent, and `output.schema.json`. The
hash of the folder, without its `cases` and `prompts`, is the team's version; a run remembers the one it began
with.
"""

from __future__ import annotations

import hashlib
import logging
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from atlas_mcp.agents.card import Card, load_card
from atlas_mcp.catalogue import shipped
from atlas_mcp.errors import InvalidConfiguration, InvalidInput, UnknownTeam
from atlas_mcp.messages import TaskType
from atlas_mcp.mistakes import nearest, together
from atlas_mcp.observe.sentences import counted
from atlas_mcp.orchestration.output_schema import is_computed, read_output_schema
from atlas_mcp.orchestration.team_file import TEAM_WORKER, Budget, InputField, TeamFile, misfit, read_wiring

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from atlas_mcp.catalogue import Catalogue

__all__ = [
    "CASES", "PROMPTS", "TEAM_NAME", "Budget", "InputField", "Team", "TeamFile", "Teams", "check_limits",
    "check_wiring", "load_team", "load_teams", "pick_team", "read_wiring", "unknown_team",
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
        InvalidConfiguration: the supervisor works too, the team names itself, or there is no such card; tells
        of all of it.
    """
    if mistakes := list(_misplaced(folder, wiring)):
        raise together(mistakes)


def _misplaced(folder: Path, wiring: TeamFile) -> Iterator[InvalidConfiguration]:
    file = folder / "team.toml"
    if wiring.supervisor in wiring.workers:
        yield InvalidConfiguration(
            f"{file}: workers: {wiring.supervisor!r} is the supervisor.", remedy="Name others."
        )
    cards = {path.stem for path in folder.glob("*.md")}
    for key, names in (("supervisor", (wiring.supervisor,)), ("workers", wiring.workers)):
        for name in names:
            if name in cards or name.startswith(TEAM_WORKER):
                if name.removeprefix(TEAM_WORKER) == folder.name and name not in cards:
                    yield InvalidConfiguration(
                        f"{file}: {key}: {name!r} is the team itself.",
                        remedy="A team cannot work for itself; name another team.",
                    )
            elif name == folder.name:
                yield InvalidConfiguration(
                    f"{file}: {key}: {name!r} is the team itself.",
                    remedy=f"A team cannot work for itself; write {name}.md if an agent is meant.",
                )
            else:
                near = nearest(name, cards - {wiring.supervisor, *wiring.workers})
                hint = f", or did you mean {near!r}" if near else ""
                yield InvalidConfiguration(
                    f"{file}: {key}: {name!r}: there is no such card; {folder / f'{name}.md'} is missing.",
                    remedy=f"Write {name}.md{hint}.",
                )


def check_limits(file: Path, card: Card, budget: Budget) -> None:
    """Refuse an assignment that may take more than the whole run.

    Raises:
        InvalidConfiguration: names each key of the card.
    """
    mistakes: list[InvalidConfiguration] = []
    for key in ("tokens", "cost_usd", "calls") if card.budget else ():
        one, all_together = getattr(card.budget, key), getattr(budget, key)
        if one is not None and all_together is not None and one > all_together:
            mistakes.append(
                InvalidConfiguration(
                    f"{file}: budget.{key}: {one:g} for one assignment is more than the {all_together:g}"
                    " that team.toml allows the whole run.",
                    remedy="Lower it, or raise [budget] in team.toml.",
                )
            )
    if mistakes:
        raise together(mistakes)


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


class Teams(dict[str, Team]):
    """Teams by name; `unusable` are a person's own that are left out, and what is wrong with each."""

    def __init__(self, teams: Mapping[str, Team], unusable: Mapping[str, InvalidConfiguration]) -> None:
        super().__init__(teams)
        self.unusable = dict(unusable)


def load_teams(catalogue: Catalogue) -> Teams:
    """Every team of a catalogue; a wrong one of a person's own is left out, and the log says so.

    Raises:
        InvalidConfiguration: a shipped team is wrong.
    """
    teams: dict[str, Team] = {}
    unusable: dict[str, InvalidConfiguration] = {}
    for name, folder in catalogue.entries("teams", "team.toml").items():
        try:
            teams[name] = load_team(folder)
        except InvalidConfiguration as error:
            if folder.parent == shipped("teams"):
                raise
            log.warning("team %s is left out: %s", name, error)
            unusable[name] = error
    return _linked(teams, unusable)


def _linked(teams: Mapping[str, Team], unusable: dict[str, InvalidConfiguration]) -> Teams:
    """The teams, each with those that work for it; one whose worker is no team is left out, too."""
    made: dict[str, Team] = {}
    for name, team in teams.items():
        try:
            made[name] = _link(team, teams, ())
        except InvalidConfiguration as error:
            if team.folder.parent == shipped("teams"):
                raise
            log.warning("team %s is left out: %s", name, error)
            unusable[name] = error
    return Teams(made, unusable)


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
            near = nearest(name, teams)
            hint = f" Did you mean 'team:{near}'?" if near else ""
            raise InvalidConfiguration(
                f"{file}: workers: {worker!r}: there is no such team.",
                remedy=f"Teams: {', '.join(teams)}.{hint}",
            )
        members[name] = _link(teams[name], teams, (*above, team.name))
    return team.model_copy(update={"teams": members}) if members else team


def pick_team(teams: Mapping[str, Team], name: str) -> Team:
    """The team of that name.

    Raises:
        UnknownTeam: there is none, or it cannot be used; names those there are, and what is wrong with it.
    """
    if name in teams:
        return teams[name]
    raise unknown_team(name, teams, teams.unusable if isinstance(teams, Teams) else {})


def unknown_team(
    name: str, known: Collection[str], unusable: Mapping[str, InvalidConfiguration] | None = None
) -> UnknownTeam:
    """What is said to whoever names a team that is not among those `known`, or is `unusable`."""
    wrong = (unusable or {}).get(name)
    if wrong is not None:
        first, more = (wrong.each or (wrong,))[0], len(wrong.each) - 1
        rest = f" {counted(more, 'more mistake')}." if more > 0 else ""
        return UnknownTeam(
            f"The team {name!r} is there, but cannot be used: {first.message}{rest}",
            remedy=f"See all that is wrong: atlas-mcp teams check {name}",
        )
    near = nearest(name, known)
    hint = f"Did you mean {near}? " if near else ""
    own = "" if near else " If it is your own, see `atlas-mcp teams check`."
    return UnknownTeam(f"There is no team {name!r}.", remedy=f"{hint}Teams: {', '.join(known)}.{own}")
