"""The adaptive strategy: whoever is likely to serve best by what was observed, with a look at the others.

Each member has a prospect in points of quality, 0 to 5: how good an answer to expect of it, less what its
wait and its price are worth. A prospect is as uncertain as little is known of the member, and the choice
falls on the best of one draw from each (Thompson sampling, normally distributed). So a newcomer, and one that
was not asked for long, are looked at now and then, and a member that is known to be worse hardly ever.
Records fade, so that nobody is written off for good. Where little was observed, declared strengths and prices
stand in.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2, sqrt
from typing import TYPE_CHECKING, NamedTuple

from atlas_mcp.providers.capabilities import Strength
from atlas_mcp.providers.strategy import Order

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from atlas_mcp.providers.strategy import Ask, MemberView

__all__ = ["Adaptive"]

_PROMISED: dict[Strength | None, tuple[float, float]] = {
    None: (1.0, 3.5),
    Strength.NONE: (2.0, 1.0),
    Strength.LIMITED: (2.0, 2.8),
    Strength.MODERATE: (2.0, 3.5),
    Strength.STRONG: (2.0, 4.0),
    Strength.EXCEPTIONAL: (2.0, 4.4),
}
"""The quality to expect of a declared strength, after how many ratings that expectation counts for."""
_QUALITY_VARIANCE = 0.5
"""How far ratings of one member's answers to one kind of task lie apart, squared."""
_RATED = 0.1
"""The share of answers that must be rated if asking others is to teach something of their quality."""

_SUCCESS, _TRIES = 0.95, 3.0
"""The share of tries that a member is expected to answer, and how many tries that counts for."""

_SECONDS = 10.0
"""The wait to expect where nobody's is known."""
_UNIT_SECONDS = 5.0
"""A wait so long is worth `Adaptive.wait`."""


class _Usual(NamedTuple):
    """What is usual among the members, where they differ; and how far quality is rated at all, 0 to 1."""

    seconds: float
    dollars: float
    rated: float

    @classmethod
    def among(cls, members: Sequence[MemberView], costs: Sequence[float | None]) -> _Usual:
        waits: list[float] = []
        answers = rated = 0.0
        for view in members:
            record = view.record
            answers += record.answers
            rated += record.rated
            if record.seconds is not None:
                waits.append(record.seconds)
        paid = sorted(cost for cost in costs if cost)
        waits.sort()
        return cls(
            waits[len(waits) // 2] if waits else _SECONDS,
            paid[len(paid) // 2] if paid else 0.0,
            min(1.0, (1.0 + rated) / (1.0 + answers * _RATED)),
        )


@dataclass(frozen=True, slots=True)
class Adaptive:
    """A strategy with its weights.

    `wait` is how many points of quality five seconds are worth, and about each doubling from there; `price`
    how many the usual price of the members is, and about each doubling from there. `curiosity` is how far to
    look beyond what is best by all that is known, in standard deviations of the doubt; 0 is not at all.
    """

    wait: float = 0.5
    price: float = 0.5
    curiosity: float = 0.5

    def __call__(self, ask: Ask, members: Sequence[MemberView], chance: Random, /) -> Order:
        """The best draw first."""
        costs = [view.cost(ask) for view in members]
        usual = _Usual.among(members, costs)
        prospects: list[float] = []
        draws: list[float] = []
        for view, cost in zip(members, costs, strict=True):
            prospect, doubt = self._prospect(ask, view, cost, usual)
            prospects.append(prospect)
            draws.append(prospect + self.curiosity * doubt * chance.gauss(0.0, 1.0))
        places = sorted(range(len(members)), key=draws.__getitem__, reverse=True)
        first, best = places[0], prospects.index(max(prospects))
        facts = _facts(members[first], costs[first])
        if first == best:
            return Order(places, f"best of {len(members)}: {facts}")
        return Order(places, f"to see how it does now: {facts}; the best so far is {members[best].name}")

    def _prospect(self, ask: Ask, view: MemberView, cost: float | None, usual: _Usual) -> tuple[float, float]:
        """What one may expect of a member, in points of quality, and the standard deviation of that."""
        record = view.record
        tries = record.calls + _TRIES
        success = (record.calls * record.success + _TRIES * _SUCCESS) / tries

        said, expected = _PROMISED[view.capabilities.strength(ask.task)]
        ratings = record.rated + said
        quality = (record.rated * (record.quality or 0.0) + said * expected) / ratings

        seconds = usual.seconds if record.seconds is None else record.seconds
        seconds += (1.0 - success) * (record.lost_seconds or 0.0)
        # A price that nobody knows is taken for the usual one; it is neither nothing nor beyond all others.
        dearness = 1.0 if cost is None else cost and cost / usual.dollars

        prospect = (
            success * quality
            - self.wait * log2(1.0 + seconds / _UNIT_SECONDS)
            - self.price * log2(1.0 + dearness)
        )
        doubt = (
            quality * quality * success * (1.0 - success) / (tries + 1.0)
            + success * success * _QUALITY_VARIANCE * usual.rated / ratings
            # What is not known at all may well be half, or twice, of what is usual.
            + (self.wait * self.wait if record.seconds is None else 0.0)
            + (self.price * self.price if cost is None else 0.0)
        )
        return prospect, sqrt(doubt)


def _facts(view: MemberView, cost: float | None) -> str:
    """What a choice rests on, for people."""
    record = view.record
    known = record.calls >= 1.0
    facts = [f"{100 * record.success:.0f} % answered" if known else "hardly tried lately"]
    if record.seconds is not None:
        facts.append(f"{record.seconds:.1f} s")
    facts.append("unknown price" if cost is None else f"${cost:.4f}")
    if record.quality is not None:
        facts.append(f"quality {record.quality:.1f}")
    return ", ".join(facts)
