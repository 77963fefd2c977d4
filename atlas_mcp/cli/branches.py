"""The runs that work for another, as a tree: which team, how far, what it was rated, what it cost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas_mcp.cli.live import STATE_STYLES
from atlas_mcp.cli.words import spent
from atlas_mcp.errors import UnknownRun
from atlas_mcp.events import Kind
from atlas_mcp.observe.older import completed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from atlas_mcp.app import Atlas
    from atlas_mcp.events import Event
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["Branch", "branches_of", "root_of", "score_of", "tell_branches"]


@dataclass(frozen=True, slots=True)
class Branch:
    """A child run, the assignment that it does in its parent's plan, and its own children."""

    row: RunRow
    assignment: str
    branches: tuple[Branch, ...] = ()


async def branches_of(atlas: Atlas, events: Sequence[Event]) -> tuple[Branch, ...]:
    """The runs that worked for the run of these events, in their order; those that were forgotten are not."""
    begun = {
        event.data["run"]: event.data for event in map(completed, events) if event.kind is Kind.CHILD_STARTED
    }
    branches: list[Branch] = []
    for run_id, data in begun.items():
        with suppress(UnknownRun):
            row, below = await atlas.get(run_id), await atlas.events(run_id)
            branches.append(Branch(row, data["assignment"], await branches_of(atlas, below)))
    return tuple(branches)


async def root_of(atlas: Atlas, row: RunRow) -> RunRow:
    """The run that a person started, of which this one is a part; itself, where it is none."""
    while row.parent_run_id:
        row = await atlas.get(row.parent_run_id)
    return row


def score_of(row: RunRow) -> str:
    """What a run gave as a rating or was measured itself, in words; empty where neither is known."""
    output: dict[str, Any] = row.output or {}
    if output.get("overall") is not None:
        return f"rated {output['overall']:g} of 5"
    measures: dict[str, Any] = output.get("measures") or {}
    score = measures.get("score")
    return "" if score is None else f"measured {score:g} of 5"


def tell_branches(console: Console, branches: Sequence[Branch], depth: int = 0) -> None:
    """Print the tree, one run a line, indented by who works for whom."""
    from rich.text import Text

    for branch in branches:
        row = branch.row
        used = spent(row.usage) if row.usage else ""
        facts = ", ".join(part for part in (score_of(row), used) if part)
        line = Text.assemble(
            "   " * depth, (f"{branch.assignment} ", "bold"), (f"{row.team}  ", "cyan"), row.run_id, "  ",
            (row.state.value, STATE_STYLES.get(row.state, "")),
            (", partial" if row.partial else "", "yellow"), f"  {facts}" if facts else "",
        )  # fmt: skip
        console.print(line, soft_wrap=True)
        tell_branches(console, branch.branches, depth + 1)
