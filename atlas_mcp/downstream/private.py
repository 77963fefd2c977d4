"""Addresses of this machine and its network, which no tool that reads the open web is given."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from atlas_mcp.errors import ToolRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_private", "refuse_private"]

_ADDRESS = re.compile(r"\s*(?:https?|ftp|ws|wss)://", re.IGNORECASE)
_NUMBERS = re.compile(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+))*", re.IGNORECASE)
_INSIDE = ("localhost", ".localhost", ".local", ".internal", ".lan", ".home.arpa")


def is_private(url: str) -> bool:
    """Whether an address is plainly of this machine or network; names are not resolved."""
    try:
        host = (urlsplit(url.strip()).hostname or "").rstrip(".").lower()
    except ValueError:
        return True
    if not host or host in _INSIDE or host.endswith(_INSIDE):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        # Programs read 2130706433, 0x7f.1 and 127.1 as addresses of this machine, too.
        return bool(_NUMBERS.fullmatch(host))


def refuse_private(arguments: Any) -> None:
    """Refuse arguments that name an address of this machine or network, however deep it stands in them.

    Raises:
        ToolRefused: there is one.
    """
    for text in _texts(arguments):
        if _ADDRESS.match(text) and is_private(text):
            raise ToolRefused(
                f"{text[:200]} is an address of this machine or its network.",
                remedy="Read pages of the open web alone.",
            )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in cast("dict[str, Any]", value).values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _texts(inner)
