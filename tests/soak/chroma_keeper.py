"""The process that keeps an embedded Chroma is killed again and again while it is written to.

    python -m tests.soak.chroma_keeper --kills 60 --memories 12000

Memories are fed in portions while the keeper is killed with SIGKILL at random moments, so in the middle of
writing its files too. It prints how often the store was damaged and made anew, and how long healing took; it
fails if at the end anything is missing, differs or is not found by its own vector.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from atlas_mcp.memory.indexes.chroma.index import open_chroma
from atlas_mcp.memory.indexes.chroma.wire import Door
from atlas_mcp.memory.indexes.consistency import check
from atlas_mcp.memory.indexes.feeding import Feeder
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.scope import Scope
from tests.memory.remembered import EMBEDDER, keep
from tests.soak.endings import say

if TYPE_CHECKING:
    from atlas_mcp.memory.record.record import Record

SCOPE = Scope("soak")
PORTION = 200


async def remember(record: Record, many: int, chance: Random) -> None:
    """Write memories, in portions with pauses."""
    for start in range(0, many, PORTION):
        numbers = range(start, min(many, start + PORTION))
        await keep(record, SCOPE, [f"Mill {n} stands at weir {n * 7} of stream {n % 97}." for n in numbers])
        await asyncio.sleep(chance.random() * 0.1)


async def kill(home: Path, kills: int, chance: Random) -> int:
    """Kill whoever keeps the folder at random moments; gives how many were killed."""
    done = 0
    while done < kills:
        await asyncio.sleep(0.2 + chance.random() * 2)
        door = Door.read(home / "chroma")
        if door is not None:
            try:
                os.kill(door.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            done += 1
    return done


async def soak(home: Path, kills: int, memories: int, chance: Random) -> bool:
    """Write, kill, heal and look; True if everything is whole."""
    began = time.monotonic()
    async with open_memory(home, EMBEDDER) as memory:
        record = memory.record
        async with open_chroma("embedded", home, model=EMBEDDER.name, rest=0.0) as index:
            feeder = Feeder(record, [index], look=0.05)
            async with feeder.running():
                writing = asyncio.create_task(remember(record, memories, chance))
                killed = await kill(home, kills, chance)
                await writing
            say(f"killed {killed} keepers in {time.monotonic() - began:.0f} s; the writer was done")
            began = time.monotonic()
            while (await feeder.feed()).waiting:
                pass
            say(f"fed to the end {time.monotonic() - began:.1f} s later")
            before = await check(record, [index])
            after = await check(record, [index], mend=True)
            say(f"consistency {before.score} (mended {after.score}, {after.mended} items)")
            for difference in before.stores["chroma"].differences[:5]:
                say(f"  {difference}")
            return after.score == 1.0


def main() -> int:
    """Run the soak as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--memories", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="atlas-soak-") as folder:
        import logging

        class Counted(logging.Handler):
            damaged = 0

            def emit(self, record: logging.LogRecord) -> None:
                Counted.damaged += "is damaged" in record.getMessage()

        logging.getLogger("atlas_mcp.memory.indexes.chroma.folder").addHandler(Counted())
        whole = asyncio.run(soak(Path(folder), given.kills, given.memories, Random(given.seed)))  # noqa: S311 — no secret
        say(f"stores put aside as damaged: {Counted.damaged}")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
