"""Which member first: pure functions from what is asked and how the members stand to an order.

A strategy is any function of that form; a user adds one by passing it to a group. It sees views, never
providers; it reads neither clock nor network, and its chance comes from outside, so that equal views and
equal chance give equal orders.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.capabilities import Capabilities, Strength
from atlas_mcp.providers.reliability import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from atlas_mcp.messages import TaskType
    from atlas_mcp.providers.prices import Price

__all__ = [
    "STRATEGIES",
    "Ask",
    "MemberView",
    "Order",
    "Strategy",
    "cheapest",
    "failover",
    "fastest",
    "random",
    "round_robin",
    "strategy_named",
    "task_aware",
]

_USUAL_SECONDS = 10.0
_USUAL_TOKENS = 400


@dataclass(frozen=True, slots=True)
class Ask:
    """What a choice is made for: the kind of task, and about how many tokens go in and come out."""

    task: TaskType
    prompt_tokens: int = 0
    answer_tokens: int = _USUAL_TOKENS


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member as a strategy sees it.

    `turns` is its place in the rotation: the virtual time of stride scheduling, in which a choice costs one
    over the weight (Waldspurger and Weihl, 1995). `at_once` is how many calls it answers now, `price` None
    where nobody knows it.
    """

    name: str
    weight: float = 1.0
    turns: float = 0.0
    at_once: int = 0
    capabilities: Capabilities = field(default_factory=Capabilities)
    price: Price | None = None
    record: Record = field(default_factory=Record)


class Order(NamedTuple):
    """Places in the sequence of views, first choice first, and why the first."""

    places: Sequence[int]
    reason: str


class Strategy(Protocol):
    """Orders the members that could answer; all of them, each once."""

    def __call__(self, ask: Ask, members: Sequence[MemberView], chance: Random, /) -> Order:
        """The order for one call."""
        ...


def failover(_ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
    """In the order in which they were listed."""
    return Order(range(len(members)), "first of the list that is free")


def round_robin(_ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
    """Each in its turn; one of twice the weight has two turns."""
    places = sorted(range(len(members)), key=lambda at: members[at].turns)
    return Order(places, "its turn")


def random(_ask: Ask, members: Sequence[MemberView], chance: Random, /) -> Order:
    """By lot, in proportion to their weights."""
    # Efraimidis and Spirakis (2006): the largest u^(1/w) is a weighted draw without replacement.
    lots = {at: chance.random() ** (1.0 / member.weight) for at, member in enumerate(members)}
    return Order(sorted(lots, key=lots.__getitem__, reverse=True), "by lot")


def cheapest(ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
    """The lowest expected cost, counting answers that fail; those of unknown price come last."""
    costs = [expected_cost(ask, member) for member in members]
    places = sorted(range(len(members)), key=lambda at: (costs[at] is None, costs[at] or 0.0))
    least = costs[places[0]] if places else None
    return Order(places, "no price is known" if least is None else f"cheapest, about ${least:.5f} an answer")


def fastest(_ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
    """The shortest usual wait for a whole answer, counting answers that fail; the untried are tried first."""
    waits = [0.0 if member.record.calls < 1 else expected_seconds(member) for member in members]
    places = sorted(range(len(members)), key=lambda at: (waits[at], members[at].turns))
    first = waits[places[0]] if places else 0.0
    return Order(places, f"fastest, usually {first:.1f} s" if first else "not tried yet")


def task_aware(ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
    """The greatest declared strength for the task; among equals the more reliable, then the cheaper."""

    def rank(at: int) -> tuple[float, float, float]:
        member = members[at]
        strength = member.capabilities.strength(ask.task)
        cost = expected_cost(ask, member)
        return (
            -float(Strength.MODERATE if strength is None else strength),
            -round(member.record.success, 1),
            float("inf") if cost is None else cost,
        )

    places = sorted(range(len(members)), key=rank)
    best = members[places[0]].capabilities.strength(ask.task) if places else None
    said = "of unknown strength" if best is None else best.name.lower()
    return Order(places, f"{said} at {ask.task.value}")


def expected_cost(ask: Ask, member: MemberView) -> float | None:
    """Dollars for an answer, with what failed tries cost on the way; None where the price is unknown."""
    if member.price is None:
        return None
    return member.price.estimate(ask.prompt_tokens, ask.answer_tokens) / max(0.05, member.record.success)


def expected_seconds(member: MemberView) -> float:
    """Seconds to a whole answer, with the time of failed tries."""
    seconds = member.record.seconds or member.record.first_token or _USUAL_SECONDS
    return seconds / max(0.05, member.record.success)


STRATEGIES: dict[str, Strategy] = {
    "failover": failover,
    "round_robin": round_robin,
    "random": random,
    "cheapest": cheapest,
    "fastest": fastest,
    "task_aware": task_aware,
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
