"""The entry of ATLAS in a client's configuration: made, recognised, and brought up to date.

Values of secrets stand in no entry unless a person asks for it: an entry names the variable, where the client
can look it up.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from atlas_mcp.errors import InvalidInput
from atlas_mcp.install.machine import LOCAL
from atlas_mcp.install.starting import place_of_atlas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.install.client import ClientFile
    from atlas_mcp.install.machine import Machine

__all__ = [
    "LOCAL", "READ", "SERVE", "VARIABLES", "Wish", "arguments_of", "is_address", "is_as_made", "is_broken",
    "is_loopback", "is_ours", "keeps", "made", "passed", "refreshed", "starts_alike", "unseen",
]  # fmt: skip

SERVE = ("serve",)
"""What ATLAS is started with where nobody chose otherwise."""

READ = "ATLAS_ROOTS__READ"
HOME = "ATLAS_HOME"
PATH = "PATH"
VARIABLES = (
    "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CHROMA_CLIENT_AUTH_CREDENTIALS", "LETTA_API_KEY",
    "LETTA_BASE_URL", "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "NEO4J_PASSWORD", "NEO4J_USERNAME", "OLLAMA_API_KEY",
    "OLLAMA_HOST", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
)  # fmt: skip
"""Variables of the environment that ATLAS reads beside its own."""

_OWN = re.compile(r"ATLAS_[A-Z0-9_]+")
_STARTS = re.compile(r"\{(?:command|args)\}")
_FOLDER = re.compile(r"(?:\$\{[^}]*\}|[^:])+")
"""One of a PATH; a variable in it has a colon of its own."""
_PLACEHOLDER = re.compile(r"\{(command|args|env|names|url)\}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants the entry to hold."""

    read: tuple[Path, ...] | None = None
    """Folders that the client may name documents in; None leaves what is there."""
    variables: tuple[str, ...] = ()
    """Variables to pass by name because a person said so."""
    needed: tuple[str, ...] = ()
    """Variables of the person's providers and servers, by their files; passed by name where they are set."""
    copied: tuple[str, ...] = ()
    """Variables whose values are written into the file, secret or not."""
    url: str | None = None
    """The address of an ATLAS that serves over HTTP; None starts it over stdio."""
    token: bool = False
    """Whether that address asks for a token."""


def passed(machine: Machine, wish: Wish) -> tuple[str, ...]:
    """The names of the variables that ATLAS needs and that are set here, beside its folders."""
    ours = (name for name, value in machine.environment.items() if value and _OWN.fullmatch(name))
    # Every client gives a PATH, or the entry brings one, which no name may take the place of.
    needed = (name for name in wish.needed if name != PATH)
    known = (name for name in (*VARIABLES, *needed) if machine.environment.get(name))
    names = {*ours, *known, *wish.variables} - {HOME, READ, *wish.copied}
    return tuple(sorted(names))


def unseen(client: ClientFile, machine: Machine, wish: Wish) -> tuple[str, ...]:
    """The names of variables that are set here and that ATLAS will not be given by this client."""
    return passed(machine, wish) if client.variables == "none" and wish.url is None else ()


