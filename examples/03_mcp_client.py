"""Ask the research team over MCP, from Python: `python examples/03_mcp_client.py "your question" PATH...`.

It starts a server of its own over stdio; where one listens (`atlas-mcp serve --http`), give its address to
`Client` instead. Without arguments it asks about ATLAS itself and reads ATLAS's own handbook.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp_types import TextResourceContents

QUESTION = "How does ATLAS verify the quotes of a brief?"
HANDBOOK = Path(__file__).parent.parent / "docs" / "handbook"


async def show(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - what a client gives
    """One notification, as it comes."""
    print(f"{progress:g}: {message}", file=sys.stderr)


async def main(question: str = QUESTION, *documents: str) -> None:
    """Print what the team does, then its report, which is a resource of the run."""
    named = list(documents) or [str(HANDBOOK)]
    may_read = {"ATLAS_ROOTS__READ": json.dumps(named)}
    server = StdioTransport(sys.executable, ["-m", "atlas_mcp", "serve"], env={**os.environ, **may_read})
    async with Client(server) as client:
        asked = {"question": question, "documents": named}
        answer = await client.call_tool("research", asked, progress_handler=show)
        run = answer.structured_content or {}
        while run["state"] in {"queued", "running"}:
            answer = await client.call_tool("run_result", {"run_id": run["run_id"]}, progress_handler=show)
            run = answer.structured_content or {}
        (report,) = await client.read_resource(run["report_uri"])
        print(report.text if isinstance(report, TextResourceContents) else "")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
