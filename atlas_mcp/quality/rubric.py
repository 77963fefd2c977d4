"""What good work is, as atomic criteria with points, and how what was found of each becomes one score.

A criterion is one thing that the work does or does not do. Its points say how much that matters; negative
points are for what must not be there. This module knows criteria, and no judge and no text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BEST", "MOST_CRITERIA", "About", "Criterion", "Rubric", "score", "value"]

BEST = 5.0
"""The best score."""

MOST_CRITERIA = 24
"""Criteria of a rubric; a judge that is asked for more begins to answer by rote."""

About = Literal["quality", "truth"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing to look for: the `question` that is answered with yes, partly or no, and its `points`.

    A yes earns positive points, and loses negative ones. With a `measure` (the name of a part of what was
    measured) nobody is asked: the part's share answers, and for negative points what it lacks of 1.
    """

    name: str
    question: str
    points: float = 1.0
    about: About = "quality"
    measure: str = ""

    @property
    def kind(self) -> Literal["judge", "measure"]:
        """Who answers."""
        return "measure" if self.measure else "judge"


@dataclass(frozen=True, slots=True)
class Rubric:
    """Criteria under a name; at least one of them has positive points, and no two have the same name."""

    name: str
    criteria: tuple[Criterion, ...]
    description: str = ""

    @property
    def asked(self) -> tuple[Criterion, ...]:
        """The criteria that a judge is asked for, in order."""
        return tuple(each for each in self.criteria if each.kind == "judge")


def score(found: Iterable[tuple[Criterion, float]]) -> float | None:
    """How criteria become one score from 0 to 5; here and nowhere else.

    Each criterion comes with how far it is met, 0 to 1. The points that are earned, negative ones included,
    are divided by the positive points that could be; below 0 counts as 0. So a fault takes away what its
    points say, a criterion that did not apply and was left out takes away nothing, and one more that is met
    never lowers the score. None where no positive points could be earned.

    Source: HealthBench (Arora et al., 2025), whose score this is, times 5.
    """
    pairs = list(found)
    possible = sum(criterion.points for criterion, _ in pairs if criterion.points > 0)
    if not possible:
        return None
    earned = sum(criterion.points * met for criterion, met in pairs)
    return BEST * min(1.0, max(0.0, earned / possible))


def value(criterion: Criterion, met: float) -> float:
    """What a reader sees of one criterion, 0 to 5: 5 is as it should be, with negative points too."""
    return BEST * (met if criterion.points > 0 else 1 - met)
