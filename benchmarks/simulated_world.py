"""A week of five simulated models that change while they are used, as models do.

What a model is like is written down as data before any strategy is looked at: its first token, its speed, its
price, how often it answers, how good it is at each kind of task; and what happens to it in the week: days are
busier than nights, one is out for hours, one costs twice as much from one day on, one gets worse without
saying so, one slows down bit by bit, and one joins when the week is half over, of which nobody knows the price
at first. A seed moves all of it about: who is how good, when things happen, and how each try goes. How a try
goes depends on the seed, the request and the model alone, so that every strategy lives through the same week.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from atlas_mcp import errors
from atlas_mcp.chunks import Stopped, TextDelta, Usage
from atlas_mcp.messages import TaskType
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.prices import Listing, Price, Prices
from atlas_mcp.providers.provider import ProviderInfo
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Prompt

__all__ = ["DAY", "HOUR", "KINDS", "Kind", "SimulatedModel", "World", "utility"]

HOUR, DAY = 3600.0, 86400.0
_MILLION = 1e6


def utility(quality: float, seconds: float, dollars: float) -> float:
    """What an answer is worth: its quality from 0 to 5 as a share (0 if there is none), less time and money.

    A point of quality is worth 20 seconds, or 2 cents.
    """
    return quality / 5.0 - 0.01 * seconds - 10.0 * dollars


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request: what share of all it is, and how many tokens go in and come out."""

    task: TaskType
    share: float
    prompt_tokens: int
    answer_tokens: int


KINDS = (
    Kind(TaskType.EXTRACTION, 0.30, 3000, 250),
    Kind(TaskType.WRITING, 0.20, 1500, 900),
    Kind(TaskType.CODE, 0.20, 2500, 700),
    Kind(TaskType.ANALYSIS, 0.20, 4000, 500),
    Kind(TaskType.RATING, 0.10, 1200, 150),
)


@dataclass(frozen=True, slots=True)
class Spell:
    """What is different for a model from one hour of the week to another."""

    begins: float
    ends: float = math.inf
    fails: float = 0.0
    worse: float = 0.0
    dearer: float = 1.0
    price_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Nature:
    """What a model is like: dollars a million tokens, seconds, tokens a second, qualities by task.

    At the busiest hour it is slower by the share of `busy`, and fails so much more often; by the end of the
    week it is slower by `drift`, and for every other call at once by `crowded`.
    """

    name: str
    input: float
    output: float
    first_token: float
    speed: float
    fails: float
    quality: Mapping[TaskType, float]
    declared: Mapping[TaskType, Strength]
    verbose: float = 1.0
    busy: float = 0.0
    busy_fails: float = 0.0
    drift: float = 0.0
    crowded: float = 0.0
    joins: float = 0.0
    spells: tuple[Spell, ...] = ()


def _by_task(
    extraction: float, writing: float, code: float, analysis: float, rating: float
) -> dict[TaskType, float]:
    figures = (extraction, writing, code, analysis, rating)
    return {kind.task: figure for kind, figure in zip(KINDS, figures, strict=True)}


def _declared(*strengths: Strength) -> dict[TaskType, Strength]:
    return {kind.task: strength for kind, strength in zip(KINDS, strengths, strict=True)}


_LIMITED, _MODERATE, _STRONG, _BEST = (
    Strength.LIMITED, Strength.MODERATE, Strength.STRONG, Strength.EXCEPTIONAL,
)  # fmt: skip

NATURES = (
    Nature(
        "flagship", 4.0, 20.0, 1.5, 60.0, 0.005, _by_task(4.4, 4.6, 4.5, 4.6, 4.3),
        _declared(_BEST, _BEST, _BEST, _BEST, _BEST), busy=0.8, busy_fails=0.04,
        spells=(Spell(2 * DAY + 9 * HOUR, 2 * DAY + 13 * HOUR, fails=0.95),),
    ),
    Nature(
        "coder", 2.0, 10.0, 1.0, 80.0, 0.01, _by_task(4.1, 3.2, 4.6, 4.1, 3.7),
        _declared(_STRONG, _STRONG, _BEST, _STRONG, _STRONG), busy=0.4, busy_fails=0.02,
        spells=(Spell(3 * DAY + 12 * HOUR, 5 * DAY, worse=1.2),),
    ),
    Nature(
        "mini", 0.75, 4.5, 0.5, 120.0, 0.02, _by_task(4.2, 3.5, 3.1, 3.4, 3.9),
        _declared(_STRONG, _MODERATE, _MODERATE, _MODERATE, _MODERATE), busy=0.3,
        spells=(Spell(DAY + 8 * HOUR, dearer=2.0),),
    ),
    Nature(
        "local", 0.0, 0.0, 0.6, 30.0, 0.01, _by_task(3.6, 3.3, 2.6, 2.9, 3.2),
        _declared(_MODERATE, _MODERATE, _LIMITED, _MODERATE, _MODERATE), drift=1.0, crowded=0.4,
    ),
    Nature(
        "newcomer", 0.5, 2.5, 0.8, 100.0, 0.03, _by_task(4.3, 4.2, 4.1, 4.3, 4.0), {},
        joins=4 * DAY + 10 * HOUR, verbose=1.4, spells=(Spell(0.0, 5 * DAY, price_unknown=True),),
    ),
)  # fmt: skip
"""In the order in which a person would list them: the best known first."""


