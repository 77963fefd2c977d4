"""Every entry there is: those that shipped, a person's own, and those of a project that is trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.downstream.entry import load_entry
from atlas_mcp.errors import AtlasError

if TYPE_CHECKING:
    from atlas_mcp.downstream.entry import Entry

__all__ = ["load_entries"]


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
