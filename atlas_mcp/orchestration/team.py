"""A team's folder as a `Team`; every mistake is named by file and key.

A folder holds `team.toml` (wiring and limits), one `<agent>.md` an agent, and `output.schema.json`. The
hash of the folder, without its `cases`, is the team's version; a run remembers the one it began with.
"""

from __future__ import annotations

import hashlib
import json
import keyword
import logging
import re
import tomllib
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from atlas_mcp.agents.card import Card, load_card
from atlas_mcp.catalogue import shipped
from atlas_mcp.errors import InvalidConfiguration, InvalidInput, UnknownTeam
from atlas_mcp.orchestration.output_schema import is_computed, read_output_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.catalogue import Catalogue

__all__ = [
    "CASES", "TEAM_NAME", "Budget", "InputField", "Team", "TeamFile", "check_limits", "check_wiring",
    "load_team", "load_teams", "pick_team", "read_wiring",
]  # fmt: skip

TEAM_NAME = re.compile(r"\A[a-z][a-z0-9_-]{0,63}\Z")
"""What a team's folder may be called."""

CASES = "cases"
"""The folder of a team's cases, which try the team and are no part of it."""

_CARD = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_TAKEN = frozenset({"budget", "documents", "fresh", "priority", "self", "team", "wait_seconds"})

_FEWEST_CALLS = 3

LONGEST_INPUT = 20_000
"""Characters that one input of a team may have."""

log = logging.getLogger(__name__)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputField(_Table):
    """`[input.NAME]`: one argument of the team's tool."""

    type: Literal["string", "integer", "number", "boolean", "array"] = "string"
    description: str = Field(min_length=1)
    required: bool = True
    default: Any = None
    enum: tuple[str, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.enum is not None and self.type != "string":
            raise ValueError(f"enum belongs to a string, not to {self.type}")
        if self.default is not None and (wrong := _misfit(self, self.default)):
            raise ValueError(f"default {wrong}")
        return self


class Budget(_Table):
    """`[budget]`: what a run may take; None is no limit."""

    seconds: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)
    cost_usd: float | None = Field(default=None, gt=0)
    calls: int | None = Field(default=None, gt=0)


class TeamFile(_Table):
    """`team.toml`: who is on the team, what it asks for, within which limits."""

    description: str = Field(min_length=1)
    supervisor: str
    workers: tuple[str, ...] = Field(min_length=1)
    rounds: int = Field(default=2, ge=1, le=10)
    max_parallel: int = Field(default=4, ge=1, le=64)
    max_assignments: int = Field(default=4, ge=1, le=64)
    min_success: float = Field(default=0.5, ge=0, le=1)
    wait_seconds: float = Field(default=45.0, ge=0, le=50)
    input: dict[str, InputField] = Field(min_length=1)
    budget: Budget = Budget()

    @field_validator("supervisor", "workers")
    @classmethod
    def _names_cards(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = (value,) if isinstance(value, str) else value
        for name in names:
            if not _CARD.match(name):
                raise ValueError(f"{name!r} is no name of a card; it is the file's name without .md")
        if len(set(names)) < len(names):
            raise ValueError("a worker is named twice")
        return value

    @field_validator("budget")
    @classmethod
    def _suffices(cls, value: Budget) -> Budget:
        if value.calls is not None and value.calls < _FEWEST_CALLS:
            raise ValueError(
                f"calls: {value.calls} is too few; a plan, one assignment and the brief take a call each"
            )
        return value

    @field_validator("input")
    @classmethod
    def _can_be_asked(cls, value: dict[str, InputField]) -> dict[str, InputField]:
        for name in value:
            if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
                raise ValueError(f"{name!r} is no name of an argument; use small letters, digits and _")
            if name in _TAKEN:
                raise ValueError(f"{name!r} is an argument that every team takes; choose another name")
        first = next(iter(value.values()), None)
        if first and (first.type != "string" or not (first.required or first.default)):
            raise ValueError("the first one says what the work is about; it is a string and required")
        return value


class Team(TeamFile):
    """A supervisor, its workers, their limits and the shape of what they give."""

    name: str
    folder: Path
    version: str
    cards: dict[str, Card]
    output_schema: dict[str, Any]

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
            if wrong := _misfit(field, value):
                raise InvalidInput(f"{self.name}: {name!r} {wrong}.", remedy=f"{name}: {field.description}")
            checked[name] = value
        return checked


_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list,
}  # fmt: skip


def _misfit(field: InputField, value: Any) -> str:
    """What is wrong with a value, empty when nothing is."""
    if not isinstance(value, _TYPES[field.type]) or (field.type != "boolean" and isinstance(value, bool)):
        return f"is {type(value).__name__}, not {field.type}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    if not text.strip():
        return "is empty"
    if len(text) > LONGEST_INPUT:
        return f"has {len(text):,} characters; {LONGEST_INPUT:,} is the most. Give long material as documents"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "is not Unicode"
    if field.enum and value not in field.enum:
        return f"is {value!r}, not one of {', '.join(field.enum)}"
    return ""


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
    cards = {card: load_card(folder / f"{card}.md") for card in (wiring.supervisor, *wiring.workers)}
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


def read_wiring(file: Path) -> TeamFile:
    """What `team.toml` says.

    Raises:
        InvalidConfiguration: it is missing or wrong; names the key.
    """
    try:
        return TeamFile.model_validate(tomllib.loads(file.read_text("utf-8-sig")))
    except FileNotFoundError:
        raise InvalidConfiguration(
            f"{file}: there is no such file.", remedy="A team needs a team.toml."
        ) from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(
            f"{file}: {error}.", remedy="Correct the line; TOML quotes text."
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        known = _known_keys(first["loc"]) if first["type"] == "extra_forbidden" else ""
        raise InvalidConfiguration(
            f"{file}: {key}: {said}.", remedy=f"Known keys: {known}." if known else _remedy(first["loc"])
        ) from None


def _known_keys(place: tuple[int | str, ...]) -> str:
    table = {"input": InputField, "budget": Budget}.get(str(place[0]), TeamFile)
    return ", ".join(table.model_fields)


def _remedy(place: Sequence[int | str]) -> str:
    """What to write where a number is out of its bounds."""
    top, *below = map(str, place)
    fields, name = (
        (Budget.model_fields, below[0]) if top == "budget" and below else (TeamFile.model_fields, top)
    )
    bounds = {
        kind: getattr(bound, kind)
        for bound in (fields[name].metadata if name in fields else ())
        for kind in ("gt", "ge", "le")
        if hasattr(bound, kind)
    }
    if "le" in bounds:
        return f"Write a number from {bounds['ge']:g} to {bounds['le']:g}."
    return f"Write a number above {bounds['gt']:g}." if "gt" in bounds else "Correct that key."


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
            if name in cards:
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
    """SHA-256 over the folder's files, by name and content; cases and hidden files do not count."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if (
            relative.parts[0] != CASES
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
    return teams


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
