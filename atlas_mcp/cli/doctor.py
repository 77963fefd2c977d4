"""`atlas-mcp doctor`: what is configured, what is missing or broken, and what to type next."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.terminal import Exit, give_json, perform, stdout

if TYPE_CHECKING:
    from atlas_mcp.cli.checks import Check

__all__ = ["doctor"]

_MARKS = {"ok": ("✓", "green"), "hint": ("!", "yellow"), "broken": ("✗", "red")}


def doctor(
    servers: Annotated[
        bool, typer.Option("--servers", help="Start every server that is configured, and list its tools.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is configured, what is missing or broken, and what to type next."""
    perform(_doctor(servers=servers, as_json=as_json))


async def _doctor(*, servers: bool, as_json: bool) -> Exit:
    from atlas_mcp.cli.checks import examine, examine_without_settings
    from atlas_mcp.errors import InvalidConfiguration
    from atlas_mcp.settings import Settings

    try:
        settings = Settings.load()
    except InvalidConfiguration as error:
        checks = await examine_without_settings(error)
    else:
        checks = await examine(settings, start_servers=servers)
    broken = [check for check in checks if check.health == "broken"]
    if as_json:
        give_json(
            {"version": version("atlas-mcp"), "ok": not broken, "checks": [asdict(check) for check in checks]}
        )
    else:
        _tell(checks, len(broken))
    return Exit.FAILED if broken else Exit.DONE


def _tell(checks: list[Check], broken: int) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for check in checks:
        mark, style = _MARKS[check.health]
        says = Text(check.says, overflow="fold")
        if check.todo:
            says.append(f"\n→ {check.todo}", style=style)
        table.add_row(Text(mark, style=style), Text(check.name, style="bold"), says)
    console = stdout()
    console.print(f"ATLAS {version('atlas-mcp')}", style="bold")
    console.print(table)
    if broken:
        console.print(f"\n{broken} broken: begin with the first ✗.", style="red")
    else:
        console.print('\nReady. Ask something: atlas-mcp run research "…" --documents PATH', style="green")
