"""Laws of extraction: over any material and any question, nothing is said that does not stand there."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.messages import Finding, Location, Passage, Source
from atlas_mcp.orchestration.trades.gathering import SCHEMA as GATHER_SCHEMA
from atlas_mcp.providers.extraction.composing import compose
from atlas_mcp.providers.extraction.filling import fill
from atlas_mcp.providers.extraction.gathering import gather, stock
from atlas_mcp.providers.extraction.plain import plain_text
from atlas_mcp.providers.extraction.planning import plan
from atlas_mcp.providers.extraction.questions import read_question
from atlas_mcp.providers.extraction.units import unit_of_finding, units_of_passages
from atlas_mcp.providers.extractive import in_pieces
from atlas_mcp.shapes import misfits
from atlas_mcp.text.words import words

WORDS = (
    "server", "client", "request", "parcel", "cancel", "must", "MUST", "not", "is", "a", "the", "it", "this",
    "such",
    "when", "14", "days", "and", "or", "versus", "what", "how", "`code`", "**bold**", "[link](http://x.example)",
)  # fmt: skip
MARKS = (". ", ".\n\n", ":\n\n- ", "\n- ", "\n  - ", "\n1. ", "\n\n## ", "? ", " | ", "\n| ", "\n```\n", ", ")

stretches = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
texts = st.one_of(
    st.lists(st.tuples(stretches, st.sampled_from(MARKS)), min_size=1, max_size=8).map(
        lambda pieces: "".join(f"{stretch}{mark}" for stretch, mark in pieces)
    ),
    st.text(max_size=200),
)
questions = st.one_of(stretches.map(lambda text: f"{text}?"), texts)


@st.composite
def materials(draw: st.DrawFn) -> list[Passage]:
    return [
        Passage(
            f"p{number}",
            Source(f"sha{number % 2}", "file:///x", "Parcels", "2026-01-01"),
            text,
            number * 1_000,
        )
        for number, text in enumerate(draw(st.lists(texts, max_size=4)))
    ]


def found_in(material: list[Passage], question: str) -> Any:
    asked, units = read_question(question), units_of_passages(material)
    return fill(GATHER_SCHEMA, gather(asked, units, None, 6), stock(asked, units, None))


@settings(deadline=None)
@given(materials(), questions)
def test_every_quote_is_a_slice_of_its_passage_and_the_answer_fits_the_schema(
    material: list[Passage], question: str
) -> None:
    answer = found_in(material, question)
    shown = {passage.id: passage.text for passage in material}
    assert misfits(GATHER_SCHEMA, answer) == []
    assert all(finding["quote"] in shown[finding["passage"]] for finding in answer["findings"])


@settings(deadline=None)
@given(materials(), questions)
def test_gathering_twice_gives_the_same(material: list[Passage], question: str) -> None:
    assert found_in(material, question) == found_in(material, question)


@settings(deadline=None)
@given(st.lists(texts.filter(str.strip), max_size=5), questions)
def test_answer_and_claims_are_made_of_findings_alone(quotes: list[str], question: str) -> None:
    findings = [
        Finding(
            f"f{number}",
            quote,
            f"s{number % 2}",
            "Parcels",
            Location(number, number + len(quote)),
            "documents",
        )
        for number, quote in enumerate(quotes, start=1)
    ]
    brief = compose(read_question(question), [unit_of_finding(finding) for finding in findings], None)
    plain = {finding.id: plain_text(finding.quote) for finding in findings}
    said = brief["answer"]
    for name in re.findall(r"\[(f\d+)\](?: |$)", brief["answer"]):
        said = said.replace(f"{plain.get(name, '')}", "", 1).replace(f"[{name}]", "", 1)
    assert not words(said)
    assert all(claim["text"] == plain[claim["finding_ids"][0]] for claim in brief["claims"])
    assert 0 <= brief["confidence"] <= 0.8


@settings(deadline=None)
@given(questions, st.lists(questions, max_size=3), st.integers(1, 6), st.integers(1, 3))
def test_a_plan_has_the_asked_size_and_only_words_of_the_question(
    question: str, tried: list[str], most: int, count: int
) -> None:
    workers = [f"worker{number}" for number in range(count)]
    assignments = plan(question, workers, least=1, most=most, tried=tried)["assignments"]
    assert 1 <= len(assignments) <= most
    assert len({assignment["id"] for assignment in assignments}) == len(assignments)
    assert {assignment["worker"] for assignment in assignments} <= set(workers)
    assert all(set(words(assignment["goal"])) <= set(words(question)) for assignment in assignments)


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(in_pieces(text)) == text
