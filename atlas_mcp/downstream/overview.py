"""The downstream servers as facts for people and programs: which there are, how they stand, what they took.

No value of a variable is among them, nor what the environment holds; a tool that is off is named without the
words by which it describes itself, since whoever reads this may be a model.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.downstream.remedies import way_on
from atlas_mcp.downstream.screening.invisible import cleaned
from atlas_mcp.downstream.servers import reads
from atlas_mcp.downstream.store import Standing
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.servers import Servers
    from atlas_mcp.downstream.store import Pin, Tally
    from atlas_mcp.errors import AtlasError

__all__ = ["Facts", "described", "lacking", "overview", "tool_facts"]

Facts = dict[str, Any]

MOST_DESCRIPTION = 1_000
"""Characters of a tool's description."""


async def overview(servers: Servers) -> list[Facts]:
    """Every server by name, also those whose file is wrong."""
    tallies = {each.name: each for each in await servers.store.tallies("server")}
    told = [await _facts(servers, entry, tallies) for entry in servers.entries.values()]
    told += [_wrong(name, error) for name, error in servers.wrong.items()]
    return sorted(told, key=lambda each: each["name"])


def lacking(servers: Servers, patterns: Iterable[str]) -> dict[str, AtlasError]:
    """What keeps servers of a person's own from use that patterns of `server/tool` name, by name.

    Of those that shipped a team names many, of which a person has a few; what they turned off is meant so.
    """
    wanted = {each.partition("/")[0] for each in patterns if "/" in each}
    shipped = Catalogue().entries("servers", "*.toml")
    lacks: dict[str, AtlasError] = {}
    for name in sorted({*servers.entries, *servers.wrong}):
        if name in shipped or not any(fnmatchcase(name, each) for each in wanted):
            continue
        why = servers.wrong.get(name) or (servers.entries[name].enabled and servers.why_not(name))
        if why:
            lacks[name] = why
    return lacks


async def described(servers: Servers, name: str) -> Facts:
    """One server, with its tools and what each of them, and each agent, took.

    Raises:
        UnknownServer: there is none of that name.
        InvalidConfiguration: its file is wrong.
    """
    entry = servers.entry(name)
    tallies = {each.name: each for each in await servers.store.tallies("server", name)}
    by_tool = {each.name: each for each in await servers.store.tallies("tool", name)}
    by_agent = await servers.store.tallies("agent", name)
    tools = [
        {**tool_facts(entry, pin), "usage": _usage(by_tool.get(f"{name}/{pin.offer.name}"))}
        for pin in await servers.pins(name)
    ]
    agents = [{"agent": each.name or "unknown", **_usage(each)} for each in by_agent]
    return {**await _facts(servers, entry, tallies), "tools": tools, "agents": agents}


async def _facts(servers: Servers, entry: Entry, tallies: Mapping[str, Tally]) -> Facts:
    pins = await servers.pins(entry.name)
    on = sum(pin.standing is Standing.ON for pin in pins)
    connection = servers.state(entry.name)
    state, why, remedy = _state(servers, entry, await servers.store.start_failures())
    return {
        "name": entry.name,
        "title": entry.shown_title,
        "description": entry.description,
        "state": state,
        "why": why,
        "remedy": remedy,
        "local": entry.local,
        "web": entry.web,
        "tools_on": on,
        "tools_off": len(pins) - on,
        **_usage(tallies.get(entry.name)),
        "started": bool(connection and connection.name == "ready"),
        "protocol": connection.protocol if connection else "",
        "server": connection.server if connection else "",
        "faults": redacted(list(connection.faults)) if connection else [],
    }


def _wrong(name: str, error: AtlasError) -> Facts:
    """What can be said of a server whose file is wrong."""
    return {
        "name": name, "title": name, "description": "", "state": "wrong", "why": error.message,
        "remedy": error.remedy, "local": None, "web": None, "tools_on": 0, "tools_off": 0, **_usage(None),
        "started": False, "protocol": "", "server": "", "faults": [],
    }  # fmt: skip


def _state(servers: Servers, entry: Entry, failures: Mapping[str, tuple[str, str]]) -> tuple[str, str, str]:
    """How a server stands in a word, why, and what to do about it."""
    if lacking := servers.why_not(entry.name):
        return "not_configured" if entry.enabled else "off", lacking.message, lacking.remedy
    connection = servers.state(entry.name)
    if connection is not None and connection.name == "failed":
        return "failed", redacted(connection.failure), way_on(entry, connection.failure)
    if (failed := failures.get(entry.name)) and (connection is None or connection.name != "ready"):
        at, why = failed
        told = f"{redacted(why)} (at {at[:16].replace('T', ' ')} UTC)"
        return "failed", told, way_on(entry, why)
    return "ready", "", ""


def tool_facts(entry: Entry, pin: Pin) -> Facts:
    """A tool as it is pinned; its own words only where it is on."""
    on = pin.standing is Standing.ON
    shown = pin.offer
    return {
        "name": shown.name,
        "standing": pin.standing.value,
        "why": "" if on else _why(pin),
        "reads": reads(entry, shown),
        "description": " ".join(cleaned(shown.description).split())[:MOST_DESCRIPTION] if on else "",
        "schema_characters": len(json.dumps(shown.parameters, ensure_ascii=False)),
        "remedy": "" if on else f"A person may look at it: atlas-mcp servers approve {entry.name}",
    }


def _why(pin: Pin) -> str:
    if pin.standing is Standing.SUSPECT:
        return "its description reads like an order to a model"
    return pin.reason


def _usage(tally: Tally | None) -> Facts:
    """What calls took, added up over 90 days."""
    keys: Sequence[str] = ("calls", "cached", "seconds", "slowest", "characters", "cost_usd")
    told = asdict(tally) if tally else dict.fromkeys(keys, 0) | {"failed": 0, "cost_usd": None}
    usage: Facts = {key: told[key] for key in keys} | {"failures": told["failed"]}
    return {**usage, "seconds": round(usage["seconds"], 3), "slowest": round(usage["slowest"], 3)}
