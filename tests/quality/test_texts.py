"""Any text measured as it is: against sources where there are some, and against itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.quality.librarian import Work, measure
from atlas_mcp.quality.texts import MEASURE_TITLES, MEASURES, measure_text, measured_too

if TYPE_CHECKING:
    from atlas_mcp.quality.measured import Part

MOON = "The Moon's gravity raises two tides a day."
FUNDY = "The Bay of Fundy has a range of 16 metres."


def part(name: str, text: str, *sources: str) -> Part:
    return measure_text(text, sources).measures.part(name)


def test_every_measure_is_named_in_the_same_order_and_has_words_for_a_person() -> None:
    found = measure_text(MOON).measures
    assert tuple(each.name for each in found.parts) == MEASURES == tuple(MEASURE_TITLES)


def test_a_text_in_the_words_of_its_sources_scores_five() -> None:
    assert measure_text(f"{MOON} {FUNDY}", [MOON, FUNDY]).measures.score == pytest.approx(5)


def test_without_sources_there_is_no_score_and_nothing_is_said_of_truth() -> None:
    found = measure_text(f"{MOON} {FUNDY} {FUNDY}").measures
    assert found.score is None
    assert {each.name for each in found.parts if each.applies} == {
        "duplication", "contradictions", "sentence_length",
    }  # fmt: skip
    assert [each.where for each in found.part("duplication").reasons] == ["sentence 3"]


def test_what_speaks_of_citations_does_not_apply_to_a_text_that_has_none() -> None:
    found = measure_text(MOON, [MOON]).measures
    assert not any(
        found.part(name).applies for name in ("citation_coverage", "dangling_citations", "completeness")
    )


def test_a_number_and_a_quotation_that_no_source_has_are_shown_with_their_sentence() -> None:
    text = f'{MOON} The Bay of Fundy has a range of 17 metres. It is "the very highest of them all" there.'
    (number,) = part("numbers", text, MOON, FUNDY).reasons
    assert (number.where, number.reason) == ("sentence 2", "the sources do not have 17")
    (quotation,) = part("verbatim_quotes", text, MOON, FUNDY).reasons
    assert quotation.where == "sentence 3"
    assert "what the sources do not say" in quotation.reason


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (FUNDY, "The Bay of Fundy has a range of 17 metres.", "it says 17 where sentence 1 says 16"),
        ("Neap tides come at the quarters.", "Neap tides do not come at the quarters.", "denies 'come'"),
        (
            "In 2024 the plant made 300 tonnes of steel.",
            "The plant made 400 tonnes of steel in 2024.",
            "it says 400 where sentence 1 says 300",
        ),
    ],
)
def test_a_sentence_said_again_with_another_number_or_denied_is_held_against_the_text(
    first: str, second: str, said: str
) -> None:
    (reason,) = part("contradictions", f"{first} Between them stands another sentence. {second}").reasons
    assert reason.where == "sentence 3"
    assert said in reason.reason
    assert first in reason.reason


@pytest.mark.parametrize(
    "text",
    [
        f"{FUNDY} The Bristol Channel has a range of 14 metres.",
        "In 2024 the plant made 300 tonnes of steel. In 2025 the plant made 400 tonnes of steel.",
        "Repeat the whole of step 1 with water. Repeat the whole of step 2 with water.",
        "These are the fields with titles and names: These are the fields without titles and names:",
        f"{MOON} {MOON}",
        MOON,
        "",
    ],
)
def test_what_only_looks_alike_contradicts_nothing(text: str) -> None:
    assert part("contradictions", text).reasons == ()


def test_the_person_and_the_spelling_that_are_rarer_are_breaks_of_style() -> None:
    text = (
        "We measured the behaviour of the pump. Our results are below. I think that it was cold. "
        "The colour was grey. The color of the valve was not. \u201cI was not asked,\u201d said the smith."
    )
    reasons = part("style", text).reasons
    assert [(each.where, each.reason) for each in reasons] == [
        ("sentence 3", "'I': here the author is I, elsewhere we"),
        ("sentence 5", "'color': here the spelling is American, elsewhere British"),
    ]
    assert part("style", text).share == pytest.approx(1 - 2 / 5)


def test_a_text_that_shows_neither_person_nor_spelling_has_no_style_to_measure() -> None:
    assert not part("style", f"{MOON} {FUNDY}").applies
    assert part("style", "We saw the colour. Our labour was honoured.").share == 1


def test_a_text_that_cites_is_the_librarians_and_is_measured_in_itself_besides() -> None:
    cited = measure(Work((), f"{MOON} [f1]", {"f1": MOON}))
    found = measured_too(cited, f"{MOON} [f1]")
    assert found.measures.score == cited.score
    assert found.measures.parts[: len(cited.parts)] == cited.parts
    assert found.to_dict()["readability"]["words"] == 8


def test_markers_after_full_stops_do_not_join_sentences() -> None:
    text = f"{MOON} [f1] {FUNDY} [f2, f3] It is high there. [1]"
    assert measure_text(text).read.sentences == 3
    assert measure_text(text, [MOON, FUNDY]).measures.part("lexical_support").of == 3


@given(
    st.lists(
        st.sampled_from([MOON, FUNDY, "Not so.", "We\n\n", "- item", "16", "# H\n\n", "[f1]"]), max_size=8
    )
)
def test_shares_lie_between_0_and_1_for_any_text(pieces: list[str]) -> None:
    for sources in ([], [MOON]):
        found = measure_text(" ".join(pieces), sources).measures
        assert all(0 <= each.share <= 1 for each in found.parts if each.share is not None)
        assert found.score is None or 0 <= found.score <= 5


def test_long_sources_are_searched_for_words_numbers_and_quotations_alike() -> None:
    filler = "\n\n".join(f"Paragraph {n} is of the harbour in the year {1900 + n}. " * 12 for n in range(30))
    source = f"{filler}\n\n{MOON} {FUNDY} It was so in 1887.\n\n{filler}"
    sound = f'{MOON} It says "{FUNDY[:-1]}" there. The harbour of 1929 had a range of 16 metres.'
    found = measure_text(sound, ["", source]).measures
    assert (found.part("numbers").share, found.part("verbatim_quotes").share) == (1, 1)
    assert found.part("lexical_support").reasons == ()
    assert part("numbers", "The harbour of 2044 was new.", source).share == 0
