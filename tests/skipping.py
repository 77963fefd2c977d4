"""An event loop whose clock jumps, so that tests of long waits are exact and cost no time."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectors import SelectorKey

__all__ = ["SkippingLoop"]


class _Skipping(selectors.DefaultSelector):
    """Passes over waiting, and counts what was passed over."""

    skipped = 0.0
    grace = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        ready = super().select(min(timeout, self.grace) if timeout is not None else None)
        if not ready and timeout:
            self.skipped += timeout
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer, so that time limits are exact and cost no time.

    It waits `grace` real seconds before it jumps, where the other side of a socket is to have its turn.
    """

    def __init__(self, *, grace: float = 0.0) -> None:
        self._clock = _Skipping()
        self._clock.grace = grace
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.skipped
