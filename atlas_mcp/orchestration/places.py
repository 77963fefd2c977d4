"""How many runs a process works on at once; those of higher priority go first, then those that came first."""

from __future__ import annotations

import asyncio
import heapq
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["Place", "Places"]

_RANKS = {"high": 0, "normal": 1, "low": 2}


class Places:
    """A limited number of places to work at."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    @asynccontextmanager
    async def taken(self, priority: str) -> AsyncGenerator[Place]:
        """Wait for a place, and give it back at the end."""
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait(_RANKS[priority])
        place = Place(self)
        try:
            yield place
        finally:
            place.leave()

    async def _wait(self, rank: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        """Give a place to whoever is next, or keep it free; one that was over the number is gone."""
        while self._waiting and self._free >= 0:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Place:
    """A place that somebody took, and may lend while they need it not."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lent = False
        self._left = False

    def lend(self) -> None:
        """Let somebody else work meanwhile."""
        if not self._lent:
            self._lent = True
            self._places._hand_on()

    def take_back(self) -> None:
        """Work again at once, though there be one more than there are places for a while."""
        if self._lent and not self._left:
            self._lent = False
            self._places._free -= 1

    def leave(self) -> None:
        """Give it back for good."""
        self.lend()
        self._left = True
