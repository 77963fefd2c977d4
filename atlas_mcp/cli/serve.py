"""`atlas-mcp serve`: the MCP server, over stdio by default, or over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas_mcp.cli.terminal import leaving
from atlas_mcp.cli.trusting import IN_PROJECT
from atlas_mcp.errors import InvalidInput

__all__ = ["serve"]


def serve(
    http: Annotated[bool, typer.Option("--http", help="Serve Streamable HTTP at /mcp.")] = False,
    sse: Annotated[
        bool, typer.Option("--sse", help="Serve SSE at /sse, for clients that still need it.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 8765 by default.", min=0, max=65535)
    ] = None,
    _project: Annotated[str | None, IN_PROJECT] = None,
) -> None:
    """Serve the teams to MCP clients, over stdio unless --http or --sse is given."""
    with leaving():
        from atlas_mcp.surface.doorstep import tell_person
        from atlas_mcp.surface.server import run_http, run_stdio

        if not (http or sse) and (host or port is not None):
            raise InvalidInput("--host and --port are for HTTP.", remedy="Add --http or --sse.")
        if http or sse:
            run_http(streamable=http, sse=sse, host=host, port=port)
        else:
            tell_person()
            run_stdio()
