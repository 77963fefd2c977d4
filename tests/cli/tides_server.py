"""A server of two tools; what it says of the first is read from a file, so that it can change."""

from __future__ import annotations

import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("tides", version="1.2")


@server.tool(
    description=Path(sys.argv[1]).read_text("utf-8"), annotations=ToolAnnotations(read_only_hint=True)
)
def tide(port: str) -> str:
    return f"High water at {port} is at noon."


@server.tool(description="Keep a note.")
def keep(text: str) -> str:
    return f"Kept: {text}"


if __name__ == "__main__":
    server.run()
