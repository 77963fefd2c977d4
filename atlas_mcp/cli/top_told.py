"""Where runs are told of: as living processes say it, as it is kept what was told, and as it is set here.

Whoever looks need not have the address in its own settings: `atlas-mcp mlflow` tells of one that it chose.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from atlas_mcp.cli.top_frame import Told
from atlas_mcp.cli.words import seconds_between
from atlas_mcp.database import open_reading
from atlas_mcp.observe.sentences import counted
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from atlas_mcp.observe.health import Sample
    from atlas_mcp.observe.tracking.observing import Addresses

__all__ = ["Delivered", "delivered", "told_of"]

SHOWN_WITHIN = timedelta(days=7)
"""How long an address is shown that nobody tells and that is not set here, after its last run."""

_COUNTED = """
    SELECT destination, sum(whole) AS whole, sum(part) AS part, max(at) AS last FROM (
        SELECT destination, count(*) AS whole, 0 AS part, max(at) AS at FROM concluded GROUP BY destination
        UNION ALL
        SELECT destination, 0, count(DISTINCT root), '' FROM sent GROUP BY destination
    ) GROUP BY destination ORDER BY last DESC
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What an address was told, by whichever process, and when (ISO 8601) of a whole run the `last` time."""

    address: str
    progress: str
    last: str


async def delivered(home: Path) -> list[Delivered]:
    """What each address was told of the runs of a data folder, the one that was told last in front."""
    path = home / "observed.db"
    rows: list[sqlite3.Row] = []
    if await asyncio.to_thread(path.exists):
        try:
            async with open_reading(path) as database:
                rows = await database.read(lambda connection: connection.execute(_COUNTED).fetchall())
        except sqlite3.Error as error:
            # It is being made by another process, or is no database.
            log.debug("%s cannot be read: %s", path, error)
    # A destination is called by its kind and its address: `MLflow at http://127.0.0.1:5000`.
    return [
        Delivered(row["destination"].rpartition(" at ")[2], _progress(row["whole"], row["part"]), row["last"])
        for row in rows
    ]


def _progress(whole: int, part: int) -> str:
    return f"{counted(whole, 'run')} told{f', {part:,} at work' if part else ''}"


def told_of(
    samples: Sequence[Sample], kept: Iterable[Delivered], ours: Addresses, at: str
) -> tuple[Told, ...]:
    """Every address at a moment `at`: those that a living process tells, those set here, those of lately."""
    told: dict[str, Told] = {}
    for sample in sorted(samples, key=lambda each: each.at):
        for address, how in sample.telling.items():
            silent = round(max(0.0, seconds_between(sample.at, at)), 1)
            told[address] = Told(address, sample.pid, how["progress"], how["trouble"], seconds_ago=silent)
    for address in (redacted(each) for each in (ours.mlflow, ours.otlp) if each):
        told.setdefault(address, Told(address, None, "", ""))
    for each in kept:
        known = told.get(each.address)
        if known is not None:
            told[each.address] = replace(known, progress=known.progress or each.progress, last=each.last)
        elif each.last and seconds_between(each.last, at) < SHOWN_WITHIN.total_seconds():
            told[each.address] = Told(each.address, None, each.progress, "", each.last)
    wrong = [Told("", None, "", ours.wrong)] if ours.wrong else []
    return (*told.values(), *wrong)
