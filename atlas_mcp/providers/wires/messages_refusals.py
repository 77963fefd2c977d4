"""The Messages wire, refusing: which part of a request its server does not take, out of what it says.

A server names a parameter (`temperature`), a part of one (`output_config.effort`), a value
(`thinking.type.disabled`), or only speaks of what is meant (structured outputs). It knows no SDK.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from atlas_mcp.providers.wires.exchange import SEALS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["refused"]

JsonObject: TypeAlias = dict[str, Any]

_IS_REFUSED = re.compile(
    r"support|deprecated|permitted|unknown|unrecogni[sz]ed|unexpected|expected tags", re.IGNORECASE
)
_KEPT = frozenset({"model", "messages", "max_tokens", "stream", "system", "tools"})
"""Parameters without which there is no request."""

_WHATEVER_IS_SAID = "output_config.format"
"""Left out even where its value is what is wrong: a schema may be too much for the server's grammar."""

_ALSO_CALLED = {
    "output_config.effort": r"\beffort\b",
    "output_config.format": r"structured outputs?|\bjson_schema\b|schema is too complex|\bgrammar\b",
}
_BROKEN_SEAL = re.compile(r"signature.{0,40}thinking|thinking.{0,40}signature", re.IGNORECASE)


def refused(message: str, body: JsonObject) -> str | None:
    """What of `body` the server refuses and can do without, if that is what it says; what it names first."""
    if _BROKEN_SEAL.search(message):
        return SEALS
    places = [(place, -len(path), path) for path in _paths(body) if (place := _place(path, message)) >= 0]
    if not places:
        return None
    *_, path = min(places)
    return path if path == _WHATEVER_IS_SAID or _IS_REFUSED.search(message) else None


def _paths(body: JsonObject) -> Iterator[str]:
    """Whatever may be left out, the parts of a parameter and their values too."""
    for name, value in body.items():
        if name in _KEPT:
            continue
        yield name
        if name in {"thinking", "output_config"}:
            for part, said in cast("JsonObject", value).items():
                yield f"{name}.{part}"
                if part == "type":
                    yield f"{name}.{part}.{said}"


def _place(path: str, message: str) -> int:
    """Where a message speaks of it; -1 where it does not."""
    words = rf"\b{re.escape(path)}\b"
    if path in _ALSO_CALLED:
        words = f"{words}|{_ALSO_CALLED[path]}"
    spoken_of = re.search(words, message, re.IGNORECASE)
    return spoken_of.start() if spoken_of else -1
