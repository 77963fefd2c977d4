"""Keeps calls away from a member that fails, and lets exactly one through to see whether it is back.

Closed, open, half open. It is driven by live traffic alone: a rolling window of outcomes, weighed by class of
failure. It knows no provider and reads time from a clock that it is given. Of a time limit of the caller's
that passed it is not told, unless the member is to blame; `attempt` says when.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from atlas_mcp import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_mcp.errors import ProviderError

__all__ = ["Breaker", "BreakerState", "Tripwire", "blames"]


class BreakerState(StrEnum):
    """Whether a member may be called: `open` not, `half_open` by one call at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


_AT_ONCE = (errors.Authentication, errors.PermissionDenied, errors.QuotaExceeded, errors.ModelNotFound)
"""Failures after which the next call would fail as surely."""

_INNOCENT = (
    errors.InvalidRequest, errors.Unsupported, errors.ContextTooLong, errors.ContentRefused,
    errors.PoolExhausted, errors.Cancelled,
)  # fmt: skip
"""Failures that say nothing of the member's health."""


def blames(error: ProviderError) -> bool:
    """Whether a failure tells something of the member, and not only of the request or of ourselves."""
    return not isinstance(error, _INNOCENT)


@dataclass(frozen=True, slots=True)
class Tripwire:
    """When a breaker opens and for how long; times in seconds.

    It opens after `row` failures in a row, or when of at least `least` outcomes within `window` a share of
    `rate` failed. It stays open for `cool`, doubled with each probe that fails up to `longest`, or for what
    the provider asks for, up to `longest` too; for `lasting` where a person must do something first. One that
    does not trip never opens.
    """

    row: int = 5
    rate: float = 0.5
    least: int = 10
    window: float = 60.0
    cool: float = 5.0
    longest: float = 300.0
    lasting: float = 300.0
    trips: bool = True


class Breaker:
    """The breaker of one provider; each of `listeners` is called after each change of its state.

    `until` is when it may be tried again, `opened_for` for how long it opened, `opens` how often it did since
    it was last closed, at `closed_at`; `reason` and `last` are of the failure that opened it.
    """

    __slots__ = (
        "_failed_at", "_outcomes", "_probing", "_row", "_tripwire", "clock", "closed_at", "last", "listeners",
        "opened_for", "opens", "reason", "until",
    )  # fmt: skip

    def __init__(self, tripwire: Tripwire | None = None, *, clock: Callable[[], float]) -> None:
        self._tripwire = tripwire or Tripwire()
        self.clock = clock
        self.listeners: list[Callable[[], None]] = []
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=200)
        self._row = 0
        self._failed_at = -math.inf
        self.closed_at = -math.inf
        self._probing = False
        self.until = 0.0
        self.opened_for = 0.0
        self.opens = 0
        self.reason = ""
        self.last: ProviderError | None = None

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if not self.opens:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.clock() < self.until else BreakerState.HALF_OPEN

    @property
    def free(self) -> bool:
        """Whether a call may go through now; of a half-open one, only if no other is probing."""
        return not self.opens or (not self._probing and self.clock() >= self.until)

    @property
    def ready_at(self) -> float | None:
        """When a call may go through, by the clock; None while somebody is probing."""
        if self._probing:
            return None
        return self.until if self.opens else 0.0

    def begin(self) -> bool:
        """A call goes through; True says that it is the probe, whose outcome decides."""
        probe = bool(self.opens) and not self._probing
        if probe:
            self._probing = True
        return probe

    def succeeded(self, *, probe: bool = False, began: float = math.inf) -> None:
        """The call is answered; a probe that is closes the breaker.

        One that began, by the clock, before the last failure is no news.
        """
        if began >= self._failed_at:
            self._row = 0
            self._outcomes.append((self.clock(), True))
        if probe:
            self._probing = False
            self.closed_at = self.clock()
            self.opens, self.reason = 0, ""
            self._outcomes.clear()
            self._changed()

    def answers(self) -> int:
        """The probe begins to answer: nobody need wait until it has said everything.

        Gives how often the breaker had opened, for `failed`, should the answer break after all.
        """
        opens = self.opens
        self.succeeded(probe=True)
        return opens

    def left(self, *, probe: bool = False) -> None:
        """The call ended without telling anything of the member: cancelled, cut off, its reader gone."""
        if probe:
            self._probing = False
            self._changed()

    def failed(
        self, error: ProviderError, *, probe: bool = False, began: float = math.inf, opened: int = 0
    ) -> None:
        """The call failed.

        One that began before the breaker opened does not open it again, but may ask for a longer rest; one
        that began, by the clock, before a probe was answered is no news. `opened` is what `answers` gave to
        the probe: unless somebody had a whole answer since, the breaker opens as if it had not been closed.
        """
        relapsed = opened > 0 and not any(good for _, good in self._outcomes)
        if not blames(error) or not self._tripwire.trips or (began < self.closed_at and not relapsed):
            self.left(probe=probe)
            return
        now = self.clock()
        well = isinstance(error, errors.RateLimited)  # it is, and says when it has room again
        if not well:
            self._row += 1
            self._failed_at = now
            self._outcomes.append((now, False))
        if probe:
            self._probing = False
        if relapsed:
            self.opens, self.closed_at = max(self.opens, opened), -math.inf
        again = probe or relapsed
        at_once = well or isinstance(error, _AT_ONCE)
        trips = not self.opens and (self._row >= self._tripwire.row or self._mostly_fails(now))
        if again or at_once or trips:
            self._open(now + self._cooling(error, again=again), error, again=again)

    def _cooling(self, error: ProviderError, *, again: bool) -> float:
        wire = self._tripwire
        if error.retry_after is not None:
            return min(error.retry_after, wire.longest)
        seconds = wire.lasting if isinstance(error, _AT_ONCE) else wire.cool
        return min(seconds * 2 ** min(self.opens, 16) if again else seconds, wire.longest)

    def _mostly_fails(self, now: float) -> bool:
        wire = self._tripwire
        recent = [good for at, good in self._outcomes if now - at <= wire.window]
        return len(recent) >= wire.least and recent.count(False) >= wire.rate * len(recent)

    def _open(self, until: float, error: ProviderError, *, again: bool) -> None:
        """Leave the member alone until then, or for as long as it is anyway."""
        if until > self.until or not self.opens:
            self.until = until
            self.opened_for = until - self.clock()
            self.reason, self.last = error.code, error
        if again or not self.opens:
            self.opens += 1
            self._changed()

    def restore(self, seconds: float, opens: int, reason: str) -> None:
        """Take up what was known before a restart: open for `seconds` more."""
        self.opens, self.reason = max(1, opens), reason
        self.until = self.clock() + seconds
        self.opened_for = seconds

    def _changed(self) -> None:
        for listener in tuple(self.listeners):
            listener()
