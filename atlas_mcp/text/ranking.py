"""Ranking as plain functions over scores, vectors and words; it knows no store and no model."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from atlas_mcp.text.words import content_words, stems, words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "FloatArray",
    "bm25",
    "content_words",
    "diversify",
    "diversify_words",
    "lean",
    "lean_norms",
    "lexical_scores",
    "minmax",
    "rarity",
    "spread",
]

FloatArray: TypeAlias = npt.NDArray[np.float32]

# BM25's usual constants (Robertson and Zaragoza, 2009).
SATURATION = 1.2
LENGTH_SHARE = 0.75
PORTION = 4_096


def minmax(scores: npt.ArrayLike) -> FloatArray:
    """The scores stretched to 0 to 1; all 0 where they do not differ."""
    values = np.asarray(scores, np.float32)
    if not values.size:
        return values
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def bm25(
    counts: npt.ArrayLike, lengths: npt.ArrayLike, usual: float, rarity: float, share: float
) -> FloatArray:
    """What a word adds to texts that hold it `counts` times; `share` (0 to 1) is how much length counts."""
    times = np.asarray(counts, np.float32)
    norm = SATURATION * (1 - share + share * np.asarray(lengths, np.float32) / max(usual, 1))
    return (rarity * times * (SATURATION + 1) / (times + norm)).astype(np.float32)


def rarity(holders: int, texts: int) -> float:
    """How much a word tells that `holders` of so many texts hold; never negative."""
    return float(np.log1p((texts - holders + 0.5) / (holders + 0.5)))


def spread(
    places: npt.NDArray[np.intp], scores: FloatArray, groups: npt.NDArray[np.int64], near: FloatArray
) -> FloatArray:
    """A score for each of n places: `scores` at `places` (ascending), and around them what `near` says.

    Row i of `near` (n x reach) is the share that place i takes over from the places 1, 2, … before and behind
    it; only neighbours of one group count, and the largest of all shares and of the place's own score.
    """
    spread_out = np.zeros(len(groups), np.float32)
    spread_out[places] = scores
    for step in range(1, near.shape[1] + 1):
        for to in (places + step, places - step):
            fits = np.flatnonzero((to >= 0) & (to < len(groups)))
            fits = fits[groups[to[fits]] == groups[places[fits]]]
            there = to[fits]
            spread_out[there] = np.maximum(spread_out[there], near[there, step - 1] * scores[fits])
    return spread_out


def lean(
    scores: FloatArray, groups: npt.NDArray[np.int64], near: FloatArray, norms: FloatArray
) -> FloatArray:
    """Cosines of vectors that lean on their neighbours, from the cosines of each vector alone.

    `near` is as in `spread`, but what is taken over adds up; `norms` come from `lean_norms`.
    """
    leaning = scores.copy()
    for step in range(1, min(near.shape[1], len(scores) - 1) + 1):
        together = groups[step:] == groups[:-step]
        leaning[step:] += near[step:, step - 1] * together * scores[:-step]
        leaning[:-step] += near[:-step, step - 1] * together * scores[step:]
    return (leaning / np.maximum(norms, 1e-12)).astype(np.float32)


def lean_norms(vectors: FloatArray, groups: npt.NDArray[np.int64], near: FloatArray) -> FloatArray:
    """The lengths of unit vectors (n x d) with what each takes over from its neighbours; see `lean`."""
    norms = np.empty(len(vectors), np.float32)
    reach = near.shape[1]
    for start in range(0, len(vectors), PORTION):
        low, high = max(start - reach, 0), min(start + PORTION + reach, len(vectors))
        part, mixed = vectors[low:high], vectors[low:high].copy()
        for step in range(1, min(reach, len(part) - 1) + 1):
            together = (groups[low + step : high] == groups[low : high - step])[:, None]
            mixed[step:] += near[low + step : high, step - 1 : step] * together * part[:-step]
            mixed[:-step] += near[low : high - step, step - 1 : step] * together * part[step:]
        end = min(start + PORTION, len(vectors))
        norms[start:end] = np.linalg.norm(mixed[start - low : end - low], axis=1)
    return norms


def diversify(
    scores: npt.ArrayLike, vectors: FloatArray | None, texts: Sequence[str], k: int, trade: float = 0.7
) -> list[int]:
    """The places of `k` items, best first, each good and unlike those before (maximal marginal relevance).

    `trade` is the weight of the score against likeness, 0 to 1; likeness is the vectors' cosine, or shared
    words where there are no vectors. Source: Carbonell and Goldstein, 1998.
    """
    if vectors is None:
        return diversify_words(scores, [frozenset(stems(text)) for text in texts], k, trade)
    return _diverse(scores, lambda best: vectors @ vectors[best], k, trade)


def diversify_words(
    scores: npt.ArrayLike, bags: Sequence[frozenset[str]], k: int, trade: float = 0.7
) -> list[int]:
    """As `diversify`, of items whose stems are known."""
    return _diverse(scores, lambda best: _shared_words(bags, best), k, trade)


def lexical_scores(query: str, texts: Sequence[str]) -> FloatArray:
    """BM25 of each text for `query`, over these texts alone; stems without stop words; 0 without a match."""
    terms = set(stems(query))
    # A query of nothing but small words is taken at its word.
    bags = [Counter(stems(text) if terms else words(text)) for text in texts]
    lengths = np.array([bag.total() for bag in bags], np.float32)
    usual = max(float(lengths.mean()), 1) if bags else 1.0
    scores = np.zeros(len(texts), np.float32)
    for term in terms or set(words(query)):
        counts = np.array([bag[term] for bag in bags], np.float32)
        holders = int((counts > 0).sum())
        if holders:
            scores += bm25(counts, lengths, usual, rarity(holders, len(texts)), LENGTH_SHARE)
    return scores


def _diverse(scores: npt.ArrayLike, likeness: Callable[[int], FloatArray], k: int, trade: float) -> list[int]:
    relevance = np.asarray(scores, np.float32)
    relevance = relevance / (relevance.max(initial=0) or 1)
    chosen: list[int] = []
    nearest = np.zeros(len(relevance), np.float32)
    open_places = np.ones(len(relevance), dtype=bool)
    for _ in range(min(k, len(relevance))):
        value = np.where(open_places, trade * relevance - (1 - trade) * nearest, -np.inf)
        best = int(value.argmax())
        chosen.append(best)
        open_places[best] = False
        nearest = np.maximum(nearest, likeness(best))
    return chosen


def _shared_words(bags: Sequence[frozenset[str]], one: int) -> FloatArray:
    """Shared words over all words (Jaccard) of each bag with one of them."""
    this, size = bags[one], len(bags[one])
    shared = [(len(bag & this), len(bag)) for bag in bags]
    return np.array([both / max(size + all_of - both, 1) for both, all_of in shared], np.float32)
