"""A week of five simulated models that change while they are used, as models do.

What a model is like is written down as data, before any strategy was looked at: its first token, its speed,
its price, how often it answers, how good it is at each kind of task; and what happens to it in the week. Days
are busier than nights; one is out for hours, one costs twice as much from one day on, one gets worse without
saying so, one slows down bit by bit, and one joins when the week is half over, of which nobody knows the
price at first. A seed moves all of it about: who is how good, when things happen, and how each try goes. How
a try goes depends on the seed, the request and the model alone, so that every strategy lives through the same
week.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from atlas_mcp.messages import TaskType
from atlas_mcp.providers.capabilities import Strength
from atlas_mcp.providers.known.prices import Price

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DAY", "FAILURES", "HOUR", "KINDS", "PEOPLE", "Kind", "Nature", "Person", "Spell", "World"]

HOUR, DAY = 3600.0, 86_400.0
WAITS = LENGTHS = 0.3
"""The spread of first tokens, and of the lengths of answers: the sigma of log-normal distributions."""
FAILURES = {"refused": (0.6, 0.3), "silent": (0.25, 20.0), "broken": (0.15, 3.0)}
"""The ways to fail: their shares of all failures, and about how many seconds they take."""
_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Person:
    """What somebody wants: one point of quality, of five, is worth so many seconds, or so many dollars."""

    name: str
    seconds: float
    dollars: float

    def utility(self, quality: float, seconds: float, dollars: float) -> float:
        """What an answer is worth, in fifths of a point; `quality` is 0 where there is none."""
        return (quality - seconds / self.seconds - dollars / self.dollars) / 5.0


PEOPLE = (
    Person("somebody", 20.0, 0.02),
    Person("in a hurry", 4.0, 0.02),
    Person("thrifty", 20.0, 0.004),
    Person("choosy", 100.0, 0.10),
)
"""By the first of them the strategies are compared; the others show how much of it is a matter of taste."""


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
    """What is different with a model from one moment of the week to another."""

    begins: float
    ends: float
    fails: float = 0.0
    worse: float = 0.0
    dearer: float = 1.0
    price_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Nature:
    """What a model is like: dollars a million tokens, seconds, tokens a second, quality and strength by task.

    `fails` is the share of tries that it does not answer. At the busiest hour it is slower by the share of
    `busy` and fails more often by `busy_fails`; by the end of the week it is slower by `drift`, and at any
    time by `crowded` for each other call that it answers.
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


def _qualities(*figures: float) -> dict[TaskType, float]:
    return {kind.task: figure for kind, figure in zip(KINDS, figures, strict=True)}


def _strengths(letters: str) -> dict[TaskType, Strength]:
    named = {strength.name[0]: strength for strength in Strength}
    return {kind.task: named[letter] for kind, letter in zip(KINDS, letters, strict=True)}


_WEEK = 7 * DAY
NATURES = (
    Nature(
        "flagship", 4.0, 20.0, 1.5, 60.0, 0.005, _qualities(4.4, 4.6, 4.5, 4.6, 4.3), _strengths("EEEEE"),
        busy=0.8, busy_fails=0.04,
        spells=(Spell(2 * DAY + 9 * HOUR, 2 * DAY + 13 * HOUR, fails=0.95),),
    ),
    Nature(
        "coder", 2.0, 10.0, 1.0, 80.0, 0.01, _qualities(4.1, 3.2, 4.6, 4.1, 3.7), _strengths("SSESS"),
        busy=0.4, busy_fails=0.02,
        spells=(Spell(3 * DAY + 12 * HOUR, 5 * DAY, worse=1.2),),
    ),
    Nature(
        "mini", 0.75, 4.5, 0.5, 120.0, 0.02, _qualities(4.2, 3.5, 3.1, 3.4, 3.9), _strengths("SMMMM"),
        busy=0.3,
        spells=(Spell(DAY + 8 * HOUR, 2 * _WEEK, dearer=2.0),),
    ),
    Nature(
        "local", 0.0, 0.0, 0.6, 30.0, 0.01, _qualities(3.6, 3.3, 2.6, 2.9, 3.2), _strengths("MMLMM"),
        drift=1.0, crowded=0.4,
    ),
    Nature(
        "newcomer", 0.5, 2.5, 0.8, 100.0, 0.03, _qualities(4.3, 4.2, 4.1, 4.3, 4.0), {},
        verbose=1.4, joins=4 * DAY + 10 * HOUR,
        spells=(Spell(4 * DAY, 5 * DAY, price_unknown=True),),
    ),
)  # fmt: skip
"""In the order in which a person would list them: the best known first."""


