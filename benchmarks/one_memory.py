"""Measures one side of the benchmark of memories, in a process of its own; prints one line of JSON.

    python -m benchmarks.one_memory MODULE:FUNCTION COUNT [--queries N]

Times are wall clock in milliseconds. A side is filled, closed, and opened again in the same process, then
asked; what it cannot do, or would take too long for, is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from benchmarks.memory import megabytes
from benchmarks.memory_world import made, query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from benchmarks.memory_world import Made

ONES = 200
"""Memories added one at a time."""
PORTION = 1_000


class Side(Protocol):
    """A memory that is measured; `filters` are the ways in which it can narrow a search."""

    filters: tuple[str, ...]

    async def add(self, memories: list[Made]) -> None:
        """Keep them."""
        ...

    async def recall(self, asked: str, narrowed: str) -> int:
        """Find the best 8, narrowed in one of the ways (empty: not at all); gives how many there are."""
        ...

    def open(self, folder: Path) -> AbstractAsyncContextManager[Any]:
        """Open it in a folder."""
        ...


def spread(spent: list[float]) -> list[float]:
    """The median and the 95th percentile."""
    return [round(float(np.percentile(spent, at)), 2) for at in (50, 95)]


async def timed(calls: Sequence[Callable[[], Awaitable[Any]]]) -> list[float]:
    """Milliseconds of each call."""
    spent: list[float] = []
    for call in calls:
        began = time.perf_counter()
        await call()
        spent.append((time.perf_counter() - began) * 1e3)
    return spent


async def measured(side: Side, folder: Path, count: int, queries: int) -> dict[str, Any]:
    """Every figure of a side at a number of memories."""
    figures: dict[str, Any] = {}
    fill: Callable[[int], Awaitable[bool]] | None = getattr(side, "fill", None)
    async with side.open(folder):
        began, spent = time.perf_counter(), 0.0
        if fill is None or not await fill(count):
            for start in range(0, count, PORTION):
                portion = [made(number) for number in range(start, min(start + PORTION, count))]
                began = time.perf_counter()
                await side.add(portion)
                spent += time.perf_counter() - began
            figures["bulk_ms"] = round(spent / count * 1e3, 3)
        ones = [made(count + number) for number in range(ONES if fill is None else ONES // 10)]
        figures["add"] = spread(await timed([lambda one=one: side.add([one]) for one in ones]))
        embed: Callable[[Made], Awaitable[Any]] | None = getattr(side, "add_embedding", None)
        if embed is not None:
            more = [made(count + ONES + number) for number in range(ONES // 4)]
            figures["add_embedding"] = spread(await timed([partial(embed, one) for one in more]))
    gc.collect()
    asked = [query(number, count) for number in range(queries)]
    began = time.perf_counter()
    async with side.open(folder):
        await side.recall(asked[0], "")
        figures["open"] = round((time.perf_counter() - began) * 1e3)
        for one in asked[:10]:
            await side.recall(one, "")
        for narrowed in ("", *side.filters):
            calls = [partial(side.recall, one, narrowed) for one in asked]
            figures[f"recall {narrowed}".strip()] = spread(await timed(calls))
        figures["mb"] = megabytes()
    figures["disk"] = size_of(folder)
    return figures


def size_of(folder: Path) -> int:
    """Megabytes in a folder."""
    return round(sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 2**20)


async def main(options: argparse.Namespace) -> None:
    """Measure in an empty folder."""
    module, _, function = options.side.partition(":")
    side: Side = getattr(import_module(f"benchmarks.sides.{module}"), function)()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        print(json.dumps(await measured(side, Path(folder), options.count, options.queries)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side")
    parser.add_argument("count", type=int)
    parser.add_argument("--queries", type=int, default=200)
    asyncio.run(main(parser.parse_args()))
