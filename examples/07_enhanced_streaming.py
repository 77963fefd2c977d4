"""Steer an answer while it streams: `python examples/07_enhanced_streaming.py "your question"`.

Shows pausing (nothing is read from the wire meanwhile), looking into what was read ahead, resuming, a
fallback in the middle of a sentence, several providers at once, cancelling, and what each of these took. With
a key the members are real models; without one they are scripted.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator

from atlas_mcp import Prompt, Provider, ProviderGroup, Registry, Script, ScriptedProvider, configured_vendors
from atlas_mcp.chunks import Chunk, Switched, TextDelta
from atlas_mcp.errors import AtlasError, Cancelled
from atlas_mcp.providers.stream import Stream

QUESTION = "Tell the story of a lighthouse in a hundred words."
PAUSE_SECONDS = 0.3

STORY = """
[[reply]]
say = "The lighthouse stood where the land gave up. Each night it counted ships; each morning it forgot."
tokens = 25
seconds = 1
"""
DYING = STORY + 'fail = "connection_failed"\nafter = 12\n'


def members(registry: Registry) -> list[Provider]:
    """Real models where there is a key, else one that dies in mid-sentence and one that does not."""
    return [registry.open(vendor) for vendor in configured_vendors()] or [
        ScriptedProvider(Script.parse(DYING, name="dying")),
        ScriptedProvider(Script.parse(STORY, name="steady")),
    ]


def show(chunk: Chunk) -> None:
    """Print text, and tell of seams."""
    if isinstance(chunk, TextDelta):
        print(chunk.text, end="", flush=True)
    elif isinstance(chunk, Switched):
        print(f" [{chunk.left} -> {chunk.joined}, {chunk.way}] ", end="", flush=True)


async def pause_and_resume(stream: Stream) -> None:
    """Read a little, pause, look at what was read ahead, then read on to the end."""
    async with stream.buffered(8) as ahead:
        async for number, chunk in numbered(ahead):
            show(chunk)
            if number == 4:
                ahead.control.pause()
                asyncio.get_running_loop().call_later(PAUSE_SECONDS, ahead.control.resume)
                await asyncio.sleep(PAUSE_SECONDS / 2)
                print(f" [{ahead.control.state}, {len(ahead.control.buffered)} chunks read ahead] ", end="")
    metrics, usage = stream.control.metrics, stream.usage
    print(
        f"\n  first token after {metrics.first_token or 0.0:.2f} s, {metrics.chunks} chunks,"
        f" {usage.tokens} tokens"
    )


async def cancel(stream: Stream) -> None:
    """Read a little, then cancel; what it took until then is known, and said to be an estimate."""
    try:
        async for number, chunk in numbered(stream):
            show(chunk)
            if number == 4:
                stream.control.cancel("that is enough")
    except Cancelled as cancelled:
        print(f"\n  {cancelled} About {stream.usage.tokens} tokens, estimated: {stream.usage.estimated}")


async def side_by_side(providers: list[Provider], question: str) -> None:
    """Several providers answer at once; each is steered by its own control."""

    async def characters(provider: Provider) -> str:
        try:
            async with provider.stream(Prompt.of(question)) as stream:
                text = "".join([chunk.text async for chunk in stream if isinstance(chunk, TextDelta)])
        except AtlasError as error:
            return f"  {provider.info.name}: failed: {error}"
        speed = stream.control.metrics.characters_per_second
        return f"  {provider.info.name}: {len(text)} characters, {speed:.0f} a second"

    print(*await asyncio.gather(*(characters(provider) for provider in providers)), sep="\n")


async def numbered(stream: Stream) -> AsyncGenerator[tuple[int, Chunk]]:
    """The chunks with their numbers, from 1."""
    number = 0
    async for chunk in stream:
        number += 1
        yield number, chunk


async def main(question: str = QUESTION) -> None:
    """Each thing in turn."""
    registry = Registry()
    try:
        group = ProviderGroup(members(registry), name="example")
        print("Paused, resumed, and taken over in mid-sentence:")
        await pause_and_resume(group.stream(Prompt.of(question)))
        print("Cancelled:")
        await cancel(group.stream(Prompt.of(question)))
        print("Side by side:")
        await side_by_side(members(registry), question)
    except AtlasError as error:
        sys.exit(f"\n{error}")
    finally:
        await registry.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
