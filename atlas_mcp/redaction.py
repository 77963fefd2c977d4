"""Takes secrets out of what is written, shown or sent: keys by their shape, and those this process was given.

Journal, log and errors pass through here; ledger and checkpoints, which only their owner can read, do not.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any, cast

__all__ = ["hide", "holds_secret", "is_secret", "names_secret", "redacted"]

MARK = "[secret]"
_SHORTEST = 8
_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)\Z")
_WEAK = re.compile(r"(?:^|_)(LOGIN|SESSION)\Z")
"""Variables that as often hold what everybody may know."""
_OF_DESKTOPS = frozenset({"DESKTOP_SESSION", "GDMSESSION", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS"})
_COMMON = frozenset(
    {"password", "changeme", "disabled", "required", "undefined", "optional", "redacted", "12345678"}
)
"""What stands for a secret that is not set, and in many a text."""
_PATH = re.compile(r"~|\.{0,2}/|[A-Za-z]:[\\/]|\\\\")
_ORDINARY = re.compile(
    r"""
      (?:~|\.{0,2}/|[A-Za-z]:[\\/]|\\\\).*            # a path, also one that is not there yet
    | [a-z][a-z0-9+.-]*://[^\s@?\#]*                  # an address without a login and a query
    | [A-Za-z]+(?:[ _.,/-][A-Za-z]+)*(?:-?[0-9])?     # words, names of hosts, a region such as eu-central-1
    | [\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+      # a mail address
    | [0-9]+
    """,
    re.VERBOSE | re.DOTALL,
)
_hidden: set[str] = set()
_SHAPES = tuple(
    (marks, re.compile(pattern, re.DOTALL))
    for marks, pattern in (
        (("sk-",), r"\bsk-[A-Za-z0-9_-]{16,}"),  # OpenAI, Anthropic
        (("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),  # AWS
        (("gho_", "ghp_", "ghr_", "ghs_", "ghu_"), r"\bgh[oprsu]_[A-Za-z0-9]{30,}"),  # GitHub
        (("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{30,}"),
        (("xox",), r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),  # Slack
        (("AIza",), r"\bAIza[A-Za-z0-9_-]{35}"),  # Google
        (("tvly-",), r"\btvly-[A-Za-z0-9-]{16,}"),  # Tavily
        (("eyJ",), r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),  # JSON web tokens
        (("://",), r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),  # a name and a password in an address
        (("earer ",), r"(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,}=*"),
        (("-----BEGIN",), r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    )
)
"""How keys look, each with marks of which every such key has one: looking for those takes next to no time."""
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


def hide(value: str) -> None:
    """Take a value out of all that is written and shown from now on; one that is short or common stays."""
    if len(value) >= _SHORTEST and value.lower() not in _COMMON and value not in _hidden:
        _hidden.add(value)
        _given.cache_clear()


def is_secret(name: str, value: str, *, needed: bool = False) -> bool:
    """Whether the value of a variable is one to hide: by its name, or as what a server needs to let one in.

    A path of this machine is none, nor is what a server needs and is plainly a word or an address.
    """
    if name in _OF_DESKTOPS or name.startswith("XDG_") or _is_path(value):
        return False
    if _NAMES.search(name) or (names_secret(name) and not _WEAK.search(name)):
        return True
    return (needed or bool(_WEAK.search(name))) and not _ORDINARY.fullmatch(value)


def _is_path(value: str) -> bool:
    try:
        return bool(_PATH.match(value)) and Path(value).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False


@cache
def _given() -> re.Pattern[str] | None:
    """What was hidden, and the secrets among this process's variables as they were when it was first asked.

    Read once, since every event passes through here; a variable that is set later is hidden by whoever
    passes it on.
    """
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and value.lower() not in _COMMON and is_secret(name, value):
            _hidden.add(value)
    ordered = sorted(_hidden, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def redacted(value: Any) -> Any:
    """A JSON value with every secret in its strings replaced by a mark; keys of objects stay."""
    match value:
        case str():
            given = _given()
            text = given.sub(MARK, value) if given else value
            for marks, shape in _SHAPES:
                if any(mark in text for mark in marks):
                    text = shape.sub(MARK, text)
            return text
        case dict():
            return {key: redacted(inner) for key, inner in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            return [redacted(inner) for inner in cast("list[Any]", value)]
        case _:
            return value
