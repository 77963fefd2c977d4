"""A rating: truth that is measured, quality that is judged, a gate, and what to mend."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.quality.judging import Judgement
from atlas_mcp.quality.librarian import Work, measure
from atlas_mcp.quality.rating import (
    MEASURED,
    MOST_REVISIONS,
    Gate,
    Rating,
    agreement,
    best,
    better,
    needs_panel,
    rate,
)
from atlas_mcp.quality.rubric import Criterion, Rubric
from atlas_mcp.quality.texts import Measured, measure_text, measured_too

MOON = "The Moon's gravity raises two tides a day."
FUNDY = "The Bay of Fundy has a range of 16 metres."
QUOTES = {"f1": MOON, "f2": FUNDY}

RUBRIC = Rubric(
    "r",
    (
        Criterion("answers", "Does it answer?", 3),
        Criterion("ordered", "Is it in order?", 1),
        Criterion("padding", "Is there padding?", -1),
        Criterion("says it once", "Is nothing said twice?", 1, measure="duplication"),
        Criterion("more than it knows", "Does it say more than its findings?", -2, "truth"),
    ),
)
GOOD = {"answers": 1.0, "ordered": 1.0, "padding": 0.0, "more than it knows": 0.0}


def cited(answer: str, **work: Any) -> Measured:
    return measured_too(measure(Work((), answer, QUOTES, **work)), answer)


SOUND = cited(f"{MOON} [f1] {FUNDY} [f2]")


def judged(by: str = "a:one", **met: float) -> list[Judgement]:
    named = {name.replace("_", " "): value for name, value in met.items()}
    return [
        Judgement(name, value, f"{by} says so of {name}.", by, MOON) for name, value in (GOOD | named).items()
    ]


def rated(measured: Measured = SOUND, *said: list[Judgement], minimum: float = 3.5) -> Rating:
    return rate(RUBRIC, measured, [each for answers in said for each in answers], minimum)


def test_work_that_is_carried_and_well_judged_passes_with_nothing_to_mend() -> None:
    rating = rated(SOUND, judged())
    assert (rating.overall, rating.truth, rating.quality) == (5, 5, 5)
    assert (rating.gate, rating.revise, rating.absent, rating.judges) == ("pass", (), (), ("a:one",))
    assert rating.why == "5 of 5 reaches 3.5"


def test_the_work_is_worth_the_smaller_of_truth_and_quality() -> None:
    poor = rated(SOUND, judged(answers=0))
    assert poor.quality == 5 * 2 / 5
    assert poor.overall == poor.quality
    unsupported = rated(cited(f"{MOON} [f1] Penguins swim in the cold sea. [f2]"), judged())
    assert unsupported.quality == 5
    assert unsupported.overall == unsupported.truth
    assert unsupported.truth is not None
    assert unsupported.truth < 3


def test_without_judges_truth_stands_alone_and_the_rating_says_so() -> None:
    rating = rated()
    assert (rating.quality, rating.overall, rating.gate) == (None, rating.truth, "pass")
    assert rating.absent == ("quality is not scored: nobody judged it",)
    assert "nobody judged it" in rating.why
    assert [(each.name, each.judge) for each in rating.criteria] == [("says it once", MEASURED)]


def test_without_sources_quality_stands_alone_and_the_gate_says_so() -> None:
    rating = rated(measure_text(f"{MOON} {FUNDY}"), judged())
    assert (rating.truth, rating.overall, rating.gate) == (None, 5, "pass")
    assert "truth is not scored" in rating.why


def test_what_nobody_measured_or_judged_is_not_passed() -> None:
    rating = rated(measure_text(f"{MOON} {FUNDY}"))
    assert (rating.overall, rating.gate) == (None, "revise")
    assert len(rating.absent) == 2
    assert rating.why.startswith("nothing was scored")


@pytest.mark.parametrize(
    ("measured", "fault"),
    [
        (
            cited(f"{MOON} [f1] {FUNDY} [f2] The tide turns at the quarters. [f9]"),
            "dangling_citations",
        ),
        (cited(f"{MOON} [f1] {FUNDY} [f2]", stored={"f1": MOON, "f2": "Another text."}), "verbatim_quotes"),
        (cited(f"{MOON} [f1] The Bay of Fundy has a range of 17 metres. [f2]"), "numbers"),
    ],
)
def test_one_hard_fault_is_enough_to_revise_whatever_the_score(measured: Measured, fault: str) -> None:
    rating = rated(measured, judged(), minimum=0.5)
    assert rating.overall is not None
    assert rating.overall > 0.5
    assert (rating.gate, rating.blocked) == ("revise", (fault,))
    assert fault.replace("_", " ") in rating.why
    assert rating.revise[0].quote


def test_work_that_cannot_be_mended_sentence_by_sentence_fails() -> None:
    rating = rated(cited("Penguins swim. Seals sleep."), judged())
    assert (rating.truth, rating.gate) == (0, "fail")


def test_a_judge_that_finds_untruth_has_the_work_revised_and_changes_no_score() -> None:
    rating = rated(SOUND, judged(more_than_it_knows=1))
    assert (rating.truth, rating.quality, rating.gate) == (5, 5, "revise")
    assert "found untrue: more than it knows" in rating.why
    (shown,) = [each for each in rating.criteria if each.about == "truth"]
    assert (shown.score, shown.points) == (0, -2)


def test_revisions_name_the_sentence_and_the_reason_the_gravest_first() -> None:
    measured = cited(f"{MOON} [f1] The Bay of Fundy has a range of 17 metres. [f2] {MOON} [f1]")
    revise = rated(measured, judged(answers=0, ordered=0.5)).revise
    assert [each.where for each in revise] == [
        "answer, sentence 2", "criterion answers", "criterion ordered", "answer, sentence 3",
    ]  # fmt: skip
    assert revise[0].quote == "The Bay of Fundy has a range of 17 metres."
    assert revise[0].reason == "its quotes do not have 17"
    assert (revise[1].quote, revise[1].reason) == (MOON, "a:one says so of answers.")


def test_a_writer_is_given_so_many_instructions_at_most() -> None:
    text = " ".join(f"The tide number {n} is high at noon." for n in range(40))
    assert len(rated(cited(text)).revise) == MOST_REVISIONS


def test_several_judges_count_by_their_median_and_the_one_that_says_it_gives_the_reason() -> None:
    three = [judged("a:one"), judged("b:two", ordered=0), judged("c:three", ordered=0)]
    rating = rated(SOUND, *three)
    ordered = next(each for each in rating.criteria if each.name == "ordered")
    assert (ordered.score, ordered.judge) == (0, "a:one, b:two, c:three")
    assert ordered.rationale == "b:two says so of ordered."
    assert rating.agreement == 0.75
    assert rating.judges == ("a:one", "b:two", "c:three")
    two = rated(SOUND, *three[:2])
    assert next(each for each in two.criteria if each.name == "ordered").score == 2.5


def test_one_judge_agrees_with_nobody() -> None:
    assert rated(SOUND, judged()).agreement is None
    assert agreement([]) is None


@given(st.lists(st.builds(
    Judgement, st.sampled_from("abc"), st.sampled_from([0.0, 0.5, 1.0]), st.just(""), st.sampled_from("xyz")
), max_size=9, unique_by=lambda each: (each.criterion, each.judge)), st.randoms())  # fmt: skip
def test_agreement_does_not_depend_on_who_is_asked_first(said: list[Judgement], chance: Any) -> None:
    mixed = list(said)
    chance.shuffle(mixed)
    assert agreement(mixed) == agreement(said)


def test_a_criterion_that_no_judge_answered_is_named_and_does_not_count() -> None:
    rating = rated(SOUND, [each for each in judged() if each.criterion != "answers"])
    assert rating.quality == 5
    assert rating.absent == ("no judge answered: answers",)


def test_answers_to_what_was_not_asked_do_not_count() -> None:
    rating = rated(SOUND, judged(beauty=0, says_it_once=0))
    assert (rating.quality, len(rating.criteria)) == (5, len(RUBRIC.criteria))


@pytest.mark.parametrize(
    ("quality", "truth", "blocked", "judges", "needed"),
    [
        (3.5, 5.0, (), 1, True),
        (3.75, 5.0, (), 1, True),
        (3.25, None, (), 1, True),
        (3.76, 5.0, (), 1, False),
        (3.5, 3.49, (), 1, False),
        (3.5, 5.0, ("numbers",), 1, False),
        (3.5, 5.0, (), 2, False),
        (None, 3.5, (), 0, False),
    ],
)
def test_a_panel_is_asked_only_where_it_could_change_whether_the_work_passes(
    quality: float | None, truth: float | None, blocked: tuple[str, ...], judges: int, needed: bool
) -> None:
    rating = replace(
        rated(SOUND, judged()), quality=quality, truth=truth, blocked=blocked, judges=("a",) * judges
    )
    assert needs_panel(rating, 3.5) is needed


RANKED: list[Gate] = ["pass", "revise", "fail"]
SCORES = st.one_of(st.none(), st.sampled_from([0.0, 2.5, 3.5, 5.0]))


def scored(gate: Gate, overall: float | None, truth: float | None) -> Rating:
    return replace(rated(), gate=gate, overall=overall, truth=truth)


RATINGS = st.builds(
    scored,
    st.sampled_from(RANKED), SCORES, SCORES,
)  # fmt: skip


@given(RATINGS, RATINGS, RATINGS)
def test_better_is_a_strict_order(one: Rating, other: Rating, third: Rating) -> None:
    assert not better(one, one)
    assert not (better(one, other) and better(other, one))
    assert not (better(one, other) and better(other, third)) or better(one, third)
    if not better(one, other) and not better(other, third):
        assert not better(one, third)


@given(st.lists(RATINGS, min_size=1, max_size=6))
def test_the_best_is_beaten_by_none_and_is_the_earliest_of_equals(versions: list[Rating]) -> None:
    place = best(versions)
    assert not any(better(each, versions[place]) for each in versions)
    assert all(better(versions[place], each) for each in versions[:place])


def test_a_pass_is_better_than_a_higher_score_that_does_not_pass() -> None:
    passed = rated(SOUND, judged(ordered=0), minimum=3)
    revised = rated(SOUND, judged(more_than_it_knows=1), minimum=3)
    assert passed.overall is not None
    assert revised.overall is not None
    assert passed.overall < revised.overall
    assert better(passed, revised)


def test_a_rating_is_plain_json_with_every_part_of_it() -> None:
    told = json.loads(json.dumps(rated(SOUND, judged(answers=0)).to_dict()))
    assert set(told) >= {
        "overall", "truth", "quality", "measures", "criteria", "agreement", "gate", "revise", "absent",
    }  # fmt: skip
    assert told["criteria"][0] == {
        "name": "answers", "score": 0, "points": 3, "rationale": "a:one says so of answers.",
        "judge": "a:one", "evidence": MOON, "about": "quality",
    }  # fmt: skip
    assert told["measures"]["score"] == 5


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=4, max_size=4))
def test_every_score_of_a_rating_lies_between_0_and_5(met: list[float]) -> None:
    said = [replace(each, met=value) for each, value in zip(judged(), met, strict=True)]
    rating = rated(SOUND, said)
    assert rating.quality is not None
    assert 0 <= rating.quality <= 5
    assert all(0 <= each.score <= 5 for each in rating.criteria)
