"""Ask the research team from Python: `python examples/01_research.py "your question" PATH...`.

Without arguments it asks about ATLAS itself and reads ATLAS's own handbook.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from atlas_mcp import Kind, open_atlas

QUESTION = "How does ATLAS verify the quotes of a brief?"


async def main(question: str = QUESTION, *documents: str) -> None:
    """Print what the team does, then its brief."""
    roots = [Path(document) for document in documents]
    async with (
        open_atlas(roots=roots) as atlas,
        atlas.run("research", question=question, documents=documents) as run,
    ):
        async for event in run:
            if event.kind is Kind.WORK_STARTED:
                print(f"{event.actor}: {event.data['goal']}", file=sys.stderr)
        if run.output is None:
            sys.exit(str((await atlas.get(run.id)).error))
    print(run.output["report"])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
