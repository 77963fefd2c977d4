"""Several providers that answer as one: `python examples/04_provider_group.py "your question"`.

The group asks its first member; when that one dies in the middle of a sentence, the next goes on, and you see
the seam. With a key (ANTHROPIC_API_KEY, OPENAI_API_KEY or OLLAMA_HOST; better two of them) real models are
the members; without one, two that say what a script tells them, of which the first dies.
"""

from __future__ import annotations

import asyncio
import sys

from atlas_mcp import Prompt, ProviderGroup, Registry, Script, ScriptedProvider, configured_vendors
from atlas_mcp.chunks import Chosen, Retracted, Switched, TextDelta
from atlas_mcp.errors import AtlasError

QUESTION = "Why are there two tides a day?"

DYING = """
[[reply]]
say = "The moon heaps the sea up on the near side, and on the far side it is "
fail = "overloaded"
after = 16
"""
STEADY = """
[[reply]]
when = { contains = "cut off" }
say = "the far side the water is pulled less than the earth itself, so that it stays behind."

[[reply]]
say = "The moon raises a tide on the near side, and another one on the far side."
"""


async def main(question: str = QUESTION) -> None:
    """Print the answer as it comes, and on stderr who gave which part of it."""
    registry = Registry()
    members = [registry.open(vendor) for vendor in configured_vendors()] or [
        ScriptedProvider(Script.parse(DYING, name="dying")),
        ScriptedProvider(Script.parse(STEADY, name="steady")),
    ]
    group = ProviderGroup(members, name="example")
    try:
        async with group.stream(Prompt.of(question)) as stream:
            async for chunk in stream:
                match chunk:
                    case Chosen():
                        print(f"[{chunk.member} answers: {chunk.reason}]", file=sys.stderr)
                    case Switched():
                        print(f"\n[{chunk.left} left: {chunk.reason}", file=sys.stderr)
                        print(f" {chunk.joined} goes on, by {chunk.way}]", file=sys.stderr)
                    case Retracted(characters) if characters:
                        print(f"\n[the last {characters} characters no longer count]", file=sys.stderr)
                    case TextDelta(text):
                        print(text, end="", flush=True)
                    case _:
                        pass
    except AtlasError as error:
        sys.exit(f"\n{error}")
    finally:
        await registry.aclose()
    usage = stream.usage
    print(f"\n\n{usage.calls} calls, {usage.tokens} tokens")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
