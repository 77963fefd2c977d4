"""Which resources change: what is held is watched, once however many hold it, for as long as anybody does.

A run is heard from its journal, by whichever process works on it; what has no journal is read now and then
and compared. This module does not know who listens, nor how they are told.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from contextlib import aclosing
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from atlas_mcp.errors import AtlasError, InvalidInput, UnknownRun
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.store import RunState
from atlas_mcp.surface.folding import Folding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from atlas_mcp.app import Atlas
    from atlas_mcp.surface.opening import Opening

__all__ = ["MOST_WATCHED", "Watching"]

MOST_WATCHED = 500
"""Runs and other resources that one server watches at once."""

RUNS_SECONDS = 1.0
"""How often the list of runs is read, while it is held."""

OTHERS_SECONDS = 2.0
"""How often what else has no journal is read, and a run that nobody works on is looked after."""

_RUN = re.compile(r"\Aatlas://runs/(?P<run>[^/?#]+)(?:/(?:events|report|evidence|graph|graph\.svg))?\Z")
_TEAM = re.compile(r"\Aatlas://teams(?:/|\Z)")
_FOUND = re.compile(r"\A(?P<whole>atlas://memory)\?")
_OURS = "atlas://"

_STANDING = frozenset(
    {
        Kind.RUN_QUEUED, Kind.RUN_STARTED, Kind.RUN_RESUMED, Kind.RUN_PAUSED, Kind.RUN_CONTINUED,
        Kind.RUN_INTERRUPTED, Kind.RUN_FINISHED, Kind.CONTROL_RECEIVED, Kind.QUESTION_ASKED,
        Kind.QUESTION_ANSWERED,
    }
)  # fmt: skip
"""After which the envelope of a run is another."""

log = logging.getLogger(__name__)

Read: TypeAlias = "Callable[[str], Awaitable[str]]"
"""The text of a resource; InvalidInput where there is none, another AtlasError where it cannot be read."""


@dataclass(slots=True)
class _Source:
    """What changes by itself: who holds which of its resources, and the task that looks."""

    changes: Folding
    held: Counter[str] = field(default_factory=Counter[str])
    task: asyncio.Task[None] | None = None

    def changed(self, *uris: str) -> None:
        """Tell of these, or of all, as far as they are held."""
        for uri in uris or tuple(self.held):
            if self.held[uri] > 0:
                self.changes.add(uri)


class Watching:
    """Watches what is held; `read` gives the text of a resource, `tell` hears of each that changed."""

    def __init__(self, opening: Opening, read: Read, tell: Callable[[str], None]) -> None:
        self._opening = opening
        self._read = read
        self._tell = tell
        self._sources: dict[str, _Source] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def hold(self, uri: str) -> Callable[[], None]:
        """Watch a resource from now on; what is given back lets go of it, and may be called twice.

        Raises:
            UnknownRun: there is no such run of this user.
            InvalidInput: there is no such resource, or too much is watched.
            AtlasError: it cannot be read.
        """
        run = _RUN.match(uri)
        found = _FOUND.match(uri)
        key = run["run"] if run else found["whole"] if found else uri
        if key not in self._sources:
            if len(self._sources) >= MOST_WATCHED:
                raise InvalidInput(
                    f"{MOST_WATCHED} runs and resources are watched, which is the most.",
                    remedy="Subscribe to atlas://runs, which tells of every run, or unsubscribe from others.",
                )
            look = await (self._run(key) if run else self._other(key))
            if key not in self._sources:  # nobody else came first meanwhile
                self._begin(key, look)
        source = self._sources[key]
        source.held[uri] += 1
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._release(key, source, uri)

        return release

    async def close(self) -> None:
        """Watch no more."""
        for key in tuple(self._sources):
            self._end(key)
        if self._ending:
            await asyncio.wait(self._ending)

    def _begin(self, key: str, look: Callable[[_Source], Coroutine[None, None, None]] | None) -> None:
        self._sources[key] = source = _Source(Folding(self._tell))
        if look is not None:
            # A context of its own: it outlives the request that it begins in.
            task = asyncio.create_task(look(source), name=f"watch {key}", context=Context())
            source.task = task
            self._ending.add(task)
            task.add_done_callback(partial(self._on_done, key, source))

    def _on_done(self, key: str, source: _Source, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s is watched no more", key, exc_info=error)
            if self._sources.get(key) is source:
                del self._sources[key]  # whoever asks next begins anew

    def _release(self, key: str, source: _Source, uri: str) -> None:
        source.held[uri] -= 1
        if source.held[uri] <= 0:
            del source.held[uri]
            source.changes.drop(uri)
        if not source.held and self._sources.get(key) is source:
            self._end(key)

    def _end(self, key: str) -> None:
        source = self._sources.pop(key)
        source.changes.close()
        if source.task is not None:
            source.task.cancel()

    # What is looked at -------------------------------------------------------------------------------------

    async def _run(self, run_id: str) -> Callable[[_Source], Coroutine[None, None, None]] | None:
        """How a run is watched from now on; None where it has ended."""
        atlas = await self._opening.atlas()
        events = await atlas.events(run_id)
        # In this order: a run that ended in between is not watched, and nothing of it is missed.
        if (await atlas.get(run_id)).final:
            return None
        return partial(_hear, atlas, run_id, events[-1].seq if events else 0)

    async def _other(self, uri: str) -> Callable[[_Source], Coroutine[None, None, None]] | None:
        """How another resource is watched from now on; None where it does not change."""
        before = await self._read(uri)
        if _TEAM.match(uri) or not uri.startswith(_OURS):
            return None
        return partial(self._compare, uri, before, RUNS_SECONDS if uri == "atlas://runs" else OTHERS_SECONDS)

    async def _compare(self, uri: str, before: str, every: float, source: _Source) -> None:
        while True:
            await asyncio.sleep(every)
            try:
                now = await self._read(uri)
            except AtlasError as error:
                now = str(error)
            if now != before:
                before = now
                source.changed()


async def _hear(atlas: Atlas, run_id: str, after: int, source: _Source) -> None:
    """Hear a run to its end, through times in which nobody works on it."""
    whole = f"{_OURS}runs/{run_id}"
    unsettled = False
    try:
        while True:
            async with aclosing(atlas.watch(run_id, after=after)) as events:
                async for event in events:
                    after = event.seq
                    if event.kind is Kind.RUN_FINISHED:
                        source.changed()
                        source.changes.flush()
                        return
                    source.changed(f"{whole}/events", f"{whole}/graph", f"{whole}/graph.svg")
                    standing = event.kind in _STANDING
                    if standing or unsettled:
                        source.changed(whole)
                    # The row may follow the event that tells of it; by the next one it has.
                    unsettled = standing
            source.changed(whole)
            await _taken_up(atlas, run_id)
            source.changed(whole)
    except UnknownRun:
        # It was forgotten meanwhile.
        return


async def _taken_up(atlas: Atlas, run_id: str) -> None:
    """Until a run that nobody works on is taken up, by whichever process."""
    while (await atlas.get(run_id)).state is RunState.INTERRUPTED:  # noqa: ASYNC110 - others do not tell us
        await asyncio.sleep(OTHERS_SECONDS)
