"""Ranking functions over words, scores and vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.text.ranking import content_words, diversify, fuse, lexical_scores, minmax, smooth
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


def test_fused_scores_follow_both_and_keep_a_lexical_zero() -> None:
    fused = fuse([0.2, 0.4, 0.3], [5.0, 0.0, 10.0])
    np.testing.assert_allclose(fused, [0.25, 0.5, 0.75], atol=1e-6)
    np.testing.assert_allclose(fuse([1, 1], [0, 0]), [0, 0])


def test_smoothing_leans_to_the_neighbours_and_keeps_unit_length() -> None:
    vectors = np.eye(3, dtype=np.float32)
    mixed = smooth(vectors)
    np.testing.assert_allclose(np.linalg.norm(mixed, axis=1), 1, atol=1e-6)
    assert mixed[1, 0] == mixed[1, 2] > 0
    assert mixed[0, 2] == 0
    assert smooth(vectors[:1]).shape == (1, 3)


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
