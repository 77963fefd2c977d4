"""What a model says to us, piece by piece: chunks, what they cost, and the reply they fold into.

An answer is an ordered stream of chunks that ends with one `Stopped`. Whoever reads it can always tell what
stands: text is what was said less what was `Retracted`. This module knows no vendor and no wire; everything
in it is frozen and made of JSON types, so that a reply can be kept in a call ledger and read back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

# Pydantic reads the fields of `Reply` at run time.
from atlas_mcp.messages import Message, TaskType, ToolCall

__all__ = [
    "Chosen",
    "Chunk",
    "Citation",
    "ReasoningDelta",
    "Reply",
    "Retracted",
    "Stopped",
    "Switched",
    "TextDelta",
    "Usage",
]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money of one call or of many.

    `input_tokens` includes `cached_tokens` (read from a prompt cache) and `cache_write_tokens`;
    `output_tokens` includes `reasoning_tokens`. `cost_usd` is None where the price is not known. `estimated`
    says that at least one figure is ours, not the provider's.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = 0.0
    estimated: bool = False
    calls: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        cost = None if self.cost_usd is None or other.cost_usd is None else self.cost_usd + other.cost_usd
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            cost,
            self.estimated or other.estimated,
            self.calls + other.calls,
            self.cache_write_tokens + other.cache_write_tokens,
        )

    def less(self, part: Usage) -> Usage:
        """What of this a part of it leaves."""
        known = self.cost_usd is not None and part.cost_usd is not None
        return Usage(
            self.input_tokens - part.input_tokens,
            self.output_tokens - part.output_tokens,
            self.cached_tokens - part.cached_tokens,
            self.reasoning_tokens - part.reasoning_tokens,
            (self.cost_usd or 0.0) - (part.cost_usd or 0.0) if known else None,
            self.estimated,
            self.calls - part.calls,
            self.cache_write_tokens - part.cache_write_tokens,
        )

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning.

    One with a `signature` ends its block; `redacted` says that the signature is all there is to see of it.
    """

    text: str
    signature: str | None = None
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class Citation:
    """A provider's own citation: `start` to `end` of the passage carry what was just said.

    `quote` is that text, and empty where a passage was cited as a whole.
    """

    passage_id: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """A group chose who answers: `reason` says why, `others` who would have been next, in order."""

    group: str
    member: str
    reason: str
    task: TaskType
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Switched:
    """One member left and another joined, or the same one again, and how it was told where to go on.

    `prefill`: it continues what was said as its own turn; `retell`: it was shown what was said and asked to
    go on; `restart`: it answers anew. `failure` is the code of what made the other leave.
    """

    left: str
    joined: str
    reason: str
    way: Literal["prefill", "retell", "restart"] = "restart"
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Retracted:
    """What no longer counts, from the end: characters of text, characters of reasoning, citations."""

    characters: int
    reason: str
    reasoning: int = 0
    citations: int = 0


@dataclass(frozen=True, slots=True)
class Stopped:
    """The last chunk of a whole answer; exactly one, always last.

    `note` says why an answer ended before its model was done, where that is known.
    """

    reason: Literal["end", "tool_calls", "length", "refused"]
    provider: str
    model: str
    language_model: bool = True
    note: str = ""


Chunk: TypeAlias = (
    TextDelta | ReasoningDelta | ToolCall | Citation | Usage | Chosen | Switched | Retracted | Stopped
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: the fold of one stream's chunks."""

    message: Message
    usage: Usage
    stopped: Stopped
    citations: tuple[Citation, ...] = ()
    choices: tuple[Chosen, ...] = ()
    switches: tuple[Switched, ...] = ()

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.message.text

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls the model asks for, in order."""
        return tuple(part for part in self.message.parts if isinstance(part, ToolCall))
