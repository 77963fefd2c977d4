"""The in-process agent: it asks, uses tools, repairs its answer, and says what happens."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.agents.agent import Answered, Happened, Speaking, Task
from atlas_mcp.agents.card import Card
from atlas_mcp.agents.model_agent import REPAIRS, ModelAgent
from atlas_mcp.chunks import Stopped, TextDelta
from atlas_mcp.downstream.toolbox import Found, Tool, Toolbox
from atlas_mcp.errors import ContentRefused, InvalidOutput, Overloaded, ToolFailed
from atlas_mcp.events import Kind
from atlas_mcp.messages import Intent, Material, Passage, Source, ToolCall, ToolResult, ToolSpec
from atlas_mcp.providers.provider import ProviderInfo
from atlas_mcp.providers.scripted import Script, ScriptedProvider
from atlas_mcp.providers.stream import Stream, StreamControl, StreamState
from atlas_mcp.providers.terms import TERMS, Terms

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from atlas_mcp.agents.agent import Step
    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Prompt

SOURCE = Source("ab", "file:///t", "T", "2026-01-01")
SHOWN = Passage("p1", SOURCE, "The Moon pulls.", 0)
FOUND = Passage("p2", SOURCE, "The sea follows.", 20)
SHAPE: dict[str, Any] = {
    "type": "object",
    "required": ["answer"],
    "properties": {"answer": {"type": "string"}, "sure": {"type": "number", "minimum": 0, "maximum": 1}},
}
SEARCH = ToolSpec("search", "Searches.", {"type": "object", "required": ["query"]})


class Watched(ScriptedProvider):
    """A scripted provider that remembers what it was asked."""

    def __init__(self, script: str) -> None:
        super().__init__(Script.parse(script))
        self.asked: list[Prompt] = []

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        self.asked.append(prompt)
        return super().stream(prompt, terms)


class Calling:
    """A provider that calls a tool, offered or not, and answers once `turns` calls were made."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.asked: list[Prompt] = []
        self.info = ProviderInfo("test:calling", "test", "calling")

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:  # noqa: ARG002 - it takes any
        self.asked.append(prompt)
        return Stream(self._chunks())

    async def _chunks(self) -> AsyncGenerator[Chunk]:
        turn = len(self.asked)
        if turn <= self.turns:
            yield ToolCall(f"c{turn}", "search", {"query": "tides"})
            yield Stopped("tool_calls", "test", "calling")
        else:
            yield TextDelta('{"answer": "The Moon."}')
            yield Stopped("end", "test", "calling")

    async def aclose(self) -> None: ...


async def search(arguments: dict[str, Any]) -> Found:
    if arguments["query"] == "nothing":
        raise ToolFailed("Nothing is there.")
    return Found("1 passage was found.", (FOUND,))


def agent(provider: Any, **card: Any) -> ModelAgent:
    made = Card(name="web", description="Reads.", persona="You read.", tools=("search",), **card)
    return ModelAgent(made, provider, Toolbox([Tool(SEARCH, search)], made.tools))


def task(check: Callable[..., list[str]] | None = None) -> Task:
    asked = Task(Intent.GATHER, "tides", "Why are there tides?", SHAPE, Material(passages=(SHOWN,)))
    return (
        asked if check is None else Task(asked.intent, asked.about, asked.text, SHAPE, asked.material, check)
    )


async def steps(
    worker: ModelAgent, asked: Task | None = None, *, into: list[Step] | None = None
) -> list[Step]:
    taken = [] if into is None else into
    async with aclosing(worker.work(asked or task())) as working:
        async for step in working:
            taken.append(step)
    return taken


def kinds(taken: list[Step]) -> list[Kind]:
    return [step.kind for step in taken if isinstance(step, Happened)]


def answered(taken: list[Step]) -> Answered:
    last = taken[-1]
    assert isinstance(last, Answered)
    assert sum(isinstance(step, Answered) for step in taken) == 1
    return last


def say(text: str, nth: int = 1) -> str:
    return f"[[reply]]\nwhen = {{ nth = {nth} }}\nsay = {json.dumps(text)}\n"


async def test_an_answer_of_the_wished_shape_is_the_last_step() -> None:
    taken = await steps(agent(ScriptedProvider(Script.parse(say('{"answer": "The Moon."}')))))
    assert answered(taken) == Answered({"answer": "The Moon."}, (SHOWN,))
    assert kinds(taken) == [Kind.MODEL_STARTED, Kind.MODEL_FINISHED]
    assert "".join(step.text for step in taken if isinstance(step, TextDelta)) == '{"answer": "The Moon."}'
    assert sum(isinstance(step, Speaking) for step in taken) == 1


