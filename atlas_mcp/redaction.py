"""Takes secrets out of what is written, shown or sent: keys by their shape, and those this process was given.

Journal, log and errors pass through here; ledger and checkpoints, which only their owner can read, do not.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any, cast

__all__ = ["holds_secret", "names_secret", "redacted"]

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
_OF_SECRETS = re.compile(
    r"""
      (?:^|_)(?:[A-Z]*KEY|[A-Z]*TOKEN|[A-Z]*SECRET|PASSWORD|PASSWD|PASSPHRASE|PASS|PAT|AUTH|AUTHORIZATION
      | BEARER|COOKIE|CREDENTIALS?|DSN|SESSION|SIGNATURE)(?:_?[0-9]+|_VALUE)?\Z
    """,
    re.VERBOSE,
)
_RANDOM = re.compile(
    r"""
      (?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{20,}(?![A-Za-z0-9])
    | \b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b
    """,
    re.VERBOSE,
)
"""What nobody would write by hand: a long run of letters and digits, or a UUID."""
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


def names_secret(name: str) -> bool:
    """Whether what is called so is likely a secret: `API_KEY`, `tavilyApiKey`, `--token`, `Authorization`."""
    spelled = "_".join(part for part in _WORDS.split(name) if part).upper()
    return bool(_OF_SECRETS.search(spelled)) and not spelled.endswith("PUBLIC_KEY")


def holds_secret(text: str) -> bool:
    """Whether a text that a person wrote holds what is likely a secret.

    Long runs of letters and digits count as one, but for those in paths and digests, which are full of them.
    """
    if redacted(text) != text:
        return True
    return not re.search(r"[/\\]|sha\d+[:-]", text) and bool(_RANDOM.search(text))


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
