"""Where a test of an agents' runtime takes place: the runtime, a scripted model, and how turns are taken."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ulid import ULID

from atlas_mcp.agents.runtime import AgentSpec, Block, NeedsTools, Turn, TurnEnded
from atlas_mcp.chunks import TextDelta
from atlas_mcp.messages import ToolResult, ToolSpec
from atlas_mcp.providers.scripted import Script, ScriptedProvider
from atlas_mcp.providers.terms import TERMS, Terms
from atlas_mcp.providers.wires.fence import render_parts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from atlas_mcp.agents.runtime import AgentInfo, AgentRuntime, TurnStep
    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Prompt, ToolCall
    from atlas_mcp.providers.capabilities import Capabilities
    from atlas_mcp.providers.meter import Meter
    from atlas_mcp.providers.stream import Stream

__all__ = [
    "LOOK_UP", "Place", "Watched", "call", "called", "edit", "ended", "say", "seen", "spec", "spoken", "take",
    "turn", "values",
]  # fmt: skip

LOOK_UP = ToolSpec(
    "look_up",
    "Looks a word up.",
    {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
)


class Watched(ScriptedProvider):
    """A scripted model that remembers what it was asked; `left` is set whenever one of its answers ends."""

    def __init__(self, script: str, capabilities: Capabilities | None = None) -> None:
        super().__init__(Script.parse(script), capabilities)
        self.asked: list[Prompt] = []
        self.left = asyncio.Event()

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        self.asked.append(prompt)
        return super().stream(prompt, terms)

    async def _chunks(self, prompt: Prompt, terms: Terms, meter: Meter) -> AsyncGenerator[Chunk, None]:
        self.left.clear()
        try:
            async with aclosing(super()._chunks(prompt, terms, meter)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self.left.set()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test takes place: `model` gives one that answers by a script, wherever its calls come from."""

    runtime: AgentRuntime
    model: Callable[[str], Awaitable[Watched]]


def spec(*blocks: Block, **more: Any) -> AgentSpec:
    """An agent that no other test has."""
    own = str(ULID())
    made = AgentSpec(f"reader-{own}", "You are the reader.", ("contract", f"test:{own}"), blocks)
    return replace(made, **more)


def turn(words: str | tuple[ToolResult, ...], **more: Any) -> Turn:
    return Turn(str(ULID()), words, **more)


async def take(
    place: Place, agent: AgentInfo, model: Watched, asked: Turn | str, thread: str = "t"
) -> list[TurnStep]:
    """All that a turn gives."""
    asked = turn(asked) if isinstance(asked, str) else asked
    async with aclosing(place.runtime.turn(agent.id, thread, asked, provider=model, terms=TERMS)) as taking:
        return [step async for step in taking]


def ended(steps: list[TurnStep]) -> TurnEnded:
    """The end of a turn: exactly one, and last."""
    last = steps[-1]
    assert isinstance(last, TurnEnded)
    assert sum(isinstance(step, TurnEnded) for step in steps) == 1
    return last


def called(steps: list[TurnStep]) -> tuple[ToolCall, ...]:
    """The calls that the caller is to answer."""
    assert ended(steps).reason == "requires_approval"
    needs = steps[-2]
    assert isinstance(needs, NeedsTools)
    return needs.calls


def spoken(steps: list[TurnStep]) -> list[str]:
    return [step.text for step in steps if isinstance(step, TextDelta)]


def seen(prompt: Prompt) -> str:
    """All that a model was shown."""
    return "\n".join([prompt.system, *(render_parts(message.parts) for message in prompt.messages)])


def say(text: str, contains: str | None = None, more: str = "") -> str:
    when = "" if contains is None else f"when = {{ contains = '{contains}' }}\n"
    return f"[[reply]]\n{when}say = '{text}'\n{more}\n"


def call(name: str, arguments: str, contains: str) -> str:
    return (
        f"[[reply]]\nwhen = {{ contains = '{contains}' }}\n"
        f"tool = {{ name = '{name}', arguments = {{ {arguments} }} }}\n"
    )


def edit(name: str, arguments: str) -> str:
    """A model that is asked to edit its memory does so once, and then says that it did."""
    return say("I have tried.", '"status": ') + call(name, arguments, "edit")


async def values(place: Place, agent: AgentInfo) -> dict[str, str]:
    return {block.label: block.value for block in await place.runtime.blocks(agent.id)}
