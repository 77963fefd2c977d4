"""The boundary to where agents live that remember: in this process, or on a server.

Both runtimes keep agents (a persona, memory blocks, archival passages, a conversation per thread) and take
turns. A turn never runs the caller's tools: it ends with `NeedsTools`, and the caller sends their results as
the next input of the same thread. So tools, grants and budgets stay with whoever asks.

The shape follows Letta's concepts (https://docs.letta.com/concepts): an agent's blocks are compiled into its
system prompt, and it edits them by tools of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from atlas_mcp.chunks import Chunk, Usage

# Pydantic reads the fields of what a turn gave at run time.
from atlas_mcp.messages import Intent, Material, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    from atlas_mcp.messages import ToolSpec
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.terms import Terms

__all__ = [
    "AgentInfo", "AgentRuntime", "AgentSpec", "Block", "Health", "NeedsTools", "Recalled", "Remembered",
    "StopReason", "Turn", "TurnEnded", "TurnStep",
]  # fmt: skip

StopReason = Literal[
    "end_turn", "requires_approval", "max_steps", "max_tokens_exceeded", "cancelled", "error",
    "context_window_overflow_in_system_prompt",
]  # fmt: skip
"""Why a turn ended, in Letta's words; `requires_approval` means that the caller's tools are awaited."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of memory that stands in an agent's prompt: at most `limit` characters, shared where wished.

    `id` is empty until it is kept. A block with a `shared` name is one and the same for every agent of the
    runtime that names it so.
    """

    label: str
    value: str = ""
    description: str = ""
    limit: int = 4_000
    read_only: bool = False
    shared: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent as it is wished for; `tags` tell it from others, and the same tags name the same agent.

    `system` is the persona; `model` a handle as the runtime knows it, empty for its default. `archival` gives
    it tools for a long-term memory that does not stand in the prompt.
    """

    name: str
    system: str
    tags: tuple[str, ...]
    blocks: tuple[Block, ...] = ()
    model: str = ""
    archival: bool = False


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An agent as it is kept."""

    id: str
    name: str
    tags: tuple[str, ...]
    model: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a runtime can be used: its kind, its version, and in words why not."""

    kind: str
    ok: bool
    version: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A passage of an agent's archival memory; `at` is when it was kept, UTC."""

    id: str
    text: str
    tags: tuple[str, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recalled:
    """One message of a thread's history, as text."""

    id: str
    role: Literal["system", "user", "assistant", "tool"]
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What an agent is to take in: words, or the results of the tools that its last turn asked for.

    `id` names the turn in the runtime's ledger: the same id again gives what the turn gave, and asks no
    model twice. `tools` are the caller's; `schema` is the JSON Schema of the wished-for answer, None for
    prose. `max_steps` counts calls of the model. `deadline` is in seconds from now, None for no limit.

    `material` goes with words, and is data, never instruction: a runtime that knows it typed hands it on so,
    any other sends `text`. `intent` and `about` (in the person's words) are for a provider that is no model;
    `max_output_tokens` and `sampling` are kept to as far as the runtime can.
    """

    id: str
    input: str | tuple[ToolResult, ...]
    tools: tuple[ToolSpec, ...] = ()
    schema: dict[str, Any] | None = None
    max_steps: int = 10
    deadline: float | None = None
    material: Material = field(default_factory=Material)
    intent: Intent = Intent.COMPOSE
    about: str = ""
    max_output_tokens: int | None = None
    sampling: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def text(self) -> str:
        """The words, then the material between fences; the results of tools as text, fenced alike."""
        from atlas_mcp.providers.wires.fence import render_parts

        words = (Text(self.input), self.material) if isinstance(self.input, str) else self.input
        return render_parts(words)


@dataclass(frozen=True, slots=True)
class NeedsTools:
    """The agent calls tools of the caller; the next input of the thread has to be their results."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """A turn's last step: why it ended, what the agent said, and what it took.

    `measured` is False where the runtime's own model calls cannot be accounted for by us.
    """

    reason: StopReason
    text: str
    usage: Usage = field(default_factory=Usage)
    measured: bool = True


TurnStep: TypeAlias = Chunk | ToolResult | NeedsTools | TurnEnded
"""What comes of a turn; a `ToolResult` is what a tool of the runtime's own gave, as an edit of memory."""


class AgentRuntime(Protocol):
    """Where agents live that remember.

    Every method raises `RuntimeUnavailable` where the runtime cannot be reached, and `UnknownAgent` for an id
    it does not know. Methods that read may be repeated; a turn never is, unless by its id.
    """

    async def health(self) -> Health:
        """Whether it can be used; never raises."""
        ...

    async def ensure_agent(self, spec: AgentSpec) -> AgentInfo:
        """The agent of those tags, made or brought to the spec; blocks that it edited keep their values."""
        ...

    async def list_agents(self, tags: Sequence[str] = ()) -> list[AgentInfo]:
        """Agents that have all those tags."""
        ...

    async def delete_agent(self, agent_id: str, *, blocks: bool = True) -> None:
        """Delete an agent; with `blocks` also those of its blocks that no other agent has."""
        ...

    async def blocks(self, agent_id: str) -> list[Block]:
        """An agent's blocks, in the order of its spec."""
        ...

    async def write_block(self, agent_id: str, label: str, value: str) -> Block:
        """Give a block a value.

        Raises:
            InvalidInput: it is longer than the block's limit; nothing is cut.
        """
        ...

    async def archive(self, agent_id: str, text: str, tags: Sequence[str] = ()) -> Remembered:
        """Keep a passage in an agent's archival memory."""
        ...

    async def search_archive(
        self, agent_id: str, query: str, *, tags: Sequence[str] = (), k: int = 5
    ) -> list[Remembered]:
        """The passages of an agent's archival memory that fit best; the newest for a query without a word."""
        ...

    async def unarchive(self, agent_id: str, tag: str) -> int:
        """Delete the passages of an agent's archival memory that bear a tag; gives how many there were."""
        ...

    def turn(
        self, agent_id: str, thread: str, turn: Turn, *, provider: Provider, terms: Terms
    ) -> AsyncGenerator[TurnStep]:
        """Take a turn in a thread: chunks as the model speaks, `NeedsTools` if it calls, `TurnEnded` last.

        One turn at a time is taken by an agent in a thread; others wait. Closing the generator cancels it.
        `provider` and `terms` answer and limit its model calls where the runtime lets them.

        Raises:
            TurnLost: whether the turn was taken cannot be known; it must not be repeated blindly.
            ProviderError, BudgetSpent: as the model's calls gave.
        """
        ...

    async def history(self, agent_id: str, thread: str, *, limit: int = 50) -> list[Recalled]:
        """The last messages of a thread, oldest first."""
        ...

    async def aclose(self) -> None:
        """Close what it opened; agents stay."""
        ...
