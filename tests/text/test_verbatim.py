"""A quote is found where it stands, up to NFC and white space, and nowhere else."""

from __future__ import annotations

import time
import unicodedata
from typing import Literal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atlas_mcp.text.verbatim import fold, locate

Form = Literal["NFC", "NFD"]


def test_a_quote_with_folded_white_space_is_verbatim() -> None:
    text = "It  begins.\nThe rate\u00a0rose\n  by 2 %. It ends."
    assert locate("The rate rose by 2 %.", text) == (text.index("The"), text.index(" It ends"))


def test_a_decomposed_text_is_quoted_in_composed_letters_and_the_other_way_round() -> None:
    pairs: list[tuple[Form, Form]] = [("NFC", "NFD"), ("NFD", "NFC")]
    for form, other in pairs:
        text = unicodedata.normalize(form, "Ångström écrit à Zoë, 한국어 too.")
        quote = unicodedata.normalize(other, "écrit à Zoë, 한국어")
        place = locate(quote, text)
        assert place is not None
        assert fold(text[slice(*place)]) == fold(quote)
        assert text[slice(*place)] == unicodedata.normalize(form, quote)


def test_another_case_or_punctuation_is_not_verbatim() -> None:
    text = "The rate “rose” by 2 %."
    for quote in ("the rate", 'rate "rose"', "rate rose", "Therate", "rate “rose” by 3"):
        assert locate(quote, text) is None


def test_the_nearest_of_several_places_is_given() -> None:
    text = "same words. " * 5
    assert locate("same words.", text, near=25) == (24, 35)
    assert locate("same  words.", text, near=30) == (24, 35)
    assert locate("same words.", text, near=1_000) == (48, 59)


def test_white_space_alone_is_nowhere() -> None:
    assert locate(" \n", "a b") is None
    assert locate("", "a b") is None


def test_a_quote_in_a_megabyte_is_found_fast() -> None:
    text = unicodedata.normalize("NFD", "Some wörds of á text that goes on.\n" * 30_000) + "The énd\nof it."
    began = time.process_time()
    assert locate("The énd of it.", text) is not None
    assert time.process_time() - began < 2


words = st.text(st.characters(exclude_categories=("Cs", "Zs", "Cc")), min_size=1, max_size=6)
space = st.sampled_from([" ", "\n", "  ", "\t\n", "\u00a0", "\u2003"])


@settings(max_examples=300, deadline=None)
@given(st.lists(words, min_size=1, max_size=12), st.data())
def test_any_slice_spaced_otherwise_is_found_where_it_says_the_same(
    parts: list[str], data: st.DataObject
) -> None:
    text = "".join(part + data.draw(space) for part in parts)
    start, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
    quote = data.draw(space).join(text[start:end].split()) + data.draw(space)
    assume(quote.strip())
    place = locate(quote, text, near=start)
    assert place is not None
    assert fold(text[slice(*place)]) == fold(quote)


@settings(max_examples=300, deadline=None)
@given(st.lists(words, min_size=1, max_size=8), st.data(), st.sampled_from(["NFC", "NFD"]))
def test_any_run_of_words_in_any_form_is_found(parts: list[str], data: st.DataObject, form: Form) -> None:
    text = " ".join(parts)
    start = data.draw(st.integers(0, len(parts) - 1))
    quote = unicodedata.normalize(form, "\n".join(parts[start:]))
    place = locate(quote, text)
    assert place is not None
    assert fold(text[slice(*place)]) == fold(quote)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30), st.text(max_size=10))
def test_what_is_located_always_folds_to_the_quote(text: str, quote: str) -> None:
    place = locate(quote, text)
    assert place is None or fold(text[slice(*place)]) == fold(quote)
