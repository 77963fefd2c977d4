"""How commands get at the downstream servers: their files, their pins and themselves, without any team."""

from __future__ import annotations

import logging
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from atlas_mcp.errors import AtlasError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.downstream.servers import Servers
    from atlas_mcp.settings import Settings

__all__ = ["agreed", "opened_servers", "origin", "server_file", "server_names"]


@asynccontextmanager
async def opened_servers(settings: Settings) -> AsyncGenerator[Servers]:
    """The servers as MCP clients get them: what may be read is `[roots] read`.

    Raises:
        IncompatibleStore: the data folder was written by a newer version.
    """
    from atlas_mcp.downstream.launch import Places
    from atlas_mcp.downstream.servers import open_servers
    from atlas_mcp.observe.log import write_logs
    from atlas_mcp.trust import catalogue_of

    write_logs(settings.home, console=logging.CRITICAL)
    output = settings.servers.output or settings.home / "files"
    places = Places(settings.roots.read, output, settings.home / "servers")
    async with open_servers(settings.home, catalogue_of(settings), places) as servers:
        yield servers


def server_names(incomplete: str) -> list[str]:
    """For shell completion: servers whose name begins so."""
    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.settings import Settings
    from atlas_mcp.trust import catalogue_of

    try:
        catalogue = catalogue_of(Settings.load())
    except AtlasError:
        catalogue = Catalogue()
    return [name for name in catalogue.entries("servers", "*.toml") if name.startswith(incomplete)]


def server_file(settings: Settings, name: str) -> Path | None:
    """The file that decides on a server; None where there is none."""
    from atlas_mcp.trust import catalogue_of

    return catalogue_of(settings).entries("servers", "*.toml").get(name)


def origin(settings: Settings, file: Path) -> str:
    """Whose file it is: `shipped`, `yours` or `the project's`."""
    from atlas_mcp.catalogue import shipped

    if file.is_relative_to(settings.config):
        return "yours"
    return "shipped" if file.is_relative_to(shipped("servers")) else "the project's"


def agreed(question: str) -> bool:
    """Whether a person at the terminal says yes.

    Raises:
        InvalidInput: nobody is there to ask.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInput("Nobody is there to ask.", remedy="Look at what is shown, then add --yes.")
    import typer

    return typer.confirm(question, err=True)