def made(
    client: ClientFile, machine: Machine, wish: Wish, arguments: Sequence[str] = SERVE
) -> dict[str, Any]:
    """A new entry; `arguments` are those of ATLAS itself.

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
    if client.short_path and (folders := machine.program_folders()):
        further = [client.variables.replace("NAME", PATH)] if "NAME" in client.variables else []
        env[PATH] = ":".join([*folders, *further])
    if "NAME" in client.variables:
        env |= {name: client.variables.replace("NAME", name) for name in names}
    env |= {name: machine.environment[name] for name in wish.copied}
    command, *more = machine.command
    values = {"command": command, "args": [*more, *arguments], "env": env, "names": list(names)}
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
            held = cast("dict[str, Any]", there)
            result[key] = {**held, **value, **_path_of_both(held, cast("dict[str, Any]", value))}
        elif template.get(key) == "{names}" and isinstance(there, list):
            result[key] = [*there, *(name for name in value if name not in there)]
        elif there is None or _PLACEHOLDER.search(json.dumps(template.get(key))):
            result[key] = value
    return result


def _path_of_both(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """The folders of programs that a person has in an entry, then those that are new."""
    paths = [table[PATH] for table in (old, new) if isinstance(table.get(PATH), str)]
    folders = dict.fromkeys(folder for path in paths for folder in _FOLDER.findall(path))
    return {PATH: ":".join(folders)} if paths else {}


def keeps(old: Any, new: Any) -> bool:
    """Whether all that stands in an old entry stands in a new one too, so that nothing of it is lost."""
    match old:
        case dict():
            table = cast("dict[str, Any]", old)
            there = cast("dict[str, Any]", new) if isinstance(new, dict) else {}
            return all(key in there and keeps(value, there[key]) for key, value in table.items())
        case list():
            rest = iter(cast("list[Any]", new) if isinstance(new, list) else ())
            return all(one in rest for one in cast("list[Any]", old))  # in their order
        case _:
            return old == new


def is_ours(entry: Any, addresses: Sequence[str] = (LOCAL,)) -> bool:
    """Whether an entry starts ATLAS, in whatever way, or names one of its addresses."""
    words = _words(cast("Any", entry)) if isinstance(entry, dict) else ()
    if place_of_atlas(words) is not None:
        return True
    return any(_is_same_address(word, each) for word in words for each in addresses)


def is_as_made(client: ClientFile, machine: Machine, entry: Mapping[str, Any]) -> bool:
    """Whether an entry holds nothing but what ATLAS writes itself, so that nothing is lost with it."""
    if is_address(client, entry):
        url = next(str(entry[key]) for key, value in client.http.items() if value == "{url}" and key in entry)
        return keeps(dict(entry), made(client, machine, Wish(url=url, token=True)))
    given = {key for key, value in client.stdio.items() if value in ("{env}", "{names}")}
    return keeps(
        {key: value for key, value in entry.items() if key not in given}, made(client, machine, Wish())
    ) and all(_is_passed(client, machine, entry[key]) for key in given & entry.keys())


def _is_passed(client: ClientFile, machine: Machine, given: Any) -> bool:
    """Whether variables are given as ATLAS writes them: by name, or with the value that they have here."""
    if isinstance(given, list):
        known = [*machine.environment, *VARIABLES]
        return all(one in known for one in cast("list[Any]", given))
    return isinstance(given, dict) and all(
        name in {HOME, READ, PATH}
        or value in (client.variables.replace("NAME", name), machine.environment.get(name))
        for name, value in cast("dict[str, Any]", given).items()
    )


def arguments_of(client: ClientFile, entry: Mapping[str, Any]) -> tuple[str, ...]:
    """What a person has ATLAS started with; `serve` alone where it would not serve otherwise."""
    keys = [key for key, value in client.stdio.items() if _STARTS.search(json.dumps(value))]
    words = _words({key: entry[key] for key in keys if key in entry})
    place = place_of_atlas(words)
    given = tuple(words[place + 1 :]) if place is not None else ()
    return given if SERVE[0] in given else SERVE


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


def _is_same_address(one: str, other: str) -> bool:
    """Whether two addresses are the same, in whichever way this machine is named in them."""
    try:
        (a, b), ports = (urlsplit(one), urlsplit(other)), {urlsplit(each).port for each in (one, other)}
    except ValueError:
        return False
    same_host = a.hostname == b.hostname or (is_loopback(one) and is_loopback(other))
    same_place = (a.scheme, a.path.rstrip("/")) == (b.scheme, b.path.rstrip("/"))
    return bool(a.hostname) and same_host and same_place and len(ports) == 1


def _words(entry: Any, key: str = "") -> Sequence[str]:
    """The texts of an entry in order, but those of variables and headers; the command comes first."""
    match entry:
        case str():
            return [entry] if key not in {"type", "transport"} else []
        case list():
            return [word for one in cast("list[Any]", entry) for word in _words(one)]
        case dict():
            table = cast("dict[str, Any]", entry)
            first = ("command", "path", "args")
            order = sorted(table, key=lambda name: first.index(name) if name in first else len(first))
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
