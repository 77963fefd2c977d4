"""Takes secrets out of what is written, shown or sent: keys by their shape, and those this process was given.

Journal, log and errors pass through here; ledger and checkpoints, which only their owner can read, do not.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any, cast

__all__ = ["redacted"]

MARK = "[secret]"
_SHORTEST = 8
_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)\Z")
_SHAPES = re.compile(
    r"""
      \bsk-[A-Za-z0-9_-]{16,}                      # OpenAI, Anthropic
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                # AWS
    | \bgh[oprsu]_[A-Za-z0-9]{30,}                 # GitHub
    | \bgithub_pat_[A-Za-z0-9_]{30,}
    | \bxox[abprs]-[A-Za-z0-9-]{10,}               # Slack
    | \bAIza[A-Za-z0-9_-]{35}                      # Google
    | \btvly-[A-Za-z0-9-]{16,}                     # Tavily
    | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}   # JSON web tokens
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)              # a name and a password in an address
    | (?<=[Bb]earer\ )[A-Za-z0-9._~+/-]{16,}=*
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)


@cache
def _given() -> re.Pattern[str] | None:
    """The values of this process's environment variables whose names say that they are secret."""
    values = {value for name, value in os.environ.items() if _NAMES.search(name) and len(value) >= _SHORTEST}
    ordered = sorted(values, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def redacted(value: Any) -> Any:
    """A JSON value with every secret in its strings replaced by a mark; keys of objects stay."""
    match value:
        case str():
            given = _given()
            text = given.sub(MARK, value) if given else value
            return _SHAPES.sub(MARK, text)
        case dict():
            return {key: redacted(inner) for key, inner in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            return [redacted(inner) for inner in cast("list[Any]", value)]
        case _:
            return value