def busyness(at: float) -> float:
    """How busy everybody is: 0 at two in the night, 1 at two in the afternoon."""
    return 0.5 - 0.5 * math.cos(2.0 * math.pi * (at / HOUR - 2.0) / 24.0)


class World:
    """The week of one seed; in one of fewer days the same things happen sooner."""

    def __init__(self, seed: int, *, days: float = 7.0) -> None:
        self.seed = seed
        self.length = days * DAY
        chance = self.chance("world")
        self.natures = tuple(_moved(nature, chance, days / 7.0) for nature in NATURES)

    def chance(self, *about: object) -> Random:
        """Chance that is the same in every life of this week."""
        return Random(f"{self.seed} {about}")  # noqa: S311 - to be had again

    def arrivals(self, a_day: int) -> list[tuple[float, Kind]]:
        """When requests come, more by day than by night, and of what kind they are."""
        chance, at = self.chance("arrivals"), list[float]()
        while len(at) < int(a_day * self.length / DAY):
            moment = chance.uniform(0.0, self.length)
            if chance.random() < 0.15 + 0.85 * busyness(moment):
                at.append(moment)
        kinds = chance.choices(KINDS, [kind.share for kind in KINDS], k=len(at))
        return list(zip(sorted(at), kinds, strict=True))

    def best(self, at: float, kind: Kind, person: Person) -> float:
        """The utility to expect of whoever serves best at a moment, tried once and by nobody else."""
        return max(self._expected(each, at, kind, person) for each in self.natures if each.joins <= at)

    def _expected(self, nature: Nature, at: float, kind: Kind, person: Person) -> float:
        fails, slowness = self.fails(nature, at), self.slowness(nature, at)
        tokens = kind.answer_tokens * nature.verbose * math.exp(LENGTHS**2 / 2)
        seconds = (nature.first_token * math.exp(WAITS**2 / 2) + tokens / nature.speed) * slowness
        price = self.price(nature, at)
        quality, dollars = (
            self.quality(nature, at, kind.task),
            price.estimate(kind.prompt_tokens, round(tokens)),
        )
        lost = sum(share * person.utility(0.0, wait, 0.0) for share, wait in FAILURES.values())
        return (1.0 - fails) * person.utility(quality, seconds, dollars) + fails * lost

    def slowness(self, nature: Nature, at: float) -> float:
        """How many times slower than at its best a model is."""
        return (1.0 + nature.busy * busyness(at)) * (1.0 + nature.drift * at / self.length)

    def fails(self, nature: Nature, at: float) -> float:
        """The share of tries that a model does not answer."""
        spells = sum(spell.fails for spell in _now(nature, at))
        return min(0.98, nature.fails + nature.busy_fails * busyness(at) ** 2 + spells)

    def quality(self, nature: Nature, at: float, task: TaskType) -> float:
        """How good a model's answers are, on average."""
        return nature.quality[task] - sum(spell.worse for spell in _now(nature, at))

    def price(self, nature: Nature, at: float) -> Price:
        """What a model costs, known or not."""
        dearer = math.prod(spell.dearer for spell in _now(nature, at)) / _MILLION
        return Price(nature.input * dearer, nature.output * dearer)

    def known_price(self, name: str, at: float) -> Price | None:
        """What is known of a model's price."""
        nature = next(nature for nature in self.natures if nature.name == name)
        return None if any(spell.price_unknown for spell in _now(nature, at)) else self.price(nature, at)


def _now(nature: Nature, at: float) -> list[Spell]:
    return [spell for spell in nature.spells if spell.begins <= at < spell.ends]


def _moved(nature: Nature, chance: Random, pace: float) -> Nature:
    """A model as it is in one week: a little better or worse, and what happens to it sooner or later."""
    later, slower = chance.uniform(-8.0, 8.0) * HOUR, chance.lognormvariate(0.0, 0.15)

    def moved(moment: float) -> float:
        return (moment + later) * pace

    return replace(
        nature,
        first_token=nature.first_token * slower,
        speed=nature.speed / slower,
        quality={task: min(4.9, each + chance.gauss(0.0, 0.2)) for task, each in nature.quality.items()},
        joins=moved(nature.joins) if nature.joins else 0.0,
        spells=tuple(
            replace(spell, begins=moved(spell.begins), ends=moved(spell.ends)) for spell in nature.spells
        ),
    )
