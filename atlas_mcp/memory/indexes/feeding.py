"""Derived indexes are told what changed in the record, by whichever process comes first, in order.

Changes stand in the record's outbox until an index has taken them in, so one that is down is told later, and
a change that was told twice changes nothing. An index that was never filled, whose filling was cut short,
that was left too far behind, or that says it was emptied is filled from the whole record.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from atlas_mcp.errors import IndexUnavailable, InvalidInput
from atlas_mcp.memory.metering import Meter, counted_by

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from atlas_mcp.memory.indexes.index import Index
    from atlas_mcp.memory.record.record import Record

__all__ = ["Fed", "Feeder", "OnItems", "Telling", "fed_alone"]

OnItems: TypeAlias = "Callable[[int, int], None]"
"""Told how many items are done, and of how many."""

LOOK_SECONDS = 5.0
"""How often it is looked whether another process has left changes, and whether an index is back."""
TURN_SECONDS = 2.0
"""How long a feed waits for another of the same process."""
ELSEWHERE = "It is being fed right now."
PORTION = 500
WAIT_SECONDS = 60.0
PAUSE = 0.05

_log = logging.getLogger(__name__)


@runtime_checkable
class Telling(Protocol):
    """An index that can tell whether it was filled: it may be emptied without our doing."""

    async def filled(self) -> bool:
        """Whether all that there was has been put into it since it was made."""
        ...

    async def note_filled(self) -> None:
        """Note that this is so; `clear` takes it back."""
        ...


@dataclass(frozen=True, slots=True)
class Fed:
    """What a feed did: how many changes each index took in, and why another waits, by name."""

    changes: dict[str, int] = field(default_factory=dict[str, int])
    waiting: dict[str, str] = field(default_factory=dict[str, str])


class Feeder:
    """Feeds indexes from a record; one that fails keeps no other waiting.

    `waiting` says of each index that could not be fed why, until it is.
    """

    def __init__(
        self, record: Record, indexes: Sequence[Index], *, look: float = LOOK_SECONDS,
        meter: Meter | None = None,
    ) -> None:  # fmt: skip
        self._record = record
        self._meter = meter or Meter()
        self._indexes = {index.name: index for index in indexes}
        self._look = look
        self._begun: set[str] = set()
        self._turns = {name: asyncio.Lock() for name in self._indexes}
        self._wake = asyncio.Event()
        self._rounds = asyncio.Condition()
        self._began = self._ended = 0
        self.waiting: dict[str, str] = {}

    async def feed(self) -> Fed:
        """Tell every index what it has not heard; returns when all that can be told is told.

        Never fails because of an index: those that could not be fed, or are just being fed by somebody else,
        are named.
        """
        fed = await asyncio.gather(*(self._feed(index) for index in self._indexes.values()))
        every = list(zip(self._indexes, fed, strict=True))
        elsewhere = {name: ELSEWHERE for name, done in every if done is None}
        return Fed({name: done for name, done in every if done}, elsewhere | self.waiting)

    async def rebuild(self, name: str, on_progress: OnItems | None = None) -> int:
        """Empty an index and fill it from the record, while both are in use; gives how many items.

        :raises InvalidInput: no index of that name is configured.
        :raises IndexUnavailable: it cannot be used, or another process goes on feeding it.
        """
        if name not in self._indexes:
            known = f"; there is {', '.join(self._indexes)}" if self._indexes else ""
            raise InvalidInput(
                f"No index {name!r} is configured{known}.",
                remedy=f"Set {name} in the table [memory] of atlas.toml.",
            )
        index = self._indexes[name]
        async with fed_alone(self._record, name):
            done = await self._fill(index, on_progress)
            await self._drain(index)
        self.waiting.pop(name, None)
        return done

    def wake(self) -> None:
        """Let what `running` runs feed soon; costs nothing."""
        self._wake.set()

    async def heard(self, *, seconds: float) -> dict[str, bool]:
        """Whether each index has heard everything written until now, after so many seconds at most.

        What `running` runs tells them, or another process; either goes on where that is not enough. An index
        that cannot be fed now is not waited for.
        """
        if not self._indexes:
            return {}
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._round()
                while not all(done or name in self.waiting for name, done in (await self._done()).items()):
                    await asyncio.sleep(PAUSE)  # another process is feeding one
                    await self._round()
        return await self._done()

    async def _round(self) -> None:
        """Wait for a round of feeding that begins from now on."""
        self.wake()
        wanted = self._began + 1
        async with self._rounds:
            await self._rounds.wait_for(lambda: self._ended >= wanted)

    async def _done(self) -> dict[str, bool]:
        """Whether each index has heard everything, and is not just being filled."""
        behind = await self._record.behind()
        return {
            name: behind.get(name) == 0 and _filling(name) not in behind and name not in self.waiting
            for name in self._indexes
        }

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Feed in the background: at once, at every `wake`, and every few seconds what others left."""
        if not self._indexes:
            yield
            return
        with counted_by(None):
            # Whoever opened the memory has not what everybody writes be fed.
            task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            self._began += 1
            try:
                await self.feed()
            except sqlite3.Error as error:  # the record's own trouble, such as a full disk
                _log.warning("Nothing can be fed to indexes now: %s.", error)
            async with self._rounds:
                self._ended = self._began
                self._rounds.notify_all()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._look)

    async def _feed(self, index: Index) -> int | None:
        """Feed an index; gives how many changes, None where somebody else is feeding it."""
        name, turn = index.name, self._turns[index.name]
        try:
            await asyncio.wait_for(turn.acquire(), TURN_SECONDS)
        except TimeoutError:
            return None
        try:
            done = await self._tell(index)
        except IndexUnavailable as error:
            if self.waiting.get(name) != str(error):
                _log.info("The index %s is fed later. %s", name, error)
            self.waiting[name] = str(error)
            return 0
        finally:
            turn.release()
        if self.waiting.pop(name, None):
            _log.info("The index %s is fed again.", name)
        return done

    async def _tell(self, index: Index) -> int | None:
        """Tell an index everything; what another process is telling it is that one's business.

        Whoever lets go looks once more, so a change that was written while another fed is not left behind.
        """
        name, done = index.name, 0
        while not (
            name in self._begun
            and not await self._is_empty(index)
            and await self._record.pending(name, most=1) == []
        ):
            async with self._record.feeding(name) as alone:
                if not alone:
                    return None
                if await self._must_fill(index):
                    done += await self._fill(index)
                done += await self._drain(index)
        return done

    async def _must_fill(self, index: Index) -> bool:
        """Whether an index holds less than what is not in the outbox; only for who feeds it alone."""
        name = index.name
        if name not in self._begun:
            # This entry is there while an index is filled; nobody else fills it now, so that was cut short.
            cut_short = not await self._record.begin_feed(_filling(name))
            new = await self._record.begin_feed(name)
            if cut_short or new:
                return True
            await self._record.end_feed(_filling(name))
            self._begun.add(name)
        # While nobody fed it, it was left too far behind; what it missed, the outbox holds no more.
        forgotten = await self._record.pending(name, most=1) is None
        return forgotten or await self._is_empty(index)

    async def _is_empty(self, index: Index) -> bool:
        return isinstance(index, Telling) and not await index.filled()

    async def _fill(self, index: Index, on_progress: OnItems | None = None) -> int:
        """Empty an index and put everything into it; what changes meanwhile is left in the outbox."""
        name, record = index.name, self._record
        await record.begin_feed(_filling(name))
        await record.end_feed(name)
        await record.begin_feed(name)
        of, done = int((await record.counts())["memories"]), 0
        await index.clear()
        async for items in record.every(size=PORTION):
            with self._meter.measured("feed", name) as operation:
                operation.items = len(items)
                await index.put(items)
            done += len(items)
            if on_progress is not None:
                on_progress(done, max(of, done))
        if isinstance(index, Telling):
            await index.note_filled()
        await record.end_feed(_filling(name))
        self._begun.add(name)
        return done

    async def _drain(self, index: Index) -> int:
        """Tell an index what is in the outbox, portion by portion, each noted when it is taken in."""
        done = 0
        while changes := await self._record.pending(index.name, most=PORTION):
            wanted = [change.item for change in changes if change.action == "put"]
            items = await self._record.indexed(wanted)
            there = {item.stored.id for item in items}
            with self._meter.measured("feed", index.name) as operation:
                operation.items = len(changes)
                if gone := [change.item for change in changes if change.item not in there]:
                    await index.remove(gone)
                if items:
                    await index.put(items)
            await self._record.fed(index.name, changes[-1].number)
            done += len(changes)
        return done


@asynccontextmanager
async def fed_alone(record: Record, name: str, *, seconds: float = WAIT_SECONDS) -> AsyncGenerator[None]:
    """Be the only one to feed an index, after waiting for another who does.

    :raises IndexUnavailable: the other did not come to an end.
    """
    until = asyncio.get_running_loop().time() + seconds
    while True:
        async with record.feeding(name) as alone:
            if alone:
                yield
                return
        if asyncio.get_running_loop().time() > until:
            raise IndexUnavailable(
                f"Another process has been feeding the index {name} for over {seconds:.0f} s.",
                remedy="Wait until it is done, or end it.",
            )
        await asyncio.sleep(PAUSE)


def _filling(name: str) -> str:
    """The name under which the record notes that an index is being filled."""
    return f"{name}.filling"
