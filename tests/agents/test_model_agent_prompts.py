"""What an agent's prompts are made of: its task, its persona, and what fits into the window."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.agents.agent import Answered, Happened, Step, Task
from atlas_mcp.agents.card import Card
from atlas_mcp.agents.model_agent import ModelAgent
from atlas_mcp.chunks import Retracted, Stopped, TextDelta
from atlas_mcp.downstream.toolbox import Found, Tool, Toolbox
from atlas_mcp.errors import ContextTooLong, ProviderError, Unavailable, Unsupported
from atlas_mcp.events import Kind
from atlas_mcp.messages import Intent, Material, Passage, Prompt, Source, TaskType, ToolCall, ToolSpec
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.known.tokens import tokens_of_prompt
from atlas_mcp.providers.provider import ProviderInfo
from atlas_mcp.providers.strategies import task_aware
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Attempts, Terms

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.agents.context import Priority
    from atlas_mcp.chunks import Chunk

SOURCE = Source("ab", "file:///t", "T", "2026-01-01")
SHAPE: dict[str, Any] = {"type": "object", "properties": {"answer": {"type": "string"}}}
SEARCH = ToolSpec("search", "Searches.", {"type": "object"})
OTHER = "Bakers rise early and sell their bread before noon. "
PERSONA = "# Who you are\nYou read.\n\n# Your limits\nYou quote exactly.\n\n# What you give\nOne JSON object."


class Narrow:
    """A model with a window that it enforces, once it has said `first`; it calls a tool `turns` times."""

    def __init__(
        self, window: int | None = None, *, real: int = 1_000_000, turns: int = 0, first: str = "",
        strengths: dict[Capability, Strength] | None = None,
    ) -> None:  # fmt: skip
        self.asked: list[Prompt] = []
        self.info = ProviderInfo("test:n", "test", "n", capabilities=Capabilities(strengths or {}, window))
        self._real, self._turns, self._first = real, turns, first
        self._called = 0

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:  # noqa: ARG002 - it takes any
        self.asked.append(prompt)
        return Stream(self._chunks(prompt))

    async def _chunks(self, prompt: Prompt) -> AsyncGenerator[Chunk]:
        if tokens_of_prompt(prompt) > self._real:
            if self._first:
                yield TextDelta(self._first)
            raise ContextTooLong("Too long.", provider="test", model="n", remedy="Send less.")
        if self._called < self._turns:
            self._called += 1
            yield ToolCall(f"c{self._called}", "search", {})
            yield Stopped("tool_calls", "test", "n")
        else:
            yield TextDelta('{"answer": "The Moon."}')
            yield Stopped("end", "test", "n")

    async def aclose(self) -> None: ...


def passages(count: int) -> tuple[Passage, ...]:
    return tuple(Passage(f"p{n}", SOURCE, OTHER * 10, 0) for n in range(count))


async def search(_arguments: dict[str, Any]) -> Found:
    return Found(OTHER * 200)


async def steps(
    provider: Any, given: Task, *, terms: Terms = TERMS, priority: Priority = "normal", **keys: Any
) -> list[Step]:
    card = Card.model_validate(
        {"name": "web", "description": "Reads.", "persona": PERSONA, "tools": ["search"], **keys}
    )
    tools = Toolbox([Tool(SEARCH, search)], card.tools)
    async with aclosing(ModelAgent(card, provider, tools, terms, priority).work(given)) as working:
        return [step async for step in working]


def asked(about: str = "Why are there tides?", count: int = 0, **more: Any) -> Task:
    return Task(Intent.COMPOSE, about, about, SHAPE, Material(passages(count)), **more)


def told(taken: list[Step], kind: Kind) -> list[dict[str, Any]]:
    return [step.data for step in taken if isinstance(step, Happened) and step.kind is kind]


async def test_where_nothing_applies_the_prompt_says_no_more_than_the_card() -> None:
    model = Narrow()
    taken = await steps(model, asked())
    (prompt,) = model.asked
    assert (prompt.system, prompt.task, prompt.effort) == (PERSONA, None, None)
    assert told(taken, Kind.TASK_DETECTED) == told(taken, Kind.CONTEXT_FITTED) == []
    (started,) = told(taken, Kind.MODEL_STARTED)
    assert (started["task"], started["complexity"], started["level"]) == ("writing", "simple", "whole")
    assert len(started["persona"]) == 12


async def test_a_detected_task_is_told_goes_with_the_prompt_and_shapes_the_persona() -> None:
    model = Narrow()
    taken = await steps(model, asked("Compare the Moon with the Sun."))
    (prompt,) = model.asked
    assert prompt.task is TaskType.ANALYSIS
    assert "This is analysis" in prompt.system
    (detected,) = told(taken, Kind.TASK_DETECTED)
    assert detected["task"] == "analysis"
    assert "Compare" in detected["reason"]


async def test_a_group_chooses_for_the_task_that_the_card_says() -> None:
    good, poor = (Narrow(strengths={Capability.CODE: level}) for level in (Strength.STRONG, Strength.LIMITED))
    group = ProviderGroup([poor, good], task_aware, name="two")
    taken = await steps(group, asked(), task="code")
    assert (len(good.asked), len(poor.asked)) == (1, 0)
    (chosen,) = told(taken, Kind.MODEL_CHOSEN)
    assert chosen["task"] == TaskType.CODE


async def test_a_weak_model_gets_the_plain_persona_and_one_that_reasons_the_effort() -> None:
    weak = Narrow(strengths={Capability.WRITING: Strength.LIMITED})
    taken = await steps(weak, asked())
    assert weak.asked[0].system.count("One JSON object.") == 2
    assert told(taken, Kind.MODEL_STARTED)[0]["level"] == "plain"
    strong = Narrow(strengths={Capability.REASONING: Strength.STRONG})
    await steps(strong, asked())
    assert strong.asked[0].effort == "low"


async def test_memory_and_skills_stand_in_the_system_prompt() -> None:
    model = Narrow()
    await steps(model, asked(memory="Tides came up before."), abilities="# Skill: citing\nCite.")
    assert model.asked[0].system.index("Tides came up") < model.asked[0].system.index("# Skill: citing")
    assert model.asked[0].system.endswith("One JSON object.")


async def test_what_a_card_needs_and_its_model_is_known_to_lack_is_said_before_anything_is_asked() -> None:
    model = Narrow(strengths={Capability.VISION: Strength.NONE})
    with pytest.raises(Unsupported, match="web needs vision") as caught:
        await steps(model, asked(), needs=["vision", "tools"])
    assert "needs" in caught.value.remedy
    assert model.asked == []


async def test_material_beyond_the_share_is_left_out_named_and_told_and_the_check_still_knows_it() -> None:
    model = Narrow(window=4_000)
    taken = await steps(model, asked(count=60))
    (event,) = told(taken, Kind.CONTEXT_FITTED)
    assert event["before"] > 4_000 > event["after"] == tokens_of_prompt(model.asked[0])
    assert event["left_out"]
    assert event["left_out"][0] in model.asked[0].messages[0].text
    assert isinstance(taken[-1], Answered)
    assert len(taken[-1].passages) == 60


async def test_a_run_of_higher_priority_is_shown_more() -> None:
    sizes: list[int] = []
    for priority in ("low", "normal", "high"):
        model = Narrow(window=4_000)
        await steps(model, asked(count=60), priority=priority)
        sizes.append(len(model.asked[0].passages))
    assert sizes == sorted(set(sizes))


async def test_results_of_earlier_turns_give_way_as_a_conversation_grows() -> None:
    model = Narrow(window=8_000, turns=4)
    taken = await steps(model, asked(), maxTurns=9)
    assert len(told(taken, Kind.CONTEXT_FITTED)) >= 1
    assert all(tokens_of_prompt(prompt) <= 8_000 * 0.75 for prompt in model.asked)
    assert isinstance(taken[-1], Answered)


async def test_a_task_that_cannot_fit_is_refused_before_it_is_paid_and_says_what_to_do() -> None:
    model = Narrow(window=1_000)
    with pytest.raises(ContextTooLong, match="at least") as caught:
        await steps(model, asked(OTHER * 200))
    assert "config/models.toml" in caught.value.remedy
    assert model.asked == []


async def test_a_prompt_that_proves_too_long_is_sent_once_more_smaller_at_the_price_of_an_attempt() -> None:
    model, attempts = Narrow(real=3_000), Attempts(3)
    taken = await steps(model, asked(count=40), terms=Terms(attempts=attempts))
    first, second = map(tokens_of_prompt, model.asked)
    assert second <= first // 2
    assert attempts.taken == 1
    assert isinstance(taken[-1], Answered)
    (event,) = told(taken, Kind.CONTEXT_FITTED)
    assert event["before"] == first
    assert len(told(taken, Kind.MODEL_FAILED)) == 1


async def test_what_was_said_before_the_window_was_full_is_taken_back() -> None:
    taken = await steps(Narrow(real=3_000, first='{"ans'), asked(count=40))
    (retracted,) = [step for step in taken if isinstance(step, Retracted)]
    assert retracted.characters == len('{"ans')
    assert isinstance(taken[-1], Answered)
    assert taken[-1].value == {"answer": "The Moon."}


@pytest.mark.parametrize(("real", "left", "asked_times"), [(100, 9, 2), (3_000, 0, 1)])
async def test_a_second_refusal_or_no_attempt_left_is_the_error(
    real: int, left: int, asked_times: int
) -> None:
    model = Narrow(real=real)
    with pytest.raises(ContextTooLong) as caught:
        await steps(model, asked(count=40), terms=Terms(attempts=Attempts(left)))
    assert caught.value.remedy
    assert len(model.asked) == asked_times


async def test_a_group_of_which_nobody_has_room_is_asked_once_more_too() -> None:
    members = [Narrow(real=3_000), Narrow(real=3_000)]
    taken = await steps(ProviderGroup(members, name="two"), asked(count=40))
    assert isinstance(taken[-1], Answered)


async def test_another_failure_is_not_met_with_a_smaller_prompt() -> None:
    class Gone(Narrow):
        async def _chunks(self, prompt: Prompt) -> AsyncGenerator[Chunk]:
            raise Unavailable("Gone.", failures=(ProviderError("No."),))
            yield TextDelta(prompt.about)

    model = Gone()
    with pytest.raises(Unavailable):
        await steps(model, asked(count=40))
    assert len(model.asked) == 1
