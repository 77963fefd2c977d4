"""How long an index takes to hear what it missed, to be compared with the record, and to be made anew.

    python -m tests.soak.catching_up --changes 10000 --indexes chroma,neo4j

Memories with names and vectors of 384 numbers are written while no index is there; then each is fed, checked
and rebuilt alone. It prints the seconds of each, and fails if an index does not agree with the record.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_mcp.learning import Evidence, Learning, LearningKind
from atlas_mcp.memory.indexes.consistency import check
from atlas_mcp.memory.indexes.feeding import Feeder
from atlas_mcp.memory.indexes.opening import open_indexes
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.settings import MemorySettings
from benchmarks.memory_world import made
from benchmarks.sides.memories import Instant
from tests.soak.endings import say
from tests.soak.memory_crash import GRAPHS, enter
from tests.soak.remembering import SCOPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.memory.memory import Memory

PORTION = 1_000


def _learned(number: int) -> Learning:
    one = made(number)
    evidence = Evidence("quote", one.text[:60], one.source)
    return Learning(LearningKind(one.kind), one.text, (evidence,), 4.5, valid_from=one.since)


async def remember(memory: Memory, changes: int) -> None:
    """Write so many memories, in portions."""
    for start in range(0, changes, PORTION):
        numbers = range(start, min(start + PORTION, changes))
        await memory.remember([_learned(number) for number in numbers], scope=SCOPE)


async def measured(home: Path, settings: MemorySettings, changes: int) -> bool:
    """Print the seconds of each index; whether all agree with the record in the end."""
    embedder, agreed = Instant(), True
    async with (
        open_memory(home, embedder) as memory,
        open_indexes(home, settings, embedder) as indexes,
    ):
        await Feeder(memory.record, indexes.all).feed()
        began = time.perf_counter()
        await remember(memory, changes)
        say(f"  {'remembering':<24} {time.perf_counter() - began:8.1f} s")
        for index in indexes.all:
            feeder = Feeder(memory.record, [index])
            steps: Sequence[tuple[str, Any]] = (
                ("catching up", feeder.feed),
                ("checking", lambda index=index: check(memory.record, [index])),
                ("making anew", lambda index=index, feeder=feeder: feeder.rebuild(index.name)),
            )
            for what, step in steps:
                began = time.perf_counter()
                await step()
                say(f"  {f'{index.name}, {what}':<24} {time.perf_counter() - began:8.1f} s")
        found = await check(memory.record, indexes.all)
        for name, store in found.stores.items():
            say(f"  {name:<24} {store.items:8,} items, {store.waiting} not heard, consistency {store.score}")
            agreed = agreed and store.score == 1 and not store.waiting
    return agreed


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.catching_up", description=__doc__)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--indexes", default="chroma,neo4j", help="chroma, neo4j, or both with a comma")
    parser.add_argument("--graph", choices=GRAPHS, default="neo4j", help="who keeps the graph")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="atlas-soak-")))
        settings = enter(stack, folder, options)
        whole = asyncio.run(measured(folder / "home", MemorySettings(**settings), options.changes))
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
