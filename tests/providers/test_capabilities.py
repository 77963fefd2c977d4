"""What a model is known to be able to do, and what is made of not knowing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.messages import Image, Intent, Message, Prompt, TaskType, Text, ToolSpec
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength

if TYPE_CHECKING:
    from collections.abc import Sequence

limits = st.none() | st.integers(1, 1_000_000)
known = st.builds(
    Capabilities,
    strengths=st.dictionaries(st.sampled_from(Capability), st.sampled_from(Strength)),
    window=limits,
    output=limits,
)

TOOL = ToolSpec("look", "Looks.", {"type": "object"})
PICTURE = Image("image/png", "aGk=")


def asked(*parts: Text | Image, tools: tuple[ToolSpec, ...] = ()) -> Prompt:
    return Prompt((Message("user", parts),), Intent.COMPOSE, "a question", tools=tools)


def test_every_kind_of_task_is_a_capability_of_the_same_name() -> None:
    assert {task.value for task in TaskType} <= {capability.value for capability in Capability}
    able = Capabilities({Capability.CODE: Strength.EXCEPTIONAL})
    assert able.strength(TaskType.CODE) is Strength.EXCEPTIONAL
    assert able.strength(TaskType.WRITING) is None


def test_strengths_are_ordered_from_none_to_exceptional() -> None:
    assert [strength.name.lower() for strength in sorted(Strength)] == [
        "none", "limited", "moderate", "strong", "exceptional",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("strengths", "expected"),
    [
        ({}, []),
        ({Capability.TOOLS: Strength.NONE}, ["tools"]),
        ({Capability.VISION: Strength.NONE}, ["images"]),
        ({Capability.TOOLS: Strength.LIMITED, Capability.VISION: Strength.LIMITED}, []),
    ],
)
def test_only_what_is_known_to_be_lacking_is_lacking(
    strengths: dict[Capability, Strength], expected: list[str]
) -> None:
    assert Capabilities(strengths).lacking(asked(PICTURE, tools=(TOOL,)), 10) == expected


def test_what_a_prompt_does_not_need_is_not_lacking() -> None:
    unable = Capabilities({Capability.TOOLS: Strength.NONE, Capability.VISION: Strength.NONE})
    assert unable.lacking(asked(Text("hello")), 10) == []


def test_a_prompt_larger_than_the_window_says_both_sizes() -> None:
    small = Capabilities(window=4_096)
    assert small.lacking(asked(Text("hello")), 4_096) == []
    assert small.lacking(asked(Text("hello")), 5_000) == ["a window of 5,000 tokens (it has 4,096)"]


def test_a_correction_wins_where_it_says_something_and_leaves_the_rest() -> None:
    declared = Capabilities(
        {Capability.TOOLS: Strength.STRONG, Capability.CODE: Strength.MODERATE},
        window=1_000,
        output=100,
        sampling=frozenset({"top_p"}),
    )
    corrected = declared.corrected({Capability.TOOLS: Strength.NONE}, window=2_000)
    assert corrected == Capabilities(
        {Capability.TOOLS: Strength.NONE, Capability.CODE: Strength.MODERATE},
        window=2_000,
        output=100,
        sampling=frozenset({"top_p"}),
    )


@given(declared=known, own=known, reported=st.lists(known))
def test_law_what_a_person_insists_on_stands_whatever_is_reported(
    declared: Capabilities, own: Capabilities, reported: Sequence[Capabilities]
) -> None:
    now = declared.insisting(own)
    for news in reported:
        now = now.corrected(news.strengths, window=news.window, output=news.output)
    assert own.strengths.items() <= now.strengths.items()
    assert own.window in {None, now.window}
    assert own.output in {None, now.output}


@given(declared=known, reported=known)
def test_what_goes_beyond_a_declaration_brings_back_what_was_reported(
    declared: Capabilities, reported: Capabilities
) -> None:
    whole = declared.corrected(reported.strengths, window=reported.window, output=reported.output)
    news = whole.beyond(declared)
    assert declared.corrected(news.strengths, window=news.window, output=news.output) == whole
    assert whole.beyond(whole) == Capabilities()


@given(st.lists(known, min_size=1, max_size=4), st.sampled_from([1, 1_000, 1_000_000]))
def test_a_group_lacks_only_what_every_member_lacks(members: Sequence[Capabilities], tokens: int) -> None:
    group = Capabilities.best_of(members)
    for prompt in (asked(PICTURE), asked(Text("x"), tools=(TOOL,)), asked(Text("x"))):
        if group.lacking(prompt, tokens):
            assert all(member.lacking(prompt, tokens) for member in members)


@pytest.mark.parametrize("capability", [Capability.TOOLS, Capability.VISION])
def test_a_group_lacks_what_every_member_is_known_to_lack(capability: Capability) -> None:
    unable = Capabilities({capability: Strength.NONE}, window=100)
    prompt = asked(PICTURE, tools=(TOOL,))
    assert len(Capabilities.best_of([unable, unable]).lacking(prompt, 101)) == 2
    assert Capabilities.best_of([unable, Capabilities()]).lacking(prompt, 101) == []


@given(st.lists(known, min_size=1, max_size=4))
def test_a_group_is_as_strong_as_its_strongest_known_member(members: Sequence[Capabilities]) -> None:
    group = Capabilities.best_of(members)
    for capability in Capability:
        levels = [level for member in members if (level := member.strength(capability)) is not None]
        if best := max(levels, default=Strength.NONE):
            assert group.strength(capability) is best
            assert group.has(capability)


def test_of_nobody_nothing_is_known() -> None:
    assert Capabilities.best_of([]) == Capabilities()
