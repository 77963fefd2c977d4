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

__all__ = ["RELEVANT", "answered_facets", "choose", "distinct"]

RELEVANT = 0.33
"""The topical relevance below which a unit does not answer anything."""

_FAR_BELOW = 0.6  # of the best unit's worth
_TRADE = 0.65  # how much worth counts against difference
_WINNER = 0.2  # what being the best for a facet adds
_NEAR = 0.8  # of the best for a facet
_SAME_MEANING, _SAME_WORDS = 0.92, 0.75


def answered_facets(relevance: Relevance) -> list[int | None]:
    """For each facet the unit that answers it best, None where none does.

    A unit that answers two facets is given to the second as well only when no other comes near it there.
    """
    scores = relevance.by_facet
    answers: list[int | None] = [None] * scores.shape[1]
    if not len(scores):
        return answers
    for facet in sorted(range(len(answers)), key=lambda each: -float(scores[:, each].max())):
        order = np.argsort(-scores[:, facet], kind="stable")
        best = int(order[0])
        free = next((int(unit) for unit in order if int(unit) not in answers), best)
        chosen = free if scores[free, facet] >= _NEAR * scores[best, facet] else best
        answers[facet] = chosen if scores[chosen, facet] >= RELEVANT else None
    return answers


def choose(units: Sequence[Unit], relevance: Relevance, vectors: Vectors | None, most: int) -> list[int]:
    """At most `most` units, best first: the best of each facet, then what adds most to those."""
    total = relevance.total
    if not len(total) or most < 1:
        return []
    winners = [unit for unit in answered_facets(relevance) if unit is not None]
    floor = max(RELEVANT, _FAR_BELOW * float(total.max()))
    good = [
        index
        for index in range(len(units))
        if index in winners or (total[index] >= floor and relevance.topical[index] >= RELEVANT)
    ]
    worth = {index: float(total[index]) + (_WINNER if index in winners else 0.0) for index in good}
    kept = list(distinct(units, vectors, sorted(good, key=lambda index: -worth[index])))
    rows = None if vectors is None else vectors.units[kept]
    texts = [units[index].plain for index in kept]
    places = diversify([worth[index] for index in kept], rows, texts, most, _TRADE)
    return sorted((kept[place] for place in places), key=lambda index: -float(total[index]))


def distinct(units: Sequence[Unit], vectors: Vectors | None, ranked: Sequence[int]) -> dict[int, list[int]]:
    """Of `ranked` units the first of each that say the same, each with all of its kind, itself included."""
    words = {index: frozenset(stems(units[index].plain)) for index in ranked}
    kinds: dict[int, list[int]] = {}
    for index in ranked:
        twin = next((kept for kept in kinds if _same(units, vectors, words, kept, index)), index)
        kinds.setdefault(twin, []).append(index)
    return kinds


def _same(
    units: Sequence[Unit], vectors: Vectors | None, words: dict[int, frozenset[str]], one: int, other: int
) -> bool:
    """Whether two units overlap, hold one another, or share words or meaning almost wholly."""
    first, second = units[one], units[other]
    if first.source == second.source and first.start < second.end and second.start < first.end:
        return True
    if first.plain in second.plain or second.plain in first.plain:
        return True
    if len(words[one] & words[other]) >= _SAME_WORDS * max(1, len(words[one]), len(words[other])):
        return True
    return vectors is not None and float(vectors.units[one] @ vectors.units[other]) >= _SAME_MEANING
