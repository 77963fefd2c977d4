"""How much each quotable unit has to do with a question, and with each of its facets.

Vectors, words and surface signs are weighed into numbers from 0 to 1 that mean the same from question to
question, so that a floor can be set under them. It does not choose, and knows no output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlas_mcp.providers.extraction.clues import acts, answers_kind, form
from atlas_mcp.providers.extraction.figures import asks_for, names_column
from atlas_mcp.providers.extraction.questions import Kind
from atlas_mcp.text.ranking import lexical_scores, minmax
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import numpy.typing as npt

    from atlas_mcp.providers.extraction.questions import Facet, Question
    from atlas_mcp.providers.extraction.units import Unit

__all__ = [
    "Relevance",
    "Vectors",
    "asked_texts",
    "coverage",
    "held_stems",
    "judge",
    "shortlist",
    "unit_texts",
]

# Weights of meaning, covered words and rare words; MiniLM's cosine of unrelated sentences is about 0.1.
_DENSE, _COVERED, _RARE = 0.6, 0.25, 0.15
_COSINE_FLOOR, _COSINE_SPAN = 0.1, 0.65
_WHOLE = 0.35  # what the whole question counts, against the facet a unit answers best
_ACTOR, _ACTOR_DOES, _HEADED, _FOREIGN = 0.12, 0.35, 0.1, 0.2
_KIND = dict.fromkeys(Kind, 0.12) | {
    Kind.DEFINITION: 0.3,
    Kind.CONDITION: 0.3,
    Kind.BAN: 0.3,
    Kind.QUANTITY: 0.2,
    Kind.MANNER: 0.08,
}
_AROUND = 0.25  # what the passage counts, against the unit itself
_ROW = 0.6  # what a table's row is worth without its header
_MOST_EMBEDDED = 240
_OF_COLUMN, _CALLED_FOR = 0.45, 0.3  # what a computed line is worth that is of a column that is named
_NAMED, _UNNAMED, _ALL_THERE_IS = 0.6, 0.3, 0.35
_ELSEWHERE = 0.35  # what a word in the heading or title counts, against one in the sentence


@dataclass(frozen=True, slots=True)
class Vectors:
    """Unit vectors: one row a question text (see `asked_texts`), one row a unit (see `unit_texts`)."""

    asked: npt.NDArray[np.float32]
    units: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Relevance:
    """Each unit's worth: `total`, its `topical` part without bonuses, and `by_facet` (units x facets)."""

    total: npt.NDArray[np.float64]
    topical: npt.NDArray[np.float64]
    by_facet: npt.NDArray[np.float64]


def asked_texts(question: Question) -> list[str]:
    """What is embedded of a question: the whole, then each facet."""
    return [question.text, *(facet.query for facet in question.facets)]


def unit_texts(units: Sequence[Unit]) -> list[str]:
    """What is embedded of units: each sentence under its heading."""
    return [f"{unit.heading}: {unit.plain}" if unit.heading else unit.plain for unit in units]


def shortlist(question: Question, units: Sequence[Unit]) -> list[Unit]:
    """The units worth embedding: all, or of very many those that share most words with the question."""
    if len(units) <= _MOST_EMBEDDED:
        return list(units)
    kept = np.argsort(-_topical(question.text, units), kind="stable")[:_MOST_EMBEDDED]
    return [units[index] for index in sorted(kept)]


def judge(question: Question, units: Sequence[Unit], vectors: Vectors | None) -> Relevance:
    """The relevance of `units` to `question`; by words alone where there are no vectors."""
    asked = asked_texts(question)
    columns = [_topical(query, units) for query in asked]
    topical = np.stack(columns, axis=1) if units else np.zeros((0, len(asked)))
    if vectors is not None and units:
        cosine = (1 - _AROUND) * vectors.units @ vectors.asked.T + _AROUND * _around(units, vectors)
        dense = np.clip((cosine - _COSINE_FLOOR) / _COSINE_SPAN, 0.0, 1.0)
        topical = _DENSE * dense + (1 - _DENSE) * topical
    if any(unit.computed for unit in units):
        topical = _with_figures(asked, units, topical)
    words = frozenset(stems(question.text))
    bonus = np.zeros((len(units), len(question.facets)))
    for number, unit in enumerate(units):
        signs = [_bonus(facet, unit) for facet in question.facets]
        bonus[number] = np.array(signs) + _headed(unit, words)
    shape = np.array([_shape(unit) for unit in units], dtype=np.float64)[:, None]
    by_facet = (topical[:, 1:] + bonus) * shape
    whole = topical[:, 0] * shape[:, 0]
    total = (1 - _WHOLE) * by_facet.max(axis=1, initial=0.0) + _WHOLE * whole
    return Relevance(total, topical.max(axis=1, initial=0.0), by_facet)