async def test_the_prompt_carries_persona_material_shape_and_tools() -> None:
    provider = Watched(say('{"answer": "x"}'))
    await steps(agent(provider, max_output_tokens=99, sampling={"temperature": 0}))
    (asked,) = provider.asked
    assert (asked.system, asked.agent, asked.schema, asked.tools) == ("You read.", "web", SHAPE, (SEARCH,))
    assert (asked.passages, asked.max_output_tokens, asked.sampling) == ((SHOWN,), 99, {"temperature": 0})


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"answer": "x"}\n```',
        'Here it is:\n```json\n{"answer": "x"}\n```\nGood luck!',
        '```\n{"answer": "x"}\n```',
        '\n  {"answer": "x"}\n',
    ],
)
async def test_an_answer_between_fences_is_read(text: str) -> None:
    assert answered(await steps(agent(Watched(say(text))))).value == {"answer": "x"}


async def test_fences_within_an_answer_do_not_end_it() -> None:
    text = '```json\n{"answer": "Write ```tides``` so."}\n```'
    assert answered(await steps(agent(Watched(say(text))))).value == {"answer": "Write ```tides``` so."}


@pytest.mark.parametrize(
    "wrong",
    [
        "I think it is the Moon.",
        '{"answer": 3}',
        '{"answer": "x", "sure": 2}',
        '{"answer": "x", "sure": NaN}',
        '{"answer": "\\ud800"}',
        "[" * 5000,
        "[]",
        "",
    ],
)
async def test_an_answer_that_does_not_fit_is_sent_back_with_what_is_wrong(wrong: str) -> None:
    provider = Watched(say(wrong) + say('{"answer": "The Moon."}', 2))
    taken = await steps(agent(provider))
    assert answered(taken).value == {"answer": "The Moon."}
    assert Kind.OUTPUT_REPAIRED in kinds(taken)
    assert "$" in provider.asked[1].messages[-1].text


async def test_after_every_repair_an_answer_without_shape_is_an_error_that_says_why() -> None:
    provider = Watched("[[reply]]\nsay = 'The Moon.'\n")
    with pytest.raises(InvalidOutput, match="not JSON") as caught:
        await steps(agent(provider))
    assert caught.value.problems
    assert len(provider.asked) == 1 + REPAIRS


async def test_what_the_check_finds_is_sent_back_and_at_last_handed_over() -> None:
    provider = Watched('[[reply]]\nsay = \'{"answer": "The Sun."}\'\n')
    seen: list[tuple[Passage, ...]] = []

    def check(value: dict[str, Any], passages: tuple[Passage, ...]) -> list[str]:
        seen.append(passages)
        return ["$.answer: it is the Moon"]

    result = answered(await steps(agent(provider), task(check)))
    assert (result.value, result.problems) == ({"answer": "The Sun."}, ("$.answer: it is the Moon",))
    assert seen == [(SHOWN,)] * (1 + REPAIRS)


async def test_a_tools_passages_are_shown_to_the_model_and_to_the_check() -> None:
    provider = Calling(turns=1)
    taken = await steps(agent(provider))
    assert answered(taken).passages == (SHOWN, FOUND)
    assert provider.asked[1].passages == (SHOWN, FOUND)
    assert kinds(taken)[2:4] == [Kind.TOOL_STARTED, Kind.TOOL_FINISHED]


async def test_a_failing_tool_is_told_to_the_model_and_ends_nothing() -> None:
    script = '[[reply]]\nwhen = { nth = 1 }\ntool = { name = "search", arguments = { query = "nothing" } }\n'
    provider = Watched(script + say('{"answer": "x"}', 2))
    taken = await steps(agent(provider))
    assert answered(taken).value == {"answer": "x"}
    (result,) = provider.asked[1].messages[-1].parts
    assert isinstance(result, ToolResult)
    assert (result.error, result.text) == (True, "Nothing is there.")


async def test_the_last_turn_offers_no_tools() -> None:
    provider = Calling(turns=2)
    await steps(agent(provider, max_turns=3))
    assert [bool(asked.tools) for asked in provider.asked] == [True, True, False]


@pytest.mark.parametrize("max_turns", [1, 2, 3])
async def test_a_model_that_never_stops_calling_is_stopped_within_its_turns(max_turns: int) -> None:
    provider = Calling(turns=99)
    with pytest.raises(InvalidOutput, match="Tools can no longer be called"):
        await steps(agent(provider, max_turns=max_turns))
    assert len(provider.asked) == max_turns + REPAIRS


async def test_every_call_in_a_conversation_has_its_result() -> None:
    provider = Calling(turns=3)
    assert answered(await steps(agent(provider, max_turns=2))).value == {"answer": "The Moon."}
    for asked in provider.asked:
        parts = [part for message in asked.messages for part in message.parts]
        called = [part.id for part in parts if isinstance(part, ToolCall)]
        assert called == [part.call_id for part in parts if isinstance(part, ToolResult)]


async def test_a_repair_neither_offers_nor_runs_tools() -> None:
    provider = Watched(
        say("no JSON")
        + '[[reply]]\nwhen = { nth = 2 }\ntool = { name = "search", arguments = { query = "tides" } }\n'
        + say('{"answer": "x"}', 3)
    )
    taken = await steps(agent(provider))
    assert answered(taken).value == {"answer": "x"}
    assert Kind.TOOL_STARTED not in kinds(taken)
    assert provider.asked[1].tools == ()


async def test_a_failing_provider_is_journalled_and_raised() -> None:
    taken: list[Step] = []
    worker = agent(
        ScriptedProvider(Script.parse('[[reply]]\nsay = "abcdefgh"\nfail = "overloaded"\nafter = 1\n'))
    )
    with pytest.raises(Overloaded):
        await steps(worker, into=taken)
    assert kinds(taken) == [Kind.MODEL_STARTED, Kind.MODEL_FAILED]


async def test_a_refusal_is_an_error_with_the_models_words() -> None:
    class Refusing(Calling):
        async def _chunks(self) -> AsyncGenerator[Chunk]:
            yield TextDelta("I would rather not.")
            yield Stopped("refused", "test", "calling")

    with pytest.raises(ContentRefused, match="rather not"):
        await steps(agent(Refusing(0)))


async def test_leaving_an_agent_closes_its_stream() -> None:
    controls: list[StreamControl] = []
    async with aclosing(agent(Watched(say('{"answer": "a long answer"}'))).work(task())) as working:
        async for step in working:
            if isinstance(step, Speaking):
                controls.append(step.control)
            if isinstance(step, TextDelta):
                break
    assert [control.state for control in controls] == [StreamState.CANCELLED]
