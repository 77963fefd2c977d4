"""What a person does about a server that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlas_mcp.downstream.entry import Entry

__all__ = ["keys_to_look_at", "way_on"]

_STRANGERS = ("400 ", "401 ", "403 ")
"""How the words of a server over HTTP begin that does not know who asks."""


def keys_to_look_at(entry: Entry, said: str) -> str:
    """The variables that may be wrong where a server refused as it `said`, in words; empty elsewhere."""
    return " and ".join(entry.needs) if said.startswith(_STRANGERS) else ""


def way_on(entry: Entry, said: str) -> str:
    """What to do about a server that failed because of what is `said`."""
    keys = keys_to_look_at(entry, said)
    return f"{f'Look at {keys}, then' if keys else 'See what it says'}: atlas-mcp servers test {entry.name}"
