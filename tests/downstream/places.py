"""How tests open downstream servers: entries by hand, in a folder of their own."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_mcp.database import open_database
from atlas_mcp.downstream.entry import Entry, Limits
from atlas_mcp.downstream.launch import Places
from atlas_mcp.downstream.leash import Leash
from atlas_mcp.downstream.servers import Servers
from atlas_mcp.downstream.store import MIGRATIONS, Store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["MISBEHAVING", "misbehaving", "opened"]

MISBEHAVING = Path(__file__).parent / "misbehaving" / "server.py"


def misbehaving(behaviour: str, *, name: str = "odd", **more: Any) -> Entry:
    """An entry for a server that behaves as it is told, with limits of a few seconds."""
    limits = Limits(**{"start_seconds": 15, "seconds": 3, "megabytes": 10, **more.pop("limits", {})})
    return Entry(
        name=name, description="A server.", command=sys.executable, args=(str(MISBEHAVING), behaviour),
        limits=limits, **more,
    )  # fmt: skip


@asynccontextmanager
async def opened(folder: Path, *entries: Entry, roots: tuple[Path, ...] = ()) -> AsyncGenerator[Servers]:
    """The servers of a data folder with these entries."""
    places = Places(roots, folder / "files", folder / "servers")
    async with open_database(folder / "servers.db", MIGRATIONS) as database:
        servers = Servers({entry.name: entry for entry in entries}, {}, places, Store(database), Leash())
        try:
            yield servers
        finally:
            await servers.aclose()
