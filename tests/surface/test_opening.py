"""What a server does beside answering while it is up."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import UnknownRun
from atlas_mcp.settings import Settings
from atlas_mcp.surface import opening
from tests.observe.tracking.test_courier import a_run

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_server_that_is_up_for_long_forgets_what_becomes_old_meanwhile(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await a_run()
    monkeypatch.setattr(opening, "TIDY_SECONDS", 0.01)
    served = opening.Opening(Settings.load())
    async with served.lifespan(None), asyncio.timeout(30):
        atlas = await served.atlas()
        assert (await atlas.get(run_id)).output
        with closing(sqlite3.connect(home / "runs.db")) as connection, connection:
            connection.execute("UPDATE run SET updated_at = '2020-01-01T00:00:00.000+00:00'")
        while await atlas.list():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        with pytest.raises(UnknownRun):
            await atlas.get(run_id)
