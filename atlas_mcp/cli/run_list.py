"""`atlas-mcp runs list`: the runs as lines that fit the terminal, and what is said where there are none."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from atlas_mcp.cli.aligned import Column, aligned
from atlas_mcp.cli.live import STATE_STYLES
from atlas_mcp.cli.opening import opened
from atlas_mcp.cli.terminal import Exit, give_json, stderr, stdout
from atlas_mcp.cli.words import ago, spent
from atlas_mcp.errors import InvalidInput
from atlas_mcp.mistakes import nearest
from atlas_mcp.observe.sentences import counted
from atlas_mcp.orchestration.store import RunState
from atlas_mcp.orchestration.team import Teams, unknown_team

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.app import Atlas
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["give_runs", "narrow_lines", "run_facts", "whole_lines"]

LEAST_ASKED = 40
"""Columns of a question by which runs can be told apart; where there is less room, the rest gives way."""

SHORT_ID = 10
"""Characters of an id that are shown at least where it is shortened; they tell seconds apart."""

MOST_COUNTED = 1000
"""Runs that are counted where none of them is as wished."""


async def give_runs(limit: int, team: str | None, names: Sequence[str], *, as_json: bool) -> Exit:
    """Print the newest runs, of a team or in some states where these are given.

    Raises:
        InvalidInput: there is no such state or team.
    """
    known = {state.value for state in RunState}
    if unknown := sorted(set(names) - known):
        near = nearest(unknown[0], sorted(known))
        hint = f"Did you mean {near}? " if near else ""
        raise InvalidInput(
            f"There is no state {unknown[0]!r}.", remedy=f"{hint}States: {', '.join(sorted(known))}."
        )
    async with opened() as atlas:
        states = frozenset(RunState(name) for name in names) or None
        rows = await atlas.list(limit=limit, team=team, states=states)
        none = "" if rows else await _none(atlas, team, names)
        if as_json:
            give_json([run_facts(row) for row in rows])
        elif rows:
            await _print(atlas, rows)
        else:
            stderr().print(none, soft_wrap=True, markup=False)
    return Exit.DONE


async def _none(atlas: Atlas, team: str | None, names: Sequence[str]) -> str:
    """What is said where no run is as wished."""
    every = await atlas.list(limit=MOST_COUNTED, team=team)
    if team is not None and not every:
        unusable = atlas.teams.unusable if isinstance(atlas.teams, Teams) else {}
        if team not in {*atlas.teams, *unusable}:
            raise unknown_team(team, atlas.teams)
        every, of, wish = await atlas.list(limit=MOST_COUNTED), "", f"of the team {team}"
    else:
        of, wish = f" of the team {team}" if team else "", " or ".join(names)
    if not every:
        return 'No runs. Start one: atlas-mcp run research "…"'
    if len(every) == 1:
        return f"Your one run{of} is not {wish}. See it: atlas-mcp runs list"
    many = "at least " if len(every) == MOST_COUNTED else ""
    return f"None of your {many}{counted(len(every), 'run')}{of} is {wish}. See them: atlas-mcp runs list"


def run_facts(row: RunRow) -> dict[str, Any]:
    """A run as JSON, without what it gave."""
    facts = asdict(row)
    del facts["output"]
    return facts


async def _print(atlas: Atlas, rows: Sequence[RunRow]) -> None:
    console = stdout()
    needed = _width(rows) + min(LEAST_ASKED, max(len(_asked(row)) for row in rows))
    if not console.is_terminal:
        # What is piped is read by programs: they get whole ids, however long the line.
        for line in whole_lines(rows, max(console.width, needed)):
            console.print(line.plain, soft_wrap=True, markup=False)
        return
    if console.width < needed:
        short = await atlas.journal.short_ids([row.run_id for row in rows], least=SHORT_ID)
        lines = narrow_lines(rows, short, console.width)
    else:
        lines = whole_lines(rows, console.width)
    for line in lines:
        console.print(line, soft_wrap=True)


def _width(rows: Sequence[RunRow]) -> int:
    """Columns that all of it takes, but for what was asked."""
    titles = [each.title for each in _WHOLE[:-1]]
    cells = [[str(each) for each in _known(row)] for row in rows]
    return sum(max(map(len, column)) + 2 for column in zip(titles, *cells, strict=True))


_WHOLE = (*map(Column, ("run", "state", "team", "begun", "used")), Column("asked", gives=True))


def _known(row: RunRow) -> tuple[str | Text, ...]:
    used = spent(row.usage) if row.usage else ""
    return row.run_id, _state(row), row.team, ago(row.created_at), used


def whole_lines(rows: Sequence[RunRow], width: int) -> list[Text]:
    """The runs with all that is known of them."""
    return aligned(_WHOLE, [(*_known(row), _asked(row)) for row in rows], width)


_NARROW = (
    Column("run"), Column("state"), Column("team"), Column("age", dear=False), Column("used", dear=False),
    Column("asked", gives=True, least=LEAST_ASKED // 2),
)  # fmt: skip


def narrow_lines(rows: Sequence[RunRow], short: Sequence[str], width: int) -> list[Text]:
    """The runs by the beginnings of their ids; what was used and their age give way to what was asked."""
    cells: list[tuple[str | Text, ...]] = []
    for run_id, row in zip(short, rows, strict=True):
        _, state, team, begun, used = _known(row)
        cells.append((run_id, state, team, str(begun).removesuffix(" ago"), used, _asked(row)))
    return aligned(_NARROW, cells, width)


def _state(row: RunRow) -> Text:
    return Text(f"{row.state}{', partial' if row.partial else ''}", style=STATE_STYLES.get(row.state, ""))


def _asked(row: RunRow) -> str:
    return " ".join(str(next(iter(row.input.values()), "")).split())
