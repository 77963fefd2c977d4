"""`team.toml` as it is written: who is on a team, what it asks for, within which limits."""

from __future__ import annotations

import json
import keyword
import re
import tomllib
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from atlas_mcp.errors import InvalidConfiguration, InvalidInput
from atlas_mcp.messages import TaskType
from atlas_mcp.mistakes import together, wrong_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

__all__ = [
    "LONGEST_INPUT", "TEAM_WORKER", "Budget", "InputField", "Quality", "TeamFile", "checked_budget",
    "misfit", "read_wiring", "right_wiring",
]  # fmt: skip

TEAM_WORKER = "team:"
"""How a worker that is a team is written: `team:analysis`."""

LONGEST_INPUT = 20_000
"""Characters that one input of a team may have."""

_WORKER = re.compile(r"\A(?:team:)?[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_TAKEN = frozenset({"budget", "documents", "fresh", "memory", "priority", "self", "team", "wait_seconds"})

_FEWEST_CALLS = 3


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_FILE_NAME = re.compile(r"[^\\/:*?\"<>|\x00-\x1f.\s][^\\/:*?\"<>|\x00-\x1f]{0,120}\.[A-Za-z0-9]{1,5}")
"""A name alone, on any system: no path, nothing hidden, and an ending."""


class InputField(_Table):
    """`[input.NAME]`: one argument of the team's tool.

    `handed` says what it is given where another team calls: the goal, the question of that team, the work
    that was made until then, the least quality, a rubric, or instructions how to revise the work. `format`
    says that it is the name of a file, which the team's document is then written to.
    """

    type: Literal["string", "integer", "number", "boolean", "array"] = "string"
    description: str = Field(min_length=1)
    required: bool = True
    default: Any = None
    longest: int = Field(default=LONGEST_INPUT, ge=1, le=400_000)
    enum: tuple[str, ...] | None = Field(default=None, min_length=1)
    format: Literal["file_name"] | None = None
    handed: Literal["goal", "question", "work", "minimum", "rubric", "instructions"] | None = None

    def read(self, written: str) -> Any:
        """A value that somebody wrote as text; as it is where it does not read as the field's type."""
        if self.type == "string":
            return written
        try:
            return json.loads(written)
        except ValueError:
            return written

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.enum is not None and self.type != "string":
            raise ValueError(f"enum belongs to a string, not to {self.type}")
        if self.default is not None and (wrong := misfit(self, self.default)):
            raise ValueError(f"default {wrong}")
        return self


class Budget(_Table):
    """`[budget]`: what a run may take; None is no limit."""

    seconds: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)
    cost_usd: float | None = Field(default=None, gt=0)
    calls: int | None = Field(default=None, gt=0)


class Quality(_Table):
    """`[quality]`: below `minimum`, 0 to 5, what the team made is revised."""

    minimum: float = Field(default=3.5, ge=0, le=5)
    rubric: str = ""


class TeamAlerts(_Table):
    """`[alerts]`: from where on this team's runs are warned of; what is left out is as in `atlas.toml`."""

    seconds: float | None = Field(default=None, ge=0)
    cost_usd: float | None = Field(default=None, ge=0)
    quality: float | None = Field(default=None, ge=0, le=5)
    error_rate: float | None = Field(default=None, ge=0, le=1)


class TeamFile(_Table):
    """`team.toml`: who is on the team, what it asks for, within which limits."""

    description: str = Field(min_length=1)
    supervisor: str
    workers: tuple[str, ...] = Field(min_length=1)
    task: TaskType = TaskType.EXTRACTION
    rounds: int = Field(default=2, ge=1, le=10)
    revisions: int = Field(default=2, ge=0, le=10)
    max_parallel: int = Field(default=4, ge=1, le=64)
    max_assignments: int = Field(default=4, ge=1, le=64)
    min_success: float = Field(default=0.5, ge=0, le=1)
    group: str = ""
    files: tuple[str, ...] = ()
    """Tools, as `server/tool` with globs, by which the team's document may become a file."""
    approve: bool = False
    escalate: bool = False
    handbook: bool = True
    recall: bool = True
    learn: bool = True
    wait_seconds: float = Field(default=45.0, ge=0, le=50)
    input: dict[str, InputField] = Field(min_length=1)
    budget: Budget = Budget()
    quality: Quality | None = None
    alerts: TeamAlerts | None = None

    @field_validator("supervisor", "workers")
    @classmethod
    def _names_cards(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = (value,) if isinstance(value, str) else value
        for name in names:
            if not _WORKER.match(name) or (isinstance(value, str) and name.startswith(TEAM_WORKER)):
                raise ValueError(
                    f"{name!r} is no name of a card; it is the file's name without .md,"
                    " or team:NAME for a worker that is a team"
                )
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


_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list,
}  # fmt: skip