def _around(units: Sequence[Unit], vectors: Vectors) -> npt.NDArray[np.float32]:
    """For each unit and question text the cosine of all that is quoted from the same passage."""
    rows: dict[str, list[int]] = {}
    for index, unit in enumerate(units):
        rows.setdefault(unit.id, []).append(index)
    middle = {key: vectors.units[members].mean(axis=0) for key, members in rows.items()}
    unit_middles = np.stack([middle[unit.id] / np.linalg.norm(middle[unit.id]) for unit in units])
    return unit_middles @ vectors.asked.T


def _with_figures(
    asked: Sequence[str], units: Sequence[Unit], topical: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The same, with computed lines weighed by their column and by what was computed, not by likeness.

    A line is often near a question by its table's name alone; whose column is not named says nothing on it.
    Where there are computed lines alone, and not a word of theirs is asked, they are all there is to say.
    """
    weighed = topical.copy()
    words = set(stems(asked[0].replace("_", " ")))
    told = (stems(f"{unit.title} {unit.heading} {unit.plain}".replace("_", " ")) for unit in units)
    unasked = all(unit.computed for unit in units) and not any(words.intersection(each) for each in told)
    for number, unit in enumerate(units):
        if not unit.computed:
            continue
        for place, query in enumerate(asked):
            named = names_column(stems(query.replace("_", " ")), unit.computed)
            if named >= _NAMED:
                near = named * (_OF_COLUMN + _CALLED_FOR * asks_for(query, unit.computed))
                weighed[number, place] = max(topical[number, place], near)
            else:
                weighed[number, place] *= _UNNAMED
    return weighed + _ALL_THERE_IS if unasked else weighed


def _shape(unit: Unit) -> float:
    if unit.computed:
        return 1.0
    return form(unit.plain) * (_ROW if unit.text.startswith("|") else 1.0)


def _bonus(facet: Facet, unit: Unit) -> float:
    asked = stems(facet.query)
    kinds = [
        _KIND[kind] * answers_kind(kind, unit.plain, asked) for kind in facet.kinds if kind is not Kind.DUTY
    ]
    actor = _ACTOR_DOES if Kind.DUTY in facet.kinds else _ACTOR
    return max(kinds, default=0.0) + actor * acts(unit.plain, facet.actors)


def _headed(unit: Unit, asked: frozenset[str]) -> float:
    """What title and heading say for a unit; below 0 where it speaks of a title that is not asked for."""
    title, heading = frozenset(stems(unit.title)), frozenset(stems(unit.heading))
    if title and not title & asked and title <= frozenset(stems(unit.plain)):
        return -_FOREIGN
    shares = [len(place & asked) / len(place) for place in (title, heading) if place]
    return _HEADED * sum(shares) / max(1, len(shares))


def _topical(query: str, units: Sequence[Unit]) -> npt.NDArray[np.float64]:
    """Share of the query's words a unit covers, rare ones counting more, and its lexical rank among all."""
    wanted = list(dict.fromkeys(stems(query)))
    inside = [set(stems(unit.plain)) for unit in units]
    around = [set(stems(f"{unit.title} {unit.heading}")) for unit in units]
    weight = {
        word: math.log(1 + (len(units) + 1) / (1 + sum(word in words for words in inside))) for word in wanted
    }
    whole = sum(weight.values()) or 1.0
    covered = [
        sum(each * (1.0 if word in own else _ELSEWHERE * (word in near)) for word, each in weight.items())
        / whole
        for own, near in zip(inside, around, strict=True)
    ]
    rare = np.asarray(minmax(lexical_scores(query, [unit.plain for unit in units])), dtype=np.float64)
    return (_COVERED * np.asarray(covered) + _RARE * rare) / (_COVERED + _RARE)


def coverage(text: str, held: Collection[str]) -> float:
    """Share of the stems of `text` that are among `held` (see `held_stems`); 1 if it has none."""
    wanted = set(stems(text))
    return len(wanted.intersection(held)) / len(wanted) if wanted else 1.0


def held_stems(units: Iterable[Unit]) -> frozenset[str]:
    """The stems that stand in any unit, its heading or its title."""
    return frozenset(word for unit in units for word in stems(f"{unit.title} {unit.heading} {unit.plain}"))
