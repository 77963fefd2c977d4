"""Measures one side of the benchmark of providers, in a process of its own; prints one line of JSON.

    python -m benchmarks.one_side MODULE:FUNCTION URL CHARACTERS [--seconds N]

CPU is this process's, in milliseconds a call, the least of several batches; what a side leaves to be done
after its answer counts as well. Times of import are of everything up to the first call.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.memory import megabytes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from benchmarks.sides.asking import Asking

AT_ONCE = (1, 32)
_BATCH = {"stream": 10, "plain": 50}
"""So many calls are measured as one, lest collecting garbage fall between them."""
_SLOW = 2.0
_AFTERWARDS = 0.05
"""Seconds in which a side may do what it put off."""


async def _least(ask: Callable[[], Awaitable[int]], at_once: int, batch: int, seconds: float) -> float:
    """Milliseconds of CPU a call, in the best of as many batches as there is time for.

    There are at least two, unless a side is so slow that one takes several times as long as there is time.
    """

    async def reader(turns: Iterable[int]) -> None:
        for _ in turns:
            await ask()

    least, until, left = float("inf"), time.perf_counter() + seconds, 2
    while left > 0 or time.perf_counter() < until:
        turns, before = iter(range(batch)), time.process_time()
        await asyncio.gather(*(reader(turns) for _ in range(at_once)))
        await asyncio.sleep(_AFTERWARDS)
        least = min(least, (time.process_time() - before) / batch * 1e3)
        left = 0 if time.perf_counter() > until + _SLOW * seconds else left - 1
    return round(least, 3)


async def _measured(asking: Asking, characters: int, seconds: float) -> dict[str, float]:
    figures: dict[str, float] = {}
    for way, ask in {"stream": asking.stream, "plain": asking.plain}.items():
        for _ in range(3):
            came = await ask()
            assert came == characters, f"{came} characters came of {characters}"
        for at_once in AT_ONCE:
            batch = max(_BATCH[way], at_once)
            await asyncio.gather(*(ask() for _ in range(at_once)))  # connections are opened
            gc.collect()
            figures[f"{way}_{at_once}"] = await _least(ask, at_once, batch, seconds)
    await asking.finish()
    return figures


async def _main(options: argparse.Namespace) -> None:
    module, _, function = options.side.partition(":")
    began = time.process_time()
    asking: Asking = getattr(import_module(f"benchmarks.sides.{module}"), function)(options.url)
    assert await asking.plain() == options.characters  # what is put off until it is needed, is done now
    figures: dict[str, float] = {"import_s": round(time.process_time() - began, 3), "mb_start": megabytes()}
    figures |= await _measured(asking, options.characters, options.seconds)
    figures["mb_end"] = megabytes()
    print(json.dumps(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side")
    parser.add_argument("url")
    parser.add_argument("characters", type=int)
    parser.add_argument("--seconds", type=float, default=1.0)
    asyncio.run(_main(parser.parse_args()))
