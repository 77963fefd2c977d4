"""Entries of third-party servers as a person's own files, so that a whole ATLAS finds them as it would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.catalogue import shipped
from atlas_mcp.downstream.entry import load_entry

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.downstream.entry import Entry

__all__ = ["configure", "entry"]


def entry(name: str) -> Entry:
    """The entry that ships under a name."""
    return load_entry(shipped("servers") / f"{name}.toml")


def configure(home: Path, *entries: Entry) -> None:
    """Write entries to the configuration in a data folder, in place of those that ship."""
    folder = home / "config" / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    for each in entries:
        told = each.model_dump(mode="json", exclude_unset=True, exclude_none=True, exclude={"name"})
        lines = (f"{key} = {_toml(value)}\n" for key, value in told.items())
        (folder / f"{each.name}.toml").write_text("".join(lines), "utf-8")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, cast("list[Any]", value))) + "]"
    return json.dumps(value, ensure_ascii=False)
