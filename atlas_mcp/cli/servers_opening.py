"""How commands get at the downstream servers: their files, their pins and themselves, without any team."""

from __future__ import annotations

import logging
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_mcp.errors import AtlasError, InvalidInput, NotConfigured

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.launch import Places
    from atlas_mcp.downstream.servers import Servers
    from atlas_mcp.settings import Settings

__all__ = ["agreed", "lacks", "opened_servers", "origin", "places_of", "server_file", "server_names"]


@asynccontextmanager
async def opened_servers(settings: Settings) -> AsyncGenerator[Servers]:
    """The servers as `atlas-mcp run` has them here.

    Raises:
        IncompatibleStore: the data folder was written by a newer version.
    """
    from atlas_mcp.downstream.servers import open_servers
    from atlas_mcp.observe.log import write_logs
    from atlas_mcp.trust import catalogue_of

    write_logs(settings.home, console=logging.CRITICAL)
    async with open_servers(settings.home, catalogue_of(settings), places_of(settings)) as servers:
        yield servers


def places_of(settings: Settings) -> Places:
    """The folders of servers at the command line: what may be read is the working directory, as in a run."""
    from atlas_mcp.downstream.launch import Places

    output = settings.servers.output or settings.home / "files"
    return Places((Path.cwd(),), output, settings.home / "servers")


def lacks(settings: Settings, entry: Entry) -> NotConfigured | None:
    """What an entry lacks on this machine to be used; None where it lacks nothing. Nothing is made for it."""
    from atlas_mcp.downstream.launch import prepared

    try:
        prepared(entry, places_of(settings))
    except NotConfigured as error:
        return error
    return None


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
