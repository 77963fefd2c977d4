"""A configuration's text in whichever format: what it holds, and how one entry is put in or taken out.

Every change is read again afterwards: the text must hold what it held, and the entry, or nothing is changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.install import jsonc_edit, toml
from atlas_mcp.install.jsonc import read_json
from atlas_mcp.install.spot import Unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from atlas_mcp.install.client import ClientFile

__all__ = ["Notation"]


class Notation:
    """A client's format, and the file whose text it is, for what is said when something is wrong."""

    def __init__(self, client: ClientFile, path: Path) -> None:
        self._client = client
        self._path = path
        self._comments = client.format == "jsonc"

    def entry(self, text: str, name: str) -> Any:
        """The entry of that name; None where there is none.

        Raises:
            InvalidConfiguration: the text is not valid; names line and column.
        """
        inside = self._read(text)
        for key in (*self._client.servers, name):
            inside = cast("dict[str, Any]", inside).get(key) if isinstance(inside, dict) else None
        return inside

    def put(self, text: str, name: str, entry: dict[str, Any]) -> str:
        """The text with the entry.

        Raises:
            InvalidConfiguration: the text is not valid, or the entry cannot be put in without harm.
        """
        path = (*self._client.servers, name)
        wished = _with(self._read(text), path, entry)
        try:
            if self._client.format == "toml":
                changed = toml.put(text, path, entry)
            else:
                changed = jsonc_edit.put(text, path, entry, comments=self._comments)
        except Unreadable as error:
            raise self._wrong(error) from None
        return self._checked(changed, wished)

    def drop(self, text: str, name: str) -> str:
        """The text without the entry of that name.

        Raises:
            InvalidConfiguration: the text is not valid, or the entry cannot be taken out without harm.
        """
        path = (*self._client.servers, name)
        wished = _without(self._read(text), path)
        try:
            if self._client.format == "toml":
                changed = toml.drop(text, path)
            else:
                changed = jsonc_edit.drop(text, path, comments=self._comments)
        except Unreadable as error:
            raise self._wrong(error) from None
        return self._checked(changed, wished)

    def shown(self, name: str, entry: dict[str, Any]) -> str:
        """The entry as it stands in a file that holds nothing else."""
        return self.put("", name, entry)

    def _read(self, text: str) -> Any:
        try:
            if self._client.format == "toml":
                return toml.read_toml(text)
            commas = self._comments and self._client.trailing_commas
            path = self._client.servers
            return (
                read_json(text, comments=self._comments, commas=commas, path=path).value
                if text.strip()
                else {}
            )
        except Unreadable as error:
            raise self._wrong(error) from None

    def _checked(self, changed: str, wished: Any) -> str:
        try:
            held = self._read(changed)
            sound = _bare(held) == _bare(wished) if self._client.format == "toml" else held == wished
        except InvalidConfiguration:
            sound = False
        if not sound:
            raise InvalidConfiguration(
                f"{self._path} is written in a way in which the entry cannot be changed without harm"
                f" (an inline table {self._client.servers[-1]}, say).",
                remedy="Change it by hand: `atlas-mcp install NAME --print` shows the entry."
                " The file was left as it is.",
            )
        return changed

    def _wrong(self, error: Unreadable) -> InvalidConfiguration:
        kind = {"json": "JSON", "jsonc": "JSON with comments", "toml": "TOML"}[self._client.format]
        return InvalidConfiguration(
            f"{self._path}, line {error.line}, column {error.column}: {error.says}. It is not valid {kind}.",
            remedy="Correct that line, then try again; the file was left as it is.",
        )


def _with(value: Any, path: Sequence[str], entry: dict[str, Any]) -> Any:
    """A value with an entry at the end of a path; as it is where something else than a table lies on it."""
    if not isinstance(value, dict):
        return value
    table = cast("dict[str, Any]", value)
    key, *rest = path
    return {**table, key: _with(table.get(key, {}), rest, entry) if rest else entry}


def _without(value: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    key, *rest = path
    if rest:
        return {**value, key: _without(value[key], rest)}
    return {name: one for name, one in value.items() if name != key}


def _bare(value: Any) -> Any:
    """A value without tables that are empty: TOML does not write those that only lead to others."""
    if not isinstance(value, dict):
        return value
    inner = {key: _bare(one) for key, one in cast("dict[str, Any]", value).items()}
    return {key: one for key, one in inner.items() if one != {}}
