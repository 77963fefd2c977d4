"""Finds the servers in a pasted text, and keeps secrets of them out of what is stored."""

from __future__ import annotations

import json
import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.downstream.entry import VARIABLE
from atlas_mcp.downstream.pasted_faults import MARKS, PLACES, inside, no_server, unreadable
from atlas_mcp.downstream.pasted_secrets import REFERENCE, called_secret, is_secret, is_webhook
from atlas_mcp.errors import InvalidInput
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Secrets", "read_servers"]

_COMMENTS = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PAIR = re.compile(r"(-{0,2}[A-Za-z_][\w.-]*)=(?!=)(.*)", re.DOTALL)
_PAIRS = re.compile(r"[^=;]+=[^;]*;[^=;]+=.*", re.DOTALL)
"""A connection string: several pairs in one argument, parted by semicolons."""
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*)(:\s*)(.*)", re.DOTALL)
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|Bot|ApiKey)\s+", re.IGNORECASE)
_ADDRESS = re.compile(r"(https?://)(?:([^/?#@]*)@)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_PLACEHOLDER = re.compile(r"<[^>]*>|\.\.\.|…|x{3,}|\*{3,}|.*\b(?:your|insert|replace)[ _-].*", re.IGNORECASE)
_ASKED = frozenset({"code", "k", "sig"})
"""Further names under which an address carries what lets one in."""
_SET = "in the environment that ATLAS is started in"


def read_servers(text: str) -> dict[str, dict[str, Any]]:
    """The servers in a text, by the names that they have there.

    Raises:
        InvalidInput: it can be read neither as JSON nor as TOML, or holds no server.
    """
    value = _parsed(text)
    for place in PLACES:
        if found := _servers(inside(value, place) or {}):
            return found
    if MARKS & value.keys():
        return {"": value}
    if found := _servers(value):
        return found
    raise no_server(value)


def _servers(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The tables of servers by name; none if anything else stands beside them."""
    tables = {name: cast("dict[str, Any]", each) for name, each in value.items() if isinstance(each, dict)}
    are = len(tables) == len(value) and all(MARKS & each.keys() for each in tables.values())
    return tables if are else {}


def _parsed(text: str) -> dict[str, Any]:
    text = text.strip().removeprefix("\ufeff")
    plain = _TRAILING.sub(lambda found: found[1] or "", _COMMENTS.sub(lambda found: found[1] or " ", text))
    for written in (text, plain, f"{{{plain.rstrip(',')}}}"):
        try:
            value: Any = json.loads(written)
        except ValueError:
            continue
        except RecursionError:
            break
        else:
            if isinstance(value, dict):
                return cast("dict[str, Any]", value)
    try:
        return tomllib.loads(text)
    except ValueError:
        raise unreadable(text) from None


class Secrets:
    """Puts variables in the place of one server's secrets; `told` says which to set."""

    def __init__(self, server: str) -> None:
        self._server = server.upper().replace("-", "_")
        self._made: dict[str, str] = {}
        self._declared = set[str]()
        self.needs: dict[str, None] = {}
        self.optional: dict[str, None] = {}
        self.values: dict[str, str] = {}
        self.told: list[str] = []

    def declare(self, needed: Sequence[str], optional: Sequence[str]) -> None:
        """Take over variables that an entry of ours names already; nobody need be told of these."""
        self._declared.update(needed, optional)
        self.needs.update(dict.fromkeys(needed))
        self.optional.update(dict.fromkeys(optional))

    def take_environment(self, given: Mapping[str, str]) -> None:
        """Variables that are set for the server: secret ones are needed from outside, plain ones kept."""
        for name, value in given.items():
            if not _VARIABLE.fullmatch(name):
                raise InvalidInput(f"{name[:40]!r} is no name of a variable.", remedy="Correct it there.")
            own = value.startswith("${input:") or _is_placeholder(value)
            if own or is_secret(name, value):
                self._need(name, f"The value of {name} is not stored")
            elif not value:
                self.optional[name] = None
            elif (plain := self._references(value, f"The value of {name}")) != f"${{{name}}}":
                self.values[name] = _sound(plain)

    def arguments(self, command: str, args: Sequence[str]) -> list[str]:
        """Arguments of a program, their secrets replaced."""
        taken: list[str] = []
        before = ""
        for arg in args:
            taken.append(self._argument(before, arg))
            before = arg
        if Path(command).stem in {"docker", "podman"}:
            self._passed_on(taken)
        return taken

    def _argument(self, before: str, arg: str) -> str:
        if _ADDRESS.fullmatch(arg):
            return self.address(arg)
        if before in {"--header", "-H"} and (header := _HEADER.fullmatch(arg)):
            return f"{header[1]}{header[2]}{self._header(header[1], header[3])}"
        named = before if before.startswith("-") else ""
        pair = _PAIR.fullmatch(arg)
        if pair and not called_secret(named) and not (_PAIRS.fullmatch(arg) and is_secret("", arg)):
            name, value = pair[1], pair[2]
            if name.startswith("-"):
                return f"{name}={self._argument(name, value)}"
            return f"{name}={self._hidden(name, value, name, f'The value of {name}', own=True)}"
        where = f"The argument after {named}" if named else "An argument"
        return self._hidden(named, arg, named or "SECRET", where)

    def _passed_on(self, args: Sequence[str]) -> None:
        """Variables that a container is given by name."""
        for flag, name in pairwise(args):
            if flag in {"-e", "--env"} and _VARIABLE.fullmatch(name) and name not in self.values:
                self.optional[name] = None

    def headers(self, given: Mapping[str, str]) -> dict[str, str]:
        """Headers, their secrets replaced."""
        return {name: self._header(name, value) for name, value in given.items()}

    def _header(self, name: str, value: str) -> str:
        hint = "TOKEN" if name.lower() == "authorization" else re.sub(r"(?i)\Ax-", "", name)
        return self._hidden(name, value, hint, f"The header {name}")

    def address(self, url: str) -> str:
        """An address without a password, nor secrets in its path, its query or behind them."""
        url = self._references(url, "The address")
        found = _ADDRESS.fullmatch(url)
        if found is None:
            return _sound(url)
        scheme, who, host, path, query, behind = (part or "" for part in found.groups())
        if VARIABLE.sub("", who):
            who = f"${{{self._need(self._derived('LOGIN', who), 'Who one is in the address is not stored')}}}"
        if is_webhook(host, VARIABLE.sub("", path)):
            path = f"/${{{self._need(self._derived('PATH', path), 'The path of the address is not stored')}}}"
        parts = [self._hidden("", part, "KEY", "A part of the address") for part in path.split("/")]
        asked = "".join(f"{mark}{self._asked(each)}" for mark, each in (("?", query), ("#", behind)) if each)
        return f"{scheme}{f'{who}@' if who else ''}{host}{'/'.join(parts)}{asked}"

    def _asked(self, query: str) -> str:
        """The query of an address, or what is behind its #, which is often written like one."""
        pairs: list[str] = []
        for pair in query.split("&"):
            name, equals, value = pair.partition("=") if "=" in pair else ("", "", pair)
            named = "secret" if name.lower() in _ASKED else name
            where = f"{name or 'A part'} in the address"
            pairs.append(f"{name}{equals}{self._hidden(named, value, name or 'KEY', where)}")
        return "&".join(pairs)

    def prose(self, text: str, where: str) -> str:
        """What is told of a server, without a key that stands in it."""
        plain: str = redacted(text)
        if plain != text:
            self.told.append(f"{where} held what looks like a secret; it was taken out.")
        return _sound(plain)

    def plain(self, text: str, where: str) -> str:
        """A text with its references as ours."""
        return _sound(self._references(text, where))

    def _hidden(self, name: str, value: str, hint: str, where: str, *, own: bool = False) -> str:
        """A value, or a variable in its place where it is a secret; how one is shown to be sent stays.

        `hint` is what the variable is named after, or where it is the server's `own`, its name.
        """
        value = self._references(value, where)
        scheme = found[0] if (found := _SCHEME.match(value)) else ""
        bare = VARIABLE.sub("", value[len(scheme) :])
        if not bare.strip() or not (is_secret(name, value[len(scheme) :]) or _is_placeholder(bare)):
            return _sound(value)
        variable = hint if own and _VARIABLE.fullmatch(hint) else self._derived(hint, bare)
        return f"{scheme}${{{self._need(variable, f'{where} is not stored')}}}"

    def _references(self, text: str, where: str) -> str:
        """A text in which variables are written as here; each of them is needed."""

        def ours(found: re.Match[str]) -> str:
            kind, name, default = found.groups()
            if name == "userHome":
                return str(Path.home())
            if kind == "input":
                return f"${{{self._need(self._derived(name, found[0]), f'{where} asks for a value')}}}"
            if not _VARIABLE.fullmatch(name) or (kind is None and name[:1].islower() and not name.islower()):
                raise InvalidInput(
                    f"{where}: {found[0][:60]} stands for nothing here.",
                    remedy="Write what it stands for there.",
                )
            aside = "; what stands for it where it is unset is not taken over" if default else ""
            return f"${{{self._need(name, f'{where} names a variable{aside}')}}}"

        return REFERENCE.sub(ours, text)

    def _derived(self, hint: str, secret: str) -> str:
        """A name for the variable of a secret: the server's, and what it is; the same secret has the same."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", hint).strip("_").upper()
        first = words if words.startswith(f"{self._server}_") else f"{self._server}_{words}"
        first = first if _VARIABLE.fullmatch(first) else f"MCP_{first}"
        name, number = first, 1
        while self._made.setdefault(name, secret) != secret:
            number += 1
            name = f"{first}_{number}"
        return name

    def _need(self, variable: str, why: str) -> str:
        if variable in self._declared:
            return variable
        if variable not in self.needs:
            self.told.append(f"{why}: set {variable} {_SET}.")
        self.needs[variable] = None
        return variable


def _is_placeholder(value: str) -> bool:
    return bool(_PLACEHOLDER.fullmatch(value.strip()))


def _sound(text: str) -> str:
    """A text that can be written to a file."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput("A text in it holds half a character.", remedy="Correct it there.") from None
    return text
