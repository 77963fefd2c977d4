"""What a project's folder brings, as a person is shown it before they trust it.

Shown is what is started on their machine and with which variables, what agents may do with it, and, where
something takes the place of theirs or of what shipped, every key that is not as before.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.cli.hidden import marked, visible
from atlas_mcp.cli.servers_approve import by_words
from atlas_mcp.cli.servers_view import command_line
from atlas_mcp.errors import AtlasError
from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from rich.console import Console
    from rich.text import Text

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.settings import Settings
    from atlas_mcp.trust import Project

__all__ = ["tell_project"]

SHOWN = 20
"""Files that are named of a folder."""
_NOT_WRITTEN = frozenset({"name", "folder", "version", "teams"})
"""What nobody writes into the file of a server or of a team."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A server or a team: what it does, labelled, and all of its keys."""

    does: tuple[tuple[str, str], ...]
    keys: Mapping[str, Any]


def tell_project(console: Console, settings: Settings, project: Project) -> None:
    """Show what a project's folder holds: what each server would run, whole, and what widens or changes."""
    from rich.text import Text

    changed = " (changed since it was trusted)" if project.changed else ""
    console.print(Text.assemble((visible(str(project.folder)), "bold"), (changed, "yellow")), soft_wrap=True)
    for line in (*_servers(settings, project), *_teams(settings, project)):
        console.print(line, soft_wrap=True)
    clients = [each for each in project.files if each.startswith("clients/")]
    if clients:
        console.print(Text(f"clients: {visible(', '.join(clients))}"), soft_wrap=True)
    names = visible(", ".join(project.files[:SHOWN]))
    more = f" and {len(project.files) - SHOWN} more" if len(project.files) > SHOWN else ""
    said = f"{counted(len(project.files), 'file')}: {names}{more}"
    console.print(Text(said, style="dim"), soft_wrap=True)


def _servers(settings: Settings, project: Project) -> Iterator[Text]:
    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.downstream.entry import load_entry

    shipped = Catalogue().entries("servers", "*.toml")
    before = Catalogue((settings.config,)).entries("servers", "*.toml")

    def seen(file: Path) -> _Seen:
        below = shipped.get(file.stem)
        entry = load_entry(file, below if below != file else None)
        return _Seen(
            (*_starts(entry), *_lets(entry)), entry.model_dump(mode="json", exclude=set(_NOT_WRITTEN))
        )

    for file in sorted((project.folder / "servers").glob("*.toml")):
        yield from _told("server", file.stem, file, before.get(file.stem), seen)


def _starts(entry: Entry) -> Iterator[tuple[str, str]]:
    """What an entry does on this machine: what is started or asked, with whose variables."""
    if not entry.enabled:
        yield "off", "it is not enabled"
    if entry.local:
        yield "runs", command_line(entry)
    else:
        yield "asks", entry.url
    if entry.cwd:
        yield "in", entry.cwd
    for name, value in entry.headers.items():
        yield "sends", f"{name}: {value}"
    for name in (*entry.needs, *entry.env):
        yield "is given", f"your variable {name}{'' if os.environ.get(name) else ', which is not set now'}"
    for name, value in entry.values.items():
        yield "sets", f"{name}={value}"


def _lets(entry: Entry) -> Iterator[tuple[str, str]]:
    """What an entry lets agents do, and what it vouches for."""
    yield "offers", "all of its tools" if "*" in entry.tools else ", ".join(entry.tools) or "no tool"
    for tool, given in entry.arguments.items():
        yield f"lets agents give {tool}", ", ".join(given) or "nothing"
    if entry.paths:
        yield "keeps to your folders", f"paths that are given as {', '.join(entry.paths)}"
    else:
        yield "keeps no path to your folders", "whatever path an agent names is passed on"
    if entry.read_only is not None:
        yield "says that these only read", ", ".join(entry.read_only) or "none"
    if entry.web:
        yield "is of the web", "an agent that reads it gets no tool with effects"
    else:
        yield "is not of the web", "an agent that reads it may have tools with effects"
    if not entry.ask:
        yield "asks nobody", "its tools with effects are used without a person's yes"


def _teams(settings: Settings, project: Project) -> Iterator[Text]:
    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.orchestration.team import load_team

    before = Catalogue((settings.config,)).entries("teams", "team.toml")

    def seen(folder: Path) -> _Seen:
        team = load_team(folder)
        does = [("does", team.description)]
        if team.files:
            does.append(("writes files by", ", ".join(team.files)))
        for card in team.cards.values():
            for label, granted in (("uses", card.tools), ("has effects by", card.writes)):
                if outside := [each for each in granted if "/" in each or each.startswith("mcp__")]:
                    does.append((f"{card.name} {label}", ", ".join(outside)))
        return _Seen(tuple(does), team.model_dump(mode="json", exclude=set(_NOT_WRITTEN)))

    for file in sorted((project.folder / "teams").glob("*/team.toml")):
        name = file.parent.name
        yield from _told("team", name, file.parent, before.get(name), seen)


def _told(
    kind: str, name: str, path: Path, before: Path | None, seen: Callable[[Path], _Seen]
) -> Iterator[Text]:
    """A server or a team: what it does, and what is other than in the one whose place it takes."""
    from rich.text import Text

    instead = "  takes the place of yours or the shipped one" if before else ""
    yield Text.assemble((f"{kind} ", "bold"), (visible(name), "bold"), (instead, "yellow"))
    try:
        is_now = seen(path)
    except AtlasError as error:
        yield Text.assemble(("  wrong: ", "red"), marked(str(error)))
        return
    yield from (Text.assemble((f"  {label}: ", "dim"), marked(said)) for label, said in is_now.does)
    if before is None:
        return
    try:
        was = seen(before)
    except AtlasError as error:
        yield Text.assemble(("  cannot be compared with that one: ", "red"), marked(str(error)))
        return
    yield from _differences(was.keys, is_now.keys)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Text]:
    """Every key whose value is another, with both."""
    from rich.text import Text

    was, is_now = dict(_flat(before)), dict(_flat(after))
    for key in dict.fromkeys((*was, *is_now)):
        old, new = was.get(key), is_now.get(key)
        if old == new:
            continue
        if isinstance(old, str) and isinstance(new, str):
            said = by_words(old, new)
        else:
            said = Text.assemble(marked(_json(old), "red"), " → ", marked(_json(new), "green"))
        yield Text.assemble(("  changes ", "yellow"), marked(key, "yellow"), ": ", said)


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The single values in tables, each under the path that leads to it."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, Any]", value), f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _json(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
