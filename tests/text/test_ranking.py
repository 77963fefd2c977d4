"""Ranking functions over words, scores and vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.text.ranking import (
    bm25,
    content_words,
    diversify,
    lean,
    lean_norms,
    lexical_scores,
    minmax,
    rarity,
    spread,
)
from atlas_mcp.text.words import stem, words

TEXTS = [
    "A client cancels a request by sending a notification.",
    "The server lists its tools on request.",
    "Bananas are rich in potassium.",
    "取消请求的通知",
]


@pytest.mark.parametrize(
    "family",
    [
        "cancel cancels cancelled canceled canceling cancelling cancellation cancellations",
        "notify notifies notified notification notifications",
        "create creates created creating creation",
        "organise organised organize organization organizations",
        "policy policies",
        "generate generates generated generating generation",
        "use uses used using",
        "process processes processed processing",
        "run runs running",
        "server servers",
        "quick quickly quickness",
    ],
)
def test_forms_of_a_word_have_one_stem(family: str) -> None:
    assert len({stem(word) for word in family.split()}) == 1


def test_words_of_other_meaning_keep_their_own_stem() -> None:
    assert len({stem(word) for word in ("format", "form", "bus", "class", "status", "server", "sing")}) == 7


def test_content_words_leave_out_the_small_words() -> None:
    assert content_words("The client doesn't cancel it; that's Ann's 3.5 MB file.py") == (
        ["client", "cancel", "ann", "3.5", "mb", "file", "py"]
    )


def test_scripts_without_spaces_are_compared_by_pairs() -> None:
    assert words("東京都 x") == ["東京", "京都", "x"]
    assert lexical_scores("取消通知", TEXTS).argmax() == 3


def test_lexical_scores_prefer_rare_words_and_ignore_inflection() -> None:
    scores = lexical_scores("How are requests cancelled?", TEXTS)
    assert list(np.argsort(-scores)[:2]) == [0, 1]
    assert scores[2] == 0
    assert lexical_scores("of the", TEXTS)[1] > 0
    assert lexical_scores("anything", []).shape == (0,)


def test_a_rare_word_and_a_second_occurrence_count_for_more() -> None:
    once, twice = bm25([1, 2], [100, 100], 100, rarity(1, 50), 0.2)
    assert 0 < once < twice < 2 * once
    assert rarity(1, 50) > rarity(25, 50) > rarity(50, 50) >= 0
    short, long = bm25([1, 1], [50, 500], 100, 1.0, 0.2)
    assert short > long


GROUPS = np.array([0, 0, 0, 1, 1])


def test_a_word_counts_in_what_stands_close_by_but_in_no_other_group() -> None:
    near = np.full((5, 2), [0.5, 0.25], np.float32)
    found = spread(np.array([2, 4]), np.array([8, 2], np.float32), GROUPS, near)
    assert found.tolist() == [2, 4, 8, 1, 2]
    assert spread(np.array([], np.intp), np.array([], np.float32), GROUPS, near).tolist() == [0] * 5


def test_vectors_that_lean_on_their_neighbours_keep_unit_length() -> None:
    vectors = np.eye(5, dtype=np.float32)
    near = np.full((5, 1), 0.5, np.float32)
    norms = lean_norms(vectors, GROUPS, near)
    leaning = lean(vectors @ vectors[1], GROUPS, near, norms)
    np.testing.assert_allclose(norms, [1.25**0.5, 1.5**0.5, 1.25**0.5, 1.25**0.5, 1.25**0.5], atol=1e-6)
    np.testing.assert_allclose(leaning, [0.5 / 1.25**0.5, 1 / 1.5**0.5, 0.5 / 1.25**0.5, 0, 0], atol=1e-6)


@given(st.integers(0, 12), st.integers(1, 3), st.integers(0, 1_000))
def test_leaning_scores_are_the_cosines_of_leaning_vectors(count: int, reach: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(count + 1, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query, vectors = vectors[-1], vectors[:-1]
    groups = np.sort(chance.integers(0, 3, count))
    near = chance.random((count, reach)).astype(np.float32)
    mixed = vectors.copy()
    for place in range(count):
        for other in range(count):
            step = abs(place - other)
            if 0 < step <= reach and groups[place] == groups[other]:
                mixed[place] += near[place, step - 1] * vectors[other]
    norms = lean_norms(vectors, groups, near)
    np.testing.assert_allclose(norms, np.linalg.norm(mixed, axis=1), atol=1e-4)
    leaning = lean(vectors @ query, groups, near, norms)
    np.testing.assert_allclose(leaning * norms, mixed @ query, atol=1e-4)


def test_a_duplicate_comes_after_something_new() -> None:
    texts = ["a red apple pie", "a red apple pie", "a green pear cake"]
    assert diversify([1.0, 0.99, 0.8], None, texts, 2) == [0, 2]
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert diversify([1.0, 0.99, 0.8], vectors, texts, 3) == [0, 2, 1]
    assert diversify([], None, [], 3) == []


@given(st.lists(st.floats(-1e6, 1e6, width=32), max_size=20))
def test_stretched_scores_lie_between_0_and_1(scores: list[float]) -> None:
    stretched = minmax(scores)
    assert len(stretched) == len(scores)
    assert all(0 <= score <= 1 for score in stretched)


@given(st.lists(st.text(max_size=20), max_size=6), st.text(max_size=20))
def test_any_script_gets_a_finite_score(texts: list[str], query: str) -> None:
    scores = lexical_scores(query, texts)
    assert np.isfinite(scores).all()
    assert sorted(diversify(scores, None, texts, len(texts))) == list(range(len(texts)))
