"""What it takes a group to decide who answers: microseconds by strategy and number of members.

Just before each choice something was observed of a member, as in a group that is at work, so that what is
known has to be worked out anew.
"""

from __future__ import annotations

import random
import statistics
import time

from atlas_mcp.messages import Prompt
from atlas_mcp.providers.choosing import Choosing
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.prices import Price, Prices
from atlas_mcp.providers.known.reliability import Outcome, Reliability
from atlas_mcp.providers.strategies import STRATEGIES
from atlas_mcp.providers.terms import TERMS
from tests.providers.mortal import Fate, Mortal

__all__ = ["every_choice"]

_SIZES = (2, 5, 10)
_CHOICES = 400
_REPEATS = 7
_KNOWN = 30
_PROMPT = Prompt.of("When is the tide high?")


def every_choice() -> dict[str, dict[str, float]]:
    """Microseconds by strategy and number of members: the median of many, the least of several such."""
    return {
        name: {f"{size}": round(min(_median(name, size) for _ in range(_REPEATS)), 1) for size in _SIZES}
        for name in STRATEGIES
    }


def _median(strategy: str, size: int) -> float:
    chance, reliability = random.Random(1), Reliability()  # noqa: S311 - the same for every strategy
    members = [Mortal(f"model-{number}", [Fate()]) for number in range(size)]
    circumstances = Circumstances(reliability, Prices(), chance=chance)
    group = ProviderGroup(members, STRATEGIES[strategy], circumstances=circumstances)
    for member in group.members:
        member.price = Price(2e-6 * chance.random(), 1e-5 * chance.random())

    def observe(name: str) -> None:
        failure = "overloaded" if chance.random() < 0.1 else ""
        outcome = Outcome(failure, chance.uniform(1.0, 20.0), chance.uniform(10.0, 90.0), 0.002, 400)
        reliability.observe(name, _PROMPT.kind_of_task, outcome)
        reliability.heard(name, _PROMPT.kind_of_task, chance.uniform(0.2, 2.0))

    for member in group.members:
        for _ in range(_KNOWN):
            observe(member.name)
    took: list[float] = []
    for _ in range(_CHOICES):
        observe(chance.choice(group.members).name)
        began = time.perf_counter()
        choice = Choosing(group._roster, _PROMPT, TERMS, group.policy).pick("")
        try:
            choice.send(None)
        except StopIteration:
            took.append(time.perf_counter() - began)
        else:
            raise AssertionError("it waits, though everybody is free")
    return statistics.median(took) * 1e6
