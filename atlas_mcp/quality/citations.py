"""Whether what a brief says is carried by what it cites. Measured from words and numbers, with no model.

It sees a missing or unknown citation, a quote that does not stand in its source, a number that the quotes
do not have, and words that they do not share. It cannot see a contradiction in other words; so the measure
is called lexical support, never truth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas_mcp.text.sentences import sentences
from atlas_mcp.text.support import lexical_support, numbers_supported
from atlas_mcp.text.verbatim import locate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.messages import Passage

__all__ = [
    "LEAST_SUPPORT", "Verdict", "judge_claims", "judge_sentences", "misquoted", "quote_place",
    "sentence_place",
]  # fmt: skip

LEAST_SUPPORT = 0.3
"""Share of a claim's content words that its quotes must have; true claims reworded by 70 % have 0.37."""

_MARKERS = re.compile(r"\s*\[(f\d+(?:\s*,\s*f\d+)*)\]")
_BETWEEN = r"(?:\s*\[f\d+(?:\s*,\s*f\d+)*\])*\s*"
_TOKEN = re.compile(r"\w+|[^\w\s]")
_AFTER_STOP = re.compile(r"""([.!?…]+["'\u201d\u2019)]*)((?:\s*\[f\d+(?:\s*,\s*f\d+)*\])+)""")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One claim or sentence, what it cites, and why it is unsupported (empty when it is supported)."""

    text: str
    finding_ids: tuple[str, ...]
    reason: str = ""

    @property
    def supported(self) -> bool:
        """Whether nothing was found against it."""
        return not self.reason


def judge_claims(claims: Sequence[Mapping[str, Any]], quotes: Mapping[str, str]) -> list[Verdict]:
    """A verdict on each claim `{text, finding_ids}`; `quotes` maps finding ids to verbatim quotes."""
    return [
        _verdict(_MARKERS.sub("", claim["text"]).strip(), tuple(claim["finding_ids"]), quotes)
        for claim in claims
    ]


def judge_sentences(text: str, quotes: Mapping[str, str]) -> list[Verdict]:
    """A verdict on each sentence of a text that cites by markers such as `[f2]` or `[f1, f3]`.

    A marker may stand before or after the full stop; a sentence without one rests on the next that has one.
    """
    verdicts: list[Verdict] = []
    waiting: list[str] = []
    for sentence in _marked_sentences(text):
        ids = tuple(name.strip() for group in _MARKERS.findall(sentence) for name in group.split(","))
        waiting.append(_MARKERS.sub("", sentence).strip())
        if ids:
            verdicts.extend(_verdict(part, ids, quotes) for part in waiting if part)
            waiting.clear()
    verdicts.extend(Verdict(part, (), "it cites no finding") for part in waiting if part)
    return verdicts


def sentence_place(sentence: str, text: str, after: int = 0) -> tuple[int, int] | None:
    """Where a sentence that was judged stands in the text it was judged in, whatever markers stand in it."""
    said = _BETWEEN.join(map(re.escape, _TOKEN.findall(sentence)))
    found = re.compile(said).search(text, after)
    return found.span() if found else None


def _marked_sentences(text: str) -> list[str]:
    """Sentences with their markers; one after a full stop is drawn before it, `x. [f1]` to `x [f1].`."""
    drawn = _AFTER_STOP.sub(r"\2\1", text)
    return [drawn[sentence.start : sentence.end] for sentence in sentences(drawn)]


def _verdict(text: str, ids: tuple[str, ...], quotes: Mapping[str, str]) -> Verdict:
    if not ids:
        return Verdict(text, ids, "it cites no finding")
    if unknown := [name for name in ids if name not in quotes]:
        return Verdict(text, ids, f"there is no finding {unknown[0]}")
    cited = [quotes[name] for name in ids]
    if not numbers_supported(text, cited):
        return Verdict(text, ids, "it has a number that its quotes do not have")
    support = lexical_support(text, cited)
    if support < LEAST_SUPPORT:
        return Verdict(text, ids, f"its quotes share {support:.0%} of its words")
    return Verdict(text, ids)


def quote_place(
    quote: str, passage_id: str, passages: Mapping[str, Passage]
) -> tuple[Passage, int, int] | None:
    """The passage in which a quote stands verbatim, and where; the named passage is tried first."""
    named = [passages[passage_id]] if passage_id in passages else []
    for passage in (*named, *passages.values()):
        if place := locate(quote, passage.text):
            return passage, *place
    return None


def misquoted(findings: Sequence[Mapping[str, Any]], passages: Mapping[str, Passage]) -> list[str]:
    """What to tell an agent whose quotes do not stand in what it was shown."""
    return [
        f"$.findings[{number}].quote is not verbatim in any passage: {finding['quote'][:120]!r}."
        " Copy it exactly, or leave the finding out."
        for number, finding in enumerate(findings)
        if quote_place(finding["quote"], finding["passage"], passages) is None
    ]
