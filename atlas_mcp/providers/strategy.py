"""The noun of choosing: a strategy is a pure function of what is asked and of how the members stand.

It sees views, never providers; it reads neither clock nor network, and its chance comes from outside, so that
equal views and equal chance give equal orders. Which strategies there are is in `strategies`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from atlas_mcp.providers.capabilities import Capabilities
from atlas_mcp.providers.known.reliability import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from atlas_mcp.messages import TaskType
    from atlas_mcp.providers.known.prices import Price

__all__ = ["Ask", "MemberView", "Order", "Strategy"]

_USUAL_TOKENS = 400
_LEAST_SUCCESS = 0.05
_ANY = Capabilities()
_NO_RECORD = Record()


@dataclass(frozen=True, slots=True)
class Ask:
    """What a choice is made for: the kind of task, and about how many tokens go in and come out."""

    task: TaskType
    prompt_tokens: int = 0
    answer_tokens: int = _USUAL_TOKENS


class MemberView(NamedTuple):
    """A member as a strategy sees it; a tuple, since one is made of every member for every choice.

    `turns` is its place in the rotation: the virtual time of stride scheduling, in which a choice costs one
    over the weight (Waldspurger and Weihl, 1995). `at_once` is how many calls it answers now, `price` None
    where nobody knows it.
    """

    name: str
    weight: float = 1.0
    turns: float = 0.0
    at_once: int = 0
    capabilities: Capabilities = _ANY
    price: Price | None = None
    record: Record = _NO_RECORD

    def cost(self, ask: Ask) -> float | None:
        """Dollars that a try is expected to cost, by how long its answers to such tasks are; None is unknown.

        What tries were seen to cost stands in for a price that nobody knows.
        """
        if self.price is None:
            return self.record.cost_usd
        return self.price.estimate(ask.prompt_tokens, round(self.record.answer_tokens or ask.answer_tokens))

    @property
    def success(self) -> float:
        """The share of tries that it answers, never so small that nothing could be divided by it."""
        return max(_LEAST_SUCCESS, self.record.success)


class Order(NamedTuple):
    """Places in the sequence of views, first choice first, and why the first."""

    places: Sequence[int]
    reason: str


class Strategy(Protocol):
    """Orders the members that could answer; all of them, each once."""

    def __call__(self, ask: Ask, members: Sequence[MemberView], chance: Random, /) -> Order:
        """The order for one call."""
        ...
