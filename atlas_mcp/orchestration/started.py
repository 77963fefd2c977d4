"""A run as whoever started it holds it: to be watched, and asked for what it gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from atlas_mcp.events import Kind

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.events import Event
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["Run"]


class _Runs(Protocol):
    """What a started run asks of the `Atlas` that it is of."""

    def watch(self, run_id: str) -> AsyncGenerator[Event]: ...

    async def get(self, run_id: str) -> RunRow: ...

    async def result(self, run_id: str, *, wait_seconds: float = 0.0) -> dict[str, Any]: ...


@dataclass(slots=True)
class Run:
    """A started run: its id, and whether the call began it or attached to one that asks the same.

    `output` is what the team gave, once the run was watched to its end; None before, and if it failed. Then
    `error` says why, with `code`, `message` and, where something can be done, `remedy`.
    """

    id: str
    new: bool
    atlas: _Runs
    output: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    async def __aiter__(self) -> AsyncGenerator[Event]:
        """The run's events, past ones first, until it has ended."""
        async for event in self.atlas.watch(self.id):
            if event.kind is Kind.RUN_FINISHED:
                row = await self.atlas.get(self.id)
                self.output, self.error = row.output, row.error
            yield event

    async def envelope(self, wait_seconds: float = 0.0) -> dict[str, Any]:
        """Where the run stands, after waiting for its end at most so long."""
        return await self.atlas.result(self.id, wait_seconds=wait_seconds)
