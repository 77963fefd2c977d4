"""A small MCP server that benchmarks call: over stdio, or over HTTP on a port that it writes to its stdout.

    python benchmarks/echo_server.py [http]

`say(characters)` gives a text of that length; `find(query)` one page, as a service that searches would. Its
starts are counted, a line each, in the file that STARTS names, where one is named.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

__all__ = ["PAGE"]

PAGE = {
    "title": "Tides",
    "url": "https://tides.example/ranges",
    "content": "The mean spring range at Sternhaven is 5.2 metres.",
}
_READS = ToolAnnotations(read_only_hint=True)

echo = MCPServer("echo", version="1.0", log_level="ERROR")


@echo.tool(annotations=_READS, structured_output=False)
def say(characters: int) -> str:
    """Says a text of so many characters."""
    return "x" * characters


@echo.tool(annotations=_READS, structured_output=False)
def find(query: str) -> str:
    """Finds pages."""
    return json.dumps({"query": query, "results": [PAGE]})


def main() -> None:
    """Serve until stdin ends, or until the process is ended."""
    if counted := os.environ.get("STARTS"):
        with Path(counted).open("a", encoding="utf-8") as starts:
            starts.write(f"{os.getpid()}\n")
    if "http" not in sys.argv:
        echo.run()
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    print(port, flush=True)
    echo.run("streamable-http", port=port)


if __name__ == "__main__":
    main()
