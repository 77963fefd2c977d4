"""An `Atlas` that is opened beside the server's first answers, so that no handshake waits for a database."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from atlas_mcp.app import open_atlas
from atlas_mcp.errors import AtlasError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.app import Atlas
    from atlas_mcp.settings import Settings

__all__ = ["WARM_AFTER_SECONDS", "Opening"]

WARM_AFTER_SECONDS = 2.0
"""Seconds after the opening before heavy parts are loaded: a host's first questions are answered by then."""

log = logging.getLogger(__name__)


class Opening:
    """Opens one `Atlas` when the server starts and closes it when the server stops."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._atlas: Atlas | None = None
        self._opened = asyncio.Event()
        self._closing = asyncio.Event()
        self._holding: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def lifespan(self, _server: object) -> AsyncGenerator[dict[str, Any]]:
        """The server's lifespan; entering it waits for nothing."""
        self._holding = asyncio.create_task(self._hold(), name="hold the atlas")
        try:
            yield {}
        finally:
            self._closing.set()
            await asyncio.wait({self._holding})

    async def atlas(self) -> Atlas:
        """The opened `Atlas`.

        Raises:
            AtlasError: it could not be opened; says why and what to do.
        """
        if self._holding is None:
            raise RuntimeError("The server has not been started.")
        opened = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait({opened, self._holding}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            opened.cancel()
        if self._atlas is None:
            await self._holding
            raise RuntimeError("The server is stopping.")
        return self._atlas

    async def _hold(self) -> None:
        """Hold the `Atlas` open; one task opens and closes it."""
        async with open_atlas(self.settings, resume=True) as atlas:
            self._atlas = atlas
            self._opened.set()
            warming = asyncio.create_task(_warm(atlas), name="warm up")
            await self._closing.wait()
            warming.cancel()
            await asyncio.wait({warming})


async def _warm(atlas: Atlas) -> None:
    await asyncio.sleep(WARM_AFTER_SECONDS)
    try:
        await atlas.warm()
    except AtlasError as error:
        log.warning("a run would fail now: %s", error)