def busyness(at: float) -> float:
    """How busy everybody is: 0 at two in the night, 1 at two in the afternoon."""
    return 0.5 - 0.5 * math.cos(2.0 * math.pi * (at / HOUR - 2.0) / 24.0)


class World:
    """One week of one seed; `clock` tells where in it we are, in seconds."""

    def __init__(self, seed: int, *, days: float = 7.0) -> None:
        chance = Random(f"world {seed}")
        self.seed = seed
        self.length = days * DAY
        # A shorter week has the same things happen in it, sooner.
        self._pace = days / 7.0
        self.natures = tuple(self._moved(nature, chance) for nature in NATURES)
        self.dollars: Counter[int] = Counter()
        self.quality: dict[int, float] = {}
        self.tries: Counter[tuple[int, str]] = Counter()

    def _moved(self, nature: Nature, chance: Random) -> Nature:
        shift = chance.uniform(-8.0, 8.0) * HOUR * self._pace
        slower = chance.lognormvariate(0.0, 0.15)
        return replace(
            nature,
            first_token=nature.first_token * slower,
            speed=nature.speed / slower,
            quality={task: min(4.9, each + chance.gauss(0.0, 0.2)) for task, each in nature.quality.items()},
            joins=nature.joins * self._pace and nature.joins * self._pace + shift,
            spells=tuple(
                replace(
                    spell,
                    begins=spell.begins * self._pace and spell.begins * self._pace + shift,
                    ends=spell.ends * self._pace + shift,
                )
                for spell in nature.spells
            ),
        )

    def arrivals(self, a_day: int) -> list[tuple[float, Kind]]:
        """When requests come, more by day than by night, and of what kind they are."""
        chance = Random(f"arrivals {self.seed}")
        count = int(a_day * self.length / DAY)
        at: list[float] = []
        while len(at) < count:
            moment = chance.uniform(0.0, self.length)
            if chance.random() < 0.15 + 0.85 * busyness(moment):
                at.append(moment)
        shares = [kind.share for kind in KINDS]
        return list(zip(sorted(at), chance.choices(KINDS, shares, k=count), strict=True))

    def changes(self) -> list[float]:
        """When somebody joins or a price becomes another, ascending; the start is one."""
        moments = {0.0} | {nature.joins for nature in self.natures}
        for nature in self.natures:
            for spell in nature.spells:
                if spell.price_unknown or spell.dearer != 1.0:
                    moments |= {max(0.0, spell.begins), spell.ends}
        return sorted(moment for moment in moments if moment < self.length)

    def best(self, at: float, kind: Kind) -> float:
        """The utility that one may expect of whoever serves best at a moment."""
        there = (nature for nature in self.natures if nature.joins <= at)
        return max(self.expected(nature, at, kind) for nature in there)

    def expected(self, nature: Nature, at: float, kind: Kind) -> float:
        """The utility that one may expect of one try."""
        fails = self.fails(nature, at)
        tokens = kind.answer_tokens * nature.verbose * _mean(_LENGTHS)
        first = nature.first_token * self.slowness(nature, at) * _mean(_WAITS)
        whole = first + tokens / nature.speed * self.slowness(nature, at)
        price = self.price(nature, at)
        cost = kind.prompt_tokens * price.input + tokens * price.output
        answered = utility(self.true_quality(nature, at, kind.task), whole, cost)
        lost = sum(share * utility(0.0, seconds, 0.0) for share, seconds in _FAILURES.values())
        return (1.0 - fails) * answered + fails * lost

    def slowness(self, nature: Nature, at: float) -> float:
        """How many times slower than at its best a model is."""
        return (1.0 + nature.busy * busyness(at)) * (1.0 + nature.drift * at / self.length)

    def fails(self, nature: Nature, at: float) -> float:
        """The share of tries that a model does not answer."""
        spells = sum(spell.fails for spell in _now(nature, at))
        return min(0.98, nature.fails + nature.busy_fails * busyness(at) ** 2 + spells)

    def true_quality(self, nature: Nature, at: float, task: TaskType) -> float:
        """How good a model's answers are on average."""
        return nature.quality[task] - sum(spell.worse for spell in _now(nature, at))

    def price(self, nature: Nature, at: float) -> Price:
        """What a model costs."""
        dearer = math.prod(spell.dearer for spell in _now(nature, at))
        return Price(nature.input * dearer / _MILLION, nature.output * dearer / _MILLION)

    def known_price(self, name: str, at: float) -> Price | None:
        """The price as far as it is known."""
        nature = next(nature for nature in self.natures if nature.name == name)
        unknown = any(spell.price_unknown for spell in _now(nature, at))
        return None if unknown else self.price(nature, at)


