"""Ranking as plain functions over scores, vectors and words; it knows no store and no model.

Scores of two kinds are fused by value, not by rank: measured on turn-level retrieval, fused ranks lost to
full text alone, fused values beat both.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from atlas_mcp.text.words import content_words, stems, words

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FloatArray", "content_words", "diversify", "fuse", "lexical_scores", "minmax", "smooth"]

FloatArray: TypeAlias = npt.NDArray[np.float32]

# BM25's usual constants (Robertson and Zaragoza, 2009).
SATURATION = 1.2
LENGTH_SHARE = 0.75


def minmax(scores: npt.ArrayLike) -> FloatArray:
    """The scores stretched to 0 to 1; all 0 where they do not differ."""
    values = np.asarray(scores, np.float32)
    if not values.size:
        return values
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def fuse(dense: npt.ArrayLike, lexical: npt.ArrayLike, share: float = 0.5) -> FloatArray:
    """One score from two: `share` of the stretched dense one, the rest of the lexical one over its largest.

    A lexical score of 0 says that no word matches, so it stays 0; a dense score has no such zero.
    """
    by_words = np.array(lexical, np.float32)
    by_words /= by_words.max(initial=0) or 1
    return (share * minmax(dense) + (1 - share) * by_words).astype(np.float32)


def smooth(vectors: FloatArray, share: float = 0.25) -> FloatArray:
    """Unit vectors (n x d, in reading order) each with `share` of its two neighbours mixed in."""
    mixed = vectors.copy()
    mixed[1:] += share * vectors[:-1]
    mixed[:-1] += share * vectors[1:]
    return mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), np.float32(1e-12))


def diversify(
    scores: npt.ArrayLike, vectors: FloatArray | None, texts: Sequence[str], k: int, trade: float = 0.7
) -> list[int]:
    """The places of `k` items, best first, each good and unlike those before (maximal marginal relevance).

    `trade` is the weight of the score against likeness, 0 to 1; likeness is the vectors' cosine, or shared
    words where there are no vectors. Source: Carbonell and Goldstein, 1998.
    """
    relevance = np.asarray(scores, np.float32)
    relevance = relevance / (relevance.max(initial=0) or 1)
    bags = [frozenset(stems(text)) for text in texts] if vectors is None else []
    chosen: list[int] = []
    nearest = np.zeros(len(texts), np.float32)
    open_places = np.ones(len(texts), dtype=bool)
    for _ in range(min(k, len(texts))):
        value = np.where(open_places, trade * relevance - (1 - trade) * nearest, -np.inf)
        best = int(value.argmax())
        chosen.append(best)
        open_places[best] = False
        likeness = _shared_words(bags, best) if vectors is None else vectors @ vectors[best]
        nearest = np.maximum(nearest, likeness)
    return chosen


def lexical_scores(query: str, texts: Sequence[str]) -> FloatArray:
    """BM25 of each text for `query`, over these texts alone; stems without stop words; 0 without a match."""
    terms = set(stems(query))
    # A query of nothing but small words is taken at its word.
    bags = [Counter(stems(text) if terms else words(text)) for text in texts]
    lengths = np.array([bag.total() for bag in bags], np.float32)
    usual = max(float(lengths.mean()), 1) if bags else 1.0
    norm = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * lengths / usual)
    scores = np.zeros(len(texts), np.float32)
    for term in terms or set(words(query)):
        counts = np.array([bag[term] for bag in bags], np.float32)
        holders = int((counts > 0).sum())
        if holders:
            rarity = np.log1p((len(texts) - holders + 0.5) / (holders + 0.5))
            scores += rarity * counts * (SATURATION + 1) / (counts + norm)
    return scores


def _shared_words(bags: list[frozenset[str]], one: int) -> FloatArray:
    """Shared words over all words (Jaccard) of each bag with one of them."""
    return np.array([len(bag & bags[one]) / max(len(bag | bags[one]), 1) for bag in bags], np.float32)
