"""Paths that agents give to downstream tools, and those of new files, are in folders that a person named."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import ToolRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.launch import Places
    from atlas_mcp.downstream.store import Store

__all__ = ["free_path", "within"]


def within(entry: Entry, arguments: Mapping[str, Any], places: Places, *, reads: bool) -> dict[str, Any]:
    """The arguments with the paths in them absolute; what an entry's `paths` names is one.

    A tool that reads may name what lies in `[roots] read` or in the output folder, one with effects only
    what lies in the latter. A name alone means a file there.

    Raises:
        ToolRefused: a path leads elsewhere, also by `..` or a link.
    """
    checked = dict(arguments)
    for name in entry.paths:
        if name in checked:
            checked[name] = _checked(checked[name], places, reads=reads)
    return checked


def _checked(value: Any, places: Places, *, reads: bool) -> Any:
    if isinstance(value, list):
        return [_checked(each, places, reads=reads) for each in cast("list[Any]", value)]
    if not isinstance(value, str):
        return value
    folders = [places.output.expanduser().resolve()]
    if reads:
        folders += [root.expanduser().resolve() for root in places.roots]
    try:
        path = (folders[0] / Path(value).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError):
        path = None
    if path is None or not any(path.is_relative_to(folder) for folder in folders):
        named = ", ".join(map(str, folders))
        raise ToolRefused(
            f"{value[:200]} is outside of what may be {'read' if reads else 'written'}.",
            remedy=f"Name a path below {named}.",
        )
    return str(path)


async def free_path(store: Store, folder: Path, name: str, owner: str) -> str:
    """A path in a folder, which is made if need be, for a new file: `report.docx`, else `report-2.docx`.

    It is promised to `owner` and to nobody else, though the file is made later.

    Raises:
        OSError: the folder cannot be made.
    """
    folder, number = await asyncio.to_thread(_made, folder), 1
    path = folder / name
    while not await store.promise(str(path), owner):
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return str(path)


def _made(folder: Path) -> Path:
    folder = folder.expanduser().resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
