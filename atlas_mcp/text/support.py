"""What can be measured, without a model, of whether quotes carry a claim: shared words, numbers, negation.

This is lexical support and nothing more. It tells a wrong source and an invented number well; heavy rewording
looks like missing support, and an invented detail among shared words cannot be seen. It is made for English.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from atlas_mcp.text.sentences import sentences
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["lexical_support", "negated", "numbers", "numbers_supported", "polarity_differs", "sentence_stems"]

WINDOW = 3
NUMBER = re.compile(r"(?:(?<![A-Za-z0-9_.,])|(?<=\b[vV]))[-+]?\d+(?:[.,]\d+)*(?![A-Za-z_]*\d)")
GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$")
TO_TWENTY = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty"""
SPELLED = {name: str(value) for value, name in enumerate(TO_TWENTY.split())}
NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|nowhere|neither|nor|without|cannot|hardly|scarcely|barely)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
NOT_NEGATING = re.compile(
    r"\bnot only\b|\bno\.\s*\d|\bno later than\b|\bno (?:less|more|fewer) than\b", re.IGNORECASE
)


def lexical_support(claim: str, quotes: Iterable[str]) -> float:
    """The share of the claim's content words held by the best three sentences in a row of a quote, 0 to 1.

    Stems are compared, each of the claim's once. A claim without content words has nothing to support: 1.
    """
    wanted = set(stems(claim))
    if not wanted:
        return 1.0
    return max((_held(wanted, quote) for quote in quotes), default=0.0)


def _held(wanted: set[str], quote: str) -> float:
    held = [wanted & words for _, words in sentence_stems(quote)]
    windows = (set[str]().union(*held[at : at + WINDOW]) for at in range(max(1, len(held) - WINDOW + 1)))
    return max(len(window) for window in windows) / len(wanted)


@lru_cache(maxsize=500)
def sentence_stems(quote: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """The sentences of a quote, each with its stems; many claims are held against the same few quotes."""
    return tuple((sentence.text, frozenset(stems(sentence.text))) for sentence in sentences(quote))


def numbers(text: str) -> set[str]:
    """The numbers in `text`, each in one spelling: "1,200", "1200" and "1200.0" are the same."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-")
    return {_plain_number(match[0]) for match in NUMBER.finditer(plain)}


def _plain_number(written: str) -> str:
    written = written.lstrip("+")
    if GROUPED.match(written):
        written = written.replace(",", "")
    whole, point, fraction = written.replace(",", ".").partition(".")
    if "." in fraction or not fraction.isdigit():
        return written.rstrip(".,")
    fraction = fraction.rstrip("0")
    return f"{whole}{point}{fraction}" if fraction else whole


def numbers_supported(claim: str, quotes: Iterable[str]) -> bool:
    """Whether every number of the claim stands in one of the quotes, in figures or (to twenty) in words."""
    wanted = numbers(claim)
    if not wanted:
        return True
    held: set[str] = set()
    for quote in quotes:
        held |= numbers(quote)
        held |= {SPELLED[word] for word in re.findall(r"[a-z]+", quote.lower()) if word in SPELLED}
    return all(number in held or number.lstrip("-") in held for number in wanted)


def negated(text: str) -> bool:
    """Whether `text` says an explicit word of negation; two of them do not cancel out."""
    return NEGATION.search(NOT_NEGATING.sub(" ", text)) is not None


def polarity_differs(a: str, b: str) -> bool:
    """Whether one of two texts is negated and the other is not."""
    return negated(a) != negated(b)
