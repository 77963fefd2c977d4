"""Writes down now and then what changed, in a task of its own, so that nobody who is busy waits for a disk.

A database that is locked for a while, or cannot be written to at all, costs nothing but what would have been
kept; that is said once.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Upkeep"]

log = logging.getLogger(__name__)


class Upkeep:
    """Does its work every so many seconds from entry to exit, at once where it is hastened, and a last time.

    `work` may raise `sqlite3.Error` and is then done again at its next time; `what` is how the log calls what
    could not be kept.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], *, every: float, what: str) -> None:
        self._work = work
        self._every = every
        self._what = what
        self._due = asyncio.Event()
        self._ending = False
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    def hasten(self) -> None:
        """Do the work as soon as may be."""
        self._due.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._go_on(), name=f"keep {self._what}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending = True
        self._due.set()
        if self._task is not None:
            await self._task

    async def _go_on(self) -> None:
        ending = False
        while not ending:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._due.wait()
            self._due.clear()
            ending = self._ending
            await self._do()

    async def _do(self) -> None:
        try:
            await self._work()
        except sqlite3.Error as error:
            if not self._failing:
                log.warning("%s cannot be kept: %s", self._what, error)
            self._failing = True
        else:
            self._failing = False
