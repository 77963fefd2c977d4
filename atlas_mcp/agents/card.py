"""One `<agent>.md`: front matter that says what the agent may do, and below it the persona.

Claude Code's agent files are cards as they are: unknown keys are kept and ignored.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.budget import Limit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AgentBudget", "Card", "load_card"]

_FRONT = re.compile(r"\A---[ \t]*\r?\n(?P<front>.*?)\r?\n---[ \t]*\r?\n(?P<body>.*)\Z", re.DOTALL)

_PAIR = re.compile(r"\A(?P<key>[A-Za-z_][\w-]*):[ \t]+(?P<value>\S.*?)[ \t]*\Z")
_SEVERAL_LINES = frozenset("[{|>")
"""What a value begins with that may go on in the next line."""

_REMEDIES = {
    "missing": "Write a line `{key}: …` between the two lines `---`.",
    "string_type": 'Put it in double quotes: {key}: "…".',
    "tuple_type": "Write a list: {key}: [a, b].",
}


def _listed(value: object) -> object:
    """`tools: a, b` is how some agent files write a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class AgentBudget(BaseModel):
    """`budget`: the most that one assignment of the agent may take; None is no limit of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: int | None = Field(default=None, gt=0)
    cost_usd: float | None = Field(default=None, gt=0)
    calls: int | None = Field(default=None, gt=0)

    @property
    def limit(self) -> Limit:
        """The same as the provider layer counts it."""
        return Limit(self.tokens, self.cost_usd, self.calls)


class Card(BaseModel):
    """An agent as its file describes it; `persona` is the body, the rest is front matter."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    name: str
    description: str = Field(min_length=1)
    tools: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    max_turns: int = Field(default=6, ge=1, le=50, alias="maxTurns")
    max_output_tokens: int | None = Field(default=None, ge=1)
    sampling: dict[str, Any] = {}
    budget: AgentBudget | None = None
    persona: str = Field(min_length=1)


def load_card(path: Path) -> Card:
    """Read a card.

    Raises:
        InvalidConfiguration: the file cannot be read, its front matter is not YAML, or a key is wrong; says
        which.
    """
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise InvalidConfiguration(f"{path}: there is no such card.", remedy=f"Write {path.name}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(
            f"{path}: the card cannot be read: {error}.", remedy="A card is a UTF-8 text file."
        ) from None
    match = _FRONT.match(text)
    if not match:
        raise InvalidConfiguration(
            f"{path}: the card does not begin with front matter.",
            remedy="Begin with a line `---`, keys such as `description: …`, a line `---`, then the persona.",
        )
    front = _read_front(path, match["front"])
    try:
        return Card.model_validate({"name": path.stem, **front, "persona": match["body"].strip()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        remedy = _REMEDIES.get(first["type"], "Correct that key.").format(key=key)
        raise InvalidConfiguration(f"{path}: {key}: {first['msg']}.", remedy=remedy) from None


def _read_front(path: Path, text: str) -> dict[str, Any]:
    import yaml

    try:
        front: object = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError) as error:
        # A ValueError is a date that no calendar has.
        mark = getattr(getattr(error, "problem_mark", None), "line", -1)
        line, key, value = _culprit(text) or (mark, "", "")
        example = f", such as {key}: {json.dumps(value, ensure_ascii=False)}" if key else ""
        raise InvalidConfiguration(
            f"{path}, line {line + 2}: {key + ': ' if key else ''}the front matter is not valid YAML.",
            remedy="Put values that contain `: ` or begin with a special character in double quotes"
            f"{example}.",
        ) from None
    if not isinstance(front, dict):
        raise InvalidConfiguration(
            f"{path}: the front matter is no list of keys.", remedy="Write `key: value`."
        )
    return {str(key): value for key, value in cast("dict[object, Any]", front).items()}


def _culprit(text: str) -> tuple[int, str, str] | None:
    """The first line of front matter that is no YAML by itself: its number from 0, its key and its value."""
    import yaml

    for number, line in enumerate(text.splitlines()):
        if not (found := _PAIR.match(line)) or found["value"][0] in _SEVERAL_LINES:
            continue
        try:
            yaml.safe_load(line)
        except (yaml.YAMLError, ValueError):
            return number, found["key"], found["value"].strip("\"'")
    return None
