"""Writing without a model: sections and documents of findings' sentences, each with its mark."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.computing.calculation import Computed, write
from atlas_mcp.errors import InvalidRequest
from atlas_mcp.messages import Draft, Intent, Material
from atlas_mcp.orchestration.gate import faults
from atlas_mcp.orchestration.trades.drafting import SCHEMA as SECTION
from atlas_mcp.providers.extraction.arranging import heading, joined
from atlas_mcp.providers.extractive import ExtractiveProvider
from atlas_mcp.providers.provider import complete
from tests.providers.parcels import WordVectors, answer, asked, finding
from tests.providers.works import ATLAS, WRITING

if TYPE_CHECKING:
    from atlas_mcp.messages import Finding

QUOTES = (
    "A depot is a building in which parcels wait.",
    "A depot has at least one gate.",
    "A sender recalls a parcel by a notice that names the parcel.",
    "On a notice the depot stops handling the parcel.",
)
FOUND = tuple(
    replace(finding(number, quote, f"s{(number + 1) // 2}"), title="Depots" if number < 3 else "Recalls")
    for number, quote in enumerate(QUOTES, start=1)
)


@pytest.fixture
def provider() -> ExtractiveProvider:
    return ExtractiveProvider(embedder=WordVectors())


async def written(
    provider: ExtractiveProvider, about: str, *drafts: Draft, found: tuple[Finding, ...] = FOUND,
    schema: dict[str, Any] = WRITING, said: str = "Do it.",
) -> Any:  # fmt: skip
    material = Material(findings=found, drafts=drafts)
    return await answer(provider, asked(about, Intent.COMPOSE, schema, material, said=said))


def draft(number: int, title: str, text: str, kind: Any = "section", by: str = "writer") -> Draft:
    return Draft(f"a{number}.1", kind, text, (), title, by)


# Sections --------------------------------------------------------------------------------------------------


async def test_a_section_is_the_findings_with_marks_under_the_goals_words(
    provider: ExtractiveProvider,
) -> None:
    given = await written(provider, "What is a depot?", schema=SECTION)
    assert given["heading"] == "What is a depot"
    assert given["text"].startswith(f"{QUOTES[0]} [f1] {QUOTES[1]} [f2]")
    assert faults({"document": given["text"]}, {each.id: each.quote for each in FOUND}) == []


async def test_a_section_says_in_the_goals_words_what_it_lacks(provider: ExtractiveProvider) -> None:
    given = await written(provider, "What is a depot, and who pays the rent?", schema=SECTION)
    assert given["gaps"] == ["Who pays the rent?"]


async def test_a_section_of_nothing_is_refused_rather_than_invented(provider: ExtractiveProvider) -> None:
    prompt = asked("What is a depot?", Intent.COMPOSE, SECTION, Material())
    with pytest.raises(InvalidRequest, match=r"cannot give \$\.text"):
        await complete(provider, prompt)


async def test_what_was_computed_stands_as_a_list(provider: ExtractiveProvider) -> None:
    line = write(Computed("sum(parcels) of depots.csv", 12, ("3 rows",)))
    given = await written(
        provider,
        "How many parcels has a depot in all?",
        found=(*FOUND, finding(5, line, "s3")),
        schema=SECTION,
    )
    assert given["text"].splitlines()[-1] == f"- {line}. [f5]"


@pytest.mark.parametrize(
    ("goal", "title"),
    [
        ("Write a report on how depots recall parcels", "How depots recall parcels"),
        ("How is it recalled (depot, parcel)?", "How is it recalled"),
        ("Compare depots and lockers", "Depots and lockers"),
        ("x" * 300, "X" + "x" * 119),
    ],
)
def test_a_heading_is_what_the_goal_is_about(goal: str, title: str) -> None:
    assert heading(goal) == title


# Documents -------------------------------------------------------------------------------------------------


async def test_a_document_is_its_sections_without_what_they_repeat(provider: ExtractiveProvider) -> None:
    given = await written(
        provider,
        "Write a report on what a depot is, and how a parcel is recalled",
        draft(1, "What a depot is", f"{QUOTES[0]} [f1] {QUOTES[2]} [f3]"),
        draft(2, "How a parcel is recalled", f"{QUOTES[2]} [f3]\n\n- {QUOTES[3]} [f4]"),
    )
    assert given["title"] == "What a depot is, and how a parcel is recalled"
    assert given["document"] == (
        f"## What a depot is\n\n{QUOTES[0]} [f1]\n\n"
        f"## How a parcel is recalled\n\n{QUOTES[2]} [f3]\n\n- {QUOTES[3]} [f4]"
    )


async def test_without_sections_there_is_one_for_each_source(provider: ExtractiveProvider) -> None:
    given = await written(provider, "Write a report on depots and on the notice that recalls a parcel")
    headings = [line for line in given["document"].splitlines() if line.startswith("#")]
    assert sorted(headings) == ["## Depots", "## Recalls"]


async def test_an_email_has_no_headings_and_no_greeting_is_invented(provider: ExtractiveProvider) -> None:
    section = draft(1, "What a depot is", f"{QUOTES[0]} [f1]")
    given = await written(provider, "Write an e-mail to the carriers about depots", section)
    assert (given["title"], given["document"]) == ("Depots", f"{QUOTES[0]} [f1]")
    named = await written(provider, "Depots", section, said="Task: Depots\nFormat: letter")
    assert named["document"] == f"{QUOTES[0]} [f1]"


async def test_a_list_is_given_where_one_is_asked_for(provider: ExtractiveProvider) -> None:
    given = await written(provider, "Write a bullet list of what a depot is", schema=SECTION)
    assert all(line.startswith("- ") for line in given["text"].splitlines() if line)


async def test_of_more_words_than_are_wished_for_the_least_relevant_go(provider: ExtractiveProvider) -> None:
    section = draft(1, "Depots", " ".join(f"{each.quote} [{each.id}]" for each in FOUND))
    said = "Task: What is a depot?\nLength: about 12 words"
    given = await written(provider, "What is a depot?", section, said=said)
    assert given["document"] == f"## Depots\n\n{QUOTES[0]} [f1]"


async def test_tables_and_code_of_a_section_stay_as_they_are(provider: ExtractiveProvider) -> None:
    table = "| depot | gates |\n|---|---|\n| North | 2 |"
    given = await written(provider, "Depots", draft(1, "Gates", f"{QUOTES[1]} [f2]\n\n{table}"))
    assert given["document"] == f"## Gates\n\n{QUOTES[1]} [f2]\n\n{table}"


# Several works ---------------------------------------------------------------------------------------------


async def test_several_works_follow_one_another_under_their_makers(provider: ExtractiveProvider) -> None:
    works = (
        draft(1, "", f"{QUOTES[0]} [f1] {QUOTES[1]} [f2]", "work", "team:research"),
        draft(2, "Recalls", f"## Notices\n\n{QUOTES[2]} [f3]\n\n{QUOTES[0]} [f1]", "work", "team:writing"),
    )
    given = await written(provider, "What is a depot?", *works, schema=ATLAS)
    assert given["final_output"] == (
        f"## Research\n\n{QUOTES[0]} [f1] {QUOTES[1]} [f2]\n\n## Recalls\n\n### Notices\n\n{QUOTES[2]} [f3]"
    )


def test_one_work_is_handed_on_as_it_is() -> None:
    assert joined([draft(1, "Recalls", "## A\n\nB [f1]", "work")]) == "## A\n\nB [f1]"


async def test_without_works_the_findings_are_arranged(provider: ExtractiveProvider) -> None:
    given = await written(provider, "What is a depot?", schema=ATLAS)
    assert f"{QUOTES[0]} [f1]" in given["final_output"]


async def test_a_brief_may_have_a_document_too(provider: ExtractiveProvider) -> None:
    schema = {**WRITING, "properties": {**WRITING["properties"], "answer": {"type": "string"}}}
    given = await written(provider, "What is a depot?", schema=schema)
    assert given["answer"].startswith(f"{QUOTES[0]} [f1]")
    assert f"{QUOTES[0]} [f1]" in given["document"]
