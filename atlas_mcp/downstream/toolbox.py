"""The tools one role may use: chosen by the grants on its card, called under a time limit.

A failure is a result that the agent reads, never an exception that ends its work. What may not be called is
refused here, before anything is sent, and told to whoever listens.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Protocol

from atlas_mcp.errors import AtlasError, ToolFailed, ToolRefused
from atlas_mcp.messages import ToolCall, ToolResult, ToolSpec
from atlas_mcp.shapes import foreign_misfits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from atlas_mcp.messages import Passage

__all__ = ["Found", "Gate", "Tool", "Toolbox", "Tools", "grants"]

TIME_LIMIT_SECONDS = 60.0

_AGENT_FILE = re.compile(r"mcp__([a-z0-9_-]+?)__(.+)")
"""How agent files of Claude Code name a server's tool."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a tool gives: text for the model, and typed passages where it found some."""

    text: str
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as a model sees it, and what runs when it is called with arguments that fit its schema.

    `address` is `server/tool` where it is a downstream server's, which keeps its own time limit. `reads`
    says that it changes nothing, `web` that what it gives is from the open web, `ask` that a person approves
    each use; `check` refuses before that what could not be done anyway.
    """

    spec: ToolSpec
    run: Callable[[dict[str, Any]], Awaitable[Found]]
    address: str = ""
    reads: bool = True
    web: bool = False
    ask: bool = False
    check: Callable[[], None] | None = None


class Tools(Protocol):
    """What an agent calls its tools through."""

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """The tools as a model sees them, in a fixed order."""
        ...

    async def call(self, call: ToolCall) -> ToolResult:
        """The result of a call; a failure is a result with `error`."""
        ...


class Gate(Protocol):
    """Who is asked before a tool with effects is used, and told of what was refused."""

    async def approve(self, tool: Tool, call: ToolCall) -> str:
        """Why the call may not be made; empty if it may."""
        ...

    async def refused(self, call: ToolCall, error: ToolRefused) -> None:
        """Hear of a call that was refused."""
        ...


def grants(patterns: Iterable[str]) -> tuple[str, ...]:
    """Grants as the toolbox reads them: `server/tool`, or the name of a tool of our own; both with globs."""
    return tuple(_AGENT_FILE.sub(r"\1/\2", each) for each in patterns)


class Toolbox:
    """The tools of one role: those that read, by `granted`; those with effects, by `writes` alone.

    A pattern with a stroke is for downstream servers, one without for tools of our own. A role that has a
    tool of the open web gets none with effects, whatever its card says and whatever the tool's server says of
    it: what a page tells the role to do, it cannot.
    """

    def __init__(
        self, tools: Iterable[Tool], granted: Sequence[str], writes: Sequence[str] = (),
        gate: Gate | None = None,
    ) -> None:  # fmt: skip
        reading, writing = grants(granted), grants(writes)
        chosen = [tool for tool in tools if _is_granted(tool, reading if tool.reads else writing)]
        self.withheld: tuple[str, ...] = ()
        if any(tool.web for tool in chosen):
            self.withheld = tuple(tool.address or tool.spec.name for tool in chosen if not tool.reads)
            chosen = [tool for tool in chosen if tool.reads]
        self._tools = {tool.spec.name: tool for tool in sorted(chosen, key=lambda tool: tool.spec.name)}
        self._gate = gate

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """The tools as a model sees them, by name."""
        return tuple(tool.spec for tool in self._tools.values())

    @property
    def effects(self) -> frozenset[str]:
        """The names of those that change something."""
        return frozenset(name for name, tool in self._tools.items() if not tool.reads)

    async def call(
        self, call: ToolCall, *, on_begin: Callable[[], Awaitable[None]] | None = None
    ) -> ToolResult:
        """Call a tool; an unknown one, wrong arguments, a failure and a time-out are results with `error`.

        `on_begin` is awaited once nothing stands in the way of the call any more.
        """
        try:
            tool = self._fitting(call)
            await self._admit(tool, call)
            if on_begin is not None:
                await on_begin()
            # A server's tool has a limit of its own, and says what became of the call.
            async with asyncio.timeout(None if tool.address else TIME_LIMIT_SECONDS):
                found = await tool.run(call.arguments)
        except TimeoutError:
            return _failed(call, f"{call.name} gave no result within {TIME_LIMIT_SECONDS:.0f} s.")
        except ToolRefused as error:
            return await self._refuse(call, error)
        except AtlasError as error:
            return _failed(call, str(error))
        return ToolResult(call.id, found.text, found.passages)

    def _fitting(self, call: ToolCall) -> Tool:
        """The tool of a call whose arguments fit."""
        tool = self._tools.get(call.name)
        if tool is None:
            names = ", ".join(self._tools) or "none"
            raise ToolRefused(f"There is no tool {call.name!r} for you.", remedy=f"Your tools: {names}.")
        problems = foreign_misfits(tool.spec.parameters, call.arguments)
        if problems is None:
            raise ToolRefused(
                f"{call.name} describes its arguments so that they cannot be checked.",
                remedy="Use another tool.",
            )
        if problems:
            raise ToolFailed(f"{call.name}: {problems[0]}.", remedy="Correct the arguments and call again.")
        return tool

    async def _admit(self, tool: Tool, call: ToolCall) -> None:
        if tool.check is not None:
            tool.check()
        if tool.ask and self._gate is not None and (reason := await self._gate.approve(tool, call)):
            raise ToolRefused(reason, remedy="Do without it, and say so.")

    async def _refuse(self, call: ToolCall, error: ToolRefused) -> ToolResult:
        if self._gate is not None:
            await self._gate.refused(call, error)
        return _failed(call, str(error))


def _is_granted(tool: Tool, patterns: Sequence[str]) -> bool:
    if tool.address:
        return any("/" in each and fnmatchcase(tool.address, each) for each in patterns)
    return any("/" not in each and fnmatchcase(tool.spec.name, each) for each in patterns)


def _failed(call: ToolCall, text: str) -> ToolResult:
    return ToolResult(call.id, text, error=True)
