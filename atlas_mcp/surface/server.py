"""The MCP server, made from settings and team folders, and the two ways to serve it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastmcp import FastMCP

from atlas_mcp.observe.log import write_logs
from atlas_mcp.orchestration.team import load_teams
from atlas_mcp.settings import Settings
from atlas_mcp.surface.completions import add_completions
from atlas_mcp.surface.doorstep import clean_stdout
from atlas_mcp.surface.opening import Opening
from atlas_mcp.surface.prompts import add_prompts, named_prompts
from atlas_mcp.surface.resources import add_resources, refused
from atlas_mcp.surface.subscriptions import FixedLists, Subscriptions
from atlas_mcp.surface.tools import tools
from atlas_mcp.trust import catalogue_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fastmcp.server.auth import AuthProvider

__all__ = ["build_server", "run_http", "run_stdio"]

INSTRUCTIONS = """\
ATLAS puts teams of agents behind these tools. Ask a team a whole question; it answers with a brief in which \
every claim cites a verbatim quote. A team that needs longer than its tool waits goes on working: \
run_result(run_id) waits for the rest. A run that waits for a person shows its question; put it to them and \
hand their answer in by run_answer. The same request repeated attaches to the run at work. Whole reports, \
evidence and a picture of who did what are resources under atlas://runs/{run_id}. Before a task, recall what \
is remembered of earlier ones; remember what a person wants to be known later."""


def build_server(settings: Settings, *, auth: AuthProvider | None = None) -> FastMCP:
    """The server; what it works with is opened when it starts.

    Raises:
        InvalidConfiguration: a shipped team's folder is wrong.
    """
    teams = load_teams(catalogue_of(settings))
    prompts = named_prompts(teams)
    opening = Opening(settings)
    subscriptions = Subscriptions(opening, refused)

    @asynccontextmanager
    async def lifespan(server: object) -> AsyncGenerator[dict[str, Any]]:
        async with opening.lifespan(server) as state, subscriptions.open():
            yield state

    server = FastMCP(
        "atlas",
        version=version("atlas-mcp"),
        instructions=INSTRUCTIONS,
        lifespan=lifespan,
        auth=auth,
        mask_error_details=True,
        middleware=[FixedLists()],
    )
    for tool in tools(opening, teams):
        server.add_tool(tool)
    add_resources(server, opening, teams)
    add_prompts(server, prompts)
    add_completions(server, opening, teams, prompts)
    subscriptions.serve(server)
    return server


def run_stdio(settings: Settings | None = None) -> None:
    """Serve one client on stdin and stdout until it leaves.

    Raises:
        InvalidConfiguration: settings or a team's folder are wrong.
    """
    with clean_stdout():
        settings = settings or Settings.load()
        write_logs(settings.home)
        server = build_server(settings)
    # From here on the MCP library keeps stdout clean.
    asyncio.run(server.run_stdio_async(show_banner=False))


def run_http(
    settings: Settings | None = None, *, streamable: bool = True, sse: bool = False, host: str | None = None,
    port: int | None = None,
) -> None:  # fmt: skip
    """Serve many clients over HTTP (`/mcp`), SSE (`/sse`) or both, until interrupted.

    `host` and `port` default to `[http]`; port 0 takes a free one.

    Raises:
        InvalidConfiguration: settings or a team's folder are wrong; the address cannot be listened on; or it
            is not loopback and no token is set.
    """
    from atlas_mcp.surface.http import bearer, serve

    settings = settings or Settings.load()
    write_logs(settings.home)
    server = build_server(settings, auth=bearer(settings))
    asyncio.run(serve(server, settings, streamable=streamable, sse=sse, host=host, port=port))
