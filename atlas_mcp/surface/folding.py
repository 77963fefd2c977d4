"""Changes, told at once and then at most once a second each; after the last change always once more."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FOLD_SECONDS", "Folding"]

FOLD_SECONDS = 1.0
"""The least time between two tellings of one thing."""


class Folding:
    """Hands names on to `tell`, each at most once in `FOLD_SECONDS`."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: dict[str, float] = {}
        self._due: dict[str, asyncio.TimerHandle] = {}

    def add(self, name: str) -> None:
        """Tell of a change: now, or as soon as it may be told again."""
        if name in self._due:
            return
        wait = self._told.get(name, 0.0) + FOLD_SECONDS - monotonic()
        if name not in self._told or wait <= 0:
            self._now(name)
        else:
            self._due[name] = asyncio.get_running_loop().call_later(wait, self._now, name)

    def flush(self) -> None:
        """Tell now what waits to be told."""
        for name in tuple(self._due):
            self._now(name)

    def drop(self, name: str) -> None:
        """Forget what nobody wants to hear of any more."""
        self._told.pop(name, None)
        if due := self._due.pop(name, None):
            due.cancel()

    def close(self) -> None:
        """Tell nothing more."""
        for name in tuple(self._due):
            self.drop(name)

    def _now(self, name: str) -> None:
        if due := self._due.pop(name, None):
            due.cancel()
        self._told[name] = monotonic()
        self._tell(name)
