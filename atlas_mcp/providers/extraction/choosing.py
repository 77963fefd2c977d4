"""Which of the judged units to keep: enough, no more, no two that say the same.

It sees numbers, vectors and words; it knows neither passages nor findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlas_mcp.providers.extraction.relevance import coverage, held_stems
from atlas_mcp.text.ranking import diversify
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.providers.extraction.questions import Question
    from atlas_mcp.providers.extraction.relevance import Relevance, Vectors
    from atlas_mcp.providers.extraction.units import Unit

__all__ = ["CERTAIN", "RELEVANT", "answered_facets", "choose", "distinct", "open_facets"]

RELEVANT = 0.33
"""The topical relevance below which a unit does not answer anything."""

CERTAIN = 0.6
"""The relevance from which a unit surely answers, even in other words than the question's."""

_HALF = 0.5
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
        if scores[chosen, facet] >= RELEVANT and relevance.topical[chosen] >= RELEVANT:
            answers[facet] = chosen
    return answers


def open_facets(question: Question, units: Sequence[Unit], relevance: Relevance) -> list[str]:
    """What stays unanswered, in the question's words: facets that no unit answers, or only by the way."""
    held = held_stems(units)
    answers = zip(question.facets, answered_facets(relevance), relevance.by_facet.T, strict=True)
    return [
        facet.text
        for facet, unit, scores in answers
        if facet.text and (unit is None or (scores[unit] < CERTAIN and coverage(facet.text, held) <= _HALF))
    ]


def choose(
    question: Question, units: Sequence[Unit], relevance: Relevance, vectors: Vectors | None, most: int
) -> list[int]:
    """At most `most` units, best first: the best of each facet, then what adds most to those."""
    total = relevance.total
    if not len(total) or most < 1:
        return []
    winners = [unit for unit in answered_facets(relevance) if unit is not None]
    floor = max(RELEVANT, _FAR_BELOW * float(total.max()))
    worth = total.copy()
    worth[winners] += _WINNER
    good = np.flatnonzero((total >= floor) & (relevance.topical >= RELEVANT)).tolist()
    ranked = sorted({*good, *winners}, key=lambda index: (-float(worth[index]), index))
    kept = list(distinct(question, units, vectors, ranked))
    rows = None if vectors is None else vectors.units[kept]
    texts = [units[index].plain for index in kept]
    places = diversify(worth[kept], rows, texts, most, _TRADE)
    return sorted((kept[place] for place in places), key=lambda index: -float(total[index]))


def distinct(
    question: Question, units: Sequence[Unit], vectors: Vectors | None, ranked: Sequence[int]
) -> dict[int, list[int]]:
    """Of `ranked` units the first of each that say the same, each with all of its kind, itself included."""
    asked = frozenset(stems(question.text))
    words = {index: frozenset(stems(units[index].plain)) for index in ranked}
    kinds: dict[int, list[int]] = {}
    for index in ranked:
        twins = (
            kept
            for kept in kinds
            if _holds(units[kept], units[index])
            or (
                not (units[kept].computed or units[index].computed)
                and _alike(words[kept], words[index], asked, _cosine(vectors, kept, index))
            )
        )
        kinds.setdefault(next(twins, index), []).append(index)
    return kinds


def _holds(one: Unit, other: Unit) -> bool:
    """Whether two units overlap in their source, or one is within the other."""
    if one.source == other.source and one.start < other.end and other.start < one.end:
        return True
    return one.plain in other.plain or other.plain in one.plain


def _alike(one: frozenset[str], other: frozenset[str], asked: frozenset[str], cosine: float) -> bool:
    """Whether two sentences share nearly all, and differ neither in a number nor in a word that was asked."""
    if any(word in asked or word[0].isdigit() for word in one ^ other):
        return False
    return cosine >= _SAME_MEANING or len(one & other) >= _SAME_WORDS * max(1, len(one), len(other))


def _cosine(vectors: Vectors | None, one: int, other: int) -> float:
    return 0.0 if vectors is None else float(vectors.units[one] @ vectors.units[other])
