"""What one run has memory do, told in its journal: after its recall, each assignment and its learning.

Each of them tells what it had done itself, so that of assignments side by side none counts another's; what
is done between them is told with the next. A run that works for another counts for itself alone.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from atlas_mcp.errors import AtlasError, LeaseLost
from atlas_mcp.events import Kind
from atlas_mcp.memory.metering import Tally, counted_by

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractContextManager

    from atlas_mcp.orchestration.context import RunContext

__all__ = ["RunTally"]


class RunTally:
    """The tally of one run."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._between = Tally()

    def counting(self) -> AbstractContextManager[None]:
        """Count for this run what its steps have done, and not for the run that it works for."""
        return counted_by(self._between)

    @asynccontextmanager
    async def told(self, path: str, actor: str = "") -> AsyncGenerator[None]:
        """Count what happens within apart, and tell it at the end, also where it fails.

        Raises:
            LeaseLost: another process owns the run.
        """
        own = Tally()
        try:
            with counted_by(own):
                yield
        except LeaseLost:
            raise
        except AtlasError:
            await self._tell(own, path, actor)
            raise
        await self._tell(own, path, actor)

    async def _tell(self, own: Tally, path: str, actor: str) -> None:
        self._between.pour_into(own)
        if operations := own.take():
            await self._context.emit(
                Kind.MEMORY_MEASURED, actor or self._context.team.name, path, operations=operations
            )
