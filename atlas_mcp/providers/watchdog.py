"""Ends a wait for the wire that takes too long: one lazy timer a stream instead of a time limit a token.

It knows no vendor and no transport. It counts only while somebody waits inside it, so a reader that pauses
or works on what it got is never timed out.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Self

from atlas_mcp.errors import ProviderTimeout, Stalled

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Watchdog"]


class Watchdog:
    """A context manager around each wait of one stream.

    `first_token` seconds may pass, over all waits together, until `heard()` is called for the first time,
    then `idle` seconds in each wait; none lasts beyond `deadline`, a reading of the event loop's clock.

    Raises on leaving a wait that took too long:
        ProviderTimeout: nothing was heard at all, or the deadline passed.
        Stalled: the stream went silent.
    """

    __slots__ = (
        "_cancelled_before",
        "_deadline",
        "_expired",
        "_heard",
        "_looks_at",
        "_loop",
        "_reader",
        "_timer",
        "deadline",
        "first_token",
        "idle",
    )

    def __init__(self, *, first_token: float, idle: float, deadline: float | None = None) -> None:
        self.first_token = first_token
        self.idle = idle
        self.deadline = math.inf if deadline is None else deadline
        self._loop = asyncio.get_running_loop()
        self._deadline = min(self._loop.time() + first_token, self.deadline)
        self._heard = False
        self._expired = False
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = math.inf
        self._reader: asyncio.Task[object] | None = None
        self._cancelled_before = 0

    def heard(self) -> None:
        """The other side gave a sign of life."""
        self._heard = True

    def __enter__(self) -> Self:
        self._reader = reader = asyncio.current_task(self._loop)
        self._cancelled_before = reader.cancelling() if reader is not None else 0
        if self._heard:
            self._deadline = min(self._loop.time() + self.idle, self.deadline)
        if self._deadline < self._looks_at:
            self._arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        reader, self._reader = self._reader, None
        if not self._expired or reader is None:
            return
        self._expired = False
        if reader.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise self._verdict() from None

    def close(self) -> None:
        """Let the timer go; a watchdog may be entered again."""
        self._looks_at = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self.close()
        self._looks_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer, self._looks_at = None, math.inf
        if self._reader is None:
            return
        if self._loop.time() < self._deadline:
            self._arm()
        else:
            self._expired = True
            self._reader.cancel()

    def _verdict(self) -> ProviderTimeout | Stalled:
        if self._deadline >= self.deadline:
            return ProviderTimeout(
                "The answer was not whole by the time limit of the call.",
                remedy="Ask for less, or allow more time.",
            )
        if self._heard:
            return Stalled(
                f"The stream went silent for {self.idle:g} seconds.",
                remedy="Try again, or allow more time between tokens.",
            )
        return ProviderTimeout(
            f"No answer began within {self.first_token:g} seconds.",
            remedy="Try again, or allow more time for the first token.",
        )
