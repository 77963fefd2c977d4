"""ATLAS over HTTP with the conformance suite's fixtures added.

    python -m tests.peers.conformance.server

is `atlas-mcp serve --http --port 0` in everything else: the application is built, guarded and run by the same
code, only its server is given more tools, resources and prompts before.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from atlas_mcp.settings import Settings
from atlas_mcp.surface import http
from atlas_mcp.surface.server import build_server
from tests.peers.conformance import asking, content

if TYPE_CHECKING:
    from fastmcp import FastMCP
    from fastmcp.server.auth import AuthProvider

__all__ = ["server_with_fixtures"]


def server_with_fixtures(settings: Settings, *, auth: AuthProvider | None = None) -> FastMCP:
    """The server that people get, and what the suite asks for by name."""
    server = build_server(settings, auth=auth)
    content.add_to(server)
    asking.add_to(server)
    return server


if __name__ == "__main__":
    loaded = Settings.load()
    asyncio.run(http.serve(server_with_fixtures(loaded, auth=http.bearer(loaded)), loaded, port=0))
