"""One `<agent>.md`: front matter that says what the agent may do, and below it the persona.

Claude Code's agent files are cards as they are: unknown keys are kept and ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from atlas_mcp.agents.card_memory import BLOCK_KEYS, CardMemory
from atlas_mcp.agents.front_matter import read_front_matter
from atlas_mcp.agents.skills import FOLDER, load_skills, told
from atlas_mcp.messages import TaskType
from atlas_mcp.mistakes import together, wrong_keys
from atlas_mcp.providers.budget import Limit
from atlas_mcp.providers.capabilities import Capability

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

__all__ = ["AgentBudget", "Card", "load_card"]

_REMEDIES = {
    "enum": "Write one of those, or leave the key out.",
    "literal_error": "Write one of those, or leave the key out.",
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
    """An agent as its file describes it; `persona` is the body, the rest is front matter.

    `tools` are the tools it reads with, `writes` those with effects that it may use: names of our own, or
    `server/tool` of downstream servers, both with globs. `task` is the kind of work the agent is for, `needs`
    what its model must be able to do, `skills` those of the team's skills it is to master; `abilities` is
    what it is told of them. `role` is for who reads the file. `memory` are the blocks the agent keeps,
    `archive` gives it a long-term memory beside them, which holds what is remembered too where it is
    `recalled`; who has either is `resident`. `model` (`vendor:model`) or `group` is who is to answer it,
    where that is not who answers the team.
    """

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    name: str
    description: str = Field(min_length=1)
    role: str | None = None
    task: TaskType | None = None
    tools: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    writes: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    needs: Annotated[tuple[Capability, ...], BeforeValidator(_listed)] = ()
    skills: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    model: str | None = None
    group: str | None = None
    max_turns: int = Field(default=6, ge=1, le=50, alias="maxTurns")
    max_output_tokens: int | None = Field(default=None, ge=1)
    sampling: dict[str, Any] = {}
    budget: AgentBudget | None = None
    memory: CardMemory = {}
    archive: Literal[False, True, "recalled"] = False
    persona: str = Field(min_length=1)
    abilities: str = ""

    @property
    def resident(self) -> bool:
        """Whether the agent remembers from one run to the next, and so lives in a runtime."""
        return bool(self.memory or self.archive)


def load_card(path: Path) -> Card:
    """Read a card.

    Raises:
        InvalidConfiguration: the file cannot be read, its front matter is not YAML, or keys are wrong; says
        which.
    """
    front, body = read_front_matter(path, "card", "persona")
    try:
        card = Card.model_validate({"name": path.stem, **front, "persona": body, "abilities": ""})
    except ValidationError as error:
        raise together(wrong_keys(error, path, Card, _remedy)) from None
    abilities = told(load_skills(path.parent / FOLDER), card.skills, path)
    return card.model_copy(update={"abilities": abilities}) if abilities else card


def _remedy(problem: ErrorDetails) -> str:
    """What to write where a value is wrong."""
    if problem["loc"][0] == "memory":
        return BLOCK_KEYS
    key = ".".join(map(str, problem["loc"]))
    return _REMEDIES.get(problem["type"], "Correct that key.").format(key=key)
