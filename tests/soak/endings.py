"""Ten thousand streams that end in every way: whether anything is left behind, and how fast a cancel is.

    python -m tests.soak.endings --streams 10000

All wires are spoken to a server in the same process, each through a group of two, several streams at once. It
prints what is held each time all streams have ended, then how long it takes from a cancel until the server
sees its client leave, and fails if anything grew or a cancel is slow.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import mmap
import statistics
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.fakes.model_server import FakeModels
from tests.providers.asking import until
from tests.providers.endings import ENDINGS, House, Respondent, house, reading, silent

if TYPE_CHECKING:
    from atlas_mcp.providers.group import ProviderGroup

CHECKPOINTS = 10
MEMORY_MB = 3.0
"""The memory may vary by so much between the first checkpoint and the last."""
SLOWEST_CANCEL = 0.02
_STATM = Path("/proc/self/statm")
_PAGE_MB = mmap.PAGESIZE / 2**20


def say(line: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def memory() -> float:
    """Megabytes of this process in memory; 0 where the system does not say."""
    return int(_STATM.read_text().split()[1]) * _PAGE_MB if _STATM.exists() else 0.0


async def end_streams(there: House, count: int, at_once: int, chance: Random) -> None:
    """Let so many streams end, spread over the groups."""
    ends = [(group, chance.choice(ENDINGS)) for group in there.groups.values() for _ in range(count)]
    ends = chance.sample(ends, count)

    async def work() -> None:
        while ends:
            group, end = ends.pop()
            await end(group, chance)

    await asyncio.gather(*(work() for _ in range(at_once)))


async def soak(there: House, options: argparse.Namespace) -> bool:
    """Whether nothing grew over all the streams."""
    chance = Random(options.seed)  # noqa: S311 - nothing secret rests on it
    await there.warm(options.at_once)
    before = there.held()
    await end_streams(there, options.streams // CHECKPOINTS, options.at_once, chance)
    say(f"{'streams':>8} {'sockets':>8} {'tasks':>6} {'in pools':>9} {'in use':>7} {'MB':>7} {'seconds':>8}")
    grew, memories, began = False, list[float](), time.perf_counter()
    for number in range(CHECKPOINTS + 1):
        if number:
            await end_streams(there, options.streams // CHECKPOINTS, options.at_once, chance)
        await there.rest(before)
        there.server.exchanges.clear()
        there.server.respond = Respondent()
        gc.collect()
        held = there.held()
        memories.append(memory())
        grew = grew or held.sockets > before.sockets or held.pooled > before.pooled
        ended = number * (options.streams // CHECKPOINTS)
        say(
            f"{ended:8} {held.sockets:8} {held.tasks:6} {held.pooled:9} {held.in_use:7}"
            f" {memories[-1]:7.1f} {time.perf_counter() - began:8.1f}"
        )
    say(f"Before any: {before.sockets} sockets, {before.tasks} tasks, {before.pooled} in pools.\n")
    return not grew and memories[-1] - memories[1] <= MEMORY_MB


async def cancels(group: ProviderGroup, server: FakeModels, count: int) -> tuple[list[float], list[float]]:
    """Seconds from each of so many cancels until the server saw its client leave, and of CPU, both sorted."""
    took: list[float] = []
    spent: list[float] = []
    for _ in range(count):
        stream = silent(group)
        reader = await reading(stream)
        exchange = server.exchanges[-1]
        since, used = time.perf_counter(), time.process_time()
        stream.control.cancel("enough")
        await asyncio.wait({reader})
        await until(lambda exchange=exchange: exchange.client_closed_at)
        took.append((exchange.client_closed_at or 0.0) - since)
        spent.append(time.process_time() - used)
        reader.exception()
    return sorted(took), sorted(spent)


async def time_cancels(there: House, count: int) -> bool:
    """Whether all but one cancel in a hundred closed its socket in time."""
    fast = True
    say("Milliseconds from a cancel to the socket closed, and of them CPU of both sides:")
    say(f"{'':<18} {'p50':>7} {'p99':>7} {'longest':>8} {'CPU p50':>8} {'CPU p99':>8}")
    for name, group in there.groups.items():
        took, spent = await cancels(group, there.server, count)
        last = len(took) * 99 // 100
        fast = fast and took[last] <= SLOWEST_CANCEL
        shown = (statistics.median(took), took[last], took[-1], statistics.median(spent), spent[last])
        say(
            f"{name:<18} "
            + " ".join(f"{seconds * 1e3:{7 + (at > 1)}.2f}" for at, seconds in enumerate(shown))
        )
    return fast


async def main() -> int:
    """The exit code: 0 if nothing grew and cancels are fast."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--cancels", type=int, default=500, help="on each wire")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    async with FakeModels(tokens=20) as server, house(server) as there:
        level = await soak(there, options)
        fast = await time_cancels(there, options.cancels)
    if not level:
        say("\nSomething grew.")
    if not fast:
        say(f"\nMore than one cancel in a hundred took longer than {SLOWEST_CANCEL * 1e3:.0f} ms.")
    return 0 if level and fast else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
