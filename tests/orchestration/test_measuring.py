"""What a run gives the librarian to measure, and where its figures go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.events import Kind
from atlas_mcp.messages import Finding, Location, Source, TaskType
from atlas_mcp.orchestration.evidence import Evidence
from atlas_mcp.orchestration.measuring import assigned, measured, measured_draft
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.scripted import Script, ScriptedProvider
from tests.orchestration.talk import PLAN, QUESTION, SPRING, TABLE, finished, gather

if TYPE_CHECKING:
    from pathlib import Path

    from tests.orchestration.conftest import OpenAtlas

TEXT = f"{SPRING} {TABLE}"
TIDES = Source("ab", "file:///t.md", "Tides", "2026-01-01")


def finding(name: str, quote: str) -> Finding:
    start = TEXT.index(quote)
    return Finding(name, quote, "s1", "Tides", Location(start, start + len(quote)), "documents")


FOUND = Evidence((finding("f1", SPRING), finding("f2", TABLE)), {"s1": TIDES}, (), ())
DRAFT: dict[str, Any] = {
    "answer": f"{SPRING} [f1]",
    "claims": [
        {"text": SPRING, "finding_ids": ["f1"]},
        {"text": "Ships of 99 metres wait.", "finding_ids": ["f2"]},
    ],
}


def result(*quotes: str, **more: Any) -> dict[str, Any]:
    return {"ok": True, "findings": [{"quote": each, "source": {"sha256": "ab"}} for each in quotes], **more}


def plan_of(*results: dict[str, Any] | None) -> list[Any]:
    assignments = [{"id": f"a{n}", "goal": "Why?"} for n, _ in enumerate(results, 1)]
    given = {f"a{n}": each for n, each in enumerate(results, 1) if each}
    return [(each.finding_ids, each.failure) for each in assigned(assignments, given, FOUND)]


def test_a_plan_is_given_with_what_came_of_it() -> None:
    failed = {"ok": False, "error": {"message": "Overloaded."}}
    assert plan_of(result(SPRING, TABLE), failed, result(), None) == [
        (("f1", "f2"), ""),
        ((), "its worker failed: Overloaded."),
        ((), ""),
        ((), "it was not begun"),
    ]


def test_words_that_two_workers_found_count_for_both() -> None:
    assert plan_of(result(SPRING), result(f" {SPRING}\n")) == [(("f1",), ""), (("f1",), "")]


def test_what_is_released_is_measured_without_the_claims_that_were_set_aside() -> None:
    released = measured(DRAFT, FOUND, (), {"ab": TEXT}, ())
    assert released.score == pytest.approx(5)
    assert released.part("verbatim_quotes").of == 2
    assert measured_draft(DRAFT, FOUND, ()).score == pytest.approx(5 * 2 / 3)


def test_a_writer_does_not_answer_for_a_quote_that_was_lost_later() -> None:
    lost = (FOUND.findings[0],)
    released = measured(DRAFT, FOUND, lost, {"ab": TEXT}, ())
    assert released.part("dangling_citations").share == 0
    assert measured_draft(DRAFT, FOUND, ()).part("dangling_citations").share == 1


def test_with_nothing_found_there_is_nothing_to_score() -> None:
    nothing = Evidence((), {}, (), ())
    assert measured({"answer": "The documents do not say.", "claims": []}, nothing, (), {}, ()).score is None


COMPOSE = f"""
[[reply]]
when = {{ intent = "compose" }}
json = {{ answer = "{SPRING} [f1] Cheese is made there. [f2]", claims = [
  {{ text = "{SPRING}", finding_ids = ["f1"] }},
  {{ text = "A harbour master publishes the tide table 99 times.", finding_ids = ["f2"] }},
], disagreements = [], open_questions = [], confidence = 0.9 }}
"""
FAULTY = PLAN + gather("When do spring tides", SPRING) + gather("Who publishes", TABLE) + COMPOSE


async def test_the_check_tells_its_score_and_parts_and_so_do_the_output_and_the_report(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(FAULTY) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
        events = [event async for event in run]
        output = (await run.envelope(wait_seconds=30))["output"]
    (checked,) = [event.data for event in events if event.kind is Kind.CHECK_FINISHED]
    measures = output["measures"]
    assert (checked["score"], checked["parts"]) == (measures["score"], measures["parts"])
    assert 2.5 < measures["score"] < 4
    support = next(part for part in measures["parts"] if part["name"] == "lexical_support")
    assert support["reasons"][0]["where"] == "answer, sentence 2"
    assert f"## Measured: {measures['score']:.1f} of 5" in output["report"]
    assert "- answer, sentence 2: “Cheese is made there.”: its quotes share 0%" in output["report"]


class Told(ProviderGroup):
    """A group that keeps what it is told of its members' answers."""

    def rate(self, member: str, task: TaskType, quality: float) -> None:
        self.ratings = {**getattr(self, "ratings", {}), task: quality}
        super().rate(member, task, quality)


async def test_who_composed_is_rated_by_what_they_wrote_before_the_gate(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    members = [ScriptedProvider(Script.parse(FAULTY, name=name)) for name in ("first", "second")]
    group = Told(members, name="both")
    async with atlas_with(provider=group) as atlas:
        made = await finished(atlas, documents)
    # Two of four sentences are carried, and each assignment has a sentence that cites what was found for it.
    assert group.ratings[TaskType.WRITING] == pytest.approx(5 * 0.5**0.8, abs=0.05)
    assert made["output"]["measures"]["score"] > group.ratings[TaskType.WRITING]


async def test_an_answer_counts_for_the_kind_of_task_that_its_member_was_chosen_for(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    members = [ScriptedProvider(Script.parse(FAULTY, name=name)) for name in ("first", "second")]
    group = Told(members, name="both")
    async with atlas_with(provider=group) as atlas:
        run = await atlas.start("research", question=f"Compare: {QUESTION}", documents=[str(documents)])
        events = [event async for event in run]
    (detected,) = [event.data for event in events if event.kind is Kind.TASK_DETECTED]
    assert detected["task"] == TaskType.ANALYSIS
    assert TaskType.WRITING not in group.ratings
    assert group.ratings[TaskType.ANALYSIS] > 0
