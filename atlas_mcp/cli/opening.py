"""How commands open the data folder: with the person's settings, and a log that stays off the terminal."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from atlas_mcp.app import Atlas

__all__ = ["opened"]


@asynccontextmanager
async def opened(*, roots: Sequence[Path] = (), provider: str | None = None) -> AsyncGenerator[Atlas]:
    """An `Atlas` that may read `roots`; `provider` takes the place of the configured one.

    Raises:
        InvalidConfiguration: settings or a team's folder are wrong.
        IncompatibleStore: the data folder was written by a newer version.
    """
    from atlas_mcp.app import open_atlas
    from atlas_mcp.observe.log import write_logs
    from atlas_mcp.settings import Settings

    settings = Settings.load()
    if provider:
        settings = settings.model_copy(
            update={"models": settings.models.model_copy(update={"default": provider})}
        )
    write_logs(settings.home, console=logging.CRITICAL)
    async with open_atlas(settings, roots=roots) as atlas:
        yield atlas
