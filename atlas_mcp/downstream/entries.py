"""Every entry there is: those that shipped, a person's own, and those of a project that is trusted."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.downstream.entry import load_entry
from atlas_mcp.errors import AtlasError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.servers import Servers

__all__ = ["lacking", "load_entries"]


def load_entries(catalogue: Catalogue) -> tuple[dict[str, Entry], dict[str, AtlasError]]:
    """Every entry that can be read, and what is wrong with the others, by name.

    A person's file without command or url changes keys of the entry that shipped under its name.
    """
    entries: dict[str, Entry] = {}
    wrong: dict[str, AtlasError] = {}
    below = Catalogue().entries("servers", "*.toml")
    for name, path in catalogue.entries("servers", "*.toml").items():
        try:
            entries[name] = load_entry(path, below.get(name) if below.get(name) != path else None)
        except AtlasError as error:
            wrong[name] = error
    return entries, wrong


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
