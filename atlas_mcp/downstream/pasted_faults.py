"""Says what is wrong with a pasted text in which no server is found: by the key, or by the line."""

from __future__ import annotations

import json
import re
import tomllib
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MARKS", "PLACES", "inside", "meant", "no_server", "unreadable"]

PLACES = (
    ("mcpServers",),
    ("servers",),
    ("mcp", "servers"),
    ("context_servers",),
    ("mcp_servers",),
    ("mcp",),
)
"""Where programs write their servers."""
MARKS = frozenset({"command", "url", "serverUrl", "httpUrl"})
"""One of these is in every server."""
_TOML = re.compile(r"(?:\s*(?:#.*)?\n)*\s*(?:\[+[\w.\"' -]+\]|[\w.\"'-]+\s*=)")
_AT = re.compile(r"\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)\Z")
_LONGEST = 40


def inside(value: Mapping[str, Any], place: Iterable[str]) -> dict[str, Any] | None:
    """The table at a place; None where there is none."""
    inner: Any = value
    for key in place:
        inner = cast("dict[str, Any]", inner).get(key) if isinstance(inner, dict) else None
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else None


def meant(key: str, known: Iterable[str]) -> str:
    """The key that somebody may have meant; empty where there is none like it."""
    return next(iter(get_close_matches(key, sorted(known), n=1, cutoff=0.65)), "")


def no_server(value: Mapping[str, Any]) -> InvalidInput:
    """Why there is no server in what was pasted; values are not repeated."""
    tops = {first for first, *_ in PLACES}
    for key, table in _tables(value).items():
        if key not in tops and table and len(_tables(table)) == len(table) and (near := meant(key, tops)):
            return InvalidInput(f"{key[:_LONGEST]} is no place for servers.", remedy=f"Did you mean {near}?")
    for called, table in _candidates(value).items():
        wrong = next((key for key in table if meant(key, MARKS)), "")
        named = f"The server {called[:80]!r}" if called else "It"
        unknown = f"; it has {wrong[:_LONGEST]}" if wrong else ""
        remedy = f"Did you mean {meant(wrong, MARKS)}?" if wrong else "Write its command, or its url."
        return InvalidInput(f"{named} has neither command nor url{unknown}.", remedy=remedy)
    return InvalidInput("There is no server in it.", remedy='Paste {"mcpServers": {"name": {"command": …}}}.')


def _candidates(value: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What looks as if it was to be a server, and is none."""
    found = next((table for place in PLACES if (table := inside(value, place))), None)
    if found is None:
        tables = _tables(value)
        lone = not tables and any(meant(key, MARKS) for key in value)
        found = {"": value} if lone else tables if len(tables) == len(value) else {}
    return {
        name: cast("dict[str, Any]", each)
        for name, each in found.items()
        if isinstance(each, dict) and not MARKS & cast("dict[str, Any]", each).keys()
    }


def _tables(value: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: cast("dict[str, Any]", each) for name, each in value.items() if isinstance(each, dict)}


def unreadable(text: str) -> InvalidInput:
    """Why a text can be read neither as JSON nor as TOML, by what it looks like; none of it is repeated."""
    remedy = "Paste the whole block, from its first { to its last }."
    try:
        if _TOML.match(text):
            remedy = "Correct that line."
            tomllib.loads(text)
        else:
            json.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = _AT.search(str(error))
        place = ", at its end"
        if where and where["line"]:
            place = f", line {where['line']}, column {where['column']}"
        return InvalidInput(f"It is no TOML{place}: {_AT.sub('', str(error))}.", remedy=remedy)
    except json.JSONDecodeError as error:
        place = f", line {error.lineno}, column {error.colno}"
        return InvalidInput(f"It is no JSON{place}: {error.msg}.", remedy=remedy)
    except RecursionError:
        pass
    return InvalidInput("It is neither JSON nor TOML.", remedy=remedy)
