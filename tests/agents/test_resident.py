"""The agent that remembers: the same card, tasks and events as any other, with a memory in a runtime."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.agents.agent import Answered, Happened, Speaking, Task
from atlas_mcp.agents.card import Card
from atlas_mcp.agents.embedded.runtime import open_runtime
from atlas_mcp.agents.resident import Residence, ResidentAgent
from atlas_mcp.downstream.toolbox import Found, Tool, Toolbox
from atlas_mcp.errors import InvalidOutput, Overloaded
from atlas_mcp.events import Kind
from atlas_mcp.messages import Intent, Material, Passage, Source, ToolSpec
from tests.agents.runtime_place import Watched, seen

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.agents.agent import Step
    from atlas_mcp.agents.embedded.runtime import EmbeddedRuntime

SOURCE = Source("ab", "file:///t", "T", "2026-01-01")
SHOWN = Passage("p1", SOURCE, "The Moon pulls.", 0)
FOUND = Passage("p2", SOURCE, "The sea follows.", 20)
SHAPE: dict[str, Any] = {
    "type": "object",
    "required": ["answer"],
    "properties": {"answer": {"type": "string"}},
}
SEARCH = ToolSpec("search", "Searches.", {"type": "object", "required": ["query"]})
ANSWER = "[[reply]]\njson = { answer = 'The Moon.' }\n"
SEARCHING = "[[reply]]\nwhen = { nth = 1 }\ntool = { name = 'search', arguments = { query = 'tides' } }\n"
NOTING = (
    "[[reply]]\nwhen = { nth = 1 }\n"
    "tool = { name = 'memory_insert', arguments = { label = 'notes', new_string = 'Ask the Moon.' } }\n"
)
CARD = Card(
    name="web",
    description="Reads.",
    persona="You read.",
    tools=("search",),
    memory={"notes": {}, "team": {"shared": True, "value": "Ship in May."}},  # pyright: ignore[reportArgumentType] - as a card's file says it
)


@pytest.fixture
async def runtime(home: Path) -> AsyncGenerator[EmbeddedRuntime]:
    async with open_runtime(home) as opened:
        yield opened


async def search(arguments: dict[str, Any]) -> Found:
    return Found(f"One passage on {arguments['query']} was found.", (FOUND,))


def agent(
    runtime: EmbeddedRuntime, model: Watched, card: Card = CARD, thread: str = "t", **where: Any
) -> ResidentAgent:
    home = Residence(runtime, "research", thread, **where)
    return ResidentAgent(card, home, model, Toolbox([Tool(SEARCH, search)], card.tools))


def task(**more: Any) -> Task:
    return Task(Intent.GATHER, "tides", "Why are there tides?", SHAPE, Material(passages=(SHOWN,)), **more)


async def steps(
    worker: ResidentAgent, asked: Task | None = None, *, into: list[Step] | None = None
) -> list[Step]:
    taken = [] if into is None else into
    async with aclosing(worker.work(asked or task())) as working:
        async for step in working:
            taken.append(step)
    return taken


def answered(taken: list[Step]) -> Answered:
    last = taken[-1]
    assert isinstance(last, Answered)
    return last


def kinds(taken: list[Step]) -> list[Kind]:
    return [step.kind for step in taken if isinstance(step, Happened)]


def happened(taken: list[Step], kind: Kind) -> list[dict[str, Any]]:
    return [step.data for step in taken if isinstance(step, Happened) and step.kind is kind]


async def test_it_answers_in_the_wished_shape_and_its_prompt_is_typed(runtime: EmbeddedRuntime) -> None:
    model = Watched(ANSWER)
    taken = await steps(agent(runtime, model), task(memory="Neap tides are weak."))
    assert answered(taken).value == {"answer": "The Moon."}
    assert answered(taken).passages == (SHOWN,)
    assert kinds(taken) == [Kind.MODEL_STARTED, Kind.MODEL_FINISHED]
    assert sum(isinstance(step, Speaking) for step in taken) == 1
    (prompt,) = model.asked
    assert (prompt.intent, prompt.about, prompt.agent, prompt.schema) == (
        Intent.GATHER, "tides", "web", SHAPE,
    )  # fmt: skip
    assert prompt.passages == (SHOWN,)
    assert "You read." in prompt.system
    assert "Ship in May." in prompt.system
    assert "Neap tides are weak." in seen(prompt)


async def test_what_its_tools_found_is_among_its_passages(runtime: EmbeddedRuntime) -> None:
    model = Watched(SEARCHING + ANSWER)
    taken = await steps(agent(runtime, model))
    assert answered(taken).passages == (SHOWN, FOUND)
    assert kinds(taken) == [
        Kind.MODEL_STARTED, Kind.MODEL_FINISHED, Kind.TOOL_STARTED, Kind.TOOL_FINISHED,
        Kind.MODEL_STARTED, Kind.MODEL_FINISHED,
    ]  # fmt: skip
    assert [data["call"] for data in happened(taken, Kind.MODEL_FINISHED)] == [1, 2]
    assert happened(taken, Kind.MODEL_FINISHED)[0]["stopped"] == "tool_calls"
    assert model.asked[1].passages == (SHOWN, FOUND)


async def test_what_it_noted_it_knows_in_the_next_task(runtime: EmbeddedRuntime) -> None:
    taken = await steps(agent(runtime, Watched(NOTING + ANSWER)))
    (noted,) = happened(taken, Kind.TOOL_STARTED)
    assert noted["tool"] == "memory_insert"
    assert happened(taken, Kind.TOOL_FINISHED)[0]["error"] is None
    model = Watched(ANSWER)
    await steps(agent(runtime, model, thread="another"))
    assert "Ask the Moon." in model.asked[0].system


async def test_a_team_shares_what_it_says_it_shares_and_no_other_user_sees_it(
    runtime: EmbeddedRuntime,
) -> None:
    other = CARD.model_copy(update={"name": "documents"})
    noting = NOTING.replace("'notes'", "'team'")
    await steps(agent(runtime, Watched(noting + ANSWER), user="ada"))
    for card, user, known in ((other, "ada", True), (CARD, "bea", False)):
        model = Watched(ANSWER)
        await steps(agent(runtime, model, card, user=user))
        assert ("Ask the Moon." in model.asked[0].system) is known


async def test_an_answer_that_does_not_fit_is_sent_back_without_tools(runtime: EmbeddedRuntime) -> None:
    model = Watched("[[reply]]\nwhen = { nth = 1 }\nsay = 'The Moon.'\n" + ANSWER)
    taken = await steps(agent(runtime, model))
    assert answered(taken).value == {"answer": "The Moon."}
    assert len(happened(taken, Kind.OUTPUT_REPAIRED)) == 1
    assert model.asked[1].tools == ()
    with pytest.raises(InvalidOutput):
        await steps(agent(runtime, Watched("[[reply]]\nsay = 'No.'\n"), thread="u"))


async def test_a_check_is_told_and_what_it_still_finds_goes_with_the_answer(
    runtime: EmbeddedRuntime,
) -> None:
    heard: list[tuple[Passage, ...]] = []

    def check(value: dict[str, Any], passages: tuple[Passage, ...]) -> list[str]:
        heard.append(passages)
        return ["$.answer: not verbatim"]

    taken = await steps(agent(runtime, Watched(SEARCHING + ANSWER)), task(check=check))
    assert answered(taken).problems == ("$.answer: not verbatim",)
    assert heard == [(SHOWN, FOUND)] * 3


async def test_its_turns_are_as_many_as_its_card_allows(runtime: EmbeddedRuntime) -> None:
    card = CARD.model_copy(update={"max_turns": 3})
    calling = SEARCHING.replace("when = { nth = 1 }\n", "")
    model = Watched("[[reply]]\nwhen = { nth = 3 }\njson = { answer = 'Enough.' }\n" + calling)
    assert answered(await steps(agent(runtime, model, card))).value == {"answer": "Enough."}
    assert [bool(prompt.tools) for prompt in model.asked] == [True, True, False]


async def test_the_same_piece_of_work_again_asks_no_model(runtime: EmbeddedRuntime) -> None:
    model = Watched(SEARCHING + ANSWER)
    first = await steps(agent(runtime, model, work="w1"))
    again = await steps(agent(runtime, model, work="w1"))
    assert len(model.asked) == 2
    assert answered(again) == answered(first)
    assert all(data["replayed"] for data in happened(again, Kind.MODEL_FINISHED))
    assert not any("replayed" in data for data in happened(first, Kind.MODEL_FINISHED))


async def test_a_model_that_fails_is_told_in_the_journal_and_the_work_goes_on_where_it_was(
    runtime: EmbeddedRuntime,
) -> None:
    failing = "[[reply]]\nwhen = { nth = 2 }\nfail = 'overloaded'\ntimes = 1\n"
    model = Watched(failing + SEARCHING + ANSWER)
    taken: list[Step] = []
    with pytest.raises(Overloaded):
        await steps(agent(runtime, model, work="w1"), into=taken)
    assert kinds(taken)[-1] is Kind.MODEL_FAILED
    assert answered(await steps(agent(runtime, model, work="w1"))).value == {"answer": "The Moon."}
    assert len(model.asked) == 3
