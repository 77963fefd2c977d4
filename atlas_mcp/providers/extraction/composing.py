"""A brief from findings: which to state, in what order, what answers, what disagrees, what stays open.

Every sentence is a finding's own. It knows findings and the question, and no schema.
"""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

from atlas_mcp.providers.extraction.choosing import CERTAIN, RELEVANT, answered_facets, distinct, open_facets
from atlas_mcp.providers.extraction.relevance import coverage, held_stems, judge
from atlas_mcp.text.support import numbers, polarity_differs
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.providers.extraction.questions import Question
    from atlas_mcp.providers.extraction.relevance import Relevance, Vectors
    from atlas_mcp.providers.extraction.units import Unit

__all__ = ["apart", "compose", "disagreements", "ended", "measured"]

_ENDED = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]]*$|[:;]$")
_ANSWER_SENTENCES = 3
_NEW = 0.4  # of a further sentence's words, that the answer does not have yet
_MARKER = len(". [f999] ")
_NEARLY_AS_GOOD = 0.82
_WORTH_STATING = 0.5  # of the best
_MOST_SURE, _MOST_SURE_BY_WORDS = 0.8, 0.6
_ENOUGH_SOURCES = 3
_WHOLLY_RELEVANT = 0.8
_ON_ONE_THING_MEANING, _ON_ONE_THING_WORDS = 0.8, 0.5


def compose(
    question: Question, units: Sequence[Unit], vectors: Vectors | None, longest: int = 1_200
) -> dict[str, Any]:
    """The brief: `answer`, `claims`, `disagreements`, `open_questions`, `confidence`.

    `units` are the findings' quotes; the answer is of more than one only within `longest` characters.
    `confidence` is measured, from 0 to 0.8 (0.6 where words alone were compared): two fifths of it the share
    of the question's content words that the answer's findings hold, two fifths how relevant these are, one
    fifth how many documents (up to three) hold something relevant.
    """
    relevance = judge(question, units, vectors)
    ranked = sorted(range(len(units)), key=lambda index: -float(relevance.total[index]))
    winners = [index for index in answered_facets(relevance) if index is not None]
    least = _WORTH_STATING * float(relevance.total.max(initial=0.0))
    stated = [index for index in ranked if index in winners or relevance.total[index] >= least]
    merged = distinct(question, units, vectors, stated)
    kept = {twin: first for first, twins in merged.items() for twin in twins}
    answering = _answering(units, relevance, [kept[index] for index in winners], list(merged), longest)
    claimed = [*answering, *_by_document(units, [index for index in merged if index not in answering])]
    return {
        "answer": _told(units, answering),
        "claims": [
            {"text": units[index].plain, "finding_ids": [units[twin].id for twin in merged[index]]}
            for index in claimed
        ],
        "disagreements": disagreements(units, vectors),
        "open_questions": open_facets(question, units, relevance),
        "confidence": _confidence(question, units, relevance, answering, dense=vectors is not None),
    }


def ended(plain: str) -> str:
    """A sentence that ends where it ends, so that the next is not read as a part of it."""
    return plain if _ENDED.search(plain) else f"{plain}."


def apart(sentences: Sequence[str]) -> str:
    """Sentences as one text; one that begins with a small letter begins a paragraph, to be read alone."""
    text = ""
    for each in sentences:
        text += f"{chr(10) * 2 if each[:1].islower() else ' '}{each}" if text else each
    return text


def _told(units: Sequence[Unit], answering: Sequence[int]) -> str:
    """The answer's sentences, each with its mark."""
    said = [(units[index].plain, units[index]) for index in answering]
    if any(unit.computed for _, unit in said):
        return apart([f"{ended(plain)} [{unit.id}]" for plain, unit in said])
    return " ".join(f"{_closed(plain)} [{unit.id}]" for plain, unit in said)


def _closed(plain: str) -> str:
    return plain if plain[-1:] in '.!?\u2026:;"\u201d)' else f"{plain}."


