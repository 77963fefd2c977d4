"""Which run is meant where a command takes an id: the whole of it, its beginning, or the newest."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.errors import InvalidInput, UnknownRun

if TYPE_CHECKING:
    from atlas_mcp.app import Atlas
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["LAST", "WAITING", "RunId", "find_run"]

LAST = "last"
"""In place of an id: the newest run."""
WAITING = "waiting"
"""In place of an id: the newest run that waits for a person."""

MOST_NAMED = 5
"""Runs that are named where a beginning fits several."""

RunId = Annotated[
    str,
    typer.Argument(metavar="ID", help="A run's id or its beginning, or `last` for the newest."),
]


async def find_run(atlas: Atlas, named: str) -> RunRow:
    """The run that is meant.

    Raises:
        UnknownRun: there is no such run of this user.
        InvalidInput: a beginning fits several, or there is no newest one.
    """
    from atlas_mcp.orchestration.store import RunState

    if named not in {LAST, WAITING}:
        return await _by_id(atlas, named)
    states = frozenset({RunState.WAITING}) if named == WAITING else None
    newest = await atlas.list(limit=1, states=states)
    if not newest and states:
        raise InvalidInput("No run waits for you.", remedy="atlas-mcp runs list shows how each stands.")
    if not newest:
        raise InvalidInput("There are no runs yet.", remedy='Start one: atlas-mcp run research "…"')
    return newest[0]


async def _by_id(atlas: Atlas, named: str) -> RunRow:
    try:
        return await atlas.get(named)
    except UnknownRun:
        fitting: list[RunRow] = []
        for run_id in await atlas.journal.ids(named, most=MOST_NAMED + 1):
            # Some may be another user's, of whom nothing is said.
            with suppress(UnknownRun):
                fitting.append(await atlas.get(run_id))
        if not fitting:
            raise
    if len(fitting) == 1:
        return fitting[0]
    several = ", ".join(f"{row.run_id} ({row.team})" for row in fitting[:MOST_NAMED])
    more = " and more" if len(fitting) > MOST_NAMED else ""
    raise InvalidInput(f"{named} fits several runs: {several}{more}.", remedy="Write more of the id.")
