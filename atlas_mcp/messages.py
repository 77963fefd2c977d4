"""What we say to a model: prompts, messages, tools, images, and the sources and findings to work from.

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
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "Draft",
    "Finding",
    "Image",
    "Intent",
    "Location",
    "Material",
    "Message",
    "Part",
    "Passage",
    "Prompt",
    "Reasoning",
    "Source",
    "TaskType",
    "Text",
    "ToolCall",
    "ToolResult",
    "ToolSpec",
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


class TaskType(StrEnum):
    """What kind of work a prompt is; models differ in what they are good at."""

    PLANNING = "planning"
    EXTRACTION = "extraction"
    ANALYSIS = "analysis"
    WRITING = "writing"
    RATING = "rating"
    REASONING = "reasoning"
    CODE = "code"
    SUMMARISING = "summarising"
    CLASSIFICATION = "classification"
    CONVERSATION = "conversation"


_TASKS = {
    Intent.PLAN: TaskType.PLANNING,
    Intent.GATHER: TaskType.EXTRACTION,
    Intent.REVIEW: TaskType.ANALYSIS,
    Intent.COMPOSE: TaskType.WRITING,
    Intent.RATE: TaskType.RATING,
}


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
class Draft:
    """A piece of work that another has made: a section, a statement, the work to be rated.

    Its `text` cites findings by markers such as `[f2]`; `finding_ids` are those it rests on, `by` is who
    made it.
    """

    id: str
    kind: Literal["statement", "section", "work"]
    text: str
    finding_ids: tuple[str, ...] = ()
    heading: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought before it spoke.

    `signature` is the vendor's seal, kept as it came, and `maker` the `vendor:model` that gave it, the only
    one that may be sent it back. `redacted` says that the seal is all there is.
    """

    text: str
    signature: str | None = None
    maker: str = ""
    redacted: bool = False
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
class Image:
    """A picture to look at: `data` is base64, `media_type` such as `image/png`."""

    media_type: str
    data: str
    kind: Literal["image"] = "image"


@dataclass(frozen=True, slots=True)
class Material:
    """Typed material of a prompt: passages to quote from, findings and drafts to compose from."""

    passages: tuple[Passage, ...] = ()
    findings: tuple[Finding, ...] = ()
    drafts: tuple[Draft, ...] = ()
    kind: Literal["material"] = "material"

    def __bool__(self) -> bool:
        return bool(self.passages or self.findings or self.drafts)


Part: TypeAlias = Text | Image | Reasoning | ToolCall | ToolResult | Material


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
    is who asks. `schema` is the JSON Schema of the wished-for answer, None for free text. `tool_choice` is
    `auto`, `required` or the name of the tool to call. `effort` is how hard a model that can reason should,
    `task` what kind of work it is, if the intent does not say it. Limits default to the provider's own.
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
    tool_choice: str = "auto"
    effort: Literal["none", "low", "medium", "high"] | None = None
    task: TaskType | None = None

    @classmethod
    def of(cls, text: str, *, intent: Intent = Intent.COMPOSE, **more: Any) -> Self:
        """A prompt of one message, with whatever fields `more` names."""
        return cls((Message("user", (Text(text),)),), intent, more.pop("about", text), **more)

    @property
    def kind_of_task(self) -> TaskType:
        """The task as it was given, else what the intent is."""
        return self.task or _TASKS[self.intent]

    @property
    def images(self) -> tuple[Image, ...]:
        """Every picture in the conversation, in order."""
        return tuple(part for message in self.messages for part in message.parts if isinstance(part, Image))

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

    @property
    def drafts(self) -> tuple[Draft, ...]:
        """Every draft in the conversation, in order."""
        return tuple(
            draft
            for message in self.messages
            for part in message.parts
            if isinstance(part, Material)
            for draft in part.drafts
        )


@cache
def _prompts() -> TypeAdapter[Prompt]:
    from pydantic import TypeAdapter

    return TypeAdapter(Prompt)


def prompt_hash(prompt: Prompt) -> str:
    """SHA-256 of everything in a prompt, hexadecimal; equal prompts have equal hashes in every process."""
    plain = _prompts().dump_python(prompt, mode="json")
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
