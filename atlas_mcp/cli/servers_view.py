"""How downstream servers are shown: as a table, and one by one."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from atlas_mcp.cli.hidden import marked, visible
from atlas_mcp.observe.sentences import counted, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.overview import Facts

__all__ = ["command_line", "head", "tell_servers", "tool_table", "used", "used_by"]

_STATES = {"ready": "green", "off": "dim", "not_configured": "yellow", "failed": "red", "wrong": "red"}
_STANDINGS = {"on": "green", "changed": "red", "new": "yellow", "suspect": "red"}
_AS_IS = re.compile(r"[^\s\"'\\|&;<>()*?!`]+")
"""An argument that no shell would take apart; the ${NAME} and {place} of an entry are shown as they are."""
_USAGE = ("calls", "time", "cost")
_INDENT = "    "
ROOM = 120
"""Columns from which on a table of servers can be read."""
SHOWN = 140
"""Characters of a tool's description in a list."""
WIDEST = 28
"""Columns of a tool's name, behind which the others are in line."""


def tell_servers(console: Console, servers: Sequence[Facts]) -> None:
    """Print every server: in a table, or where that has no room, by name, state and tools alone."""
    if console.width >= ROOM:
        console.print(_table(servers))
        return
    from rich.text import Text

    widest = max((len(one["name"]) for one in servers), default=0)
    for one in servers:
        state = Text(one["state"].replace("_", " "), style=_STATES[one["state"]])
        tools = f"  {_tools(one)}" if _tools(one) else ""
        style = "bold" if one["state"] == "ready" else ""
        console.print(Text.assemble((one["name"].ljust(widest + 2), style), state, (tools, "dim")))
        for said in _todo(one):
            for line in Text(said).wrap(console, console.width - len(_INDENT)):
                console.print(Text(_INDENT) + line)


def _table(servers: Sequence[Facts]) -> Table:
    """Every server on a line or two; what none of them has is no column."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    usage = [used(one) for one in servers]
    shown = [place for place in range(len(_USAGE)) if any(each[place] for each in usage)]
    for title in ("server", "state", "where", "tools", *(_USAGE[place] for place in shown)):
        table.add_column(title, overflow="fold")
    for one, took in zip(servers, usage, strict=True):
        name = Text(one["name"], style="bold" if one["state"] == "ready" else "")
        if one["title"].lower() != one["name"]:
            name.append(f"  {visible(one['title'])}", style="dim")
        where = "" if one["local"] is None else "local" if one["local"] else "remote"
        where += ", web" if one["web"] else ""
        table.add_row(name, _state(one), where, _tools(one), *(took[place] for place in shown))
    return table


def _todo(one: Facts) -> list[str]:
    """What is to be said of a server's state, each on a line of its own."""
    match one["state"]:
        case "ready":
            return []
        case "off":
            return [f"→ atlas-mcp servers enable {one['name']}"]
        case "not_configured":
            return [f"→ {one['remedy']}"]
        case _:
            return [_why(one), *([f"→ {one['remedy']}"] if one["remedy"] else [])]


def _state(one: Facts) -> Text:
    """How a server stands, and the one line that changes it."""
    from rich.text import Text

    style = _STATES[one["state"]]
    match one["state"]:
        case "ready":
            return Text("ready", style=style)
        case "off":
            return Text(f"off: atlas-mcp servers enable {one['name']}", style=style)
        case "not_configured":
            return Text(f"not configured: {one['remedy']}", style=style)
        case state:
            told = Text(f"{state}: {_why(one)}", style=style)
            return told.append(f"\n→ {one['remedy']}", style="") if one["remedy"] else told


def _why(one: Facts) -> str:
    """Why a server failed, behind the word that says so."""
    return visible(one["why"]).removeprefix(f"{visible(one['title'])} failed: ")


def _tools(one: Facts) -> str:
    if not one["tools_on"] and not one["tools_off"]:
        return "" if one["state"] in {"off", "wrong"} else "not listed yet"
    off = f", {one['tools_off']} off" if one["tools_off"] else ""
    return f"{one['tools_on']} on{off}"


def used(one: Mapping[str, Any]) -> tuple[str, str, str]:
    """What calls took: how many with failures, how long, and the money where it is known."""
    if not one["calls"]:
        return "", "", ""
    failed = f", {one['failures']} failed" if one["failures"] else ""
    cached = f", {one['cached']} from memory" if one["cached"] else ""
    time = f"{one['seconds']:.1f} s, {one['seconds'] / one['calls']:.2f} each"
    cost = one["cost_usd"]
    return f"{one['calls']:,}{failed}{cached}", time, "unknown" if cost is None else f"${cost:.4f}"


def command_line(entry: Entry) -> str:
    """What a local server is started by, whole, each argument as one."""
    parts = (entry.command, *entry.args)
    return " ".join(part if _AS_IS.fullmatch(part) else shlex.quote(part) for part in parts)


def head(one: Facts) -> Text:
    """A server's name and how it stands."""
    from rich.text import Text

    return Text.assemble((visible(one["title"]), "bold"), ("  ", ""), _state(one))


def tool_table(tools: Sequence[Facts]) -> Group:
    """The tools of a server, each with what is known of it in lines beneath its name."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    names = [visible(one["name"]) for one in tools]
    widest = min(max(map(len, names), default=0), WIDEST)
    lines: list[Text | Padding] = []
    for name, one in zip(names, tools, strict=True):
        standing = one["standing"]
        does = "reads" if one["reads"] else "has effects"
        size = f", {does}, schema {one['schema_characters']:,}"
        lines.append(
            Text.assemble((name.ljust(widest), "bold"), "  ", (standing, _STANDINGS[standing]), size)
        )
        said = [marked(shortened(one["description"] if standing == "on" else one["why"], SHOWN), "dim")]
        if "usage" in one and one["usage"]["calls"]:
            said.append(Text(_took(one["usage"])))
        lines += [Padding(each, (0, 0, 0, len(_INDENT))) for each in said if each]
    return Group(*lines)


def used_by(agents: Sequence[Facts]) -> list[str]:
    """What each agent took, in lines."""
    return [f"{one['agent']}: {_took(one)}, {counted(one['characters'], 'character')}" for one in agents]


def _took(one: Mapping[str, Any]) -> str:
    """What calls took, in words."""
    _, time, cost = used(one)
    failed = f", {one['failures']} failed" if one["failures"] else ""
    cached = f", {one['cached']} from memory" if one["cached"] else ""
    price = "price unknown" if cost == "unknown" else cost
    return f"{counted(one['calls'], 'call')}{failed}{cached}, {time}, {price}"