def misfit(field: InputField, value: Any) -> str:
    """What is wrong with a value, empty when nothing is."""
    if not isinstance(value, _TYPES[field.type]) or (field.type != "boolean" and isinstance(value, bool)):
        return f"is {type(value).__name__}, not {field.type}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    if not text.strip():
        return "is empty"
    if len(text) > field.longest:
        return f"has {len(text):,} characters; {field.longest:,} is the most. Give long material as documents"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "is not Unicode"
    if field.format == "file_name" and not _FILE_NAME.fullmatch(text):
        return f"is {text[:120]!r}, no name of a file such as report.docx; its folder is [servers] output"
    return (
        f"is {value!r}, not one of {', '.join(field.enum)}" if field.enum and value not in field.enum else ""
    )


def read_wiring(file: Path) -> TeamFile:
    """What `team.toml` says.

    Raises:
        InvalidConfiguration: it is missing or wrong; names each key that is.
    """
    text = ""
    try:
        text = file.read_text("utf-8-sig")
        return TeamFile.model_validate(tomllib.loads(text))
    except FileNotFoundError:
        raise InvalidConfiguration(
            f"{file}: there is no such file.", remedy="A team needs a team.toml."
        ) from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidConfiguration(
            f"{file}: {error}.", remedy="Correct the line; TOML quotes text."
        ) from None
    except ValidationError as error:
        raise together(wrong_keys(error, file, TeamFile, _remedy, text=text)) from None


_LEAST = {"description": "…", "input": {"question": {"description": "…"}}}
"""What every team says, in place of what is wrong of it."""


def right_wiring(file: Path) -> TeamFile | None:
    """What is right in `team.toml`, to look at the rest of the folder by; None where that is too little."""
    try:
        table = tomllib.loads(file.read_text("utf-8-sig"))
        try:
            return TeamFile.model_validate(table)
        except ValidationError as error:
            wrong = {problem["loc"][0] for problem in error.errors(include_url=False)}
            right = {key: value for key, value in table.items() if key not in wrong}
            return TeamFile.model_validate({**_LEAST, **right})
    except (OSError, ValueError, RecursionError):
        return None


_TABLES: dict[str, type[BaseModel]] = {"budget": Budget, "quality": Quality, "alerts": TeamAlerts}


def _remedy(problem: ErrorDetails) -> str:
    """What to write where a number is out of its bounds."""
    top, *below = map(str, problem["loc"])
    table = _TABLES.get(top, TeamFile) if below else TeamFile
    fields, name = table.model_fields, below[0] if below else top
    bounds = {
        kind: getattr(bound, kind)
        for bound in (fields[name].metadata if name in fields else ())
        for kind in ("gt", "ge", "le")
        if hasattr(bound, kind)
    }
    if "le" in bounds:
        return f"Write a number from {bounds['ge']:g} to {bounds['le']:g}."
    return f"Write a number above {bounds['gt']:g}." if "gt" in bounds else "Correct that key."


def checked_budget(budget: Mapping[str, Any]) -> dict[str, Any]:
    """A budget that a call brings, without what it leaves open.

    Raises:
        InvalidInput: it has another key, or a limit that is none.
    """
    try:
        return Budget.model_validate(dict(budget)).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidInput(
            f"budget.{'.'.join(map(str, first['loc']))}: {first['msg']}.",
            remedy=f"A budget has {', '.join(Budget.model_fields)}.",
        ) from None
