"""Analysing without a model: findings' own sentences, of the kind that they say they are, side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.computing.calculation import Computed, sheet, write
from atlas_mcp.messages import Intent, Material
from atlas_mcp.orchestration.trades.analysing import KINDS
from atlas_mcp.orchestration.trades.analysing import SCHEMA as STATEMENTS
from atlas_mcp.providers.extraction.analysing import sides
from atlas_mcp.providers.extraction.figures import asks_for, is_trend, names_column
from atlas_mcp.providers.extraction.telling import named, told
from atlas_mcp.providers.extraction.units import unit_of_finding, units_of_passages
from atlas_mcp.providers.extractive import ExtractiveProvider
from tests.providers.parcels import WordVectors, answer, asked, finding, gathering, passage
from tests.providers.works import ANALYSIS

if TYPE_CHECKING:
    from atlas_mcp.messages import Finding, Passage

COMPARED = (
    finding(1, "A locker is open at night, and a parcel waits in it for 3 days."),
    finding(2, "Carriers fill the shelves every morning.", "s2"),
    finding(3, "A depot is closed at night, and a parcel waits in it for 14 days.", "s2"),
    finding(4, "Unlike a depot, a locker has no gate."),
)
REVENUE = Computed("sum(revenue) of sales.csv where region is North", 547.6, ("4 rows",))
SOUTH = Computed("sum(revenue) of sales.csv where region is South", 383.75, ("4 rows",))
GROWTH = Computed("percent_change(revenue) from 2023 to 2024 of sales.csv", -4.5, ("2 rows",))
UNITS = Computed("stdev(weight) of sales.csv", 2.5, ("8 rows",))


@pytest.fixture
def provider() -> ExtractiveProvider:
    return ExtractiveProvider(embedder=WordVectors())


async def stated(provider: ExtractiveProvider, about: str, *found: Finding, said: str = "Do it.") -> Any:
    return await answer(
        provider, asked(about, Intent.COMPOSE, STATEMENTS, Material(findings=found), said=said)
    )


async def analysis(provider: ExtractiveProvider, about: str, *found: Finding, said: str = "Do it.") -> Any:
    return await answer(provider, asked(about, Intent.COMPOSE, ANALYSIS, Material(findings=found), said=said))


def figures(*results: Computed) -> tuple[Passage, ...]:
    return sheet("table_statistics", "Statistics of sales.csv", [("sales.csv", results)]).passages


# Statements ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("A depot is a building in which parcels wait.", "finding"),
        ("Carriers MUST NOT open a parcel.", "finding"),
        ("Lockers are small, whereas depots are large.", "difference"),
        ("Lockers and depots are both open and dry; both need a key and a gate.", "likeness"),
        ("Shelves are scarce because depots are small.", "cause"),
        ("Depots are small, therefore shelves are scarce.", "effect"),
        ("A parcel left outside is at risk of theft.", "risk"),
        ("The number of parcels grew by a third.", "trend"),
        ("We assume that every depot has a gate.", "assumption"),
        ("The main advantage of lockers is their price.", "pro"),
        ("A drawback of lockers is their size.", "con"),
        ("Carriers scored 4 out of 5.", "score"),
    ],
)
def test_a_sentence_is_of_the_kind_that_its_own_words_tell(sentence: str, kind: str) -> None:
    assert told(unit_of_finding(finding(1, sentence)), KINDS) == kind


def test_a_framework_has_its_own_name_for_a_kind_and_only_allowed_ones_are_given() -> None:
    drawback = unit_of_finding(finding(1, "A drawback of lockers is their size."))
    assert told(drawback, KINDS, "swot") == "weakness"
    assert told(drawback, ["finding"]) == "finding"
    assert named("pros and cons", ["swot", "pros_and_cons"]) == "pros_and_cons"
    assert named("astrology", ["swot", "pros_and_cons"]) is None


async def test_statements_are_findings_word_for_word_with_their_ids(provider: ExtractiveProvider) -> None:
    given = await stated(provider, "Why are shelves scarce?", *COMPARED, finding(5, "Shelves are scarce."))
    quotes = {each.id: each.quote for each in (*COMPARED, finding(5, "Shelves are scarce."))}
    assert given["statements"][0]["finding_ids"] == ["f5"]
    assert all(each["text"] == quotes[each["finding_ids"][0]] for each in given["statements"])


async def test_findings_that_disagree_are_one_statement_of_both(provider: ExtractiveProvider) -> None:
    given = await stated(
        provider,
        "How long is a parcel kept?",
        finding(1, "A carrier keeps a parcel for at most 14 days."),
        finding(2, "A carrier keeps a parcel for at most 21 days.", "s2"),
    )
    assert given["statements"][-1] == {
        "kind": "contradiction",
        "text": "A carrier keeps a parcel for at most 14 days. A carrier keeps a parcel for at most 21 days.",
        "finding_ids": ["f1", "f2"],
    }


async def test_two_records_of_a_table_do_not_contradict_one_another(provider: ExtractiveProvider) -> None:
    rows = [f"month: {month}; region: North; revenue: {100 + month}; units: {month}" for month in (1, 2)]
    given = await analysis(
        provider, "What was the revenue of North?", finding(1, rows[0]), finding(2, rows[1])
    )
    assert given["contradictions"] == []
    assert {each["kind"] for each in given["findings"]} == {"finding"}


# Comparing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "things"),
    [
        ("Compare lockers and depots for the night", [{"locker"}, {"depot"}]),
        ("What are the differences between lockers and depots?", [{"locker"}, {"depot"}]),
        ("Which is better at night, a locker or a depot?", [{"locker"}, {"depot"}]),
        ("Did North grow faster than South?", [{"north", "grow"}, {"south"}]),
        ("Write a report comparing lockers and depots", [{"locker"}, {"depot"}]),
        ("How do carriers open or close a gate?", []),
        ("What is a locker, and what is a depot?", []),
    ],
)
def test_what_is_compared_is_read_off_the_question(question: str, things: list[set[str]]) -> None:
    assert [set(each) for each in sides(question)] == things


async def test_what_is_said_of_each_side_stands_beside_what_is_said_of_the_other(
    provider: ExtractiveProvider,
) -> None:
    given = await analysis(provider, "Compare lockers and depots", *COMPARED)
    assert given["framework"] == "comparison"
    assert [each["evidence"] for each in given["findings"]][:3] == [["f4"], ["f1"], ["f3"]]
    assert given["findings"][0]["kind"] == "difference"
    assert [each["id"] for each in given["findings"]] == [f"n{n + 1}" for n in range(len(given["findings"]))]


async def test_a_summary_of_a_comparison_has_a_sentence_of_each_side(provider: ExtractiveProvider) -> None:
    given = await analysis(provider, "Compare lockers and depots", *COMPARED)
    assert all(f"[f{number}]" in given["summary"] for number in (1, 3, 4))


async def test_the_framework_that_is_asked_for_is_named_and_none_is_made_up(
    provider: ExtractiveProvider,
) -> None:
    said = "Question: Lockers\nFramework: pros_and_cons\n\nCompose."
    given = await analysis(provider, "Lockers", *COMPARED, said=said)
    assert given["framework"] == "pros_and_cons"
    assert (await analysis(provider, "What is a locker?", *COMPARED))["framework"] is None


async def test_a_framework_that_no_finding_fills_is_a_limit(provider: ExtractiveProvider) -> None:
    question = "Do a SWOT analysis of lockers"
    given = await analysis(provider, question, *COMPARED)
    assert (given["framework"], given["limits"]) == ("swot", [question])
    strong = finding(5, "A strength of lockers is that they are open at night.")
    assert (await analysis(provider, question, *COMPARED, strong))["limits"] == []


async def test_what_nothing_tells_is_a_limit_in_the_questions_words(provider: ExtractiveProvider) -> None:
    given = await analysis(
        provider, "How long does a parcel wait in a locker, and who pays the rent?", *COMPARED
    )
    assert given["limits"] == ["Who pays the rent?"]


async def test_confidence_is_measured_and_grows_with_documents_that_say_the_same(
    provider: ExtractiveProvider,
) -> None:
    quote = "A parcel waits in a locker for 3 days."
    alone = await analysis(provider, "How long does a parcel wait?", finding(1, quote))
    twice = await analysis(
        provider, "How long does a parcel wait?", finding(1, quote), finding(2, quote, "s2")
    )
    assert alone["findings"][0]["confidence"] < twice["findings"][0]["confidence"] <= 0.8
    assert twice["findings"][0]["evidence"] == ["f1", "f2"]


# What was computed -----------------------------------------------------------------------------------------


def test_each_line_of_a_computation_is_quotable_and_stays_whole() -> None:
    units = units_of_passages(figures(REVENUE, GROWTH))
    assert [unit.text for unit in units] == [write(REVENUE), write(GROWTH)]
    assert [unit.computed for unit in units] == [REVENUE.expression, GROWTH.expression]


def test_a_computed_line_is_known_as_one_where_it_is_found() -> None:
    assert unit_of_finding(finding(1, write(GROWTH))).computed == GROWTH.expression
    assert unit_of_finding(finding(1, f"- {write(GROWTH)}\n- {write(UNITS)}")).computed
    assert not unit_of_finding(finding(1, "The timeout = 30")).computed
    assert not unit_of_finding(finding(1, "Shelves are scarce.")).computed


def test_a_result_is_near_to_who_names_its_column_and_calls_for_its_function() -> None:
    assert asks_for("What is the total revenue?", REVENUE.expression)
    assert not asks_for("What is the total revenue?", UNITS.expression)
    assert names_column({"revenu", "north"}, REVENUE.expression) == 1
    assert names_column({"revenu"}, REVENUE.expression) < 1
    assert names_column({"price"}, REVENUE.expression) == 0
    assert is_trend(GROWTH.expression)
    assert not is_trend(REVENUE.expression)


async def test_the_lines_of_the_column_that_is_asked_for_are_quoted_first(
    provider: ExtractiveProvider,
) -> None:
    shown = (*figures(UNITS, GROWTH, SOUTH, REVENUE), passage("p1", "Soup is served on Fridays.", "House"))
    given = await answer(provider, gathering("What is the total revenue of North?", *shown))
    quotes = [each["quote"] for each in given["findings"]]
    assert quotes[0] == write(REVENUE)
    assert write(UNITS) not in quotes


async def test_a_table_that_is_only_near_by_its_name_is_not_quoted(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("What is sales tax?", *figures(UNITS, REVENUE)))
    assert given["findings"] == []


async def test_with_nothing_but_figures_a_question_without_their_words_is_answered_by_them(
    provider: ExtractiveProvider,
) -> None:
    given = await answer(provider, gathering("What do these numbers show?", *figures(UNITS, REVENUE)))
    assert {each["quote"] for each in given["findings"]} == {write(UNITS), write(REVENUE)}


async def test_a_computed_change_is_a_trend_and_figures_never_contradict_one_another(
    provider: ExtractiveProvider,
) -> None:
    found = [replace(finding(number, write(each)), source_id="s1", title="Statistics of sales.csv")
             for number, each in enumerate((REVENUE, SOUTH, GROWTH), start=1)]  # fmt: skip
    given = await analysis(provider, "How did revenue change, and did North earn more than South?", *found)
    assert given["contradictions"] == []
    kinds = {each["statement"]: each["kind"] for each in given["findings"]}
    assert kinds[write(GROWTH)] == "trend"
    assert [each["evidence"] for each in given["findings"]][:2] == [["f1"], ["f2"]]
