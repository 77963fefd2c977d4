"""The boundary to everything that answers a prompt, be it a model, several, a script or no model at all.

Nothing above this line knows a vendor. A provider is one method, `stream`; a blocking answer is the fold of
that stream (`complete`), so there is one path by which a model is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, assert_never, runtime_checkable

from atlas_mcp.chunks import (
    Chosen,
    Citation,
    ReasoningDelta,
    Reply,
    Retracted,
    Stopped,
    Switched,
    TextDelta,
    Usage,
)
from atlas_mcp.errors import StreamBroken
from atlas_mcp.messages import Message, Reasoning, Text, ToolCall
from atlas_mcp.providers.capabilities import Capabilities
from atlas_mcp.providers.terms import TERMS, Terms

if TYPE_CHECKING:
    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Part, Prompt
    from atlas_mcp.providers.stream import Stream

__all__ = ["AT_ONCE", "Attended", "Checked", "Fold", "Health", "Provider", "ProviderInfo", "complete"]


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """Who answers: `name` is `vendor:model` as a person writes it.

    `address` is where prompts go, without any secret, where that is not the vendor's own; `members` are those
    behind a group. `stands_in` is one that is no language model and answers as one would, from a script.
    `keeps_accounts` says that it charges budgets itself, so that whoever stands before it charges nothing.
    """

    name: str
    vendor: str
    model: str
    language_model: bool = True
    note: str = ""
    capabilities: Capabilities = field(default_factory=Capabilities)
    address: str = ""
    members: tuple[ProviderInfo, ...] = ()
    stands_in: bool = False
    keeps_accounts: bool = False

    @property
    def judges(self) -> bool:
        """Whether it can be asked what takes judgement: to review, to rate, to write anew."""
        return self.language_model or self.stands_in or any(member.judges for member in self.members)

    @property
    def vendors(self) -> frozenset[str]:
        """Whose models may answer."""
        if not self.members:
            return frozenset({self.vendor})
        return frozenset[str]().union(*(member.vendors for member in self.members))

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everyone to whom a prompt may go, by vendor and address, sorted."""
        if not self.members:
            return (f"{self.vendor} at {self.address}" if self.address else self.vendor,)
        return tuple(sorted({name for member in self.members for name in member.recipients}))


