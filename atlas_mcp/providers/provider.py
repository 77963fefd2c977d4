"""The boundary to everything that answers a prompt, be it a model, several, a script or no model at all.

Nothing above this line knows a vendor. A provider is one method, `stream`; a blocking answer is the fold of
that stream (`complete`), so there is one path by which a model is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, assert_never

from atlas_mcp.errors import StreamBroken
from atlas_mcp.messages import (
    Citation,
    Message,
    Reasoning,
    ReasoningDelta,
    Reply,
    Retracted,
    Stopped,
    Switched,
    Text,
    TextDelta,
    ToolCall,
    Usage,
)

if TYPE_CHECKING:
    from atlas_mcp.messages import Chunk, Part, Prompt
    from atlas_mcp.providers.stream import Stream

__all__ = ["Fold", "Provider", "ProviderInfo", "complete"]


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """Who answers: `name` is `vendor:model` as a person writes it."""

    name: str
    vendor: str
    model: str
    language_model: bool = True
    note: str = ""


class Provider(Protocol):
    """Something that answers prompts as a stream of chunks.

    `stream` opens nothing until the first chunk is asked for. The stream ends with exactly one `Stopped`, or
    raises a `ProviderError`; a stream that ends without either is broken and says so.
    """

    @property
    def info(self) -> ProviderInfo:
        """Who answers."""
        ...

    def stream(self, prompt: Prompt) -> Stream:
        """The answer to a prompt, not yet begun."""
        ...

    async def aclose(self) -> None:
        """Close the connections; further streams fail."""
        ...


@dataclass(slots=True)
class Fold:
    """Gathers a stream's chunks into one `Reply`; retracted text is taken back."""

    parts: list[Part] = field(default_factory=list["Part"])
    usage: Usage = field(default_factory=Usage)
    citations: list[Citation] = field(default_factory=list[Citation])
    stopped: Stopped | None = None
    _text: list[str] = field(default_factory=list[str])
    _reasoning: list[str] = field(default_factory=list[str])
    _signature: str | None = None

    def add(self, chunk: Chunk) -> None:
        """Take one chunk in."""
        match chunk:
            case TextDelta():
                self._text.append(chunk.text)
            case ReasoningDelta():
                self._reasoning.append(chunk.text)
                self._signature = chunk.signature or self._signature
            case ToolCall():
                self.parts.append(chunk)
            case Citation():
                self.citations.append(chunk)
            case Usage():
                self.usage = self.usage + chunk
            case Retracted():
                self._take_back(chunk.characters)
            case Stopped():
                self.stopped = chunk
            case Switched():
                pass
            case _:
                assert_never(chunk)

    def _take_back(self, characters: int) -> None:
        text = "".join(self._text)
        self._text = [text[: max(0, len(text) - characters)]]

    @property
    def text(self) -> str:
        """The text said so far."""
        return "".join(self._text)

    def reply(self) -> Reply:
        """The whole answer.

        Raises:
            StreamBroken: no terminal chunk came.
        """
        if self.stopped is None:
            raise StreamBroken("The answer ended without its terminal event.", remedy="Try again.")
        parts: list[Part] = []
        if self._reasoning:
            parts.append(Reasoning("".join(self._reasoning), self._signature))
        if text := self.text:
            parts.append(Text(text))
        message = Message("assistant", (*parts, *self.parts))
        return Reply(message, self.usage, self.stopped, tuple(self.citations))


async def complete(provider: Provider, prompt: Prompt) -> Reply:
    """The whole answer to a prompt: the fold of its stream.

    Raises:
        ProviderError: the provider failed, or the stream broke.
    """
    fold = Fold()
    async with provider.stream(prompt) as stream:
        async for chunk in stream:
            fold.add(chunk)
    return fold.reply()
