"""Criteria with points, how they become a score, and what is told of a rubric that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.errors import InvalidConfiguration, InvalidField
from atlas_mcp.quality.rubric import MOST_CRITERIA, Criterion, score, value
from atlas_mcp.quality.rubric_text import read_rubric, rubrics
from atlas_mcp.quality.texts import MEASURES

SHIPPED = Path(__file__).resolve().parents[2] / "teams" / "rating" / "rubrics"

POINTS = st.floats(-5, 5, allow_nan=False).filter(lambda points: abs(points) > 0.01)
MET = st.floats(0, 1, allow_nan=False)
FOUND = st.lists(st.tuples(st.builds(Criterion, st.text(), st.text(), POINTS), MET), max_size=12)


@given(FOUND)
def test_a_score_lies_between_0_and_5_or_there_is_none(found: list[tuple[Criterion, float]]) -> None:
    result = score(found)
    assert (result is None) == all(criterion.points < 0 for criterion, _ in found)
    assert result is None or 0 <= result <= 5


@given(FOUND, st.floats(0.1, 5))
def test_one_more_criterion_that_is_met_never_lowers_the_score(
    found: list[tuple[Criterion, float]], points: float
) -> None:
    before = score(found)
    after = score([*found, (Criterion("more", "?", points), 1.0)])
    assert after is not None
    assert before is None or after >= before - 1e-9


@given(FOUND, st.floats(-5, -0.1))
def test_one_more_fault_never_raises_the_score(found: list[tuple[Criterion, float]], points: float) -> None:
    before, after = score(found), score([*found, (Criterion("fault", "?", points), 1.0)])
    assert (before is None) == (after is None)
    assert before is None or after is None or after <= before + 1e-9


@given(FOUND, st.randoms())
def test_the_order_of_criteria_does_not_matter(found: list[tuple[Criterion, float]], chance: Any) -> None:
    mixed = list(found)
    chance.shuffle(mixed)
    assert score(mixed) == pytest.approx(score(found))


def test_points_are_weights_and_negative_ones_take_away() -> None:
    heavy, light, fault = Criterion("h", "?", 3), Criterion("l", "?", 1), Criterion("f", "?", -2)
    assert score([(heavy, 1), (light, 0)]) == 5 * 3 / 4
    assert score([(heavy, 0.5), (light, 1)]) == 5 * 2.5 / 4
    assert score([(heavy, 1), (light, 1), (fault, 1)]) == 5 * 2 / 4
    assert score([(light, 1), (fault, 1)]) == 0
    assert (value(heavy, 1), value(fault, 1), value(fault, 0)) == (5, 0, 5)


def test_lines_are_criteria_with_the_points_in_brackets_at_their_end() -> None:
    rubric = read_rubric(
        "# What matters to us\n"
        "- The summary names the price (2 points)\n"
        "2. It was written in Bonn (2025)\n"
        "* It uses jargon (-1)\n"
        "\u2022 It flatters [\u22120.5 points].\n"
        "It ends with a question (1 pt)\n"
    )
    assert [(each.name, each.points) for each in rubric.criteria] == [
        ("The summary names the price", 2),
        ("It was written in Bonn (2025)", 1),
        ("It uses jargon", -1),
        ("It flatters", -0.5),
        ("It ends with a question", 1),
    ]
    assert all(each.kind == "judge" and each.about == "quality" for each in rubric.criteria)


def test_the_same_rubric_may_be_toml_or_json_or_what_was_read_from_it() -> None:
    toml = (
        'name = "mine"\n[[criteria]]\nname = "price"\nquestion = "Is the price named?"\npoints = 2\n'
        '[[criteria]]\nname = "long"\npoints = -1\nmeasure = "sentence_length"\nkind = "measure"\n'
        '[[criteria]]\nname = "untrue"\nquestion = "Is it untrue?"\npoints = -1.5\nabout = "truth"\n'
    )
    data = {
        "name": "mine",
        "criteria": [
            {"name": "price", "question": "Is the price named?", "points": 2},
            {"name": "long", "points": -1, "measure": "sentence_length"},
            {"name": "untrue", "question": "Is it untrue?", "points": -1.5, "about": "truth"},
        ],
    }
    rubric = read_rubric(toml, measures=MEASURES)
    assert rubric == read_rubric(json.dumps(data)) == read_rubric(data)
    assert rubric.criteria == read_rubric(json.dumps(data["criteria"])).criteria
    assert [each.kind for each in rubric.criteria] == ["judge", "measure", "judge"]
    assert [each.name for each in rubric.asked] == ["price", "untrue"]


def test_a_rubric_that_is_known_is_taken_by_its_name() -> None:
    known = rubrics(SHIPPED, MEASURES)
    assert read_rubric(" brief ", known) is known["brief"]
    with pytest.raises(InvalidField, match="no rubric 'brif'; there are: analysis, brief, document, general"):
        read_rubric("brif", known)


@pytest.mark.parametrize("name", [path.stem for path in SHIPPED.glob("*.toml")])
def test_a_shipped_rubric_asks_atomic_questions_and_can_be_earned(name: str) -> None:
    rubric = rubrics(SHIPPED, MEASURES)[name]
    assert rubric.description
    assert len(rubric.asked) >= 3
    assert all(each.question.endswith("?") for each in rubric.criteria)
    assert score([(each, float(each.points > 0)) for each in rubric.criteria]) == 5


ONE = {"name": "a", "question": "Is it?"}


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ("", "criteria", "no criteria"),
        ("# only a remark\n# and another", "criteria", "no criteria"),
        ("[]", "criteria", "no criteria"),
        ('name = "x"\n', "criteria", "no criteria"),
        ([ONE, ONE], "criteria[1].name", "Criteria 1 and 2 have the same name, 'a'"),
        ("- It is short\n- it is SHORT", "criteria[1].name", "the same name"),
        ([{**ONE, "points": 0}], "criteria[0].points", "zero points"),
        ("- It is short (0 points)", "criteria[0].points", "zero points"),
        ([{**ONE, "points": "two"}], "criteria[0].points", "'two', which is no number"),
        ([{**ONE, "points": True}], "criteria[0].points", "no number"),
        ([{**ONE, "points": float("nan")}], "criteria[0].points", "no number"),
        ([{**ONE, "points": 1e9}], "criteria[0].points", "100 is the most"),
        ([{**ONE, "weight": 2}], "criteria[0].weight", "no key 'weight'"),
        ({"criterion": [ONE]}, "criterion", "no key 'criterion'"),
        ({"criteria": "one"}, "criteria", "no list"),
        ([3], "criteria[0]", "neither a line nor a table"),
        ([{"name": "a"}], "criteria[0].question", "no question"),
        ([{"points": 2}], "criteria[0].name", "no name"),
        ([{**ONE, "about": "style"}], "criteria[0].about", "'style'"),
        ([{**ONE, "kind": "measure"}], "criteria[0].measure", "names no measure"),
        ([{**ONE, "kind": "judge", "measure": "numbers"}], "criteria[0].measure", "for a judge"),
        ([{**ONE, "kind": "vote"}], "criteria[0].kind", "'vote'"),
        ([{**ONE, "measure": "beauty"}], "criteria[0].measure", "no measure 'beauty'"),
        ([{**ONE, "points": -1}], "criteria", "nothing could earn"),
        ([f"It is {n}" for n in range(MOST_CRITERIA + 1)], "criteria", "has 25 criteria; 24 is the most"),
        ([{"name": "a", "question": "x" * 601}], "criteria[0].question", "601 characters"),
        ("[{", "", "looks like JSON"),
        ("[[criteria]]\nname = ", "", "looks like TOML"),
        ('{"criteria": ' + "[" * 9000, "", "looks like JSON"),
        ("criteria = " + "[" * 9000, "", "looks like TOML"),
        ('{"criteria": [' + "9" * 5000 + "]}", "", "looks like JSON"),
        ([{**ONE, "name": "\ud800"}], "criteria[0].name", "not Unicode"),
    ],
)
def test_a_rubric_that_is_none_says_where_what_and_what_to_write(given: Any, field: str, said: str) -> None:
    with pytest.raises(InvalidField) as raised:
        read_rubric(given, measures=MEASURES)
    assert said in raised.value.message
    assert raised.value.field == f"rubric.{field}".rstrip(".")
    assert raised.value.remedy


def test_a_file_that_is_no_rubric_is_named_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[criteria]]\nname = "a"\nquestion = "?"\npoint = 2\n', "utf-8")
    with pytest.raises(InvalidConfiguration, match=r"mine\.toml: A criterion has no key 'point'"):
        rubrics(tmp_path)
    (tmp_path / "mine.toml").write_text("criteria = [", "utf-8")
    with pytest.raises(InvalidConfiguration, match=r"mine\.toml is not TOML"):
        rubrics(tmp_path)
    assert rubrics(tmp_path / "nowhere") == {}


@pytest.mark.parametrize("given", ["# mine" + "\n" * 9000 + "- It is short", f"- It is{' ' * 19_000}short"])
def test_blanks_in_a_rubric_take_no_time(given: str) -> None:
    assert [each.name for each in read_rubric(given).criteria] == ["It is short"]


@given(st.text(max_size=200))
def test_whatever_is_written_gives_a_rubric_or_an_error_of_ours(text: str) -> None:
    try:
        rubric = read_rubric(text)
    except InvalidField:
        return
    assert rubric.criteria
