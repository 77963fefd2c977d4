"""Which member first: the strategies, and the names by which settings call them.

Any function of the form of `Strategy` is one; a user adds theirs by passing it to a group. None of them is
asked about members that cannot answer now, and none is asked where there is but one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.adaptive import Adaptive
from atlas_mcp.providers.capabilities import Strength
from atlas_mcp.providers.strategy import Ask, MemberView, Order, Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

__all__ = [
    "STRATEGIES",
    "cheapest",
    "failover",
    "fastest",
    "name_of",
    "random",
    "round_robin",
    "strategy_named",
    "task_aware",
]

_USUAL_SECONDS = 10.0


def failover(_ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
    """In the order in which they were listed."""
    return Order(range(len(members)), "first of the list that is free")


def round_robin(_ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
    """Each in its turn; one of twice the weight has two turns."""
    places = sorted(range(len(members)), key=lambda at: members[at].turns)
    return Order(places, "its turn")


def random(_ask: Ask, members: Sequence[MemberView], chance: Random, /) -> Order:
    """By lot, in proportion to their weights."""
    # Of clocks that ring at rates in proportion to the weights, each is the first to ring so often.
    lots = [chance.expovariate(member.weight) for member in members]
    return Order(sorted(range(len(members)), key=lots.__getitem__), "by lot")


def cheapest(ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
    """The lowest expected cost, counting tries that fail; those of unknown cost come last."""
    costs = [_dollars_per_answer(ask, member) for member in members]
    places = sorted(range(len(members)), key=lambda at: (costs[at] is None, costs[at] or 0.0))
    least = costs[places[0]]
    return Order(places, "no price is known" if least is None else f"cheapest, about ${least:.5f} an answer")


def fastest(_ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
    """The shortest usual wait for a whole answer, counting tries that fail; the untried are tried first."""
    waits = [_seconds_per_answer(member) for member in members]
    places = sorted(range(len(members)), key=lambda at: (waits[at], members[at].turns))
    least = waits[places[0]]
    return Order(places, f"fastest, usually {least:.1f} s" if least else "not tried lately")


def task_aware(ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
    """The greatest declared strength for the task; among equals the more reliable, then the cheaper."""

    def rank(at: int) -> tuple[float, float, float]:
        member = members[at]
        strength = member.capabilities.strength(ask.task)
        cost = _dollars_per_answer(ask, member)
        return (
            -float(Strength.MODERATE if strength is None else strength),
            -round(member.success, 1),
            float("inf") if cost is None else cost,
        )

    places = sorted(range(len(members)), key=rank)
    best = members[places[0]].capabilities.strength(ask.task)
    said = "of unknown strength" if best is None else best.name.lower()
    return Order(places, f"{said} at {ask.task.value}")


def _dollars_per_answer(ask: Ask, member: MemberView) -> float | None:
    """Dollars for an answer, with what failed tries cost on the way; None where the cost is unknown."""
    cost = member.cost(ask)
    return None if cost is None else cost / member.success


def _seconds_per_answer(member: MemberView) -> float:
    """Seconds to a whole answer, with the time of failed tries; 0 for a member that one should try."""
    record = member.record
    if record.calls < 1.0 and not member.at_once:
        return 0.0
    seconds = record.seconds
    if seconds is None:
        # It never finished, or is at its first try just now: as fast as it looks, but no wonder.
        seconds = max(_USUAL_SECONDS, record.first_token or 0.0)
    failures = 1.0 / member.success - 1.0
    # One that fails at once is not fast: whoever goes on begins anew.
    return seconds + failures * max(seconds, record.lost_seconds or 0.0)


STRATEGIES: dict[str, Strategy] = {
    "failover": failover,
    "round_robin": round_robin,
    "random": random,
    "cheapest": cheapest,
    "fastest": fastest,
    "task_aware": task_aware,
    "adaptive": Adaptive(),
}
"""The strategies by the names that settings use."""


def strategy_named(name: str) -> Strategy:
    """The strategy of that name; `round-robin` is `round_robin`.

    Raises:
        InvalidConfiguration: there is none.
    """
    found = STRATEGIES.get(name.strip().lower().replace("-", "_"))
    if found is None:
        raise InvalidConfiguration(
            f"There is no strategy {name!r}.", remedy=f"Strategies: {', '.join(STRATEGIES)}."
        )
    return found


def name_of(strategy: Strategy) -> str:
    """How settings call a strategy; one of somebody's own goes by the name of its function or class."""
    for name, known in STRATEGIES.items():
        if strategy is known:
            return name
    return getattr(strategy, "__name__", type(strategy).__name__)
