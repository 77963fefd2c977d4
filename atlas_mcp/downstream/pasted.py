"""From what other programs write of a server to an entry of ours: `mcpServers` and its like, or a command.

No value that is likely a secret is taken over: the entry names a variable in its place, and whoever pasted it
is told which one to set. What has no counterpart here is told too, and never dropped in silence.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.downstream.entry import NAME, Entry, checked_entry
from atlas_mcp.downstream.pasted_faults import meant
from atlas_mcp.downstream.pasted_text import Secrets, read_servers
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Pasted", "read_pasted", "take_over"]

_URLS = ("url", "serverUrl", "httpUrl", "uri")
_ENVIRONMENTS = ("env", "environment")
_KINDS = ("type", "transport", "transportType")
_HEADERS = ("headers", "http_headers", "requestInit")
_LIMITS = {"startup_timeout_sec": "start_seconds", "tool_timeout_sec": "seconds"}
"""Codex's keys for what is a limit here, in the same unit."""
_UNDERSTOOD = frozenset(
    {"command", "args", "cwd", "disabled", "enabled", "description", "title", "name"}
).union(_URLS, _ENVIRONMENTS, _KINDS, _HEADERS, _LIMITS)
_OURS = frozenset(
    {
        "ask", "cache_seconds", "cost_usd", "fetch", "files", "homepage", "limits", "needs", "read_only",
        "results", "search", "values", "web",
    }
)  # fmt: skip
"""Keys by which an entry of ours is known: no other program writes them."""
_INSTEAD = {
    "timeout": "write seconds under [limits] in its file",
    "alwaysAllow": "what an agent may use is said on its card",
    "autoApprove": "what an agent may use is said on its card",
    "trust": "what an agent may use is said on its card",
    "includeTools": "write tools in its file",
    "excludeTools": "write tools in its file",
    "disabledTools": "write tools in its file",
    "envFile": "no file of variables is read; set them in the environment that ATLAS is started in",
    "inputs": "nobody is asked; set variables in the environment that ATLAS is started in",
}
_VERSIONED = {"npx": re.compile(r"(?!-).+@[^/]+"), "uvx": re.compile(r"(?!-).*(?:==|@).+")}
_TAKES_VALUE = frozenset({"-p", "--package", "--from", "--with", "--python", "--registry", "--index"})


@dataclass(frozen=True, slots=True)
class Pasted:
    """A server as it was taken over; `told` is what a person should know of it, sentence by sentence."""

    entry: Entry
    told: tuple[str, ...]


def read_pasted(text: str, name: str = "", *, file: str = "") -> list[Pasted]:
    """The servers in a pasted text; `name` is what the only one is to be called.

    The text is JSON as Claude Desktop, Cursor or VS Code have it, with comments or without, whole or a part;
    TOML as Codex has it; or an entry of ours, which is called as the `file` that it was read from.

    Raises:
        InvalidInput: nothing can be made of the text, or of a server in it.
        InvalidConfiguration: a server in it would be no entry of ours; says which and why.
    """
    servers = read_servers(text)
    if name and len(servers) > 1:
        raise InvalidInput(
            f"There are {len(servers)} servers in it, and one name.", remedy="Leave the name out."
        )
    taken = [take_over(name or called or _own_name(given, file), given) for called, given in servers.items()]
    names = [each.entry.name for each in taken]
    if twice := next((each for each in names if names.count(each) > 1), None):
        raise InvalidInput(f"Two servers would be called {twice}.", remedy="Add them one by one, by name.")
    return taken


def _own_name(given: Mapping[str, Any], file: str) -> str:
    """The name of a server that stands alone: the one in it, or the name of the file where that is ours."""
    named = given.get("name")
    return named if isinstance(named, str) else file if _is_ours(given) else ""


def _is_ours(given: Mapping[str, Any]) -> bool:
    """Whether a server is written as an entry of ours."""
    return bool(_OURS & given.keys())


def take_over(called: str, given: Mapping[str, Any]) -> Pasted:
    """An entry made of a server as another program describes it, or as we do.

    Raises:
        InvalidInput: it has no name, or a value is not of the kind that it must be; it is not repeated.
        InvalidConfiguration: it would be no entry of ours; says why.
    """
    name = _name(called)
    told = [f"{called[:80]} is called {name} here."] if name != called else []
    secrets = Secrets(name)
    tables = _Reading(called, given, secrets).tables()
    entry = checked_entry(name, tables, f"The server {called[:80]!r}")
    told += secrets.told
    for key in () if _is_ours(given) else given:
        if key not in _UNDERSTOOD:
            near = "" if key in _INSTEAD else meant(key, _UNDERSTOOD)
            end = f"; did you mean {near}?" if near else "."
            told.append(f"{key[:40]} is not taken over: {_INSTEAD.get(key, 'it means nothing here')}{end}")
    if _is_loose(entry):
        told.append("Its package has no version, so that each start may fetch a newer one: write name@1.2.3.")
    return Pasted(entry, tuple(told))


