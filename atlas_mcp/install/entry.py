"""The entry of ATLAS in a client's configuration: made, recognised, and brought up to date.

Values of secrets stand in no entry unless a person asks for it: an entry names the variable, where the client
can look it up.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.install.client import ClientFile
    from atlas_mcp.install.machine import Machine

__all__ = [
    "LOCAL", "READ", "VARIABLES", "Wish", "is_address", "is_broken", "is_loopback", "is_ours", "made",
    "passed", "refreshed", "starts_alike", "unseen",
]  # fmt: skip

LOCAL = "http://127.0.0.1:8765/mcp"
"""Where `atlas-mcp serve --http` answers."""

READ = "ATLAS_ROOTS__READ"
HOME = "ATLAS_HOME"
VARIABLES = (
    "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CHROMA_CLIENT_AUTH_CREDENTIALS", "LETTA_API_KEY",
    "LETTA_BASE_URL", "NEO4J_PASSWORD", "NEO4J_USERNAME", "OLLAMA_API_KEY", "OLLAMA_HOST", "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
)  # fmt: skip
"""Variables of the environment that ATLAS reads beside its own."""

_OWN = re.compile(r"ATLAS_[A-Z0-9_]+")
_PLACEHOLDER = re.compile(r"\{(command|args|env|names|url)\}")
_RUNNERS = frozenset({"uv", "uvx", "pipx"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants the entry to hold."""

    read: tuple[Path, ...] | None = None
    """Folders that the client may name documents in; None leaves what is there."""
    variables: tuple[str, ...] = ()
    """Variables to pass by name because a person said so."""
    keys: tuple[str, ...] = ()
    """Variables that hold keys of providers by the person's settings; passed by name where they are set."""
    copied: tuple[str, ...] = ()
    """Variables whose values are written into the file, secret or not."""
    url: str | None = None
    """The address of an ATLAS that serves over HTTP; None starts it over stdio."""
    token: bool = False
    """Whether that address asks for a token."""


def passed(machine: Machine, wish: Wish) -> tuple[str, ...]:
    """The names of the variables that ATLAS needs and that are set here, beside its folders."""
    ours = (name for name, value in machine.environment.items() if value and _OWN.fullmatch(name))
    known = (name for name in (*VARIABLES, *wish.keys) if machine.environment.get(name))
    names = {*ours, *known, *wish.variables} - {HOME, READ, *wish.copied}
    return tuple(sorted(names))


def unseen(client: ClientFile, machine: Machine, wish: Wish) -> tuple[str, ...]:
    """The names of variables that are set here and that ATLAS will not be given by this client."""
    return passed(machine, wish) if client.variables == "none" and wish.url is None else ()


def made(client: ClientFile, machine: Machine, wish: Wish) -> dict[str, Any]:
    """A new entry.

    Raises:
        InvalidInput: the client takes no address from its file, or cannot look up a variable by name.
    """
    if wish.url is not None:
        if not client.http:
            raise InvalidInput(
                f"{client.title} takes no address from its file.", remedy=client.remote or "Leave --http out."
            )
        return _filled({**client.http, **(client.token if wish.token else {})}, {"url": wish.url})
    if wish.variables and client.variables == "none":
        raise InvalidInput(
            f"{client.title} looks up no variable by name.",
            remedy=f"--copy-env {wish.variables[0]} writes its value into the file, in plain text.",
        )
    names = passed(machine, wish)
    env: dict[str, str] = {}
    if home := machine.environment.get(HOME):
        env[HOME] = home
    if wish.read:
        env[READ] = json.dumps([str(folder) for folder in wish.read], ensure_ascii=False)
    if "NAME" in client.variables:
        env |= {name: client.variables.replace("NAME", name) for name in names}
    env |= {name: machine.environment[name] for name in wish.copied}
    command, *more = machine.command
    values = {"command": command, "args": [*more, "serve"], "env": env, "names": list(names)}
    return _filled(client.stdio, values)


def refreshed(client: ClientFile, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of ours brought up to date: what a person set or added stays, how ATLAS is reached is new."""
    if is_address(client, old) != is_address(client, new):
        return dict(new)
    template = client.http if is_address(client, new) else client.stdio
    result = dict(old)
    for key, value in new.items():
        there = old.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            result[key] = {**there, **value}
        elif template.get(key) == "{names}" and isinstance(there, list):
            result[key] = [*there, *(name for name in value if name not in there)]
        elif there is None or _PLACEHOLDER.search(json.dumps(template.get(key))):
            result[key] = value
    return result


def is_ours(entry: Any) -> bool:
    """Whether an entry starts ATLAS, in whatever way, or names an address of it on this machine."""
    words = _words(cast("Any", entry)) if isinstance(entry, dict) else ()
    if not words:
        return False
    program = _stem(words[0])
    if program == "atlas-mcp" or ("-m", "atlas_mcp") in pairwise(words):
        return True
    if program in _RUNNERS and any(re.fullmatch(r"atlas-mcp(?:[\[=@<>~!].*)?", word) for word in words):
        return True
    return any(is_loopback(word) and urlsplit(word).path.rstrip("/") == "/mcp" for word in words)


def starts_alike(one: Any, other: Any) -> bool:
    """Whether two entries start ATLAS by the same command, or name the same address."""
    return list(_words(one)) == list(_words(other))


def is_broken(entry: Any) -> bool:
    """Whether an entry names a program by its whole path, and it is not there."""
    words = _words(entry)
    return bool(words) and Path(words[0]).is_absolute() and not Path(words[0]).exists()


def is_address(client: ClientFile, entry: Mapping[str, Any]) -> bool:
    """Whether an entry names an address, and does not start a program."""
    return any(key in entry for key, value in client.http.items() if value == "{url}")


def is_loopback(url: str) -> bool:
    """Whether an address is one of this machine, which no other can reach."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _stem(command: str) -> str:
    name = (PureWindowsPath if "\\" in command else PurePosixPath)(command).name.lower()
    return name.removesuffix(".exe")


def _words(entry: Any, key: str = "") -> Sequence[str]:
    """The texts of an entry in order, but those of variables and headers; the command comes first."""
    match entry:
        case str():
            return [entry] if key not in {"type", "transport"} else []
        case list():
            return [word for one in cast("list[Any]", entry) for word in _words(one)]
        case dict():
            table = cast("dict[str, Any]", entry)
            order = sorted(table, key=lambda name: (name != "command", name != "args"))
            named = [
                name
                for name in order
                if name not in {"env", "environment", "env_vars", "headers", "http_headers"}
            ]
            return [word for name in named for word in _words(table[name], name)]
        case _:
            return []


def _filled(template: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A template with its placeholders filled in; what is empty is left out."""
    filled = {key: _fill(value, values) for key, value in template.items()}
    return {key: value for key, value in filled.items() if value not in ({}, [], "")}


def _fill(template: Any, values: Mapping[str, Any]) -> Any:
    match template:
        case str():
            found = _PLACEHOLDER.fullmatch(template)
            if found:
                return values.get(found[1], "")
            return _PLACEHOLDER.sub(lambda part: str(values.get(part[1], "")), template)
        case list():
            result = list[Any]()
            for one in cast("list[Any]", template):
                filled = _fill(one, values)
                result += cast("list[Any]", filled) if isinstance(filled, list) else [filled]
            return result
        case dict():
            return _filled(cast("dict[str, Any]", template), values)
        case _:
            return template
