"""`atlas-mcp servers test`: starts a server, lists what it offers, and calls one of its tools."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from atlas_mcp.cli.servers_opening import opened_servers, server_names
from atlas_mcp.cli.terminal import Exit, give_json, perform, stderr, stdout
from atlas_mcp.errors import DownstreamFailed, InvalidInput
from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from atlas_mcp.downstream.connection import State
    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.overview import Facts
    from atlas_mcp.downstream.servers import Servers
    from atlas_mcp.downstream.store import Pin

__all__ = ["try_server"]

MOST_SUSPECTED = 5
"""Passages that read like orders, of which a person is told."""
LONGEST = 500
"""Characters of a line of a server's own words."""
AGENT = "person"
"""Under whom the calls of this command are counted."""


def try_server(
    name: Annotated[str, typer.Argument(help="Which server.", autocompletion=server_names)],
    call: Annotated[
        str | None, typer.Option("--call", metavar="TOOL", help="Call a tool, and show what agents see.")
    ] = None,
    arguments: Annotated[str, typer.Option(metavar="JSON", help="What the tool is called with.")] = "{}",
    effects: Annotated[
        bool, typer.Option("--effects", help="Call it though it does more than read.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Start a server now and list what it offers; with --call, call one of its tools.

    A tool that was never seen is pinned as it is; one that changed since stays off until it is approved.
    """
    perform(_try(name, call, arguments, effects=effects, as_json=as_json))


async def _try(name: str, call: str | None, arguments: str, *, effects: bool, as_json: bool) -> Exit:
    from atlas_mcp.settings import Settings

    given, settings = _read(arguments), Settings.load()
    failed: DownstreamFailed | None = None
    pins: Sequence[Pin] = ()
    result = None
    async with opened_servers(settings) as opened:
        entry = opened.entry(name)
        since = perf_counter()
        try:
            with stderr().status(f"starting {entry.shown_title}"):
                pins = await opened.pins(name, ask=True)
            seconds = perf_counter() - since
            if call is not None:
                _may_be_called(opened, name, pins, call, given, effects=effects)
                with stderr().status(f"calling {call}"):
                    keep = settings.servers.suspected == "keep"
                    result = await _called(opened, name, call, given, keep=keep)
        except DownstreamFailed as error:
            failed, seconds = _mended(entry, error), perf_counter() - since
    # Once it is left, all is there that it said.
    told = _facts(entry, opened.state(name), pins, seconds)
    if failed is not None:
        give_json(told | {"error": failed.to_dict()}) if as_json else _tell_words(stderr(), told, failed)
        raise failed
    told |= {} if result is None else {"call": result}
    give_json(told | {"error": None}) if as_json else _tell(stdout(), told)
    return Exit.FAILED if result is not None and result["error"] else Exit.DONE


def _mended(entry: Entry, error: DownstreamFailed) -> DownstreamFailed:
    """A failure whose remedy is not this command itself."""
    if not error.remedy.startswith("See what it says"):
        return error
    look = f"Look at how it is {'started' if entry.local else 'reached'}"
    return DownstreamFailed(error.message, remedy=f"{look}: atlas-mcp servers show {entry.name}")


def _facts(entry: Entry, state: State | None, pins: Sequence[Pin], seconds: float) -> Facts:
    """What is known of a server that was started, whether or not it works."""
    from atlas_mcp.downstream.overview import tool_facts
    from atlas_mcp.redaction import redacted

    return {
        "name": entry.name,
        "title": entry.shown_title,
        "seconds": round(seconds, 3),
        "server": state.server if state else "",
        "protocol": state.protocol if state else "",
        "tools": [tool_facts(entry, pin) for pin in pins],
        "faults": redacted(list(state.faults)) if state else [],
        "stderr": list(state.stderr) if state else [],
    }


def _tell_words(console: Console, told: Facts, failed: DownstreamFailed) -> None:
    """What a server that failed wrote of it, in its own words."""
    from rich.text import Text

    from atlas_mcp.cli.hidden import marked

    for fault in told["faults"]:
        if fault not in failed.message:
            console.print(Text.assemble(("! ", "yellow"), marked(fault)), soft_wrap=True)
    if told["stderr"]:
        console.print(f"The end of what {told['title']} wrote on stderr:", soft_wrap=True, markup=False)
    for line in told["stderr"]:
        console.print(Text.assemble("    ", marked(line[:LONGEST], "dim")), soft_wrap=True)


def _read(arguments: str) -> dict[str, Any]:
    try:
        value: Any = json.loads(arguments)
    except ValueError as error:
        raise InvalidInput(
            f"--arguments is no JSON: {error}.", remedy='Write an object, such as {"query": "tides"}.'
        ) from None
    if not isinstance(value, dict):
        raise InvalidInput(
            "--arguments is no object.", remedy='Write names with values, such as {"query": "tides"}.'
        )
    return cast("dict[str, Any]", value)


def _may_be_called(
    opened: Servers, name: str, pins: Sequence[Pin], tool: str, given: Mapping[str, Any], *, effects: bool
) -> None:
    """Whether a tool is there, fits its arguments, and may be called so.

    Raises:
        InvalidInput: it is not, or does not.
    """
    from atlas_mcp.downstream.servers import reads
    from atlas_mcp.shapes import misfits

    entry = opened.entry(name)
    offer = next((pin.offer for pin in pins if pin.offer.name == tool), None)
    if offer is None:
        names = ", ".join(pin.offer.name for pin in pins) or "none"
        raise InvalidInput(f"{name} has no tool {tool[:80]!r} for us.", remedy=f"There are {names}.")
    if not reads(entry, offer) and not effects:
        raise InvalidInput(
            f"{name}/{tool} does more than read.", remedy="If it shall be called all the same: add --effects."
        )
    parameters = entry.narrowed(tool, offer.parameters)
    if problems := misfits(parameters, dict(given)):
        names = ", ".join(parameters.get("properties", {})) or "none"
        raise InvalidInput(f"--arguments: {problems[0]}.", remedy=f"{tool} takes {names}.")


async def _called(opened: Servers, name: str, tool: str, given: dict[str, Any], *, keep: bool) -> Facts:
    """What a tool says, as agents see it, what is left out for them, and the sources in it."""
    from atlas_mcp.cli.servers_said import as_agents_see

    since = perf_counter()
    said = await opened.call(f"{name}/{tool}", given, agent=AGENT)
    seconds = round(perf_counter() - since, 3)
    seen = await asyncio.to_thread(as_agents_see, opened.entry(name), tool, given, said, keep=keep)
    sources = [{"uri": each.uri, "title": each.title, "characters": len(each.text)} for each in seen.sources]
    return {
        "tool": tool,
        "seconds": seconds,
        "error": said.error,
        "characters": said.size,
        "text": seen.text,
        "sources": sources,
        "suspected": [
            {"name": each.name, "quote": each.quote[:200], "left_out": left_out}
            for suspected, left_out in ((seen.left_out, True), (seen.kept, False))
            for each in suspected[:MOST_SUSPECTED]
        ],
    }


def _tell(console: Console, told: Facts) -> None:
    from rich.text import Text

    from atlas_mcp.cli.hidden import marked
    from atlas_mcp.cli.servers_view import tool_table

    by = f" ({told['server']}, protocol {told['protocol']})" if told["server"] else ""
    tools = counted(len(told["tools"]), "tool")
    said = f"  {tools} in {told['seconds']:.1f} s{by}"
    console.print(Text.assemble(("✓ ", "green"), (told["title"], "bold"), said), soft_wrap=True)
    if "call" not in told:
        console.print(tool_table(told["tools"]))
    for fault in told["faults"]:
        console.print(Text.assemble(("! ", "yellow"), marked(fault)), soft_wrap=True)
    if off := [one["name"] for one in told["tools"] if one["standing"] != "on"]:
        todo = f"{', '.join(off)} off; look at it: atlas-mcp servers approve {told['name']}"
        console.print(Text.assemble(("! ", "yellow"), todo), soft_wrap=True)
    if "call" in told:
        _tell_call(console, told["call"])


def _tell_call(console: Console, call: Facts) -> None:
    from rich.text import Text

    from atlas_mcp.cli.hidden import marked

    mark, style = ("✗", "red") if call["error"] else ("✓", "green")
    took = f"  {counted(call['characters'], 'character')} in {call['seconds']:.2f} s. An agent reads:"
    console.print(Text.assemble(f"{mark} ", (call["tool"], "bold"), took, style=style), soft_wrap=True)
    console.print(marked(call["text"] or "(nothing)"), soft_wrap=True)
    for one in call["suspected"]:
        became = "left out" if one["left_out"] else "an agent reads it, and it looks like an order"
        said = f"{became}: {one['quote']!r}, which {one['name']}"
        console.print(Text.assemble(("! ", "yellow"), marked(said)), soft_wrap=True)
    if call["error"]:
        return
    if not call["sources"]:
        said = "A brief cannot cite this: no page or document stands in it with its address."
        console.print(Text(said, style="dim"), soft_wrap=True)
    for one in call["sources"]:
        line = f"source: {one['title']} {one['uri']}, {counted(one['characters'], 'character')}"
        console.print(marked(line, "cyan"), soft_wrap=True)
