"""A provider that says what a script tells it to, with faults on demand: for tests, cases and dry runs.

It streams as a model would (pieces, pauses, cancelling, death in mid-answer) and needs neither network nor
key. What no reply of the script fits is answered with the smallest instance of the prompt's schema, or with
the word "scripted". The format is described in `script`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_mcp.chunks import ReasoningDelta, Stopped, TextDelta, Usage
from atlas_mcp.errors import InvalidConfiguration, Unavailable
from atlas_mcp.messages import ToolCall, prompt_hash
from atlas_mcp.providers.capabilities import Capabilities
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.provider import ProviderInfo
from atlas_mcp.providers.script import FAILURES, Script, ScriptedReply, turn_of
from atlas_mcp.providers.smallest import smallest
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Patience, Terms
from atlas_mcp.providers.watchdog import Watchdog
from atlas_mcp.providers.wires.fence import render_parts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.errors import ProviderError
    from atlas_mcp.messages import Prompt

__all__ = ["Script", "ScriptedProvider", "ScriptedReply", "open_provider", "smallest"]

_VENDOR = "scripted"
_CHARACTERS_PER_TOKEN = 4


class ScriptedProvider:
    """Answers every prompt as its script says."""

    def __init__(self, script: Script, capabilities: Capabilities | None = None) -> None:
        self._script = script
        self._failed: Counter[tuple[int, str]] = Counter()
        self._closed = False
        model = Path(script.name).name
        self._info = ProviderInfo(
            f"{_VENDOR}:{model}",
            _VENDOR,
            model,
            language_model=False,
            stands_in=True,
            note="No language model wrote this; every answer was written beforehand in a script.",
            capabilities=capabilities or Capabilities(),
        )

    @property
    def info(self) -> ProviderInfo:
        """Who answers."""
        return self._info

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        """The answer to a prompt, not yet begun."""
        meter = Meter(prompt)
        return Stream(self._chunks(prompt, terms, meter), meter=meter)

    async def aclose(self) -> None:
        """Further streams fail."""
        self._closed = True

    async def _chunks(self, prompt: Prompt, terms: Terms, meter: Meter) -> AsyncGenerator[Chunk, None]:
        if self._closed:
            raise Unavailable("The provider was closed.", provider=_VENDOR, model=self._info.model)
        reply = self._reply(prompt)
        pieces = [] if reply.tool else _pieces(_text(reply, prompt), reply.tokens if terms.streaming else 1)
        pause = reply.seconds / max(1, len(pieces))
        said = pieces if reply.fail is None else pieces[: reply.after]
        patience = terms.patience(Patience())
        watchdog = Watchdog(first_token=patience.first_token, idle=patience.idle, deadline=terms.deadline)
        with closing(watchdog):
            await _wait(watchdog, reply.first_token)
            meter.began = reply.fail is None or bool(said)
            if reply.reasoning:
                yield ReasoningDelta(meter.hear(reply.reasoning))
            for piece in said:
                await _wait(watchdog, pause)
                yield TextDelta(meter.hear(piece))
            if not pieces or reply.fail is not None:
                await _wait(watchdog, pause)
        for number, tool in enumerate(reply.tool, start=1):
            yield ToolCall(f"call_{turn_of(prompt)}_{number}", tool.name, dict(tool.arguments))
        if said or reply.fail is None:
            taken = Usage(_asked(prompt), len(said) + len(reply.tool), cost_usd=reply.usd, calls=1)
            yield meter.report(taken)
        if reply.fail is not None:
            raise self._failure(reply.fail, reply)
        yield Stopped("tool_calls" if reply.tool else "end", _VENDOR, self._info.model, language_model=False)

    def _reply(self, prompt: Prompt) -> ScriptedReply:
        """The first reply that fits and has not yet failed as often as it should."""
        for number, reply in enumerate(self._script.replies):
            if not reply.when.fits(prompt):
                continue
            if reply.times is None:
                return reply
            attempt = (number, prompt_hash(prompt))
            self._failed[attempt] += 1
            if self._failed[attempt] <= reply.times:
                return reply
        return ScriptedReply(say=_unscripted(prompt))

    def _failure(self, code: str, reply: ScriptedReply) -> ProviderError:
        return FAILURES[code](
            "The script says that the provider fails here.",
            provider=_VENDOR,
            model=self._info.model,
            retry_after=reply.retry_after,
        )


async def _wait(watchdog: Watchdog, seconds: float) -> None:
    """Take time, as a wire would, but no longer than one waits for a wire."""
    with watchdog:
        await asyncio.sleep(seconds)
    watchdog.heard()


def _text(reply: ScriptedReply, prompt: Prompt) -> str:
    return reply.text if reply.text is not None else _unscripted(prompt)


def _unscripted(prompt: Prompt) -> str:
    return _VENDOR if prompt.schema is None else json.dumps(smallest(prompt.schema), ensure_ascii=False)


def _pieces(text: str, tokens: int | None) -> list[str]:
    """`text` in `tokens` pieces of like length, at most one a character."""
    wished = tokens or -(-len(text) // _CHARACTERS_PER_TOKEN)
    number = min(wished, len(text))
    bounds = [len(text) * step // number for step in range(number + 1)] if number else []
    return [text[start:end] for start, end in pairwise(bounds)]


def _asked(prompt: Prompt) -> int:
    """How much was asked, at 4 characters a token."""
    said = len(prompt.system) + sum(len(render_parts(message.parts)) for message in prompt.messages)
    return -(-said // _CHARACTERS_PER_TOKEN)


def open_provider(
    model: str = "", *, capabilities: Capabilities | None = None, **_: object
) -> ScriptedProvider:
    """A provider for the script at the path `model`, which can do what `capabilities` says.

    Raises:
        InvalidConfiguration: there is no path, or the script is wrong.
    """
    if not model:
        raise InvalidConfiguration(
            "The scripted provider needs a script.", remedy="Write scripted:PATH of a TOML file."
        )
    return ScriptedProvider(Script.load(Path(model)), capabilities)
