"""Whether the same member may be tried again after a failure, and after how long.

A pure function of the failure and of how often it was tried; who waits, and whether somebody else is free
meanwhile, is the group's business. The SDKs' own retries are off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas_mcp import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from atlas_mcp.errors import ProviderError

__all__ = ["Retry"]

_TIMES: dict[type[ProviderError], int] = {
    errors.RateLimited: 4,
    errors.Overloaded: 2,
    errors.ServerFailed: 2,
    errors.PoolExhausted: 4,
    errors.ConnectionFailed: 1,
    errors.ProviderTimeout: 1,
    errors.StreamBroken: 1,
    errors.Stalled: 1,
    errors.MalformedResponse: 1,
}


@dataclass(frozen=True, slots=True)
class Retry:
    """How often each class of failure allows the same member again (`times`), and after which waits.

    Waits double from `first` to `longest` seconds.
    Each wait is cut at random by up to `jitter` of it, so that many who failed together do not come back
    together.
    """

    times: Mapping[type[ProviderError], int] = field(default_factory=lambda: dict(_TIMES))
    first: float = 0.5
    longest: float = 8.0
    jitter: float = 0.5

    def wait(self, error: ProviderError, tries: int, chance: Random) -> float | None:
        """Seconds until a member that failed the `tries`-th time may be tried again; None for never."""
        if not error.retryable or tries > self.times.get(type(error), 0):
            return None
        seconds = min(self.longest, self.first * 2 ** (tries - 1))
        return max(error.retry_after or 0.0, seconds * (1 - self.jitter * chance.random()))