class Provider(Protocol):
    """Something that answers prompts as a stream of chunks.

    `stream` opens nothing until the first chunk is asked for. The stream ends with exactly one `Stopped`, or
    raises a `ProviderError`; a stream that ends without either is broken and says so. A provider that waits
    for a wire ends the wait by `terms.deadline`.
    """

    @property
    def info(self) -> ProviderInfo:
        """Who answers."""
        ...

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        """The answer to a prompt, not yet begun."""
        ...

    async def aclose(self) -> None:
        """Close the connections; further streams fail."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """What a look at a provider found: it `answers` or not, within how many seconds, and what it `says`.

    `capabilities` is what its own interface reports of the model, where it does.
    """

    answers: bool
    seconds: float
    says: str = ""
    remedy: str = ""
    capabilities: Capabilities | None = None


@runtime_checkable
class Checked(Protocol):
    """A provider that can be looked at without paying for an answer."""

    async def check(self) -> Health:
        """Whether it is there and would take our prompts; never raises for what it finds."""
        ...


@runtime_checkable
class Attended(Protocol):
    """A provider that can answer only while somebody is there who comes and goes."""

    def attends(self, prompt: Prompt) -> bool:
        """Whether somebody is there now who can do all that a prompt asks for."""
        ...


@dataclass(slots=True)
class _Said:
    """A stretch of text or of reasoning that is still growing."""

    reasoning: bool
    pieces: list[str] = field(default_factory=list[str])
    signature: str | None = None
    redacted: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def cut(self, characters: int) -> int:
        """Take back up to so many characters from the end; gives how many are left to take elsewhere."""
        text = self.text
        self.pieces = [text[: max(0, len(text) - characters)]]
        return max(0, characters - len(text))


class Fold:
    """Gathers a stream's chunks into one `Reply`, in order; what is retracted is taken back."""

    __slots__ = ("_growing", "_parts", "choices", "citations", "stopped", "switches", "usage")

    def __init__(self) -> None:
        self.usage = Usage()
        self.citations: list[Citation] = []
        self.choices: list[Chosen] = []
        self.switches: list[Switched] = []
        self.stopped: Stopped | None = None
        self._parts: list[_Said | ToolCall] = []
        self._growing: _Said | None = None

    def add(self, chunk: Chunk) -> None:
        """Take one chunk in."""
        match chunk:
            case TextDelta():
                self._say(chunk.text)
            case ReasoningDelta():
                self._reason(chunk)
            case ToolCall():
                self._parts.append(chunk)
                self._growing = None
            case Citation():
                self.citations.append(chunk)
            case Usage():
                self.usage = self.usage + chunk
            case Chosen():
                self.choices.append(chunk)
            case Switched():
                self.switches.append(chunk)
            case Retracted():
                self._take_back(chunk)
            case Stopped():
                self.stopped = chunk
            case _:
                assert_never(chunk)

    def _say(self, text: str) -> None:
        if text:
            self._grown(reasoning=False).pieces.append(text)

    def _grown(self, *, reasoning: bool) -> _Said:
        """The stretch that grows on, a new one if need be."""
        growing = self._growing
        if growing is None or growing.reasoning is not reasoning:
            self._growing = growing = _Said(reasoning)
            self._parts.append(growing)
        return growing

    def _reason(self, chunk: ReasoningDelta) -> None:
        if not chunk.text and chunk.signature is None:
            return
        if chunk.redacted:
            self._growing = None
        said = self._grown(reasoning=True)
        said.pieces.append(chunk.text)
        if chunk.signature is not None:
            said.signature, said.redacted = chunk.signature, chunk.redacted
            self._growing = None

    def _take_back(self, chunk: Retracted) -> None:
        text, reasoning = chunk.characters, chunk.reasoning
        for part in reversed(self._parts):
            if isinstance(part, _Said):
                if part.reasoning:
                    reasoning = part.cut(reasoning)
                else:
                    text = part.cut(text)
        parts, self._parts, self._growing = self._parts, [], None
        for part in parts:
            if isinstance(part, ToolCall):
                self._parts.append(part)
                self._growing = None
            elif part.text or (part.reasoning and not chunk.reasoning):
                # Whoever retracts reasoning retracts its seals with it.
                self._join(part)
        if chunk.citations:
            del self.citations[-chunk.citations :]

    def _join(self, said: _Said) -> None:
        """Put a stretch at the end; one that grows there grows on with it."""
        growing = self._growing
        if growing is not None and growing.reasoning is said.reasoning and not said.redacted:
            growing.pieces += said.pieces
            growing.signature = said.signature
        else:
            self._parts.append(said)
            self._growing = growing = said
        if growing.signature is not None:
            self._growing = None

    @property
    def text(self) -> str:
        """The text that stands so far."""
        return "".join(part.text for part in self._parts if isinstance(part, _Said) and not part.reasoning)

    def reply(self) -> Reply:
        """The whole answer.

        Raises:
            StreamBroken: no terminal chunk came.
        """
        if self.stopped is None:
            raise StreamBroken("The answer ended without its terminal event.", remedy="Try again.")
        maker = f"{self.stopped.provider}:{self.stopped.model}"
        parts: list[Part] = []
        for part in self._parts:
            if isinstance(part, ToolCall):
                parts.append(part)
            elif part.reasoning:
                parts.append(Reasoning(part.text, part.signature, maker, part.redacted))
            elif part.text:
                parts.append(Text(part.text))
        return Reply(
            Message("assistant", tuple(parts)),
            self.usage,
            self.stopped,
            tuple(self.citations),
            tuple(self.choices),
            tuple(self.switches),
        )


AT_ONCE = Terms(streaming=False)
"""The terms of a call of which nobody watches the answer come."""


async def complete(provider: Provider, prompt: Prompt, terms: Terms = AT_ONCE) -> Reply:
    """The whole answer to a prompt, by default asked for in one piece: the fold of its stream.

    Raises:
        ProviderError: the provider failed, or the stream broke.
    """
    fold = Fold()
    async with provider.stream(prompt, terms) as stream:
        async for chunk in stream:
            fold.add(chunk)
    return fold.reply()
