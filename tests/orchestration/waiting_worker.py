"""A process to be killed while its run waits for a person.

    waiting_worker.py HOME SCRIPT DOCUMENTS

It starts a run of the team `careful`, prints its id once it asks, and stays.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from atlas_mcp.app import open_atlas
from atlas_mcp.settings import MemorySettings, ModelSettings, Settings
from tests.orchestration.talk import QUESTION


async def main(home: Path, script: str, documents: Path) -> None:
    models = ModelSettings(default=f"scripted:{script}")
    settings = Settings(home=home, models=models, memory=MemorySettings(embeddings=False))
    async with open_atlas(settings, roots=[documents]) as atlas:
        run = await atlas.start("careful", question=QUESTION, documents=[str(documents)])
        made = await run.envelope(wait_seconds=60)
        sys.stdout.write(f"{run.id} {made['state']}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
