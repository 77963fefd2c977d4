"""The librarian: a score made from measures, each with its figure and what is wrong where."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.quality.librarian import PARTS, Assigned, Work, measure
from atlas_mcp.quality.measured import TITLES, Measures, Reason

MOON = "The Moon's gravity raises two tides a day."
FUNDY = "The Bay of Fundy has a range of 16 metres."
NEAP = "Neap tides do not come at new moon but at the quarters."
QUOTES = {"f1": MOON, "f2": FUNDY, "f3": NEAP}
PLAN = (Assigned("a1", "How many tides?", ("f1",)), Assigned("a2", "How high?", ("f2",)))


def claim(text: str, *ids: str) -> dict[str, Any]:
    return {"text": text, "finding_ids": list(ids)}


def measured(*claims: dict[str, Any], answer: str = "", **work: Any) -> Measures:
    return measure(Work(claims, answer, QUOTES, **work))


def fault(measures: Measures, part: str) -> Reason:
    (reason,) = measures.part(part).reasons
    return reason


SOUND = (claim(MOON, "f1"), claim(FUNDY, "f2"))


def test_a_text_that_is_carried_throughout_scores_five() -> None:
    measures = measured(*SOUND, answer=f"{MOON} [f1] {FUNDY} [f2]", stored=QUOTES, plan=PLAN)
    assert measures.score == pytest.approx(5)
    assert all(part.share == 1 for part in measures.parts)


def test_every_part_is_named_in_the_same_order_and_has_words_for_a_person() -> None:
    assert tuple(part.name for part in measured().parts) == PARTS == tuple(TITLES)


def test_a_part_with_nothing_to_measure_does_not_apply_and_was_not_passed() -> None:
    measures = measured(claim("The Moon's gravity raises tides.", "f1"))
    absent = {part.name for part in measures.parts if not part.applies}
    assert absent == {"numbers", "duplication", "verbatim_quotes", "completeness"}
    assert all(measures.part(name).share is None for name in absent)


def test_a_text_without_a_sentence_has_no_score() -> None:
    measures = measured(plan=PLAN)
    assert measures.score is None
    assert measures.part("completeness").share == 0


def test_a_text_that_cites_nothing_scores_nothing() -> None:
    measures = measured(answer=f"{MOON} {FUNDY}")
    assert measures.score == 0
    assert measures.part("citation_coverage").share == 0
    assert measures.part("lexical_support").applies is False


@pytest.mark.parametrize(
    ("bad", "part", "reason"),
    [
        (claim("The Moon raises tides."), "citation_coverage", "it cites no finding"),
        (claim("Gravity raises tides.", "f1", "f9"), "dangling_citations", "there is no finding f9"),
        (claim("The Bay of Fundy has a range of 17 metres.", "f2"), "numbers", "its quotes do not have 17"),
        (
            claim("Parliament elected a new speaker.", "f1"),
            "lexical_support",
            "its quotes share 0% of its words; they lack parliament, elected, new, speaker",
        ),
        (
            claim("The Moon's gravity does not raise two tides.", "f1"),
            "negation",
            "either it or its quote denies 'raise', and the other does not",
        ),
        (
            claim("The Moon “raises three tides a day”.", "f1"),
            "verbatim_quotes",
            "it puts in quotation marks what its quotes do not say: 'raises three tides a day'",
        ),
        (claim("The Bay of Fundy has a range of 16 metres!", "f2"), "duplication", "claim 2 says the same"),
    ],
)
def test_a_fault_is_told_with_its_place_its_sentence_and_its_reason(
    bad: dict[str, Any], part: str, reason: str
) -> None:
    measures = measured(*SOUND, bad)
    assert fault(measures, part) == Reason("claim 3", bad["text"], reason)
    assert [each.name for each in measures.parts if each.reasons] == [part]
    assert measures.score is not None
    assert measures.score < 4.6


def test_a_fault_in_the_answer_is_told_by_its_sentence() -> None:
    measures = measured(answer=f"{MOON} [f1] It has 99 metres [f2].")
    assert {each.where for part in measures.parts for each in part.reasons} == {"answer, sentence 2"}


def test_an_answer_may_say_again_what_the_claims_say() -> None:
    assert measured(*SOUND, answer=f"{MOON} [f1] {FUNDY} [f2]").part("duplication").share == 1


def test_a_quote_that_is_not_in_its_source_takes_what_cites_it_along() -> None:
    measures = measured(*SOUND, stored={**QUOTES, "f2": "The Bay of Fundy has a range of 15 metres."})
    assert fault(measures, "verbatim_quotes") == Reason("f2", FUNDY, "it does not stand in its source")
    assert measures.score == pytest.approx(2.5)


@pytest.mark.parametrize(
    "text",
    [
        "The Moon “raises two tides a day,” it says.",
        'It “raises … tides a day”, by the "Moon\'s gravity".',
        "The so-called “gravity” of the Moon raises two tides.",
    ],
)
def test_quotation_marks_may_hold_verbatim_words_with_cuts_and_names(text: str) -> None:
    assert measured(claim(text, "f1")).part("verbatim_quotes").reasons == ()


def test_a_denial_that_the_source_has_too_is_no_fault() -> None:
    told = claim("Neap tides come at the quarters, not at new moon.", "f3")
    assert measured(told).part("negation").reasons == ()
    turned = claim("Neap tides come at new moon.", "f3")
    assert measured(turned).part("negation").reasons[0].where == "claim 1"


def test_a_negation_is_a_suspicion_and_costs_half() -> None:
    assert measured(claim("The Moon's gravity does not raise two tides.", "f1")).score == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("assigned", "reason"),
    [
        (Assigned("a3", "Why?", failure="its worker failed: overloaded"), "its worker failed: overloaded"),
        (Assigned("a3", "Why?"), "nothing was found for it"),
        (Assigned("a3", "Why?", ("f3",)), "what was found for it is cited nowhere (f3)"),
    ],
)
def test_an_assignment_of_which_the_text_uses_nothing_is_told(assigned: Assigned, reason: str) -> None:
    measures = measured(*SOUND, plan=(*PLAN, assigned))
    assert fault(measures, "completeness") == Reason("assignment a3", "Why?", reason)
    assert measures.part("completeness").share == pytest.approx(2 / 3)
    assert measures.score == pytest.approx(5 * (2 / 3) ** 0.2)


def test_neither_sentences_nor_completeness_makes_good_for_the_other() -> None:
    assert measured(claim("Cheese is made there.", "f1"), plan=PLAN[:1]).score == 0
    assert measured(claim(MOON, "f1"), plan=PLAN[1:]).score == 0


def test_as_json_it_shows_the_first_faults_counts_them_and_says_what_it_cannot_see() -> None:
    told = measured(*(claim(f"Cheese {'c' * 300} number {n}.", "f1") for n in range(100, 109))).to_dict()
    numbers = next(part for part in told["parts"] if part["name"] == "numbers")
    assert (numbers["faults"], len(numbers["reasons"])) == (9, 3)
    assert max(len(each["quote"]) for each in numbers["reasons"]) <= 160
    assert any(spot.startswith("truth") for spot in told["blind_spots"])


TEXTS = st.sampled_from([MOON, FUNDY, NEAP, "It has 9 metres.", "Cheese is made there.", ""])
CLAIMS = st.lists(st.builds(claim, TEXTS, st.sampled_from(["f1", "f2", "f9"])), max_size=5)


@given(CLAIMS, st.lists(TEXTS, max_size=4).map(" [f1] ".join), st.sampled_from([(), PLAN]))
def test_a_score_is_from_0_to_5_the_same_each_time_and_never_raised_by_a_bare_sentence(
    claims: list[dict[str, Any]], answer: str, plan: tuple[Assigned, ...]
) -> None:
    measures = measured(*claims, answer=answer, plan=plan)
    assert measures == measured(*claims, answer=answer, plan=plan)
    more = measured(*claims, claim("Nobody knows where this is from."), answer=answer, plan=plan)
    assert more.score is not None
    assert 0 <= more.score <= (5 if measures.score is None else measures.score) <= 5
