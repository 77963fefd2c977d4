"""Laws of works without a model: they fit what is asked, and add no word of their own to the material."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atlas_mcp.errors import InvalidRequest
from atlas_mcp.messages import Draft, Finding, Intent, Location, Material
from atlas_mcp.orchestration.trades.analysing import SCHEMA as STATEMENTS
from atlas_mcp.orchestration.trades.drafting import SCHEMA as SECTION
from atlas_mcp.providers.extraction.planning import plan
from atlas_mcp.providers.extraction.questions import read_question
from atlas_mcp.providers.extraction.units import unit_of_finding
from atlas_mcp.providers.extraction.wishes import subject
from atlas_mcp.providers.extractive import _shaped
from atlas_mcp.shapes import misfits
from atlas_mcp.text.words import content_words, words
from tests.providers.parcels import asked
from tests.providers.test_extractive_laws import questions, stretches, texts
from tests.providers.works import ANALYSIS, ATLAS, WRITING

if TYPE_CHECKING:
    from collections.abc import Sequence

demands = st.sampled_from(
    (
        "",
        "Write a report on ",
        "Compare ",
        "Write an e-mail about ",
        "Write a list of ",
        "Do a SWOT analysis of ",
    )
)
asking = st.tuples(demands, questions).map("".join)
quotes = st.lists(
    st.one_of(texts, st.just("- sum(parcels) of depots.csv = 12 (from 3 rows)")).filter(content_words),
    min_size=1,
    max_size=5,
)
TASKS = ("extraction", "analysis", "reasoning", "writing", "summarising", "rating", "code")
MARK = re.compile(r"\[f\d+(?:, f\d+)*\]")


def found(said: Sequence[str]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            f"f{number}",
            quote,
            f"s{number % 2}",
            "Parcels",
            Location(number, number + len(quote)),
            "documents",
        )
        for number, quote in enumerate(said, start=1)
    )


def made(about: str, schema: dict[str, Any], material: Material) -> dict[str, Any]:
    """What is composed, by words alone."""
    question = read_question(subject(about))
    prompt = asked(about, Intent.COMPOSE, schema, material)
    units = [unit_of_finding(each) for each in material.findings]
    answer = json.loads(_shaped(prompt, about, question, units, None))
    assert misfits(schema, answer) == []
    return answer


def left_of(text: str, findings: Sequence[Finding]) -> list[str]:
    """The words of a text that stand in no finding."""
    bare = " ".join(MARK.sub(" ", text).split())
    for plain in sorted((unit_of_finding(each).plain for each in findings), key=len, reverse=True):
        # A finding of one letter stands in many a word, and is none of it.
        bare = re.sub(rf"(?<!\w){re.escape(plain)}(?!\w)", " ", bare)
    return words(bare)


@settings(deadline=None)
@given(asking, quotes)
def test_statements_are_findings_word_for_word(about: str, said: list[str]) -> None:
    findings = found(said)
    given_ids = {each.id for each in findings}
    for each in made(about, STATEMENTS, Material(findings=findings))["statements"]:
        cited = [one for one in findings if one.id in each["finding_ids"]]
        assert set(each["finding_ids"]) <= given_ids
        assert left_of(each["text"], cited) == []


@settings(deadline=None)
@given(asking, quotes)
def test_an_analysis_says_nothing_of_its_own(about: str, said: list[str]) -> None:
    findings = found(said)
    answer = made(about, ANALYSIS, Material(findings=findings))
    assert left_of(answer["summary"], findings) == []
    assert all(left_of(each["statement"], findings) == [] for each in answer["findings"])
    assert all(each["text"] is None for each in answer["contradictions"])
    assert all(set(words(each)) <= set(words(about)) for each in answer["limits"])


@settings(deadline=None)
@given(asking.filter(content_words), quotes)
def test_a_section_is_of_findings_under_words_of_its_goal(about: str, said: list[str]) -> None:
    findings = found(said)
    answer = made(about, SECTION, Material(findings=findings))
    assert left_of(answer["text"], findings) == []
    assert MARK.search(answer["text"])
    assert set(words(answer["heading"])) <= set(words(about))


@settings(deadline=None)
@given(
    asking.filter(content_words), quotes, st.lists(stretches, max_size=3), st.sampled_from((WRITING, ATLAS))
)
def test_a_document_is_of_its_drafts_and_findings(
    about: str, said: list[str], sections: list[str], schema: dict[str, Any]
) -> None:
    findings = found(said)
    assume(all(unit_of_finding(each).plain for each in findings))  # nothing is made of a number of a list
    drafts = tuple(
        Draft(f"a{number}.1", "section", f"{text} [f1]", ("f1",), "Parcels", "writer")
        for number, text in enumerate(sections, start=1)
    )
    answer = made(about, schema, Material(findings=findings, drafts=drafts))
    text = answer.get("document") or answer["final_output"]
    known = {*words("Parcels"), *(word for each in sections for word in words(each))}
    assert set(left_of(text, findings)) <= known
    assert set(words(answer.get("title", ""))) <= set(words(about))


@settings(deadline=None)
@given(asking, st.sampled_from((SECTION, WRITING, ATLAS, ANALYSIS)))
def test_of_nothing_nothing_is_made(about: str, schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="cannot give"):
        made(about, schema, Material())


@settings(deadline=None)
@given(
    asking,
    st.lists(st.tuples(st.sampled_from(("", "team:")), st.sampled_from(TASKS)), min_size=1, max_size=5),
    st.integers(1, 8),
    st.lists(questions, max_size=2),
)
def test_a_plan_fits_its_size_and_each_assignment_comes_after_earlier_ones(
    about: str, kinds: list[tuple[str, str]], most: int, tried: list[str]
) -> None:
    tasks = {f"{team}w{number}": task for number, (team, task) in enumerate(kinds)}
    made = plan(about, list(tasks), least=1, most=most, tried=tried, tasks=tasks)["assignments"]
    assert 1 <= len(made) <= most
    names = [each["id"] for each in made]
    assert all(set(each["after"]) <= set(names[:place]) for place, each in enumerate(made))
    assert all(set(words(each["goal"])) <= set(words(about)) for each in made)


@given(asking)
def test_what_a_text_is_about_is_in_its_own_words(about: str) -> None:
    assert set(words(subject(about))) <= set(words(about))
