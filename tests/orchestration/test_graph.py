"""Checkpoints share a database with everything else, and leave it open to everybody."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from atlas_mcp.database import open_database
from atlas_mcp.orchestration.graph import open_checkpoints
from atlas_mcp.orchestration.store import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path


def write_elsewhere(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=3, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")


async def test_forgetting_a_run_that_is_cancelled_at_any_moment_locks_nobody_out(home: Path) -> None:
    path = home / "runs.db"
    async with open_database(path, MIGRATIONS), open_checkpoints(path) as checkpoints:
        for turns in range(40):
            forgetting = asyncio.create_task(checkpoints.forget("r_1"))
            for _ in range(turns):
                await asyncio.sleep(0)
            forgetting.cancel()
            await asyncio.wait({forgetting})
            await asyncio.to_thread(write_elsewhere, path)
