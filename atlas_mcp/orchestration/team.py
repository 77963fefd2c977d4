"""A team's folder as a `Team`; every mistake is named by file and key.

A folder holds `team.toml` (wiring and limits), one `<agent>.md` an agent, and `output.schema.json`. The
hash of the folder is the team's version; a run remembers the one it began with.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from atlas_mcp.agents.card import Card, load_card
from atlas_mcp.errors import InvalidConfiguration, InvalidInput, UnknownTeam

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.catalogue import Catalogue

__all__ = ["Budget", "InputField", "Team", "load_team", "load_teams"]

_NAME = re.compile(r"\A[a-z][a-z0-9_-]{0,63}\Z")
LONGEST_INPUT = 20_000
"""Characters that one input of a team may have."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputField(_Table):
    """`[input.NAME]`: one argument of the team's tool."""

    type: Literal["string", "integer", "number", "boolean", "array"] = "string"
    description: str = Field(min_length=1)
    required: bool = True
    default: Any = None
    enum: tuple[str, ...] | None = None


class Budget(_Table):
    """`[budget]`: what a run may take; None is no limit."""

    seconds: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)
    cost_usd: float | None = Field(default=None, gt=0)
    calls: int | None = Field(default=None, gt=0)


class _TeamFile(_Table):
    description: str = Field(min_length=1)
    supervisor: str
    workers: tuple[str, ...] = Field(min_length=1)
    rounds: int = Field(default=2, ge=1, le=10)
    revisions: int = Field(default=2, ge=0, le=10)
    max_parallel: int = Field(default=4, ge=1, le=64)
    max_assignments: int = Field(default=4, ge=1, le=64)
    min_success: float = Field(default=0.5, ge=0, le=1)
    wait_seconds: float = Field(default=45.0, ge=0, le=50)
    input: dict[str, InputField] = Field(min_length=1)
    budget: Budget = Budget()


class Team(_TeamFile):
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
            key: value
            for key, value in self.output_schema["properties"].items()
            if not value.get("x-atlas-computed")
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
            value = given.get(name, field.default)
            if value is None:
                if field.required and field.default is None:
                    raise InvalidInput(f"{self.name} needs {name!r}.", remedy=f"{name}: {field.description}")
                continue
            checked[name] = _check_value(self.name, name, field, value)
        return checked


_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list,
}  # fmt: skip


def _check_value(team: str, name: str, field: InputField, value: Any) -> Any:
    if not isinstance(value, _TYPES[field.type]) or (field.type != "boolean" and isinstance(value, bool)):
        raise InvalidInput(
            f"{team}: {name!r} is {type(value).__name__}, not {field.type}.", remedy=f"Give a {field.type}."
        )
    if isinstance(value, str):
        if not value.strip():
            raise InvalidInput(f"{team}: {name!r} is empty.", remedy=f"{name}: {field.description}")
        if len(value) > LONGEST_INPUT:
            raise InvalidInput(
                f"{team}: {name!r} has {len(value):,} characters; {LONGEST_INPUT:,} is the most.",
                remedy="Ask shortly, and give long material as documents.",
            )
        if field.enum and value not in field.enum:
            raise InvalidInput(
                f"{team}: {name!r} is {value!r}.", remedy=f"Choose from {', '.join(field.enum)}."
            )
    return value


def load_team(folder: Path) -> Team:
    """Read a team's folder.

    Raises:
        InvalidConfiguration: something in it is missing or wrong; names file and key.
    """
    name = folder.name
    file = folder / "team.toml"
    if not _NAME.match(name):
        raise InvalidConfiguration(
            f"{folder}: a team's folder is named with small letters, digits, - and _.", remedy="Rename it."
        )
    wiring = _read_wiring(file)
    cards = {card: load_card(folder / f"{card}.md") for card in (wiring.supervisor, *wiring.workers)}
    if wiring.supervisor in wiring.workers:
        raise InvalidConfiguration(
            f"{file}: workers: {wiring.supervisor!r} is the supervisor.", remedy="Name others."
        )
    return Team(
        **wiring.model_dump(),
        name=name,
        folder=folder,
        version=_version(folder),
        cards=cards,
        output_schema=_read_schema(folder / "output.schema.json"),
    )


def _read_wiring(file: Path) -> _TeamFile:
    try:
        return _TeamFile.model_validate(tomllib.loads(file.read_text("utf-8")))
    except FileNotFoundError:
        raise InvalidConfiguration(
            f"{file}: there is no such file.", remedy="A team needs a team.toml."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(
            f"{file}: {error}.", remedy="Correct the line; TOML quotes text."
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ", ".join(_TeamFile.model_fields) if first["type"] == "extra_forbidden" else ""
        raise InvalidConfiguration(
            f"{file}: {key}: {first['msg']}.",
            remedy=f"Known keys: {known}." if known else "Correct that key.",
        ) from None


def _read_schema(file: Path) -> dict[str, Any]:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        schema: dict[str, Any] = json.loads(file.read_text("utf-8"))
        Draft202012Validator.check_schema(schema)
    except FileNotFoundError:
        raise InvalidConfiguration(
            f"{file}: there is no such file.", remedy="Write the JSON Schema of what the team gives."
        ) from None
    except ValueError as error:
        raise InvalidConfiguration(f"{file}: not JSON: {error}.", remedy="Correct the file.") from None
    except SchemaError as error:
        raise InvalidConfiguration(
            f"{file}: {error.json_path}: {error.message}.", remedy="Write JSON Schema 2020-12."
        ) from None
    if schema.get("type") != "object" or not schema.get("properties"):
        raise InvalidConfiguration(
            f"{file}: type: the output is an object with properties.", remedy="Say so."
        )
    return schema


def _version(folder: Path) -> str:
    """SHA-256 over the folder's files, by name and content; hidden files do not count."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not any(part.startswith((".", "__")) for part in relative.parts):
            digest.update(f"{relative.as_posix()}\0".encode())
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
            digest.update(b"\0")
    return digest.hexdigest()


def load_teams(catalogue: Catalogue) -> dict[str, Team]:
    """Every team of a catalogue by name.

    Raises:
        InvalidConfiguration: one of them is wrong.
    """
    return {name: load_team(folder) for name, folder in catalogue.entries("teams", "team.toml").items()}


def pick_team(teams: Mapping[str, Team], name: str) -> Team:
    """The team of that name.

    Raises:
        UnknownTeam: there is none; names those there are.
    """
    if name not in teams:
        raise UnknownTeam(f"There is no team {name!r}.", remedy=f"Teams: {', '.join(teams)}.")
    return teams[name]
