"""What a runtime's model calls were, for the journal: when each began, who steers it, what it took.

A runtime is given the provider with an ear on it. Its chunks alone would not do: a call that fails has no
last chunk, and some runtimes do not say where one call ends and the next begins.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from atlas_mcp.agents.agent import Happened, Speaking
from atlas_mcp.events import Kind
from atlas_mcp.providers.terms import TERMS, Terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_mcp.chunks import Stopped, Usage
    from atlas_mcp.errors import AtlasError
    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.provider import Provider, ProviderInfo
    from atlas_mcp.providers.stream import Stream

__all__ = ["Calls", "Overheard"]


class Overheard:
    """A provider whose streams are noted as they begin; `begun` are those nobody looked at yet."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.begun: deque[Stream] = deque()

    @property
    def info(self) -> ProviderInfo:
        """Who answers."""
        return self._provider.info

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        """The answer to a prompt, not yet begun."""
        stream = self._provider.stream(prompt, terms)
        self.begun.append(stream)
        return stream

    async def aclose(self) -> None:
        """Nothing: the provider is its owner's to close."""


@dataclass(slots=True)
class _Open:
    """A call under way; `stream` is None where the runtime asks models by itself."""

    number: int
    since: float
    stream: Stream | None


class Calls:
    """The model calls of one task, numbered, as steps for the journal; `about` goes into every beginning."""

    def __init__(self, provider: Provider, about: dict[str, Any]) -> None:
        self.provider = Overheard(provider)
        self.number = 0
        self._about = about
        self._open: _Open | None = None
        self._heard = False

    def look(self, *, speaking: bool = False) -> Iterator[Happened | Speaking]:
        """Calls that began since the last look, and the ends of those before them.

        `speaking` says that a model was heard, so that one has begun whatever the provider knows of it.
        """
        while self.provider.begun:
            yield from self.end()
            yield from self._begin(self.provider.begun.popleft())
        if speaking and self._open is None:
            yield from self._begin(None)

    def _begin(self, stream: Stream | None) -> Iterator[Happened | Speaking]:
        self.number += 1
        self._heard = self._heard or stream is not None
        self._open = _Open(self.number, perf_counter(), stream)
        yield Happened(Kind.MODEL_STARTED, {**self._said(self.number), **self._about})
        if stream is not None:
            yield Speaking(stream.control)

    def _said(self, number: int) -> dict[str, Any]:
        return {"provider": self.provider.info.name, "call": number}

    def end(
        self, stopped: Stopped | None = None, *, usage: Usage | None = None, measured: bool = True
    ) -> Iterator[Happened]:
        """The end of the call under way, if there is one.

        `usage` is what the turn took, for a call that was not overheard: a turn that was taken before, or,
        unless `measured`, one whose models the runtime asks by itself.
        """
        call, self._open = self._open, None
        if call is None:
            return
        stream = call.stream
        took = stream.usage if stream is not None else usage
        first = None if stream is None else stream.control.metrics.first_token
        data = {
            **self._said(call.number),
            "model": self.provider.info.model if stopped is None else stopped.model,
            "usage": {} if took is None else asdict(took),
            "seconds": round(perf_counter() - call.since, 3),
            "first_token": None if first is None else round(first, 3),
            "stopped": "end" if stopped is None else stopped.reason,
        }
        again = {"replayed": True} if stream is None and measured else {}
        yield Happened(Kind.MODEL_FINISHED, {**data, **again})

    def fail(self, error: AtlasError) -> Iterator[Happened]:
        """The call under way, if there is one, failed."""
        call, self._open = self._open, None
        if call is not None:
            usage = {} if call.stream is None else asdict(call.stream.usage)
            said = self._said(call.number)
            yield Happened(Kind.MODEL_FAILED, {**said, "usage": usage, "error": error.to_dict()})
