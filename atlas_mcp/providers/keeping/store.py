"""Keeps what was learned of providers from process to process: how they fared, who rests, what they can do.

Calls never wait for it: changes are gathered and written down every few seconds. Several processes may keep
the same store; what each observed is added up, and of who is left alone the latest news holds. Times in it
are seconds since the epoch.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import TYPE_CHECKING

from atlas_mcp import errors
from atlas_mcp.providers.capabilities import Capabilities
from atlas_mcp.providers.keeping.tables import SCHEMA, Changes, Known, Learned, Opened, read, write
from atlas_mcp.providers.keeping.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_mcp.database import Database
    from atlas_mcp.providers.group import ProviderGroup
    from atlas_mcp.providers.known.models import Models
    from atlas_mcp.providers.known.reliability import Reliability
    from atlas_mcp.providers.member import Member
    from atlas_mcp.providers.provider import ProviderInfo

__all__ = ["SCHEMA", "ProviderStore"]

_EVERY_SECONDS = 5.0
_FOR_A_PERSON = frozenset(
    error.code
    for error in (
        errors.Authentication, errors.PermissionDenied, errors.QuotaExceeded, errors.ModelNotFound,
    )
)  # fmt: skip
"""Failures that somebody may have mended while no process was there to see it."""


class ProviderStore:
    """Keeps what is learned of providers in a database that has `SCHEMA`.

    `clock` gives seconds since the epoch, `steady` those that the breakers count.
    """

    def __init__(
        self, database: Database, reliability: Reliability, models: Models, *,
        clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._database = database
        self._reliability = reliability
        self._models = models
        self._clock = clock
        self._steady = steady
        self._changes = Changes()
        self._writing = asyncio.Lock()

    def kept(self) -> Upkeep:
        """A context in which changes are written down every few seconds, and at its end."""
        return Upkeep(self.flush, every=_EVERY_SECONDS, what="What was learned of providers")

    def notice(self, member: Member) -> None:
        """A member's breaker changed."""
        breaker, info = member.breaker, member.provider.info
        if info.members:
            return
        lasts = breaker.opens and breaker.reason not in _FOR_A_PERSON
        until = self._clock() + breaker.until - self._steady()
        self._changes.breakers[_key(info)] = (
            Opened(until, breaker.opened_for, breaker.opens, breaker.reason) if lasts else None
        )

    def learn(self, info: ProviderInfo, reported: Capabilities) -> None:
        """A vendor's own interface reported what a model can do."""
        news = reported.beyond(self._models.card(info.vendor, info.model).capabilities)
        told = news != Capabilities()
        self._changes.learned[_key(info)] = Learned(self._clock(), news) if told else None

    async def load(self, group: ProviderGroup) -> None:
        """Take up what is known of a group's members, as far as nothing newer is known of them here."""
        now = self._clock()
        known = await self._database.read(lambda connection: read(connection, now))
        seen = set(self._reliability.members)
        self._reliability.restore({key: track for key, track in known.tracks.items() if key[0] not in seen})
        for member in group.leaves():
            key, breaker = _key(member.provider.info), member.breaker
            opened = known.breakers.get(key)
            if opened and not breaker.opens and key not in self._changes.breakers:
                seconds = min(max(0.0, opened.until - now), opened.seconds)
                breaker.restore(seconds, opened.opens, opened.reason)
            if (news := known.learned.get(key)) is not None:
                self._remind(member, news)

    async def known(self) -> Known:
        """Everything that is kept, by whichever process, for whoever only looks: nothing is taken up."""
        now = self._clock()
        return await self._database.read(lambda connection: read(connection, now))

    def _remind(self, member: Member, news: Capabilities) -> None:
        """Have a member know what was once reported of it, as far as no person says otherwise."""
        info = member.provider.info
        known = info.capabilities.corrected(news.strengths, window=news.window, output=news.output)
        member.remember(self._models.insisted(info.vendor, info.model, known))

    async def flush(self) -> None:
        """Write down what changed.

        Raises:
            sqlite3.Error: the database cannot be written to; nothing is lost, it is written the next time.
        """
        async with self._writing:
            half_life = self._reliability.half_life
            changes, self._changes = self._changes, Changes()
            for key, fresh in self._reliability.take().items():
                if key in changes.tracks:
                    changes.tracks[key].merge(fresh, half_life)
                else:
                    changes.tracks[key] = fresh
            if not changes:
                return
            now = self._clock()
            try:
                merged = await self._database.write(lambda c: write(c, changes, now, half_life))
            except sqlite3.Error:
                self._put_back(changes)
                raise
            self._reliability.restore(merged)

    def _put_back(self, changes: Changes) -> None:
        """Keep what could not be written; what changed meanwhile is newer."""
        newer = self._changes
        changes.breakers.update(newer.breakers)
        changes.learned.update(newer.learned)
        self._changes = changes


def _key(info: ProviderInfo) -> str:
    return f"{info.vendor}:{info.model}@{info.address}"
