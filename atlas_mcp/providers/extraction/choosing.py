"""Which of the judged units to keep: enough, no more, no two that say the same.

It sees numbers, vectors and words; it knows neither passages nor findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlas_mcp.text.ranking import diversify
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.providers.extraction.relevance import Relevance, Vectors
    from atlas_mcp.providers.extraction.units import Unit

__all__ = ["RELEVANT", "answered_facets", "choose", "same"]

RELEVANT = 0.33
"""The topical relevance below which a unit does not answer anything."""

_FAR_BELOW = 0.6  # of the best unit's worth
_TRADE = 0.7  # how much worth counts against difference
_SAME_MEANING, _SAME_WORDS = 0.92, 0.75


def answered_facets(relevance: Relevance) -> list[int | None]:
    """For each facet the unit that answers it best, None where none does."""
    count = relevance.by_facet.shape[1]
    if not len(relevance.total):
        return [None] * count
    best = [int(np.argmax(relevance.by_facet[:, facet])) for facet in range(count)]
    return [
        unit if relevance.by_facet[unit, facet] >= RELEVANT else None for facet, unit in enumerate(best)
    ]


def choose(units: Sequence[Unit], relevance: Relevance, vectors: Vectors | None, most: int) -> list[int]:
    """At most `most` units, best first: the best of each facet, then what adds most to those."""
    total = relevance.total
    if not len(total) or most < 1:
        return []
    floor = max(RELEVANT, _FAR_BELOW * float(total.max()))
    winners = [unit for unit in answered_facets(relevance) if unit is not None]
    enough = [
        index
        for index in range(len(units))
        if index in winners or (total[index] >= floor and relevance.topical[index] >= RELEVANT)
    ]
    worth = [float(total[index]) + (0.2 if index in winners else 0.0) for index in enough]
    rows = None if vectors is None else vectors.units[enough]
    order = diversify(worth, rows, [units[index].plain for index in enough], min(most, len(enough)), _TRADE)
    kept: list[int] = []
    for index in (enough[place] for place in order):
        if not any(same(units, vectors, index, other) for other in kept):
            kept.append(index)
    return sorted(kept, key=lambda index: -float(total[index]))


def same(units: Sequence[Unit], vectors: Vectors | None, one: int, other: int) -> bool:
    """Whether two units say the same: nearly one meaning, or the words of one within the other's."""
    first, second = set(stems(units[one].plain)), set(stems(units[other].plain))
    shared = len(first & second) / max(1, min(len(first), len(second)))
    if shared >= _SAME_WORDS and len(first & second) / max(1, len(first | second)) >= 0.5:
        return True
    return vectors is not None and float(vectors.units[one] @ vectors.units[other]) >= _SAME_MEANING
