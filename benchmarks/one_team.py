"""Measures one side of the benchmark of teams, in a process of its own; prints one line of JSON.

    python -m benchmarks.one_team MODULE:FUNCTION URL DOCUMENTS BODIES [--runs N]

CPU is this process's, all threads, in milliseconds a run, the least of many; what a side leaves to be done
after its answer counts as well. The time of import is of everything up to the first answer.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

from benchmarks.memory import megabytes
from benchmarks.sides.teamwork import teamwork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.sides.teamwork import Team

AT_ONCE = (1, 16)
CALLS = 5
_AFTERWARDS = 0.05
"""Seconds in which a side may do what it put off."""


def _asked(url: str) -> dict[str, int]:
    """What the server has been asked so far."""
    with build_opener(ProxyHandler({})).open(f"{url}/stats") as told:
        return json.load(told)


async def _measured(run: Callable[[], Awaitable[str]], at_once: int, runs: int) -> dict[str, float]:
    """CPU and wall of runs that are made so many at once."""
    await asyncio.gather(*(run() for _ in range(at_once)))
    gc.collect()
    cpu: list[float] = []
    wall: list[float] = []
    for _ in range(max(1, runs // at_once)):
        began, spent = time.perf_counter(), time.process_time()
        await asyncio.gather(*(run() for _ in range(at_once)))
        wall.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(_AFTERWARDS)
        cpu.append((time.process_time() - spent) / at_once * 1e3)
    return {
        f"cpu_{at_once}": round(min(cpu), 1), f"cpu_{at_once}_median": round(median(cpu), 1),
        f"wall_{at_once}": round(min(wall), 1), f"wall_{at_once}_median": round(median(wall), 1),
    }  # fmt: skip


async def _main(options: argparse.Namespace) -> None:
    module, _, function = options.side.partition(":")
    began = time.process_time()
    side: Callable[[Any], Team] = getattr(import_module(f"benchmarks.sides.{module}"), function)
    figures: dict[str, float] = {}
    async with side(teamwork(options.url, options.documents, options.bodies)) as run:
        first = await run()
        figures["import_s"] = round(time.process_time() - began, 2)
        before = _asked(options.url)
        answer = await run()
        after = _asked(options.url)
        assert len(answer) > len(first) // 2 > 0, f"it gave {answer!r} after {first!r}"
        calls = after["requests"] - before["requests"]
        assert calls == CALLS, f"it made {calls} calls"
        figures["prompt_kb"] = round((after["prompt_bytes"] - before["prompt_bytes"]) / 1024, 1)
        for at_once in AT_ONCE:
            figures |= await _measured(run, at_once, options.runs)
    figures["mb_end"] = megabytes()
    print(json.dumps(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side")
    parser.add_argument("url")
    parser.add_argument("documents")
    parser.add_argument("bodies")
    parser.add_argument("--runs", type=int, default=32)
    asyncio.run(_main(parser.parse_args()))
