"""Takes what the journal holds to one destination, in the background, and loses nothing on the way.

Spans go out as they end; how far each run was sent is written once its receiver has them. Where that is down
the journal keeps the rest, and it goes on from there, in whichever process. No run waits for any of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from ulid import ULID

from atlas_mcp.errors import AtlasError, TrackingUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from atlas_mcp.observe.health import Sample
    from atlas_mcp.observe.tracking.deliveries import Deliveries
    from atlas_mcp.observe.tracking.source import Source, Told, Underway
    from atlas_mcp.observe.tracking.spans import Span

__all__ = ["Courier", "Destination"]

LOOK_SECONDS = 0.5
"""How often the journal is looked at."""

BATCH = 64
"""Spans of one request."""

BACKLOG = 8
"""Runs from before the start that are taken up at a time, beside those at work."""

FARES_SECONDS = 30.0
"""How often a destination hears how the processes fare."""

LONGEST_WAIT = 60.0
"""Seconds between two tries while a destination is down."""

ORDER_SECONDS = 3600
"""Runs that another process wrote may show up this much later than their ids say."""

log = logging.getLogger(__name__)


class Destination(Protocol):
    """Where spans, and runs that ended, are sent; `name` tells destinations apart."""

    name: str

    async def send(self, project: str, spans: Sequence[Span]) -> None:
        """Hand over spans; those it had before are the same there.

        Raises:
            TrackingUnavailable: it did not take them; `refused` says that it never will.
        """
        ...

    async def conclude(self, told: Told) -> None:
        """Hand over a run that has ended and whose spans it has.

        Raises:
            TrackingUnavailable: it did not take all of it; what it took stays the same when told again.
        """
        ...

    async def fare(self, samples: Sequence[Sample]) -> None:
        """Hear how processes fared, oldest first.

        Raises:
            TrackingUnavailable: it did not take all of it.
        """
        ...


class Courier:
    """Serves one destination; `trouble` says why it waits, and is empty while all goes well."""

    def __init__(
        self, destination: Destination, source: Source, deliveries: Deliveries,
        *, on_told: Callable[[Sequence[str]], Awaitable[None]] | None = None,
        samples: Callable[[str], Awaitable[list[Sample]]] | None = None,
    ) -> None:  # fmt: skip
        self.destination = destination
        self.trouble = ""
        self._source = source
        self._deliveries = deliveries
        self._on_told = on_told
        self._samples = samples
        self._fared = float("-inf")
        self._name = destination.name
        self._underway: dict[str, Underway] = {}
        self._backlog: deque[str] = deque()
        self._known: set[str] | None = None
        self._after = ""
        self._wait = 0.0
        self._idle, self._wake = asyncio.Event(), asyncio.Event()

    async def work(self) -> None:
        """Serve the destination until cancelled."""
        while True:
            try:
                moved = await self._once()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong here is tried again, and harms no run
                self._tell(error)
                self._wait = min(LONGEST_WAIT, max(1.0, self._wait * 2))
                self._idle.set()
                await asyncio.sleep(self._wait)
                continue
            if self.trouble:
                log.info("%s takes what is sent again", self._name)
                self.trouble, self._wait = "", 0.0
            if not moved:
                self._idle.set()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()
                self._wake.clear()

    async def drained(self) -> None:
        """Wait until everything that the journal holds was sent, or cannot be now."""
        for _ in range(2):
            if self.trouble:
                return
            # A look that began before the call may have missed the last words.
            self._idle.clear()
            self._wake.set()
            await self._idle.wait()

    async def progress(self) -> str:
        """How much of the journal is at the destination, in words."""
        whole, part = await self._deliveries.counts(self._name)
        waiting = len(self._backlog)
        told = f"{whole:,} {'run' if whole == 1 else 'runs'} told"
        more = [f"{part:,} at work"] if part else []
        return ", ".join([told, *more, *([f"{waiting:,} to go"] if waiting else [])])

    def _tell(self, error: Exception) -> None:
        said = str(error) if isinstance(error, AtlasError) else f"{type(error).__name__}: {error}"
        if self.trouble != said:
            unexpected = None if isinstance(error, AtlasError) else error
            log.warning(
                "%s is not told of runs for now, and will be later: %s", self._name, said, exc_info=unexpected
            )
        self.trouble = said

    async def _once(self) -> bool:
        """Look once; whether anything was sent."""
        # What could not be sent goes first: while a destination is down, no more is read than it is tried on.
        moved = await self._send()
        await self._discover()
        for root, underway in list(self._underway.items()):
            await self._source.read_on(underway)
            if underway.left_alone:
                del self._underway[root]
        moved = await self._send() or moved or bool(self._backlog)
        for root, underway in list(self._underway.items()):
            if underway.all_sent:
                await self._conclude(underway)
                del self._underway[root]
                moved = True
        await self._tell_fares()
        return moved

    async def _discover(self) -> None:
        """Take up runs that began, and a few of those from before."""
        first = self._known is None
        if self._known is None:
            self._known = await self._deliveries.concluded(self._name)
            await self._tell_those_of_before()
        new = [root for root in await self._source.roots(self._after) if root not in self._known]
        self._known.update(new)
        self._after = _an_hour_ago()
        if first:
            self._backlog.extend(new)
            new = []
        new += [self._backlog.popleft() for _ in range(min(BACKLOG, len(self._backlog)))]
        for root in new:
            sent = await self._deliveries.sent(self._name, root)
            if underway := await self._source.underway(root, sent):
                self._underway[root] = underway

    async def _tell_those_of_before(self) -> None:
        """What was said to runs that were told whole goes, also where a process ended just before it did."""
        if self._on_told is not None:
            for run_ids in await self._source.talkative(self._known or ()):
                await self._on_told(run_ids)

    async def _tell_fares(self) -> None:
        """Now and then, tell how the processes fared since it was told last."""
        if self._samples is None or monotonic() - self._fared < FARES_SECONDS:
            return
        self._fared = monotonic()
        after = await self._deliveries.fared(self._name)
        found = await self._samples(after)
        if not found:
            return
        try:
            await self.destination.fare(found)
        except TrackingUnavailable as error:
            if not error.refused:
                raise
            log.warning("%s refused how processes fare: %s", self._name, error)
        await self._deliveries.note_fares(self._name, found[-1].at)

    async def _send(self) -> bool:
        """Send what waits, in batches of one project each."""
        moved = False
        while batch := self._batch():
            spans = [underway.pending[place][2] for underway, place in batch]
            await self._hand_over(batch[0][0].project, spans)
            cursors: dict[tuple[str, str], int] = {}
            for underway, _ in batch:
                run_id, seq, _span = underway.pending.popleft()
                # Several spans may end with one event: it is behind us with the last of them.
                whole = seq - any(each[:2] == (run_id, seq) for each in underway.pending)
                underway.sent[run_id] = cursors[underway.root, run_id] = whole
            await self._deliveries.advance(self._name, cursors)
            moved = True
        return moved

    def _batch(self) -> list[tuple[Underway, int]]:
        batch: list[tuple[Underway, int]] = []
        project = None
        for underway in self._underway.values():
            if underway.pending and project is None:
                project = underway.project
            if underway.project == project:
                room = min(len(underway.pending), BATCH - len(batch))
                batch += [(underway, place) for place in range(room)]
            if len(batch) >= BATCH:
                break
        return batch

    async def _hand_over(self, project: str, spans: Sequence[Span]) -> None:
        """Send spans; of those that are refused, the smallest part that is goes missing, and is logged."""
        try:
            await self.destination.send(project, spans)
        except TrackingUnavailable as error:
            if not error.refused:
                raise
            if len(spans) == 1:
                log.warning("%s refused the span %s: %s", self._name, spans[0].name, error)
                return
            half = len(spans) // 2
            await self._hand_over(project, spans[:half])
            await self._hand_over(project, spans[half:])

    async def _conclude(self, underway: Underway) -> None:
        why, told = "", await self._source.told(underway.root, underway.trace)
        if told is not None:
            try:
                await self.destination.conclude(told)
            except TrackingUnavailable as error:
                if not error.refused:
                    raise
                log.warning("%s refused what run %s came to: %s", self._name, underway.root, error)
                why = str(error)
        await self._deliveries.conclude(self._name, underway.root, why)
        if self._on_told is not None:
            await self._on_told([underway.root, *sorted(underway.trace.children)])


def _an_hour_ago() -> str:
    since = datetime.now(UTC) - timedelta(seconds=ORDER_SECONDS)
    return f"r_{str(ULID.from_datetime(since))[:10]}"
