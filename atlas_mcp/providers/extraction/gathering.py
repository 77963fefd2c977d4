"""Findings from passages: the few stretches that answer, word for word, and what none of them covers.

It knows passages as units, and a question; neither schemas nor tools, but for the words worth searching for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from atlas_mcp.providers.extraction.choosing import RELEVANT, choose, open_facets
from atlas_mcp.providers.extraction.filling import Choice, Stock
from atlas_mcp.providers.extraction.relevance import coverage, held_stems, judge
from atlas_mcp.text.words import content_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.providers.extraction.questions import Question
    from atlas_mcp.providers.extraction.relevance import Vectors
    from atlas_mcp.providers.extraction.units import Unit

__all__ = ["gather", "stock", "uncovered_words"]

_COVERED_WELL = 0.6


def gather(question: Question, units: Sequence[Unit], vectors: Vectors | None, most: int) -> dict[str, Any]:
    """At most `most` findings, best first, and as gaps the facets that none of them answers."""
    relevance = judge(question, units, vectors)
    several = len(question.facets) > 1
    findings = [
        {
            "passage": units[index].id,
            "quote": units[index].text,
            "about": question.facets[int(relevance.by_facet[index].argmax())].text if several else None,
        }
        for index in choose(question, units, relevance, vectors, most)
    ]
    return {"findings": findings, "gaps": open_facets(question, units, relevance), "note": None}


def stock(question: Question, units: Sequence[Unit], vectors: Vectors | None) -> Stock:
    """What other fields of an answer can be filled from: each passage or finding that has to do with it."""
    total = judge(question, units, vectors).total
    best: dict[str, Choice] = {}
    for index in sorted(range(len(units)), key=lambda each: -float(total[each])):
        if total[index] >= RELEVANT:
            unit = units[index]
            best.setdefault(unit.id, Choice(unit.id, unit.text))
    counts = {
        "findings": len({unit.id for unit in units}),
        "sources": len({unit.source for unit in units}),
        "sentences": len(units),
        "words": sum(len(unit.plain.split()) for unit in units),
    }
    return Stock(tuple(best.values()), counts)


def uncovered_words(question: Question, units: Sequence[Unit]) -> str:
    """What to search for: the question's words that no unit has, or all of them where only one is missing.

    Empty where the units cover the question well.
    """
    held = held_stems(units)
    if coverage(question.text, held) >= _COVERED_WELL:
        return ""
    words = [word for word in re.findall(r"\w[\w./-]*", question.text) if content_words(word)]
    missing = [word for word in words if coverage(word, held) < 1]
    return " ".join(dict.fromkeys(missing if len(missing) > 1 else words))
