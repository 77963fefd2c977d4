"""Watching a run: a picture that moves on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from atlas_mcp.cli.terminal import stderr
from atlas_mcp.cli.view import RunView
from atlas_mcp.cli.words import seconds_between
from atlas_mcp.events import Kind
from atlas_mcp.observe.hearing import hearing
from atlas_mcp.observe.sentences import counted, sentence, shortened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping

    from rich.console import Group
    from rich.table import Table

    from atlas_mcp.app import Atlas
    from atlas_mcp.cli.view import Line
    from atlas_mcp.observe.hearing import Heard
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


async def watch(
    atlas: Atlas, run_id: str, manner: Manner = "live", *, seen: MutableMapping[str, int] | None = None
) -> None:
    """Show what happens in a run, and in those that work for it, until it has ended or asks a person.

    `live` is for terminals and plain elsewhere. `seen` holds the `seq` of the last event of each run: plain
    lines tell what came later only, and it is brought up to date.

    Raises:
        UnknownRun: there is no such run of this user.
    """
    seen = {} if seen is None else seen
    if manner == "live" and stderr().is_terminal:
        view = RunView(run_id)
        async with _drawing(view, lambda: atlas.speaking(run_id)):
            await _hear(atlas, run_id, lambda heard: view.hear(heard.event), seen)
    else:
        tell = _nothing if manner == "quiet" else _Plain(run_id, dict(seen)).tell
        await _hear(atlas, run_id, tell, seen)


async def _hear(
    atlas: Atlas, run_id: str, tell: Callable[[Heard], None], seen: MutableMapping[str, int]
) -> None:
    async with hearing(atlas, run_id) as events:
        async for heard in events:
            event = heard.event
            seen[event.run_id] = event.seq
            tell(heard)
            if event.kind is Kind.QUESTION_ASKED and await atlas.questions(run_id):
                break


def _nothing(_heard: Heard) -> None:
    """Say nothing of an event."""


class _Plain:
    """Tells a run in plain lines, with the seconds since its beginning; not what was `seen` of it before."""

    def __init__(self, run_id: str, seen: Mapping[str, int]) -> None:
        self._console = stderr()
        self._seen = seen
        self._began = self._told = ""
        if not seen:
            self._console.print(f"run {run_id}", soft_wrap=True, markup=False)

    def tell(self, heard: Heard) -> None:
        event = heard.event
        self._began = self._began or event.at
        reading = event.kind is Kind.DOCUMENTS_READ
        if event.seq <= self._seen.get(event.run_id, 0) or (
            reading and self._told and seconds_between(self._told, event.at) < READING_SECONDS
        ):
            return
        if said := sentence(event, heard.team):
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
    """The view as rich draws it; `speaking` are the voices of now, as an `Atlas` gives them."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=1)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(ratio=1, overflow="ellipsis", no_wrap=True)
    table.add_column(max_width=40, overflow="ellipsis", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, style="dim")
    for depth, within, line in view.shown():
        _add(table, line, frame, view.ended, depth)
        voice = speaking.get(line.actor if within is view else f"{within.run_id}/{line.actor}")
        if voice and line.progress == "working":
            tail = shortened(voice.tail, 160, from_end=True)
            table.add_row("", "", Text(tail, style="dim italic"), f"{voice.characters:,} characters", "")
    return Group(_headline(view), table)


def _headline(view: RunView) -> Table:
    from rich.table import Table
    from rich.text import Text

    usage = view.used
    tokens = usage["input_tokens"] + usage["output_tokens"]
    used = [counted(usage["calls"], "call")] + ([counted(tokens, "token")] if tokens else [])
    left = Text.assemble(
        (view.team, "bold"), "  ", (view.state, STATE_STYLES.get(view.state, "")), "  ", (view.run_id, "dim"),
        "  ", (view.provider, "dim"),
    )  # fmt: skip
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    line.add_row(left, Text(f"{', '.join(used)}  {_elapsed(view.began, view.ended):.1f} s", style="dim"))
    return line


def _add(table: Table, line: Line, frame: int, ended: str, depth: int) -> None:
    from rich.text import Text

    working = line.progress == "working"
    mark, style = (_FRAMES[frame % len(_FRAMES)], "cyan") if working else _MARKS[line.progress]
    if working and ended:
        mark, style = "-", "dim"
    told = (line.goal, line.note) if line.goal else (line.note, "")
    seconds = _elapsed(line.since, ended) if line.seconds is None and line.since else line.seconds
    took = "" if seconds is None else f"{seconds:.1f} s"
    table.add_row(
        Text(mark, style=style), "  " * depth + line.title, Text(told[0]), Text(told[1], style=style), took
    )


def _elapsed(since: str, until: str) -> float:
    return seconds_between(since, until or datetime.now(UTC).isoformat()) if since else 0.0
