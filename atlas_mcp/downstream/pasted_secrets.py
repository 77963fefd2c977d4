"""Which texts of a pasted server are likely secrets: more of them than `redaction` takes out of what is said.

What is stored lies there for years. A text too many costs a person a variable to set, and they are told
which; a secret that is missed is found by whoever reads the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from atlas_mcp.redaction import holds_secret, names_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REFERENCE", "called_secret", "is_secret", "is_webhook"]

REFERENCE = re.compile(r"\$\{(?:(env|input|secrets?):)?([^}:]+)(?::-([^}]*))?\}")
"""A variable, as other programs write it in a text."""

_HOLE = "\0"
"""Stands where a variable is referred to, so that what is before and behind it does not become one word."""
_PLAIN = frozenset({"true", "false", "yes", "no", "none", "null", "on", "off", "0", "1"})
_SCHEMES = frozenset({"bearer", "basic", "token", "bot", "apikey"})

_SPELLED = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_WORD = re.compile(
    r"""
      [A-Z]*(?:PASSWORDS?|PASSWD|PASSPHRASE|CREDENTIALS?|SECRETS?|TOKEN)
    | (?:API|ACCESS|AUTH|MASTER|PRIVATE)?KEY | (?:API|ACCESS)KEYS | JWT
    | (?!OLD)[A-Z]+PWD | (?!BY|COM|SUR|TRES)[A-Z]+PASS
    """,
    re.VERBOSE,
)
"""A word that says so wherever in a name it stands: `PGPASSWORD`, and the `KEY` of `API_KEY_PROD`."""
_TOGETHER = re.compile(
    r"""
      (?:^|_)(?:API|ACCESS|AUTH|BEARER|BOT)_(?:KEYS|TOKENS)(?:_|\Z)
    | (?<=[A-Z0-9])_PWD(?:_|\Z) | (?:^|_)CONN(?:ECTION)?_?STR(?:ING)?(?:_|\Z)
    """,
    re.VERBOSE,
)
_ABOUT = frozenset({
    "AGE", "ALGORITHM", "BUDGET", "CHECK", "COLUMN", "COUNT", "DIR", "ENABLED", "ENDPOINT", "EXPIRES",
    "EXPIRY", "FIELD", "FILE", "FOLDER", "FORMAT", "HEADER", "HOST", "ID", "INTERVAL", "KIND",
    "LENGTH", "LIMIT", "METHOD", "MODE", "NAME", "PATH", "POLICY", "PREFIX", "PROVIDER", "REQUIRED",
    "SECONDS", "SIZE", "SPACE", "STORE", "SUFFIX", "TIMEOUT", "TTL", "TYPE", "URI", "URL", "USAGE",
    "VERSION", "WINDOW",
})  # fmt: skip
"""Last words of names that tell of a secret and hold none: `TOKEN_FILE`, `KEY_ID`."""
_SWITCHES = frozenset({"DISABLE", "ENABLE", "MAX", "MIN", "NO", "SKIP", "USE", "WITHOUT"})

_PAIR = re.compile(
    r"""
      (?<![\w.-])(?P<name>[\w.-]+)
      (?: \\?["']?\s*=(?!=)\s* | \\?["']\s*:\s* | \s*:\s+ )
      \\?["']?(?:(?:Bearer|Basic|Token|Bot|ApiKey)\s+)?(?P<value>[^\s"'\\;,&{}\[\]\0]+)
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A name and a value inside a text: JSON, YAML, a connection string, a query, a line for a shell."""
_OPTION = re.compile(r"(?<!\S)(?P<name>--?[A-Za-z][\w-]*)\s+(?P<value>[^\s\0-]\S*)")
_LOGIN = re.compile(r"://[^\s/?#@:]*:(?!\d+/)([^\s@]{1,500})@|\bhttps?://([^\s/?#@:]+)@")
_ADDRESS = re.compile(r"https?://(?:[^\s/?#@\"']*@)?([^\s/?#\"']*)([^\s?#\"']*)", re.IGNORECASE)
_HOOK = re.compile(r"/bot\d+:|webhooks?[^/]{0,40}/.*[^/]|/hooks/.*[^/]", re.IGNORECASE)


def is_secret(name: str, value: str) -> bool:
    """Whether a value is likely a secret, by itself or by its name; a reference to a variable is none."""
    text = REFERENCE.sub(_HOLE, value).strip()
    bare = text.replace(_HOLE, "").strip()
    if not bare or bare.lower() in _PLAIN:
        return False
    if holds_secret(bare) or _holds_login(text) or _holds_named(text) or _holds_address(name, text):
        return True
    return called_secret(name) and not bare.startswith("-")


def called_secret(name: str) -> bool:
    """Whether what is called so is likely a secret: `PGPASSWORD`, `SMTP_PWD`, `API_KEY_PROD`, `apiKey`."""
    if names_secret(name):
        return True
    words = [part.upper() for part in _SPELLED.split(name) if part]
    if not words or "PUBLIC" in words or words[-1] in _ABOUT or words[0] in _SWITCHES:
        return False
    return any(map(_WORD.fullmatch, words)) or bool(_TOGETHER.search("_".join(words)))


def is_webhook(host: str, path: str) -> bool:
    """Whether an address lets whoever knows it post something, so that the address itself is the secret."""
    led = host.lower().startswith(("hooks.", "hook.")) or ".webhook." in host.lower()
    return (led and bool(path.strip("/"))) or bool(_HOOK.search(path))


def _holds_login(text: str) -> bool:
    """Whether an address in a text says who one is: `redis://:password@host`."""
    parts = (found[1] or found[2] for found in _LOGIN.finditer(text))
    return any(part.strip(_HOLE) not in {"", "git"} for part in parts)


def _holds_named(text: str) -> bool:
    return any(called_secret(name) and _is_value(value) for name, value in _named(text))


def _named(text: str) -> Iterator[tuple[str, str]]:
    for shape in (_PAIR, _OPTION):
        for found in shape.finditer(text):
            name, value = found["name"], found["value"]
            # In a connection string `Pwd` is a password; where it is a folder, it is one from the root.
            yield ("password" if name.lower() == "pwd" and not value.startswith("/") else name), value


def _is_value(value: str) -> bool:
    return value.lower() not in _PLAIN | _SCHEMES and not value.startswith("$")


def _holds_address(name: str, text: str) -> bool:
    """Whether a text holds an address that is a secret, or has one for a part of its path."""
    for found in _ADDRESS.finditer(text):
        host, path = found.groups()
        if is_webhook(host, path) or any(map(holds_secret, path.split("/"))):
            return True
        if "WEBHOOK" in name.upper() and path.strip("/"):
            return True
    return False
