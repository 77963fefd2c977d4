"""The boundary to a place where Chroma keeps collections: an embedded folder, or a server.

A collection is found by its name and spoken to by its key, which is another one once the collection was made
anew; so whoever remembers a key never reads what somebody else has put in its place. This module knows
neither memories nor what a collection is for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from atlas_mcp.errors import IndexUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from atlas_mcp.text.ranking import FloatArray

__all__ = [
    "CHANGE_SECONDS",
    "HNSW",
    "MOST_ROWS",
    "QUERY_SECONDS",
    "REST_SECONDS",
    "Collection",
    "Hit",
    "Marks",
    "NoCollection",
    "Opening",
    "Store",
]

T = TypeVar("T")

Marks: TypeAlias = "dict[str, str | int | float | bool]"
"""What is noted of a collection, or of an item in it."""

HNSW: dict[str, Any] = {"space": "cosine", "ef_construction": 128, "ef_search": 200, "max_neighbors": 16}
"""How a collection is searched; measured at 100,000 vectors in groups, the best ten are those of exact
search for 97 of 100."""

MOST_ROWS = 5_000
"""Rows that one call may carry; Chroma takes 5,461 at most."""

QUERY_SECONDS = 1.0
"""A question that takes longer is better answered by the record; a quarter of it may go into opening."""
CHANGE_SECONDS = 60.0
REST_SECONDS = 5.0
"""A place that failed is not asked again for so long."""


class NoCollection(LookupError):
    """There is no such collection any more."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection that is there: its name, the key to speak to it by, and what is noted of it."""

    name: str
    key: str
    marks: Marks


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that was found; `distance` is 1 minus the cosine."""

    id: str
    distance: float
    marks: Marks


class Store(Protocol):
    """Where collections are. Every method raises `IndexUnavailable` where it cannot be reached or fails.

    Those that take a key raise `NoCollection` where it is gone.
    """

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        ...

    async def open(self, seconds: float) -> None:
        """Be open within so many seconds; other methods wait for as long as it takes."""
        ...

    async def collections(self) -> list[Collection]:
        """Every collection, ours or not."""
        ...

    async def find(self, name: str) -> Collection | None:
        """The collection of a name."""
        ...

    async def make(self, name: str, marks: Marks) -> Collection:
        """Make a collection; there is none of that name."""
        ...

    async def drop(self, name: str) -> None:
        """Remove a collection with all that it holds; none is no error."""
        ...

    async def upsert(self, key: str, ids: Sequence[str], vectors: FloatArray, marks: Sequence[Marks]) -> None:
        """Hold items (n ids, n x d, n), at most `MOST_ROWS`, in place of those of the same ids."""
        ...

    async def delete(self, key: str, ids: Sequence[str]) -> None:
        """Hold items no more; what is not there is no error."""
        ...

    async def query(
        self, key: str, vectors: FloatArray, most: int, *, where: dict[str, Any] | None, seconds: float
    ) -> list[list[Hit]]:
        """The nearest items of each vector (n x d), the nearest first, of those that `where` allows."""
        ...

    async def page(self, key: str, start: int, most: int) -> list[tuple[str, Marks]]:
        """Id and marks of the items from a place on, in an order that stays while nothing changes."""
        ...

    async def close(self) -> None:
        """Let go of connections and processes."""
        ...


class Opening(Generic[T]):
    """What is opened at the first use, by one task that all who wait share; a failure is kept for a while.

    A caller waits no longer than it wants to, and the opening goes on without it.
    """

    def __init__(self, opener: Callable[[], Awaitable[T]], *, place: str, rest: float) -> None:
        self._opener = opener
        self._place = place
        self._rest = rest
        self._task: asyncio.Task[T] | None = None
        self._failure: tuple[float, IndexUnavailable] | None = None

    async def get(self, seconds: float) -> T:
        """What was opened.

        :raises IndexUnavailable: it cannot be opened, was not opened in time, or failed a moment ago.
        """
        loop = asyncio.get_running_loop()
        if self._failure is not None:
            until, failure = self._failure
            if loop.time() < until:
                raise IndexUnavailable(failure.message, remedy=failure.remedy)
            self._failure = None
        if self._task is None:
            self._task = asyncio.create_task(self._open())
            self._task.add_done_callback(_seen)
        task = self._task
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            raise IndexUnavailable(
                f"{self._place} is being opened.",
                remedy="Ask again in a while; the record answers meanwhile.",
            )
        if task.cancelled():
            raise IndexUnavailable(f"{self._place} was closed.")
        return task.result()

    def failed(self, failure: IndexUnavailable, *, lost: bool) -> IndexUnavailable:
        """Ask nothing for a while, and open it anew then if what was open is lost; gives the failure."""
        self._failure = (asyncio.get_running_loop().time() + self._rest, failure)
        if lost:
            self._task = None
        return failure

    async def close(self) -> T | None:
        """What is open, which is let go of; an opening under way is stopped."""
        task, self._task = self._task, None
        if task is None:
            return None
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        return None if task.cancelled() or task.exception() else task.result()

    async def _open(self) -> T:
        try:
            return await self._opener()
        except IndexUnavailable as error:
            raise self.failed(error, lost=True) from None


def _seen(task: asyncio.Task[Any]) -> None:
    """Take note of a failure that nobody waits for any more; it is kept for the next who asks."""
    if not task.cancelled():
        task.exception()
