"""What was measured of a text: parts with a figure each, the reasons, and what no measure here can see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["BLIND_SPOTS", "MOST", "TITLES", "Measures", "Part", "Reason"]

MOST = 5.0
"""The best score."""

BLIND_SPOTS = (
    "truth: whether the sources are right, and whether a quote is torn from its context",
    "a contradiction in other words, such as rises for falls; only explicit words of negation are compared",
    "an invented detail among words that the quotes share, most of all where much is reworded",
    "a number that stands in the cited quotes and belongs to something else there",
    "insight, style, and whether the question is answered: a text that only copies its quotes scores full",
    "languages other than English, for shared words and negation",
)
"""What the measures cannot see; they say so with every score."""

TITLES = {
    "citation_coverage": "sentences that cite",
    "dangling_citations": "citations that exist",
    "verbatim_quotes": "quotes verbatim",
    "numbers": "numbers in their quotes",
    "lexical_support": "words in their quotes",
    "negation": "nothing denied otherwise",
    "duplication": "nothing said twice",
    "completeness": "assignments answered",
}
"""Each part as a person reads it: what 100 % of it means."""

_REASONS = 3
_QUOTED = 160


@dataclass(frozen=True, slots=True)
class Reason:
    """One fault: where it stands, the sentence or quote, and what is wrong with it."""

    where: str
    quote: str
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """One measure: the share, 0 to 1, of the `of` things it looked at that are as they should be.

    A part that had nothing to look at has no share: it does not apply, and was not passed.
    """

    name: str
    share: float | None
    of: int
    reasons: tuple[Reason, ...] = ()

    @property
    def applies(self) -> bool:
        """Whether there was anything to measure."""
        return self.share is not None


@dataclass(frozen=True, slots=True)
class Measures:
    """The score of a text, 0 to 5, and its parts; the score is None where there was no sentence to score."""

    score: float | None
    parts: tuple[Part, ...]

    def part(self, name: str) -> Part:
        """The part of that name."""
        return next(part for part in self.parts if part.name == name)

    def to_dict(self, reasons: int = _REASONS) -> dict[str, Any]:
        """As JSON, with the first so many reasons of each part; `faults` says how many there are."""
        return {
            "score": None if self.score is None else round(self.score, 1),
            "parts": [_part(part, reasons) for part in self.parts],
            "blind_spots": list(BLIND_SPOTS),
        }


def _part(part: Part, most: int) -> dict[str, Any]:
    return {
        "name": part.name,
        "applies": part.applies,
        "share": None if part.share is None else round(part.share, 2),
        "of": part.of,
        "faults": len(part.reasons),
        "reasons": [
            {"where": each.where, "quote": _short(each.quote), "reason": each.reason}
            for each in part.reasons[:most]
        ],
    }


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED else f"{line[: _QUOTED - 1]}…"
