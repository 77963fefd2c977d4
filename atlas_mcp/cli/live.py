"""Watching a run: a picture that moves on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from atlas_mcp.cli.terminal import stderr
from atlas_mcp.cli.view import RunView
from atlas_mcp.cli.words import seconds_between
from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import counted, sentence, shortened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from rich.console import Group
    from rich.table import Table

    from atlas_mcp.app import Atlas
    from atlas_mcp.cli.view import Line
    from atlas_mcp.events import Event
    from atlas_mcp.orchestration.voice import Voice

__all__ = ["STATE_STYLES", "Manner", "picture", "watch"]

Manner: TypeAlias = Literal["live", "plain", "quiet"]

FRAME_SECONDS = 0.125
READING_SECONDS = 2.0
"""The least time between two plain lines about documents being read."""
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MARKS = {"waiting": ("·", "dim"), "done": ("✓", "green"), "failed": ("✗", "red")}
STATE_STYLES = {
    "done": "green", "failed": "red", "cancelled": "yellow", "paused": "yellow", "interrupted": "yellow",
    "running": "cyan", "queued": "dim", "waiting": "magenta",
}  # fmt: skip
"""In which colour a run's state is shown."""


async def watch(atlas: Atlas, run_id: str, manner: Manner = "live", *, after: int = 0) -> int:
    """Show what happens in a run until it has ended or asks a person; gives the `seq` of the last event.

    `live` is for terminals and plain elsewhere; with `after`, plain lines tell what came later only.

    Raises:
        UnknownRun: there is no such run of this user.
    """
    if manner == "live" and stderr().is_terminal:
        view = RunView(run_id)
        async with _drawing(view, lambda: atlas.speaking(run_id)):
            return await _hear(atlas, run_id, view.hear)
    return await _hear(atlas, run_id, _nothing if manner == "quiet" else _Plain(run_id, after).tell)


async def _hear(atlas: Atlas, run_id: str, tell: Callable[[Event], None]) -> int:
    seq = 0
    async with aclosing(atlas.watch(run_id)) as events:
        async for event in events:
            seq = event.seq
            tell(event)
            if event.kind is Kind.QUESTION_ASKED and await atlas.questions(run_id):
                break
    return seq


def _nothing(_event: Event) -> None:
    """Say nothing of an event."""


class _Plain:
    """Tells a run in plain lines, with the seconds since its beginning."""

    def __init__(self, run_id: str, after: int) -> None:
        self._console = stderr()
        self._after = after
        self._began = self._told = ""
        if not after:
            self._console.print(f"run {run_id}", soft_wrap=True, markup=False)

    def tell(self, event: Event) -> None:
        self._began = self._began or event.at
        reading = event.kind is Kind.DOCUMENTS_READ
        if event.seq <= self._after or (
            reading and self._told and seconds_between(self._told, event.at) < READING_SECONDS
        ):
            return
        if said := sentence(event):
            self._told = event.at
            line = f"{seconds_between(self._began, event.at):6.1f} s  {said}"
            self._console.print(line, soft_wrap=True, markup=False)


@asynccontextmanager
async def _drawing(view: RunView, speaking: Callable[[], Mapping[str, Voice]]) -> AsyncGenerator[None]:
    """Draw the view a few times a second, from the event loop's own thread, and a last time at the end."""
    from rich.live import Live

    with Live(console=stderr(), auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:

        async def draw() -> None:
            frame = 0
            while True:
                live.update(picture(view, speaking(), frame), refresh=True)
                frame += 1
                await asyncio.sleep(FRAME_SECONDS)

        drawing = asyncio.create_task(draw(), name=f"draw {view.run_id}")
        try:
            yield
        finally:
            drawing.cancel()
            await asyncio.wait({drawing})
            live.update(picture(view, {}), refresh=True)


def picture(view: RunView, speaking: Mapping[str, Voice], frame: int = 0) -> Group:
    """The view as rich draws it; `speaking` are the voices of now, by actor."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=1)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(ratio=1, overflow="ellipsis", no_wrap=True)
    table.add_column(max_width=40, overflow="ellipsis", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, style="dim")
    for line in view.lines.values():
        _add(table, line, frame, view.ended)
        if voice := speaking.get(line.actor):
            tail = shortened(voice.tail, 160, from_end=True)
            table.add_row("", "", Text(tail, style="dim italic"), f"{voice.characters:,} characters", "")
    return Group(_headline(view), table)


def _headline(view: RunView) -> Table:
    from rich.table import Table
    from rich.text import Text

    tokens = view.usage["input_tokens"] + view.usage["output_tokens"]
    used = [counted(view.usage["calls"], "call")] + ([counted(tokens, "token")] if tokens else [])
    left = Text.assemble(
        (view.team, "bold"), "  ", (view.state, STATE_STYLES.get(view.state, "")), "  ", (view.run_id, "dim"),
        "  ", (view.provider, "dim"),
    )  # fmt: skip
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    line.add_row(left, Text(f"{', '.join(used)}  {_elapsed(view.began, view.ended):.1f} s", style="dim"))
    return line


def _add(table: Table, line: Line, frame: int, ended: str) -> None:
    from rich.text import Text

    working = line.progress == "working"
    mark, style = (_FRAMES[frame % len(_FRAMES)], "cyan") if working else _MARKS[line.progress]
    if working and ended:
        mark, style = "-", "dim"
    told = (line.goal, line.note) if line.goal else (line.note, "")
    seconds = _elapsed(line.since, ended) if line.seconds is None and line.since else line.seconds
    took = "" if seconds is None else f"{seconds:.1f} s"
    table.add_row(Text(mark, style=style), line.title, Text(told[0]), Text(told[1], style=style), took)


def _elapsed(since: str, until: str) -> float:
    return seconds_between(since, until or datetime.now(UTC).isoformat()) if since else 0.0
