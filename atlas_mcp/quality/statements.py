"""The single sentences of a text that cites, and what the measures find of each.

A finding is a value from 0 to 1 and, where it is not as it should be, what is wrong; where a measure does
not apply to a sentence, there is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from atlas_mcp.quality.citations import LEAST_SUPPORT, judge_claims, judge_sentences
from atlas_mcp.text.denial import denied_otherwise
from atlas_mcp.text.support import lexical_support, numbers, numbers_supported
from atlas_mcp.text.verbatim import locate
from atlas_mcp.text.words import content_words, stem, stems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

__all__ = ["FULL_SUPPORT", "NO_SUPPORT", "SAID_BEFORE", "Found", "Statement", "statements"]

FULL_SUPPORT = 0.6
"""Share of its words from which a sentence counts as carried; one reworded by half keeps 0.54 of them."""

NO_SUPPORT = 0.1
"""Share of its words below which nothing is carried; a sentence shares so much with a wrong source."""

SAID_BEFORE = 0.8
"""Words that two sentences share, of all their words, from which the second says nothing new."""

_NEGATION_SUSPECTED = 0.5
"""The value of a sentence that seems to deny what its source says; a true one can look so."""

_QUOTATION = re.compile(r"[\u201c\u201e]([^\u201c\u201d\u201e]+)[\u201d\u201c]|\"([^\"]+)\"")
_CUT = re.compile(r"\s*(?:\[?(?:…|\.\.\.)\]?)\s*")
_QUOTED_WORDS = 4
"""Words from which quotation marks are taken to quote, not to name."""

_LACKING = 5


@dataclass(frozen=True, slots=True)
class Found:
    """What one measure gives one sentence: a value from 0 to 1, and what is wrong, if anything."""

    value: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One claim or sentence: where it stands, what it cites, and what each measure found of it."""

    where: str
    text: str
    finding_ids: tuple[str, ...]
    found: dict[str, Found] = field(default_factory=dict[str, Found])

    @property
    def value(self) -> float:
        """What the sentence is worth, 0 to 1: what the worst of its measures says.

        A wrong number is not made good by shared words, nor an unknown source by a right number.
        """
        return min((found.value for found in self.found.values()), default=0.0)


def statements(
    claims: Sequence[Mapping[str, Any]], answer: str, quotes: Mapping[str, str], broken: AbstractSet[str]
) -> list[Statement]:
    """The claims and the sentences of an answer, each measured against the quotes that it cites.

    `broken` are ids of quotes that do not stand in their sources.
    """
    made: list[Statement] = []
    for place, verdicts in (
        ("claim", judge_claims(claims, quotes)),
        ("answer, sentence", judge_sentences(answer, quotes)),
    ):
        earlier: list[frozenset[str]] = []
        for number, verdict in enumerate(verdicts, start=1):
            found = _found(verdict.text, verdict.finding_ids, quotes, broken)
            if verdicts[1:]:
                found["duplication"] = _said_before(verdict.text, earlier, place)
            made.append(Statement(f"{place} {number}", verdict.text, verdict.finding_ids, found))
    return made


def _found(
    text: str, ids: Sequence[str], quotes: Mapping[str, str], broken: AbstractSet[str]
) -> dict[str, Found]:
    if not ids:
        return {"citation_coverage": Found(0, "it cites no finding")}
    found = {"citation_coverage": Found(1)}
    unknown = [name for name in ids if name not in quotes]
    found["dangling_citations"] = (
        Found(0, f"there is no finding {', '.join(unknown)}") if unknown else Found(1)
    )
    cited = {name: quotes[name] for name in ids if name in quotes}
    if not cited:
        return found
    lost = [name for name in cited if name in broken]
    found["verbatim_quotes"] = (
        Found(0, f"the quote of {', '.join(lost)} does not stand in its source") if lost else Found(1)
    )
    held = list(cited.values())
    if said := _quotations(text):
        false = next((each for each in said if not any(locate(each, quote) for quote in held)), "")
        problem = f"it puts in quotation marks what its quotes do not say: {false[:80]!r}"
        found["quotations"] = Found(0, problem) if false else Found(1)
    if wanted := numbers(text):
        bad = sorted(each for each in wanted if not numbers_supported(each, held))
        found["numbers"] = Found(0, f"its quotes do not have {', '.join(bad)}") if bad else Found(1)
    found["lexical_support"] = _support(text, held)
    word = denied_otherwise(text, held)
    found["negation"] = (
        Found(_NEGATION_SUSPECTED, f"either it or its quote denies {word!r}, and the other does not")
        if word else Found(1)
    )  # fmt: skip
    return found


def _quotations(text: str) -> list[str]:
    """What a sentence puts in quotation marks, in the pieces that an ellipsis leaves, without end stops."""
    pieces = [piece for match in _QUOTATION.finditer(text) for piece in _CUT.split(match[1] or match[2])]
    said = [piece.strip(" .,;:!?") for piece in pieces]
    return [each for each in said if len(each.split()) >= _QUOTED_WORDS]


def _support(text: str, held: Sequence[str]) -> Found:
    share = lexical_support(text, held)
    value = min(1.0, max(0.0, (share - NO_SUPPORT) / (FULL_SUPPORT - NO_SUPPORT)))
    if share >= LEAST_SUPPORT:
        return Found(value)
    known = {each for quote in held for each in stems(quote)}
    lacking = [word for word in dict.fromkeys(content_words(text)) if stem(word) not in known][:_LACKING]
    return Found(value, f"its quotes share {share:.0%} of its words; they lack {', '.join(lacking)}")


def _said_before(text: str, earlier: list[frozenset[str]], place: str) -> Found:
    words = frozenset(stems(text))
    said = [len(words & each) / max(1, len(words | each)) for each in earlier]
    earlier.append(words)
    if words and (again := max(said, default=0.0)) >= SAID_BEFORE:
        return Found(0, f"{place} {said.index(again) + 1} says the same")
    return Found(1)
