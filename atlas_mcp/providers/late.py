"""Ends a try whose first word does not come in time, though its wire gives signs of life."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from atlas_mcp.errors import Cancelled, ProviderTimeout
from atlas_mcp.providers.control import StreamState

if TYPE_CHECKING:
    from atlas_mcp.errors import BudgetSpent, ProviderError
    from atlas_mcp.providers.control import StreamControl

__all__ = ["Late"]


class Late:
    """A limit of `seconds` on the first word of the stream `tried`, while its `reader` waits for it."""

    __slots__ = ("_came", "_reader", "_seconds", "_timer", "_tried")

    def __init__(self, tried: StreamControl, reader: StreamControl, seconds: float) -> None:
        self._tried = tried
        self._reader = reader
        self._seconds = seconds
        self._came = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self._due)

    def heard(self) -> None:
        """A word came, or nobody waits for one any more."""
        self._timer.cancel()

    def verdict(self, failure: ProviderError | BudgetSpent) -> ProviderError | BudgetSpent:
        """What a try that ended so is to be called."""
        self._timer.cancel()
        if not (self._came and isinstance(failure, Cancelled)):
            return failure
        return ProviderTimeout(
            f"No word of the answer came within {self._seconds:g} seconds.",
            remedy="Try again, or allow more time for the first token.",
        )

    def _due(self) -> None:
        waiting = self._tried.state is not StreamState.NEW and self._reader.state is not StreamState.PAUSED
        if not waiting:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._due)
            return
        self._came = True
        self._tried.cancel(f"no word came within {self._seconds:g} seconds")
