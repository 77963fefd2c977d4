"""Providers that die as they are told to, for tests of groups; they know what became of each stream."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas_mcp.chunks import ReasoningDelta, Stopped, TextDelta, Usage
from atlas_mcp.messages import Intent, Message, Prompt, Text
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.provider import ProviderInfo
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.errors import ProviderError

__all__ = ["Fate", "Life", "Mortal", "asked", "text"]


@dataclass(frozen=True, slots=True)
class Fate:
    """How one stream goes: it says `chunks`, one each `pause` seconds, then dies of `error`, or is whole.

    A string among the chunks is a piece of a tool call, which nobody is handed before all of it is said.
    `reports` says whether it tells what it took, `ends` how it stops if it is whole.
    """

    chunks: tuple[Chunk | str, ...] = ()
    error: ProviderError | None = None
    pause: float = 0.0
    reports: bool = True
    ends: str = "end"


@dataclass(slots=True)
class Life:
    """One stream that was asked for: its prompt, and what became of it."""

    prompt: Prompt
    terms: Terms
    said: list[Chunk] = field(default_factory=list["Chunk"])
    opened: bool = False
    closed: bool = False
    took: Usage = Usage()  # noqa: RUF009 - frozen

    @property
    def text(self) -> str:
        """All the text it said."""
        return "".join(chunk.text for chunk in self.said if isinstance(chunk, TextDelta))


class Mortal:
    """A provider whose streams meet their fates, one after another; the last fate holds thereafter."""

    def __init__(
        self, name: str, fates: Sequence[Fate], *, prefill: bool = False, vendor: str = "mortal"
    ) -> None:
        strength = Strength.MODERATE if prefill else Strength.NONE
        self.info = ProviderInfo(
            f"{vendor}:{name}", vendor, name, capabilities=Capabilities({Capability.PREFILL: strength})
        )
        self.fates = list(fates)
        self.lives: list[Life] = []
        self.open = 0

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        """The next fate."""
        fate = self.fates[min(len(self.lives), len(self.fates) - 1)]
        life = Life(prompt, terms)
        self.lives.append(life)
        meter = Meter(prompt)
        return Stream(self._live(fate, life, meter), meter=meter)

    async def _live(self, fate: Fate, life: Life, meter: Meter) -> AsyncGenerator[Chunk, None]:
        life.opened = True
        self.open += 1
        try:
            for chunk in fate.chunks:
                await asyncio.sleep(fate.pause)
                meter.began = True
                if isinstance(chunk, str):
                    meter.overhear(chunk)
                    continue
                if isinstance(chunk, TextDelta | ReasoningDelta):
                    meter.hear(chunk.text)
                life.said.append(chunk)
                yield chunk
            await asyncio.sleep(fate.pause)
            if fate.error is not None and not fate.reports:
                raise fate.error
            meter.began = True
            life.took = meter.report(Usage(7, len(fate.chunks), cost_usd=None, calls=1))
            yield life.took
            if fate.error is not None:
                raise fate.error
            yield Stopped(fate.ends, self.info.vendor, self.info.model)  # pyright: ignore[reportArgumentType]
        finally:
            life.took = meter.usage()
            await asyncio.sleep(0)
            self.open -= 1
            life.closed = True

    async def aclose(self) -> None:
        """Nothing is held open."""


def text(*pieces: str) -> tuple[TextDelta, ...]:
    """Pieces of text as chunks."""
    return tuple(TextDelta(piece) for piece in pieces)


def asked(about: str = "tides", **more: object) -> Prompt:
    """A prompt."""
    return Prompt((Message("user", (Text(about),)),), Intent.COMPOSE, about, **more)  # pyright: ignore[reportArgumentType]
