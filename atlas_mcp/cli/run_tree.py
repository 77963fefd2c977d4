"""`runs show --tree`: a run, those that work for it and all that was done in them, with what each took."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from atlas_mcp.cli.twigs import Mark, Twig, grown, usage_of
from atlas_mcp.cli.words import lasting, seconds_between, spent
from atlas_mcp.events import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    from atlas_mcp.app import Atlas
    from atlas_mcp.cli.branches import Branch
    from atlas_mcp.events import Event
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["draw", "tell_tree", "tree_of"]

_MARKS = {
    Mark.WAITING: ("·", "dim"), Mark.OPEN: ("…", "cyan"), Mark.DONE: ("✓", "green"),
    Mark.PARTIAL: ("◐", "yellow"), Mark.REPLAYED: ("↻", "blue"), Mark.FAILED: ("✗", "red"),
    Mark.CUT: ("✂", "yellow"), Mark.TOLD: ("•", "dim"),
}  # fmt: skip
_STATES = {"done": Mark.DONE, "failed": Mark.FAILED, "cancelled": Mark.CUT, "interrupted": Mark.CUT}


async def tell_tree(console: Console, atlas: Atlas, row: RunRow, branches: Sequence[Branch]) -> None:
    """Print a run and those that work for it as one tree."""
    twig = await _grow(atlas, row, branches)
    # On a terminal a long line is broken beside its branch; elsewhere it stays one that can be searched.
    console.print(draw(twig), soft_wrap=not console.is_terminal)


async def _grow(atlas: Atlas, row: RunRow, branches: Sequence[Branch]) -> Twig:
    runs = {each.row.run_id: await _grow(atlas, each.row, each.branches) for each in branches}
    return tree_of(row, await atlas.events(row.run_id), runs)


def tree_of(row: RunRow, events: Sequence[Event], runs: Mapping[str, Twig]) -> Twig:
    """A run as a tree; `runs` are those that work for it, by id."""
    state = row.state.value
    mark = Mark.PARTIAL if row.partial else _STATES.get(state, Mark.OPEN)
    note = f"{row.run_id}  {state}{', partial' if row.partial else ''}"
    twig = Twig(row.team, note, mark=mark, error=row.error, twigs=grown(events, runs), run=True)
    twig.usage = usage_of(row.usage) if row.usage else None
    ends = [event.data.get("seconds") for event in events if event.kind is Kind.RUN_FINISHED]
    whole = seconds_between(events[0].at, events[-1].at) if events else None
    twig.seconds = ends[-1] if ends and ends[-1] is not None else whole
    if mark is not Mark.OPEN:
        # What is still open in a run that is over was cut off; the step at which the run failed, failed.
        for each in twig.open():
            each.mark = Mark.FAILED if state == "failed" and each in twig.twigs else Mark.CUT
    return twig


def draw(twig: Twig) -> Tree:
    """A tree as rich prints it, a line each."""
    from rich.tree import Tree

    tree = Tree(_line(twig), guide_style="dim")
    tree.children += [draw(each) for each in twig.twigs]
    return tree


def _line(twig: Twig) -> Text:
    """What it was, what came of it, how long it took and what it used."""
    from rich.text import Text

    sign, style = _MARKS[twig.mark]
    title = "bold cyan" if twig.run else "bold" if twig.twigs else ""
    # Done is what is expected, and how far a run came or what work gave says the rest.
    plain = twig.mark in {Mark.DONE, Mark.TOLD} or twig.run or twig.gave.endswith(twig.mark.value)
    said = "" if plain else twig.mark.value
    error = twig.error or {}
    took = ", ".join(part for part in (lasting(twig.seconds), _used(twig)) if part)
    parts = [
        (f"{sign} {twig.title}", title), (twig.note, ""), (twig.gave and f"→ {twig.gave}", ""), (said, style),
        (_failed(error) if error else "", "red"), (took, "dim"),
    ]  # fmt: skip
    line = Text("  ").join(Text(text, style=kind) for text, kind in parts if text)
    line.stylize(style, 0, len(sign))
    return line


def _failed(error: Mapping[str, Any]) -> str:
    message = " ".join(str(error.get("message", "")).split())
    return f"{error.get('code', 'failed')}: {message}"


def _used(twig: Twig) -> str:
    """Tokens and money, of what made several calls also how many; nothing where nothing is known."""
    usage = twig.usage if twig.mark is Mark.REPLAYED else twig.used
    if usage is None or not (usage.calls or usage.tokens or usage.cost_usd):
        return ""
    told = spent(asdict(usage))
    return told if twig.twigs or twig.run else told.partition(", ")[2]
