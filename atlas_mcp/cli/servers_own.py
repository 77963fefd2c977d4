"""`atlas-mcp servers enable`, `disable` and `remove`: a person's own files of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.servers_opening import lacks, origin, server_file, server_names
from atlas_mcp.cli.terminal import leaving, stderr, stdout
from atlas_mcp.errors import InvalidInput, UnknownServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.settings import Settings

__all__ = ["disable_server", "enable_server", "remove_server"]

Name = Annotated[str, typer.Argument(help="Which server.", autocompletion=server_names)]


def enable_server(name: Name) -> None:
    """Let teams use a server: writes `enabled = true` into your file of it."""
    with leaving():
        _switch(name, enabled=True)


def disable_server(name: Name) -> None:
    """Let no team use a server: writes `enabled = false` into your file of it."""
    with leaving():
        _switch(name, enabled=False)


def _switch(name: str, *, enabled: bool) -> None:
    from atlas_mcp.catalogue import shipped
    from atlas_mcp.downstream.entry import load_entry
    from atlas_mcp.downstream.own import keep, own_file, read_own, switched
    from atlas_mcp.settings import Settings

    settings = Settings.load()
    file = _known(settings, name)
    if origin(settings, file) == "the project's":
        raise InvalidInput(
            f"{name} is the project's server, in {file}.",
            remedy=f"Write enabled = {str(enabled).lower()} there, then trust the project anew.",
        )
    own = own_file(settings.config, name)
    text, below = read_own(own), shipped("servers") / f"{name}.toml"
    already = not text and load_entry(file).enabled == enabled
    changed = text if already else switched(text, name, own, enabled=enabled)
    if changed != text:
        keep({own: changed})
        file = own
    entry = load_entry(file, below if below.is_file() else None)
    said = f"{entry.shown_title} is {'on' if enabled else 'off'}{'' if changed != text else ' already'}"
    stdout().print(f"{said}, in {file}", soft_wrap=True, markup=False)
    if enabled:
        for line in _next(settings, entry):
            stderr().print(line, soft_wrap=True, markup=False)


def _next(settings: Settings, entry: Entry) -> Iterator[str]:
    """How a server stands that was turned on, and what to type next."""
    if error := lacks(settings, entry):
        yield f"! It cannot be used yet: {error.message}"
        yield f"  {error.remedy}"
    else:
        yield f"It is ready. Try it: atlas-mcp servers test {entry.name}"
    if not settings.roots.read and "{roots}" in entry.args:
        from atlas_mcp.downstream.launch import ROOTS

        yield (
            "With atlas-mcp run it reads the working directory. For MCP clients, name its folders in two"
            f" lines at the end of {settings.file}:"
        )
        yield ROOTS


def remove_server(name: Name) -> None:
    """Remove your own file of a server; one that shipped counts again as it shipped."""
    from atlas_mcp.downstream.own import own_file
    from atlas_mcp.settings import Settings

    with leaving():
        settings = Settings.load()
        own = own_file(settings.config, name)
        if not own.is_file():
            file = _known(settings, name)
            raise InvalidInput(
                f"{name} is not yours to remove: {file} ({origin(settings, file)}).",
                remedy=f"Turn it off: atlas-mcp servers disable {name}",
            )
        own.unlink()
        after = server_file(settings, name)
        left = f"; {after} ({origin(settings, after)}) counts now" if after else ""
        stdout().print(f"{own} is removed{left}", soft_wrap=True, markup=False)


def _known(settings: Settings, name: str) -> Path:
    """The file of a server.

    Raises:
        UnknownServer: there is none of that name.
    """
    file = server_file(settings, name)
    if file is None:
        names = ", ".join(server_names("")) or "none"
        raise UnknownServer(
            f"There is no server {name[:80]!r}.",
            remedy=f"There are {names}. To make one: atlas-mcp servers add {name[:80]} …",
        )
    return file
