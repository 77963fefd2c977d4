"""`atlas-mcp top`: everything that goes on in the data folder, whichever processes do it, as it happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.terminal import Exit, give_json, perform, stdout

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from atlas_mcp.cli.top_frame import Frame
    from atlas_mcp.cli.top_lookout import Lookout

__all__ = ["top"]

FRAME_SECONDS = 0.5
"""How often the picture is drawn anew."""


def top(
    once: Annotated[bool, typer.Option("--once", help="Print how it is now, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print how it is now as JSON, and end.")] = False,
) -> None:
    """Watch everything at once: runs, queue, models, money, processes; Ctrl-C ends it.

    It only looks: it begins no run, and asks no model and no server. Without a terminal it prints once.
    """
    perform(_top(once=once, as_json=as_json))


async def _top(*, once: bool, as_json: bool) -> Exit:
    from atlas_mcp.cli.opening import opened
    from atlas_mcp.cli.top_frame import frame_as_json
    from atlas_mcp.cli.top_lookout import Lookout

    console = stdout()
    async with opened() as atlas:
        lookout = Lookout(atlas)
        if as_json:
            give_json(frame_as_json(await lookout.look()))
        elif once or not console.is_terminal:
            console.print(_picture(await lookout.look(), console.width))
        else:
            await _watch(lookout, console)
    return Exit.DONE


async def _watch(lookout: Lookout, console: Console) -> None:
    """Draw until Ctrl-C; the last picture stays."""
    from rich.live import Live

    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while True:
                frame = await lookout.look()
                # The terminal may have been made larger or smaller; its last line is the cursor's.
                live.update(_picture(frame, console.width, console.height - 1), refresh=True)
                await asyncio.sleep(FRAME_SECONDS)
        except asyncio.CancelledError:
            return


def _picture(frame: Frame, width: int, height: int | None = None) -> RenderableType:
    from rich.console import Group

    from atlas_mcp.cli.top_drawing import drawn

    return Group(*drawn(frame, width, height))
