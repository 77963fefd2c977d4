"""An `Atlas` that is opened beside the server's first answers, so that no handshake waits for a database."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from atlas_mcp.app import Atlas, open_atlas
from atlas_mcp.errors import AtlasError
from atlas_mcp.trust import project_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.settings import Settings

__all__ = ["WARM_AFTER_SECONDS", "Opening"]

WARM_AFTER_SECONDS = 2.0
"""Seconds after the opening before heavy parts are loaded: a host's first questions are answered by then."""
TIDY_SECONDS = 3600.0
"""How often what is old is forgotten."""

log = logging.getLogger(__name__)


class Opening:
    """Opens one `Atlas` when the server starts, and closes it when the server stops."""

    _opened: asyncio.Future[Atlas]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @asynccontextmanager
    async def lifespan(self, _server: object) -> AsyncGenerator[dict[str, Any]]:
        """The server's lifespan; entering it waits for nothing."""
        self._opened = asyncio.get_running_loop().create_future()
        closing = asyncio.Event()
        holding = asyncio.create_task(self._hold(closing), name="hold the atlas")
        holding.add_done_callback(self._on_closed)
        try:
            yield {}
        finally:
            closing.set()
            await asyncio.wait({holding})

    async def atlas(self) -> Atlas:
        """The `Atlas`, once it is open.

        Raises:
            AtlasError: it could not be opened; says why and what to do.
        """
        return await asyncio.shield(self._opened)

    async def _hold(self, closing: asyncio.Event) -> None:
        """Hold the `Atlas` open; one task opens and closes it."""
        project = await asyncio.to_thread(project_of, self.settings)
        if project is not None and project.why_off:
            log.warning("%s Look at them: atlas-mcp trust %s", project.why_off, project.path)
        async with open_atlas(self.settings, resume=True) as atlas:
            self._opened.set_result(atlas)
            atlas.attend()
            beside = {
                asyncio.create_task(_warm(atlas), name="warm up"),
                asyncio.create_task(_tidy(atlas), name="forget what is old"),
            }
            await closing.wait()
            for each in beside:
                each.cancel()
            await asyncio.wait(beside)

    def _on_closed(self, holding: asyncio.Task[None]) -> None:
        if not holding.cancelled() and (error := holding.exception()):
            log.error("the data folder %s: %s", self.settings.home, error, exc_info=error)
            if not self._opened.done():
                self._opened.set_exception(error)
                self._opened.exception()  # Known now, whether or not anybody ever asks.


async def _tidy(atlas: Atlas) -> None:
    """Forget what is old now and then: a server may be up for months."""
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        try:
            await atlas.prune()
        except sqlite3.Error as error:
            log.warning("what is old could not be forgotten, and will be later: %s", error)


async def _warm(atlas: Atlas) -> None:
    await asyncio.sleep(WARM_AFTER_SECONDS)
    try:
        await atlas.warm()
    except AtlasError as error:
        log.warning("a run would fail now: %s", error)
