"""Lexical support tells wrong sources and invented numbers, and claims no more than that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.text.support import lexical_support, negated, numbers, numbers_supported, polarity_differs

QUOTE = "Revenue grew by 12 percent in 2025. The board approved a dividend of 1,200 dollars. Costs fell."


def test_a_claim_in_the_quotes_own_words_is_supported_whatever_their_form() -> None:
    assert lexical_support("Revenue grew by 12 percent.", [QUOTE]) == 1
    assert lexical_support("The growing costs", ["Costs grow."]) == 1


def test_a_wrong_source_gives_little_support() -> None:
    assert lexical_support("Penguins breed on the Antarctic ice.", [QUOTE]) == 0
    assert lexical_support("Penguins breed.", []) == 0


def test_words_far_apart_do_not_add_up() -> None:
    quote = "Alpha begins. One here. Two here. Three here. Omega ends."
    assert lexical_support("alpha omega", [quote]) == 0.5
    assert lexical_support("alpha omega", ["Alpha.", "Omega."]) == 0.5


def test_a_claim_of_small_words_has_nothing_to_support() -> None:
    assert lexical_support("It is so.", []) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,200 and 1200.0", {"1200"}),
        ("3.50 % of -5 and \u22127", {"3.5", "-5", "-7"}),
        ("on 2026-07-28, v2.0, 1.2.3", {"2026", "07", "28", "2", "1.2.3"}),
        ("10k users, 5-7 days, the 12th, 日本2026年", {"10", "5", "7", "12", "2026"}),
        ("sha a1b2c3, x86", set[str]()),
        ("\uff11\uff12 apples", {"12"}),
    ],
)
def test_numbers_are_found_in_one_spelling(text: str, found: set[str]) -> None:
    assert numbers(text) == found


def test_every_number_of_a_claim_must_stand_in_a_quote() -> None:
    assert numbers_supported("It paid $1200 in 2025.", [QUOTE])
    assert not numbers_supported("It paid 1300 dollars.", [QUOTE])
    assert numbers_supported("There are 3 layers.", ["The three layers are these."])
    assert numbers_supported("No figures here.", [])


@pytest.mark.parametrize(
    "text", ["It is not so.", "He can't go.", "Never again", "without end", "They don\u2019t."]
)
def test_explicit_negation_is_seen(text: str) -> None:
    assert negated(text)
    assert polarity_differs(text, "It is so.")


@pytest.mark.parametrize(
    "text", ["It is so.", "Not only that.", "See No. 5.", "A knot.", "no later than May"]
)
def test_what_only_looks_like_negation_is_not(text: str) -> None:
    assert not negated(text)


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=3))
def test_any_script_is_measured_without_failing(claim: str, quotes: list[str]) -> None:
    assert 0 <= lexical_support(claim, quotes) <= 1
    assert isinstance(numbers_supported(claim, quotes), bool)
    assert not polarity_differs(claim, claim)


@given(st.text(max_size=60))
def test_every_text_supports_itself_sentence_by_sentence(text: str) -> None:
    assert numbers_supported(text, [text])
