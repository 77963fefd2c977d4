"""The boundary to whoever does a task: a task in, a stream of what happens out, the answer last.

Nothing above knows whether an agent thinks in this process or lives on a server. An agent knows neither the
run it serves nor where its events are written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from atlas_mcp.chunks import Chunk
from atlas_mcp.messages import Intent, Material

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from atlas_mcp.events import Kind
    from atlas_mcp.messages import Passage
    from atlas_mcp.providers.stream import StreamControl

__all__ = ["Agent", "Answered", "Happened", "Speaking", "Step", "Task"]


def _no_problem(_value: dict[str, Any], _passages: tuple[Passage, ...]) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Task:
    """What an agent is asked: `about` in the person's words, `text` as the agent reads it.

    `schema` is the JSON Schema of the wished-for answer; `material` is typed, and data, never instruction.
    `check` says what is wrong with an answer of the right shape (a quote that is not verbatim, say); the
    agent is told and may answer again, within the same count of repairs. `memory` is what is remembered of
    earlier work and may help here; it is data, too.
    """

    intent: Intent
    about: str
    text: str
    schema: dict[str, Any]
    material: Material = field(default_factory=Material)
    check: Callable[[dict[str, Any], tuple[Passage, ...]], list[str]] = _no_problem
    memory: str = ""


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that goes into the journal."""

    kind: Kind
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Speaking:
    """A model begins to speak; `control` steers its stream."""

    control: StreamControl


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer, which fits the task's schema; always last.

    `passages` are all that the agent was shown, `problems` what its check still finds wrong.
    """

    value: dict[str, Any]
    passages: tuple[Passage, ...]
    problems: tuple[str, ...] = ()


Step: TypeAlias = Chunk | Happened | Speaking | Answered


class Agent(Protocol):
    """Somebody who does tasks."""

    @property
    def name(self) -> str:
        """As the team calls it."""
        ...

    def work(self, task: Task) -> AsyncGenerator[Step]:
        """Do a task; close the generator to stop.

        Raises:
            ProviderError: no model answered.
            InvalidOutput: the answer did not fit the schema after every permitted repair.
            BudgetSpent: a limit of the run was reached.
        """
        ...