_WAITS, _LENGTHS = 0.3, 0.3
"""The spread of first tokens and of the lengths of answers, as the sigma of a log-normal distribution."""

_FAILURES = {"refused": (0.6, 0.3), "silent": (0.25, 20.0), "broken": (0.15, 3.0)}
"""The ways to fail: their shares, and after about how many seconds one knows."""


def _mean(sigma: float) -> float:
    return math.exp(sigma * sigma / 2.0)


def _now(nature: Nature, at: float) -> list[Spell]:
    return [spell for spell in nature.spells if spell.begins <= at < spell.ends]


class ListedPrices(Prices):
    """The world's prices as the group learns of them."""

    def __init__(self, world: World, clock: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._world = world
        self._loop = clock

    async def ready(self, vendor: str = "", model: str = "") -> None:
        """They always are."""

    def listing(self, vendor: str, model: str, address: str = "") -> Listing:  # noqa: ARG002
        """What is known of a model now; nobody's window binds."""
        return Listing(self._world.known_price(model, self._loop.time()))


@dataclass
class SimulatedModel:
    """A model of a world, as a provider."""

    world: World
    nature: Nature
    at_once: int = 0
    info: ProviderInfo = field(init=False)

    def __post_init__(self) -> None:
        strengths = {Capability(task): strength for task, strength in self.nature.declared.items()}
        name = self.nature.name
        self.info = ProviderInfo(f"simulated:{name}", "simulated", name, capabilities=Capabilities(strengths))

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:  # noqa: ARG002
        """An answer, or a failure; `prompt.about` is the number of the request."""
        meter = Meter(prompt)
        return Stream(self._chunks(prompt, int(prompt.about), meter), meter=meter)

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def _chunks(self, prompt: Prompt, number: int, meter: Meter) -> AsyncGenerator[Chunk, None]:
        world, nature, loop = self.world, self.nature, asyncio.get_running_loop()
        world.tries[number, nature.name] += 1
        chance = Random(f"{world.seed} {number} {nature.name} {world.tries[number, nature.name]}")
        fate, at = chance.random(), loop.time()
        kind = next(kind for kind in KINDS if kind.task is prompt.task)
        slow = world.slowness(nature, at) * (1.0 + nature.crowded * self.at_once)
        first = nature.first_token * slow * chance.lognormvariate(0.0, _WAITS)
        tokens = round(kind.answer_tokens * nature.verbose * chance.lognormvariate(0.0, _LENGTHS))
        price = world.price(nature, at)
        way = chance.choices(list(_FAILURES), [share for share, _ in _FAILURES.values()])[0]
        quality = world.true_quality(nature, at, kind.task) + chance.gauss(0.0, 0.4)
        fails = fate < world.fails(nature, at)
        self.at_once += 1
        try:
            if fails and way != "broken":
                await asyncio.sleep(_FAILURES[way][1])
                raise _FAILS[way](f"{nature.name} failed.", remedy="Wait.")
            await asyncio.sleep(first)
            meter.began = True
            yield TextDelta(meter.hear("An answer. "))
            if fails:
                tokens = tokens // 3
            await asyncio.sleep(tokens / nature.speed * slow)
            yield TextDelta(meter.hear("." * (tokens * 4)))
            usage = meter.report(Usage(kind.prompt_tokens, tokens, cost_usd=None, calls=1))
            world.dollars[number] += price.cost(usage)
            yield usage
            if fails:
                raise errors.StreamBroken(f"{nature.name} broke off.", remedy="Wait.")
            world.quality[number] = min(5.0, max(0.0, quality))
            yield Stopped("end", "simulated", nature.name)
        finally:
            self.at_once -= 1


_FAILS: dict[str, type[errors.ProviderError]] = {
    "refused": errors.Overloaded,
    "silent": errors.ProviderTimeout,
}
