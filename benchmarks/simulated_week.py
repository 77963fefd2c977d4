"""Every strategy on the same simulated week. `python -m benchmarks week`."""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING
from unittest.mock import patch

from atlas_mcp.errors import AtlasError
from atlas_mcp.messages import Intent, Message, Prompt, Text
from atlas_mcp.providers import attempt, control, stream
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.reliability import Reliability
from atlas_mcp.providers.strategies import STRATEGIES
from benchmarks.simulated_world import KINDS, Kind, ListedPrices, SimulatedModel, World, utility
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from atlas_mcp.providers.strategy import Strategy


@dataclass
class Lived:
    """What became of the requests of one week, in the order in which they came."""

    got: list[float] = field(default_factory=list[float])
    best: list[float] = field(default_factory=list[float])
    answered: list[bool] = field(default_factory=list[bool])
    seconds: list[float] = field(default_factory=list[float])
    dollars: list[float] = field(default_factory=list[float])
    quality: list[float] = field(default_factory=list[float])
    at: list[float] = field(default_factory=list[float])
    chosen: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def regret(self) -> float:
        return sum(self.best) - sum(self.got)


_MATERIAL = {kind.task: Message("user", (Text("word " * (kind.prompt_tokens * 4 // 5)),)) for kind in KINDS}


def live(strategy: Strategy, seed: int, *, days: float = 7.0, a_day: int = 1500) -> Lived:
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(_live(strategy, World(seed, days=days), a_day))


async def _live(strategy: Strategy, world: World, a_day: int) -> Lived:
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert start == 0.0
    chance = Random(f"strategy {world.seed}")
    circumstances = Circumstances(
        Reliability(clock=loop.time), ListedPrices(world, loop), clock=loop.time, chance=chance
    )
    models = {nature.name: SimulatedModel(world, nature) for nature in world.natures}
    changes, group = world.changes(), None
    lived = Lived()
    arrivals = world.arrivals(a_day)
    count = len(arrivals)
    lived.got, lived.best, lived.seconds, lived.dollars, lived.quality = ([0.0] * count for _ in range(5))
    lived.answered = [False] * count
    lived.at = [at for at, _ in arrivals]
    with ExitStack() as stack:
        for module in (attempt, control, stream):
            stack.enter_context(patch.object(module, "perf_counter", loop.time))
        under_way: set[asyncio.Task[None]] = set()
        for number, (at, kind) in enumerate(arrivals):
            await asyncio.sleep(at - loop.time())
            while changes and changes[0] <= at:
                changes.pop(0)
                group = ProviderGroup(
                    [m for m in models.values() if m.nature.joins <= at],
                    strategy,
                    name="week",
                    circumstances=circumstances,
                )
            lived.best[number] = world.best(at, kind)
            task = asyncio.create_task(_ask(group, world, number, kind, lived, circumstances.reliability))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
    return lived


async def _ask(group, world, number, kind, lived, reliability) -> None:
    loop = asyncio.get_running_loop()
    since = loop.time()
    prompt = Prompt((_MATERIAL[kind.task],), Intent.COMPOSE, str(number), task=kind.task)
    by = ""
    try:
        async with group.stream(prompt) as answer:
            async for chunk in answer:
                if type(chunk).__name__ == "Chosen":
                    by = chunk.member
                elif type(chunk).__name__ == "Switched":
                    by = chunk.joined
        lived.answered[number] = True
    except AtlasError as e:
        pass
    seconds = loop.time() - since
    quality = world.quality[number] if lived.answered[number] else 0.0
    lived.seconds[number], lived.dollars[number], lived.quality[number] = (
        seconds,
        world.dollars[number],
        quality,
    )
    lived.got[number] = utility(quality, seconds, world.dollars[number])
    lived.chosen[by, kind.task] += 1
    chance = Random(f"rated {world.seed} {number}")
    if lived.answered[number] and chance.random() < 0.3:
        rating = min(5.0, max(0.0, round(2 * (quality + chance.gauss(0, 0.3))) / 2))
        loop.call_later(600, reliability.rate, by, kind.task, rating)


def week():
    import time

    days = float(sys.argv[1])
    seeds = range(int(sys.argv[2]))
    names = sys.argv[3:] or list(STRATEGIES)
    for name in names:
        t = time.process_time()
        rs = []
        for seed in seeds:
            l = live(STRATEGIES[name], seed, days=days)
            rs.append(l.regret)
        print(
            f"{name:12} regret {statistics.mean(rs):8.1f} [{min(rs):.0f},{max(rs):.0f}] util {statistics.mean(l.got):.4f} best {statistics.mean(l.best):.4f} succ {statistics.mean(l.answered):.4f} cost {statistics.mean(l.dollars):.5f} p50 {statistics.median(l.seconds):.2f} p95 {statistics.quantiles(l.seconds, n=20)[-1]:.2f} q {sum(l.quality) / sum(l.answered):.2f} cpu {time.process_time() - t:.1f}"
        )
        c = Counter()
        for (m, t_), n in l.chosen.items():
            c[m] += n
        print("    ", dict(c))


if __name__ == "__main__":
    week()
