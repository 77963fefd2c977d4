"""Every strategy through the same simulated weeks. `python -m benchmarks week`.

The group is the real one, with its breakers, retries, records and fallbacks; the clock jumps from event to
event, so that a week takes seconds. Of the answers three in ten are rated, ten minutes later and with some
error, as people and reviewing agents do. Regret is what whoever serves best at that moment would have been
worth, less what was got; it may shrink, since a group can do better than the best of its members alone.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from statistics import fmean, quantiles
from typing import TYPE_CHECKING, NamedTuple

from atlas_mcp.chunks import Chosen, Switched
from atlas_mcp.errors import AtlasError
from atlas_mcp.messages import Intent, Message, Prompt, Text
from atlas_mcp.providers.adaptive import Adaptive
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.strategies import STRATEGIES
from benchmarks.regret_picture import picture
from benchmarks.simulated_models import Books, KnownPrices, SimulatedModel
from benchmarks.simulated_world import KINDS, PEOPLE, Kind, Person, World
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.providers.strategy import Strategy

__all__ = ["Lived", "Request", "hourly", "live", "regrets", "week"]

SEEDS = range(1, 6)
A_DAY = 1500
RATED = 0.3
RATED_AFTER = 600.0
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "regret.svg"

CONTENDERS: dict[str, Strategy] = {
    **STRATEGIES,
    "adaptive, told to save": Adaptive(wait=0.0, price=3.0),
    "adaptive, told to hurry": Adaptive(wait=3.0, price=0.0),
    "adaptive, told to be choosy": Adaptive(wait=0.1, price=0.1),
}


class Request(NamedTuple):
    """What became of one request; `quality` is 0 where it was not answered."""

    at: float
    kind: Kind
    answered: bool
    quality: float
    seconds: float
    dollars: float
    by: str
    tries: int


@dataclass(frozen=True)
class Lived:
    """A week that a strategy lived through."""

    strategy: str
    seed: int
    days: float
    a_day: int
    requests: Sequence[Request]


def live(name: str, seed: int, *, days: float = 7.0, a_day: int = A_DAY) -> Lived:
    """Let a strategy live through the week of a seed."""
    world = World(seed, days=days)
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return Lived(name, seed, days, a_day, runner.run(_lived(CONTENDERS[name], world, a_day)))


async def _lived(strategy: Strategy, world: World, a_day: int) -> list[Request]:
    loop, books = asyncio.get_running_loop(), Books()
    circumstances = Circumstances(
        Reliability(clock=loop.time), KnownPrices(world), loop.time, world.chance("strategy")
    )
    models = [SimulatedModel(world, nature, books) for nature in world.natures]
    group: ProviderGroup | None = None
    asking: list[asyncio.Task[Request]] = []
    for number, (at, kind) in enumerate(world.arrivals(a_day)):
        await asyncio.sleep(at - loop.time())
        there = [model for model in models if model.nature.joins <= at]
        if group is None or len(group.members) != len(there):
            group = ProviderGroup(there, strategy, name="week", circumstances=circumstances)
        asking.append(asyncio.create_task(_asked(group, world, books, number, kind)))
    return await asyncio.gather(*asking)


_MESSAGES = {kind.task: Message("user", (Text("word" * kind.prompt_tokens),)) for kind in KINDS}


async def _asked(group: ProviderGroup, world: World, books: Books, number: int, kind: Kind) -> Request:
    """Ask one request, and perhaps rate the answer."""
    loop = asyncio.get_running_loop()
    since, by, tries = loop.time(), "", 0
    prompt = Prompt((_MESSAGES[kind.task],), Intent.COMPOSE, str(number), task=kind.task)
    try:
        async with group.stream(prompt) as answer:
            async for chunk in answer:
                if isinstance(chunk, Chosen | Switched):
                    by, tries = (chunk.member if isinstance(chunk, Chosen) else chunk.joined), tries + 1
    except AtlasError:
        answered, quality = False, 0.0
    else:
        answered, quality = True, books.quality[number]
    chance = world.chance("rated", number)
    if answered and chance.random() < RATED:
        rating = round(2 * (quality + chance.gauss(0.0, 0.3))) / 2
        loop.call_later(RATED_AFTER, group.rate, by, kind.task, min(5.0, max(0.0, rating)))
    seconds = loop.time() - since
    return Request(since, kind, answered, quality, seconds, books.dollars[number], by, tries)


# What came of it -------------------------------------------------------------------------------------------


def regrets(lived: Lived, person: Person = PEOPLE[0]) -> list[float]:
    """For each request, what whoever served best would have been worth to a person, less what was got."""
    return [
        best - person.utility(each.quality, each.seconds, each.dollars)
        for best, each in zip(_best(lived.seed, lived.days, lived.a_day, person), lived.requests, strict=True)
    ]


@cache
def _best(seed: int, days: float, a_day: int, person: Person) -> list[float]:
    world = World(seed, days=days)
    return [world.best(at, kind, person) for at, kind in world.arrivals(a_day)]


def hourly(lived: Lived) -> list[float]:
    """The regret up to the end of each hour."""
    total = [0.0, *accumulate(regrets(lived))]
    hours, upto, passed = int(lived.days * 24), list[float](), 0
    for hour in range(hours + 1):
        while passed < len(lived.requests) and lived.requests[passed].at < hour * 3600.0:
            passed += 1
        upto.append(total[passed])
    return upto


def _figures(lived: Lived) -> dict[str, tuple[float, str]]:
    """What the table says of a week, and how each figure is written."""
    requests, person = lived.requests, PEOPLE[0]
    seconds = sorted(each.seconds for each in requests)
    worth = fmean(person.utility(each.quality, each.seconds, each.dollars) for each in requests)
    return {
        "utility": (worth, ".3f"),
        "regret": (sum(regrets(lived)), ".0f"),
        "answered %": (100 * fmean(each.answered for each in requests), ".2f"),
        "quality": (fmean(each.quality for each in requests), ".2f"),
        "cents": (100 * fmean(each.dollars for each in requests), ".2f"),
        "p50 s": (quantiles(seconds, n=20)[9], ".1f"),
        "p95 s": (quantiles(seconds, n=20)[-1], ".1f"),
        "tries": (fmean(each.tries for each in requests), ".2f"),
    }


def _table(weeks: dict[str, list[Lived]]) -> str:
    """The strategies by all figures: the mean over the seeds, and the least and the most."""
    lines: list[str] = []
    for name, lives in weeks.items():
        told = [_figures(lived) for lived in lives]
        if not lines:
            lines += [f"| strategy | {' | '.join(told[0])} |", "|---" * (1 + len(told[0])) + "|"]
        cells = [name]
        for figure, (_, form) in told[0].items():
            several = [each[figure][0] for each in told]
            low, mean, high = (format(of(several), form) for of in (min, fmean, max))
            cells.append(f"{mean} ({low} to {high})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _tastes(weeks: dict[str, list[Lived]]) -> str:
    """The strategies by what people want: regret a thousand requests."""
    lines = ["| strategy | " + " | ".join(person.name for person in PEOPLE) + " |"]
    lines.append("|---" * (1 + len(PEOPLE)) + "|")
    for name, lives in weeks.items():
        means = [1000 * fmean(fmean(regrets(lived, person)) for lived in lives) for person in PEOPLE]
        lines.append("| " + " | ".join([name, *(f"{mean:.0f}" for mean in means)]) + " |")
    return "\n".join(lines)


def week() -> None:
    """Let all strategies live, print the tables and draw the picture."""
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        lives = list(
            processes.map(live, *zip(*((name, seed) for name in CONTENDERS for seed in SEEDS), strict=True))
        )
    weeks = {name: [lived for lived in lives if lived.strategy == name] for name in CONTENDERS}
    count = len(lives[0].requests)
    sys.stdout.write(f"{count:,} requests in a week; mean over {len(SEEDS)} seeds (least to most).\n\n")
    sys.stdout.write(
        f"{_table(weeks)}\n\nRegret a thousand requests, by what people want:\n\n{_tastes(weeks)}\n"
    )
    curves = {name: [hourly(lived) for lived in lives] for name, lives in weeks.items() if name in STRATEGIES}
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture(curves), "utf-8")
    sys.stdout.write(f"\nDrawn: {PICTURE}\n")