class _Reading:
    """Reads one server's keys."""

    def __init__(self, called: str, given: Mapping[str, Any], secrets: Secrets) -> None:
        self._called = called[:80]
        self._given = {**given, **given["command"]} if isinstance(given.get("command"), dict) else {**given}
        if isinstance(given.get("command"), dict):
            self._given["command"] = self._given.pop("path", "")
        self._secrets = secrets

    def tables(self) -> dict[str, Any]:
        """The tables of an entry."""
        given, secrets, ours = self._given, self._secrets, _is_ours(self._given)
        command, args = self._command()
        if ours:
            secrets.declare(self._list("needs"), self._list("env"))
        secrets.take_environment(self._texts(("values",) if ours else _ENVIRONMENTS))
        url = self._text(*_URLS)
        tables: dict[str, Any] = {
            "title": secrets.prose(self._text("title", "name"), "Its title"),
            "description": secrets.prose(self._text("description"), "Its description")
            or f"Tools of the server {self._called}.",
            "command": command,
            "args": secrets.arguments(command, args),
            "cwd": secrets.plain(self._text("cwd"), "cwd"),
            "url": secrets.address(url) if url else "",
            "headers": secrets.headers(self._headers()),
            "needs": list(secrets.needs),
            "env": [each for each in secrets.optional if each not in secrets.needs],
            "values": secrets.values,
        }
        if "sse" in self._text(*_KINDS).lower() or (url and re.search(r"/sse/?(?:\?|\Z)", url)):
            tables["transport"] = "sse"
        if given.get("disabled") is True or given.get("enabled") is False:
            tables["enabled"] = False
        if ours:
            tables |= {key: value for key, value in given.items() if key not in {*tables, "name"}}
        else:
            tables["limits"] = {name: given[key] for key, name in _LIMITS.items() if key in given}
        return {key: value for key, value in tables.items() if value not in ("", [], {})}

    def _command(self) -> tuple[str, list[str]]:
        """The program and its arguments, however they are written.

        Raises:
            InvalidInput: they are not written so, or a variable is set in them, which may be a secret.
        """
        program, args = self._words()
        if re.match(r"[A-Za-z_]\w*=", program):
            raise self._wrong("command", "a program, its variables apart in env")
        return program, args

    def _words(self) -> tuple[str, list[str]]:
        args = self._list("args")
        if isinstance(self._given.get("command"), list):
            first, *rest = self._list("command") or [""]
            return first, [*rest, *args]
        command = self._text("command").strip()
        if " " in command and not args and not Path(command).exists():
            try:
                first, *rest = shlex.split(command)
            except ValueError:
                raise self._wrong("command", "a program, its arguments apart in args") from None
            return first, rest
        return command, args

    def _headers(self) -> dict[str, str]:
        if isinstance(inner := self._given.get("requestInit"), dict):
            self._given["requestInit"] = cast("dict[str, Any]", inner).get("headers", {})
        return self._texts(_HEADERS)

    def _text(self, *keys: str) -> str:
        value: Any = next((self._given[key] for key in keys if self._given.get(key) is not None), "")
        if not isinstance(value, str):
            raise self._wrong(keys[0], "a text")
        return value

    def _list(self, key: str) -> list[str]:
        value: Any = self._given.get(key)
        parts = cast("list[Any]", value) if isinstance(value, list) else [] if value is None else None
        if parts is None or not all(isinstance(each, str | int | float) for each in parts):
            raise self._wrong(key, "a list of texts")
        return [_plain(each) for each in parts]

    def _texts(self, keys: Sequence[str]) -> dict[str, str]:
        value: Any = next((self._given[key] for key in keys if self._given.get(key) is not None), None)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._wrong(keys[0], "names with texts")
        pairs = cast("dict[str, Any]", value)
        if not all(isinstance(each, str | int | float) for each in pairs.values()):
            raise self._wrong(keys[0], "names with texts")
        return {name: _plain(each) for name, each in pairs.items()}

    def _wrong(self, key: str, kind: str) -> InvalidInput:
        return InvalidInput(f"The server {self._called!r}: {key} is not {kind}.", remedy="Correct it there.")


def _plain(value: object) -> str:
    """A value as a program would get it: true and false as JSON writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(called: str) -> str:
    """What a server is called here: its own name in small letters, without what cannot stand in a grant."""
    if not called:
        raise InvalidInput("It has no name.", remedy="Give it a name: atlas-mcp servers add NAME '…'")
    if NAME.fullmatch(called):
        return called
    name = re.sub(r"[^a-z0-9_-]+", "-", called.lower()).strip("-_")[:32].rstrip("-_")
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{called[:80]!r} is no name of a server.",
            remedy="Give it one of small letters, digits, - and _: atlas-mcp servers add NAME …",
        )
    return name


def _is_loose(entry: Entry) -> bool:
    """Whether a package is started in whichever version is newest."""
    versioned = _VERSIONED.get(Path(entry.command).stem)
    if versioned is None:
        return False
    before = ""
    for arg in entry.args:
        named = before in {"-p", "--package", "--from"}
        if named or (not arg.startswith("-") and before not in _TAKES_VALUE):
            return not versioned.fullmatch(arg) and not arg.startswith((".", "/", "git+", "http"))
        before = arg
    return False