def _answering(
    units: Sequence[Unit], relevance: Relevance, winners: list[int], ranked: list[int], longest: int
) -> list[int]:
    """What answers, in the order of the facets: the best of each, then what is nearly as good and new."""
    total, topical = relevance.total, relevance.topical
    best = max((float(total[index]) for index in ranked), default=0.0)
    near = max(RELEVANT, _NEARLY_AS_GOOD * float(topical.max(initial=0.0)))
    good = [index for index in ranked if total[index] >= _NEARLY_AS_GOOD * best and topical[index] >= near]
    chosen: list[int] = []
    said: set[str] = set()
    for index in dict.fromkeys([*winners, *ranked[:1], *good]):
        length = sum(len(units[each].plain) + _MARKER for each in (*chosen, index))
        words = set(stems(units[index].plain))
        fits = len(chosen) < _ANSWER_SENTENCES and length <= longest
        if not chosen or (fits and (index in winners or len(words - said) >= _NEW * len(words))):
            chosen.append(index)
            said |= words
    return sorted(chosen, key=lambda index: int(relevance.by_facet[index].argmax()))


def _by_document(units: Sequence[Unit], ranked: list[int]) -> list[int]:
    """The best first, with all of the same document, in its order; then the next best likewise."""
    documents = dict.fromkeys(units[index].source for index in ranked)
    return [
        index
        for source in documents
        for index in sorted(ranked, key=lambda each: units[each].start)
        if units[index].source == source
    ]


def disagreements(units: Sequence[Unit], vectors: Vectors | None) -> list[dict[str, Any]]:
    """Pairs of findings that speak of one thing and differ in a number or in a negation."""
    words = [frozenset(stems(unit.plain)) for unit in units]
    return [
        {"text": None, "finding_ids": [units[one].id, units[other].id]}
        for one, other in combinations(range(len(units)), 2)
        if not (units[one].computed or units[other].computed)
        and len(words[one] & words[other]) >= _ON_ONE_THING_WORDS * len(words[one] | words[other])
        and (vectors is None or vectors.units[one] @ vectors.units[other] >= _ON_ONE_THING_MEANING)
        and _differ(units[one].plain, units[other].plain)
    ]


def _differ(first: str, second: str) -> bool:
    said, also = set(numbers(first)), set(numbers(second))
    return polarity_differs(first, second) or bool(said and also and not said <= also and not also <= said)


def measured(units: Sequence[Unit], relevance: Relevance, index: int, twins: Sequence[int]) -> float:
    """How sure one finding is, from 0 to 0.8: half how relevant it is, half how many documents say the same.

    `twins` are the units that say what the unit at `index` says, itself included; three documents are enough.
    What was computed needs no second witness.
    """
    relevant = (float(relevance.topical[index]) - RELEVANT) / (_WHOLLY_RELEVANT - RELEVANT)
    sources = len({units[twin].source for twin in twins})
    agreed = 1.0 if units[index].computed else min(sources, _ENOUGH_SOURCES) / _ENOUGH_SOURCES
    return round(_MOST_SURE * (0.5 * min(1.0, max(0.0, relevant)) + 0.5 * agreed), 2)


def _confidence(
    question: Question, units: Sequence[Unit], relevance: Relevance, answering: list[int], *, dense: bool
) -> float:
    if not answering:
        return 0.0
    covered = coverage(question.text, held_stems(units[index] for index in answering))
    topical = sum(float(relevance.topical[index]) for index in answering) / len(answering)
    relevant = min(1.0, max(0.0, (topical - RELEVANT) / (_WHOLLY_RELEVANT - RELEVANT)))
    sources = {unit.source for unit, each in zip(units, relevance.topical, strict=True) if each >= CERTAIN}
    agreed = min(len(sources), _ENOUGH_SOURCES) / _ENOUGH_SOURCES
    most = _MOST_SURE if dense else _MOST_SURE_BY_WORDS
    return round(most * (0.4 * covered + 0.4 * relevant + 0.2 * agreed), 2)
