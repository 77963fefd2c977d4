"""What a sentence denies and its source asserts, or the other way round: explicit words of negation alone.

A denial by another word ("fails" for "succeeds", "impossible" for "possible") cannot be seen. For English.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.text.sentences import sentences
from atlas_mcp.text.support import NEGATION, NOT_NEGATING, sentence_stems
from atlas_mcp.text.words import content_words, stem, stems

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["denied_otherwise"]

ALIKE = 0.5
"""Share of its words that a sentence has in common with another before the two are compared."""

REACH = 3
"""Content words after a word of negation that it may deny, beside the one before it."""


def denied_otherwise(text: str, quotes: Sequence[str]) -> str | None:
    """A word that `text` denies and its quotes assert, or the other way round; None if none is seen.

    Each sentence is compared with the one in the quotes that shares most of its words, if it shares enough.
    """
    if not any(NEGATION.search(each) for each in (text, *quotes)):
        return None
    sources = [source for quote in quotes for source in sentence_stems(quote)]
    for sentence in sentences(text):
        own = set(stems(sentence.text))
        shared = [len(own & words) for _, words in sources]
        if not own or max(shared, default=0) < ALIKE * len(own):
            continue
        nearest, _ = sources[shared.index(max(shared))]
        if word := _turned(sentence.text, nearest) or _turned(nearest, sentence.text):
            return word
    return None


def _turned(text: str, other: str) -> str | None:
    """A word that `text` denies and `other` says, with no negation there that reaches the same words."""
    said = set(stems(other))
    near = {stem(word) for after, before in _denials(other) for word in (*after, *before)}
    for after, _ in _denials(text):
        reached = [stem(word) for word in after]
        if reached and reached[0] in said and near.isdisjoint(reached):
            return after[0]
    return None


def _denials(text: str) -> list[tuple[list[str], list[str]]]:
    """For each word of negation the content words after it, nearest first, and the one before it."""
    plain = NOT_NEGATING.sub(lambda found: " " * len(found[0]), text)
    return [
        (
            content_words(NEGATION.sub(" ", plain[found.end() :]))[:REACH],
            content_words(NEGATION.sub(" ", plain[: found.start()]))[-1:],
        )
        for found in NEGATION.finditer(plain)
    ]
