"""What `doctor` looks at of downstream servers: which are ready, off, wrong, and which tools wait for a yes.

None is started but on request, and then all of them at once, each within its own time limit.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from time import perf_counter
from typing import TYPE_CHECKING

from atlas_mcp.cli.check import Check
from atlas_mcp.cli.servers_opening import lacks, opened_servers
from atlas_mcp.errors import AtlasError
from atlas_mcp.observe.sentences import counted, shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.servers import Servers
    from atlas_mcp.errors import NotConfigured
    from atlas_mcp.settings import Settings

__all__ = ["project_checks", "server_checks", "started_checks"]


def project_checks(settings: Settings) -> Iterator[Check]:
    """A project that is named, and whether what it brings counts."""
    from atlas_mcp.trust import project_of

    try:
        project = project_of(settings)
    except AtlasError as error:
        yield Check("Project", "broken", error.message, error.remedy)
        return
    if project is None:
        return
    if not project.path.is_dir():
        todo = "Name its folder: --project PATH, or ATLAS_PROJECT."
        yield Check("Project", "broken", f"{project.path} is no folder", todo)
    elif project.why_off:
        yield Check("Project", "hint", project.why_off, f"Look at them: atlas-mcp trust {project.path}")
    elif project.known:
        yield Check("Project", "ok", f"{project.folder} is trusted as it is")
    else:
        yield Check("Project", "ok", f"{project.path} brings nothing of its own in .atlas")


def server_checks(settings: Settings, *, failed: Collection[str] = ()) -> Iterator[Check]:
    """How the servers stand by their files and this machine; none is started, nothing written.

    `failed` are those that were started just now, and would not.
    """
    from atlas_mcp.downstream.entries import load_entries
    from atlas_mcp.trust import catalogue_of

    entries, wrong = load_entries(catalogue_of(settings))
    for error in wrong.values():
        yield Check("Server file", "broken", error.message, error.remedy)
    on = {name: lacks(settings, entry) for name, entry in entries.items() if entry.enabled}
    lacking = {name: error for name, error in on.items() if error is not None}
    ready = [name for name in on if name not in {*lacking, *failed}]
    off = [name for name, entry in entries.items() if not entry.enabled]
    said = [f"ready: {', '.join(ready) or 'none'}"]
    if failed:
        said.append(f"failed: {', '.join(failed)}")
    if off:
        said.append(f"off: {', '.join(off)} (atlas-mcp servers enable NAME)")
    if lacking:
        said.append(f"not configured: {', '.join(lacking)}")
    todo = "\n→ ".join(_todo(entries, lacking))
    yield Check("Servers", "hint" if lacking else "ok", "; ".join(said), todo)
    yield from _waiting(settings, entries)


def _todo(entries: Mapping[str, Entry], lacking: Mapping[str, NotConfigured]) -> Iterator[str]:
    """What configures each server; in one line those of the web, of which any one will do."""
    keys = {
        name: " and ".join(unset)
        for name in lacking
        if entries[name].search and (unset := _unset(entries[name]))
    }
    if keys:
        named = ", ".join(f"{unset} ({name})" for name, unset in keys.items())
        yield f"To search the web, set one of these in the environment that ATLAS is started in: {named}"
    for name, error in lacking.items():
        if name not in keys:
            # Which variable is meant is said by what to do about it; which program is not.
            why = "" if _unset(entries[name]) else f"{error.message} "
            yield f"{name}: {why}{error.remedy}"


def _unset(entry: Entry) -> list[str]:
    return [name for name in entry.needs if not os.environ.get(name)]


def _waiting(settings: Settings, entries: Mapping[str, Entry]) -> Iterator[Check]:
    """The tools that are off because they changed, server by server."""
    path = settings.home / "servers.db"
    if not path.is_file():
        return
    query = "SELECT server, identity, name FROM tool WHERE standing != 'on' ORDER BY server, name"
    try:
        with closing(sqlite3.connect(path.as_uri() + "?mode=ro", uri=True)) as connection:
            rows = connection.execute(query).fetchall()
    except sqlite3.Error:
        return  # the check of the database itself tells
    for name, entry in entries.items():
        if tools := [tool for server, identity, tool in rows if (server, identity) == (name, entry.identity)]:
            said = shortened(f"{name}: {counted(len(tools), 'tool')} off until approved: {', '.join(tools)}")
            yield Check("Server tools", "hint", said, f"Look at them: atlas-mcp servers approve {name}")


async def started_checks(settings: Settings) -> dict[str, Check]:
    """Every server that is enabled and configured, by name, started now and listed."""
    async with opened_servers(settings) as servers:
        names = [name for name in servers.entries if servers.why_not(name) is None]
        checks = await asyncio.gather(*(_started(servers, name) for name in names))
        return dict(zip(names, checks, strict=True))


async def _started(servers: Servers, name: str) -> Check:
    since = perf_counter()
    try:
        pins = await servers.pins(name, ask=True)
    except AtlasError as error:
        return Check("Server", "broken", f"{name}: {error.message}", error.remedy)
    off = sum(pin.standing != "on" for pin in pins)
    state = servers.state(name)
    by = f", {state.server}, protocol {state.protocol}" if state else ""
    said = f"{name}: {counted(len(pins), 'tool')} in {perf_counter() - since:.1f} s{by}"
    if not off:
        return Check("Server", "ok", said)
    todo = f"Look at them: atlas-mcp servers approve {name}"
    return Check("Server", "hint", f"{said}; {counted(off, 'tool')} off until approved", todo)
