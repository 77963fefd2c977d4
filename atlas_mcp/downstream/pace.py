"""How fast a server may be called: more calls than its entry allows in a minute wait, or are refused."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from atlas_mcp.errors import ToolRefused

if TYPE_CHECKING:
    from atlas_mcp.downstream.entry import Entry

__all__ = ["Pace"]

MINUTE = 60.0


class Pace:
    """The calls of one server that began within a minute."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._begun: deque[float] = deque()

    async def wait(self) -> None:
        """Wait until another call may begin within this minute.

        Raises:
            ToolRefused: that would take longer than a call may.
        """
        most = self._entry.limits.per_minute
        if most is None:
            return
        now, begun = monotonic(), self._begun
        while begun and begun[0] <= now - MINUTE:
            begun.popleft()
        free = now if len(begun) < most else begun[-most] + MINUTE
        if free - now > self._entry.limits.seconds:
            raise ToolRefused(
                f"{self._entry.shown_title} may be called {most} times a minute, and was.",
                remedy=f"Call again in {free - now:.0f} s, or do without.",
            )
        begun.append(free)
        if free > now:
            await asyncio.sleep(free - now)
