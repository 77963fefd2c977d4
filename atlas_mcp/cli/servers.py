"""`atlas-mcp servers`: the MCP servers whose tools teams may use, how they stand and what they took."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_mcp.cli.servers_add import Adding, add_server
from atlas_mcp.cli.servers_approve import approve_tools
from atlas_mcp.cli.servers_opening import opened_servers, origin, server_file, server_names
from atlas_mcp.cli.servers_own import disable_server, enable_server, remove_server
from atlas_mcp.cli.servers_try import try_server
from atlas_mcp.cli.servers_view import command_line
from atlas_mcp.cli.terminal import Exit, give_json, perform, stdout

if TYPE_CHECKING:
    from rich.console import Console

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.overview import Facts
    from atlas_mcp.settings import Settings

__all__ = ["servers"]

servers = typer.Typer(
    help="Servers whose tools teams may use: list, show, test, enable, disable, add, remove, approve.",
    invoke_without_command=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Which server.", autocompletion=server_names)]


@servers.callback()
def overview_of_servers(context: typer.Context, as_json: AsJson = False) -> None:
    """Servers whose tools teams may use: which there are, how they stand, what they took."""
    if context.invoked_subcommand is None:
        perform(_list(as_json=as_json))


@servers.command("list")
def list_servers(as_json: AsJson = False) -> None:
    """List the servers; none is started."""
    perform(_list(as_json=as_json))


async def _list(*, as_json: bool) -> Exit:
    from atlas_mcp.downstream.overview import overview
    from atlas_mcp.settings import Settings

    async with opened_servers(Settings.load()) as opened:
        told = await overview(opened)
    if as_json:
        give_json(told)
    else:
        from atlas_mcp.cli.servers_view import tell_servers

        tell_servers(stdout(), told)
    return Exit.FAILED if any(one["state"] == "wrong" for one in told) else Exit.DONE


@servers.command("show")
def show_server(name: Name, as_json: AsJson = False) -> None:
    """Show a server: its file, what it is given, its tools and how each stands, what they took."""
    perform(_show(name, as_json=as_json))


async def _show(name: str, *, as_json: bool) -> Exit:
    from atlas_mcp.downstream.overview import described
    from atlas_mcp.settings import Settings

    settings = Settings.load()
    async with opened_servers(settings) as opened:
        told = await described(opened, name)
        entry = opened.entry(name)
        changed = [pin for pin in await opened.pins(name) if pin.pending is not None]
    facts = _of_file(settings, entry)
    if as_json:
        give_json(told | facts)
        return Exit.DONE
    _tell(stdout(), told, facts)
    if changed:
        from atlas_mcp.cli.servers_approve import tell_pin

        for pin in changed:
            tell_pin(stdout(), pin)
    return Exit.DONE


def _of_file(settings: Settings, entry: Entry) -> Facts:
    """What stands in a server's file; variables by name, and whether each is set."""
    from atlas_mcp.redaction import redacted

    file = server_file(settings, entry.name)
    limits: dict[str, Any] = entry.limits.model_dump(exclude_none=True)
    return redacted(
        {
            "file": str(file),
            "whose": origin(settings, file) if file else "",
            "command": command_line(entry) if entry.local else "",
            "url": entry.url,
            "headers": dict(entry.headers),
            "variables": {name: bool(os.environ.get(name)) for name in (*entry.needs, *entry.env)},
            "needs": list(entry.needs),
            "values": dict(entry.values),
            "limits": limits,
        }
    )


def _tell(console: Console, told: Facts, facts: Facts) -> None:
    from rich.text import Text

    from atlas_mcp.cli.hidden import marked
    from atlas_mcp.cli.servers_view import head, tool_table, used_by

    def line(name: str, said: str) -> None:
        console.print(Text.assemble((f"{name}: ", "dim"), marked(said)), soft_wrap=True)

    console.print(head(told), soft_wrap=True)
    console.print(marked(told["description"]), soft_wrap=True)
    line("file", f"{facts['file']} ({facts['whose']})")
    line("runs" if facts["command"] else "asks", facts["command"] or facts["url"])
    for name, value in facts["headers"].items():
        line("sends", f"{name}: {value}")
    for name, is_set in facts["variables"].items():
        needed = "needs" if name in facts["needs"] else "takes"
        line(needed, f"{name}, which is {'set' if is_set else 'not set'}")
    for name, value in facts["values"].items():
        line("sets", f"{name}={value}")
    if told["web"]:
        line("web", "an agent that reads its results gets no tool with effects")
    if told["tools"]:
        console.print()
        console.print(tool_table(told["tools"]))
    else:
        line("tools", f"not listed yet; atlas-mcp servers test {told['name']} does")
    if told["tools_off"]:
        line("off", f"look at them and let them in: atlas-mcp servers approve {told['name']}")
    for said in used_by(told["agents"]):
        line("used by", said)


servers.command("test")(try_server)
servers.command("enable")(enable_server)
servers.command("disable")(disable_server)
servers.command("add", cls=Adding)(add_server)
servers.command("remove")(remove_server)
servers.command("approve")(approve_tools)
