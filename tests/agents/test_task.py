"""What kind of task it is: who says so, how sure that is, how hard it looks, and what effort that asks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.agents.agent import Task
from atlas_mcp.agents.card import Card
from atlas_mcp.agents.task import SURE, Complexity, detected, effort_for, in_text
from atlas_mcp.messages import Intent, Material, Passage, Source, TaskType
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength

PROSE: dict[str, Any] = {"type": "object", "properties": {"answer": {"type": "string"}}}
QUOTES: dict[str, Any] = {
    "type": "object",
    "properties": {"findings": {"items": {"properties": {"quote": {"x-atlas-fill": "quote"}}}}},
}
SOURCE = Source("ab", "file:///t", "T", "2026-01-01")


def card(**keys: Any) -> Card:
    return Card(name="web", description="Reads.", persona="You read.", **keys)


def asked(about: str, intent: Intent = Intent.COMPOSE, schema: dict[str, Any] = PROSE, size: int = 0) -> Task:
    passages = (Passage("p1", SOURCE, "x" * size, 0),) if size else ()
    return Task(intent, about, "text", schema, Material(passages))


def test_a_card_says_what_its_agent_is_for() -> None:
    found = detected(card(task="analysis"), asked("Write a letter.", Intent.GATHER))
    assert (found.task, found.source, found.confidence) == (TaskType.ANALYSIS, "card", 1.0)
    assert "web" in found.reason


def test_a_card_that_says_what_the_step_says_is_not_gone_past_by_the_text() -> None:
    found = detected(card(task="writing"), asked("Compare heat pumps with gas boilers."))
    assert (found.task, found.source) == (TaskType.WRITING, "intent")


def test_a_plan_is_planning_whoever_makes_it() -> None:
    found = detected(card(task="writing"), asked("Write a letter.", Intent.PLAN))
    assert (found.task, found.source) == (TaskType.PLANNING, "intent")


@pytest.mark.parametrize(
    ("intent", "kind"),
    [
        (Intent.PLAN, TaskType.PLANNING),
        (Intent.GATHER, TaskType.EXTRACTION),
        (Intent.REVIEW, TaskType.ANALYSIS),
        (Intent.COMPOSE, TaskType.WRITING),
        (Intent.RATE, TaskType.RATING),
    ],
)
def test_without_a_card_or_a_cue_the_step_says_it(intent: Intent, kind: TaskType) -> None:
    found = detected(card(), asked("Why are there tides?", intent))
    assert (found.task, found.source, found.confidence) == (kind, "intent", 1.0)


def test_where_the_step_is_broad_the_text_may_say_more_and_the_reason_quotes_it() -> None:
    found = detected(card(), asked("Compare heat pumps with gas boilers."))
    assert (found.task, found.source) == (TaskType.ANALYSIS, "text")
    assert "'Compare'" in found.reason
    assert SURE <= found.confidence < 1


def test_who_is_to_give_quotes_extracts_whatever_the_text_says() -> None:
    found = detected(card(), asked("Compare heat pumps with gas boilers.", Intent.GATHER, QUOTES))
    assert found.task is TaskType.EXTRACTION


def test_who_composes_from_findings_extracts_nothing() -> None:
    assert detected(card(), asked("Find all the dates.")).task is TaskType.WRITING


def test_a_weak_cue_is_not_acted_on() -> None:
    kind, _, confidence = in_text("Why does Python matter to biologists?")
    assert (kind, confidence) == (TaskType.CODE, 0.5)
    assert detected(card(), asked("Why does Python matter to biologists?")).task is TaskType.WRITING


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write a Python function that sorts a list.", TaskType.CODE),
        ("Please summarise the report.", TaskType.SUMMARISING),
        ("Classify these letters into complaints and praise.", TaskType.CLASSIFICATION),
        ("Extract all the amounts.", TaskType.EXTRACTION),
        ("What are the pros and cons of tariffs?", TaskType.ANALYSIS),
        ("Grade this essay on a scale of 1 to 5.", TaskType.RATING),
        ("Calculate 17 * 23.", TaskType.REASONING),
        ("Plan a week in Lisbon.", TaskType.PLANNING),
        ("Draft a press release.", TaskType.WRITING),
        ("Hello, who are you?", TaskType.CONVERSATION),
    ],
)
def test_texts_are_told_apart(text: str, kind: TaskType) -> None:
    found, _, confidence = in_text(text)
    assert found is kind
    assert confidence >= SURE


@given(st.text())
def test_any_text_has_a_kind_and_always_the_same(text: str) -> None:
    kind, reason, confidence = found = in_text(text)
    assert found == in_text(text)
    assert isinstance(kind, TaskType)
    assert reason
    assert 0 <= confidence < 1


@given(st.text(max_size=300), st.text(max_size=300), st.integers(0, 40_000))
def test_more_to_do_is_never_easier(text: str, further: str, size: int) -> None:
    harder = list(Complexity)
    small = detected(card(task="writing"), asked(text))
    large = detected(card(task="writing"), asked(f"{text}\n{further}", size=size))
    assert harder.index(large.complexity) >= harder.index(small.complexity)


def test_complexity_goes_by_kind_length_parts_and_material() -> None:
    def found(about: str, intent: Intent, size: int = 0) -> Complexity:
        return detected(card(), asked(about, intent, size=size)).complexity

    assert found("Why are there tides?", Intent.GATHER) is Complexity.SIMPLE
    assert found("Why are there tides?", Intent.PLAN) is Complexity.MODERATE
    assert found("Why are there tides?", Intent.COMPOSE, 7_000) is Complexity.MODERATE
    many = "Why tides? Why neap tides? How high? What of the Sun?"
    assert found(many, Intent.PLAN) is Complexity.HARD


def test_effort_follows_complexity_in_models_known_to_reason_well() -> None:
    strong = Capabilities({Capability.REASONING: Strength.STRONG})
    assert [effort_for(each, strong, {}) for each in Complexity] == ["low", None, "high"]


@pytest.mark.parametrize(
    ("capabilities", "sampling"),
    [
        (Capabilities(), {}),
        (Capabilities({Capability.REASONING: Strength.MODERATE}), {}),
        (Capabilities({Capability.REASONING: Strength.STRONG}), {"reasoning_effort": "medium"}),
    ],
)
def test_effort_is_left_to_other_models_and_to_a_card_that_says_it(
    capabilities: Capabilities, sampling: dict[str, Any]
) -> None:
    assert effort_for(Complexity.HARD, capabilities, sampling) is None
