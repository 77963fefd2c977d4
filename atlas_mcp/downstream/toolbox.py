"""The tools one role may use: chosen by the globs on its card, called under a time limit.

A failure is a result that the agent reads, never an exception that ends its work.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Protocol

from atlas_mcp.errors import AtlasError
from atlas_mcp.messages import ToolCall, ToolResult, ToolSpec
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from atlas_mcp.messages import Passage

__all__ = ["Found", "Tool", "Toolbox", "Tools"]

TIME_LIMIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a tool gives: text for the model, and typed passages where it found some."""

    text: str
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as a model sees it, and what runs when it is called with arguments that fit its schema."""

    spec: ToolSpec
    run: Callable[[dict[str, Any]], Awaitable[Found]]


class Tools(Protocol):
    """What an agent calls its tools through."""

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """The tools as a model sees them, in a fixed order."""
        ...

    async def call(self, call: ToolCall) -> ToolResult:
        """The result of a call; a failure is a result with `error`."""
        ...


class Toolbox:
    """The tools of one role."""

    def __init__(self, tools: Iterable[Tool], granted: Sequence[str]) -> None:
        chosen = {
            tool.spec.name: tool for tool in tools if any(fnmatchcase(tool.spec.name, g) for g in granted)
        }
        self._tools = dict(sorted(chosen.items()))

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """The tools as a model sees them, by name."""
        return tuple(tool.spec for tool in self._tools.values())

    async def call(self, call: ToolCall) -> ToolResult:
        """Call a tool; an unknown one, wrong arguments, a failure and a time-out are results with `error`."""
        tool = self._tools.get(call.name)
        if tool is None:
            names = ", ".join(self._tools) or "none"
            return _failed(call, f"There is no tool {call.name!r} for you. Your tools: {names}.")
        if problems := misfits(tool.spec.parameters, call.arguments):
            return _failed(call, f"{call.name}: {problems[0]}. Correct the arguments and call again.")
        try:
            async with asyncio.timeout(TIME_LIMIT_SECONDS):
                found = await tool.run(call.arguments)
        except TimeoutError:
            return _failed(call, f"{call.name} gave no result within {TIME_LIMIT_SECONDS:.0f} s.")
        except AtlasError as error:
            return _failed(call, str(error))
        return ToolResult(call.id, found.text, found.passages)


def _failed(call: ToolCall, text: str) -> ToolResult:
    return ToolResult(call.id, text, error=True)
