"""What we say to a model and what it says to us: prompts, messages, sources, findings, chunks, usage.

This module knows no vendor, no wire format, no store and no team. A prompt's material is typed (passages,
findings), so that a provider with a citation feature, one that only knows text and one that is no model at
all can each make the best of the same prompt. Everything here is frozen and made of JSON types, so it can be
hashed, stored in a call ledger and read back.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter

__all__ = [
    "Chunk",
    "Citation",
    "Finding",
    "Intent",
    "Location",
    "Material",
    "Message",
    "Part",
    "Passage",
    "Prompt",
    "Reasoning",
    "ReasoningDelta",
    "Reply",
    "Retracted",
    "Source",
    "Stopped",
    "Switched",
    "Text",
    "TextDelta",
    "ToolCall",
    "ToolResult",
    "ToolSpec",
    "Usage",
    "prompt_hash",
]

JsonObject: TypeAlias = dict[str, Any]


class Intent(StrEnum):
    """What a prompt is for; a provider that is no model works from it."""

    PLAN = "plan"
    GATHER = "gather"
    REVIEW = "review"
    COMPOSE = "compose"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a quote stands: characters `start` to `end` of the snapshot, 1-based `page`, last `heading`."""

    start: int
    end: int
    page: int | None = None
    heading: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A document that was read: `sha256` names the snapshot of its text, `retrieved_at` is ISO 8601 UTC."""

    sha256: str
    uri: str
    title: str
    retrieved_at: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a source, given to a model to work from; `start` counts characters in the snapshot."""

    id: str
    source: Source
    text: str
    start: int
    page: int | None = None
    heading: str | None = None
    score: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: a verbatim `quote`, the source it stands in and where, and the worker who found it."""

    id: str
    quote: str
    source_id: str
    title: str
    location: Location
    worker: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought before it spoke; `signature` is the vendor's seal, kept as it came."""

    text: str
    signature: str | None = None
    kind: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A finished call of a tool; also the chunk that hands it out."""

    id: str
    name: str
    arguments: JsonObject
    kind: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave: text for the model, typed passages where it found some, `error` when it failed."""

    call_id: str
    text: str
    passages: tuple[Passage, ...] = ()
    error: bool = False
    kind: Literal["tool_result"] = "tool_result"


@dataclass(frozen=True, slots=True)
class Material:
    """Typed material of a prompt: passages to quote from, findings to compose from."""

    passages: tuple[Passage, ...] = ()
    findings: tuple[Finding, ...] = ()
    kind: Literal["material"] = "material"


Part: TypeAlias = Text | Reasoning | ToolCall | ToolResult | Material


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["user", "assistant", "tool"]
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The plain text of the turn, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: JsonObject


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request to a provider.

    `about` is what the work is about in the person's words (the question, or the assignment's goal); `agent`
    is who asks. `schema` is the JSON Schema of the wished-for answer, None for free text. Limits default to
    the provider's own.
    """

    messages: tuple[Message, ...]
    intent: Intent
    about: str
    agent: str = ""
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    schema: JsonObject | None = None
    max_output_tokens: int | None = None
    sampling: JsonObject = field(default_factory=dict[str, Any])

    @property
    def passages(self) -> tuple[Passage, ...]:
        """Every passage in the conversation, first come first, each id once."""
        seen: dict[str, Passage] = {}
        for message in self.messages:
            for part in message.parts:
                if isinstance(part, Material | ToolResult):
                    for passage in part.passages:
                        seen.setdefault(passage.id, passage)
        return tuple(seen.values())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding in the conversation, in order."""
        return tuple(
            finding
            for message in self.messages
            for part in message.parts
            if isinstance(part, Material)
            for finding in part.findings
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money of one call or of many.

    `input_tokens` includes `cached_tokens`; `output_tokens` includes `reasoning_tokens`. `cost_usd` is None
    where the price is not known. `estimated` says that at least one figure is ours, not the provider's.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = 0.0
    estimated: bool = False
    calls: int = 0

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
        )


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning."""

    text: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A provider's own citation: `start` to `end` of the passage carry what was just said."""

    passage_id: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Switched:
    """One member left in mid-answer and another joined."""

    left: str
    joined: str
    reason: str


@dataclass(frozen=True, slots=True)
class Retracted:
    """The last `characters` of text no longer count; the next member says them anew."""

    characters: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The last chunk of a whole answer; exactly one, always last."""

    reason: Literal["end", "tool_calls", "length", "refused"]
    provider: str
    model: str
    language_model: bool = True


Chunk: TypeAlias = TextDelta | ReasoningDelta | ToolCall | Citation | Usage | Switched | Retracted | Stopped


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: the fold of one stream's chunks."""

    message: Message
    usage: Usage
    stopped: Stopped
    citations: tuple[Citation, ...] = ()

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.message.text

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls the model asks for, in order."""
        return tuple(part for part in self.message.parts if isinstance(part, ToolCall))


@cache
def _prompts() -> TypeAdapter[Prompt]:
    return TypeAdapter(Prompt)


def prompt_hash(prompt: Prompt) -> str:
    """SHA-256 of everything in a prompt, hexadecimal; equal prompts have equal hashes in every process."""
    plain = _prompts().dump_python(prompt, mode="json")
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
