"""Measures runs that are told to a tracking server, or are not, in a process of its own; one line of JSON.

    python -m benchmarks.one_telling SIDE URL DOCUMENTS BODIES [--tracking ADDRESS] [--runs N] [--at-once N]

CPU is this process's, all threads, from the first run until the last has been told, a run. Lateness is by how
much a task of the event loop that wants to wake every millisecond wakes too late, at the 99th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from importlib import import_module
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from benchmarks.sides.teamwork import teamwork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.sides.teamwork import Team


async def _late(found: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        found.append((time.perf_counter() - before - 0.001) * 1e3)


async def _main(options: argparse.Namespace) -> None:
    if options.tracking:
        os.environ["MLFLOW_TRACKING_URI"] = options.tracking
    module, _, function = options.side.partition(":")
    side: Callable[[Any], Team] = getattr(import_module(f"benchmarks.sides.{module}"), function)
    lateness: list[float] = []
    walls: list[float] = []

    async def timed(run: Callable[[], Awaitable[object]]) -> None:
        since = time.perf_counter()
        await run()
        walls.append((time.perf_counter() - since) * 1e3)

    async with side(teamwork(options.url, options.documents, options.bodies)) as run:
        await asyncio.gather(*(run() for _ in range(options.at_once)))
        told = getattr(run, "told", None)
        if told is not None:
            await told()
        spent, began = time.process_time(), time.perf_counter()
        watching = asyncio.create_task(_late(lateness))
        for _ in range(max(1, options.runs // options.at_once)):
            await asyncio.gather(*(timed(run) for _ in range(options.at_once)))
        whole = time.perf_counter() - began
        watching.cancel()
        if told is not None and not options.hole:
            await told()
        cpu = (time.process_time() - spent) / len(walls) * 1e3
        closing = time.perf_counter()
    closing = time.perf_counter() - closing
    print(json.dumps({
        "cpu": round(cpu, 1), "wall": round(median(walls), 1), "whole": round(whole, 2),
        "late_99": round(quantiles(lateness, n=100)[98], 2), "closing": round(closing, 2),
        "runs": len(walls),
    }))  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side")
    parser.add_argument("url")
    parser.add_argument("documents")
    parser.add_argument("bodies")
    parser.add_argument("--tracking", default="")
    parser.add_argument("--hole", action="store_true", help="the server takes nothing; nothing is waited for")
    parser.add_argument("--runs", type=int, default=32)
    parser.add_argument("--at-once", type=int, default=4)
    asyncio.run(_main(parser.parse_args()))
