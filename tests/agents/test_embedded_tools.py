"""What an agent in this process does by itself: steps, edits of its memory, searches of what was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.embedded.runtime import open_runtime
from atlas_mcp.agents.runtime import Block, NeedsTools
from atlas_mcp.messages import ToolResult
from tests.agents.runtime_place import (
    LOOK_UP,
    Place,
    Watched,
    call,
    called,
    ended,
    say,
    spec,
    take,
    turn,
    values,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


async def scripted(script: str) -> Watched:
    return Watched(script)


@pytest.fixture
async def place(home: Path) -> AsyncGenerator[Place]:
    async with open_runtime(home) as runtime:
        yield Place(runtime, scripted)


def results(model: Watched) -> list[dict[str, str]]:
    """What the agent's own tools said, as the model read it last."""
    parts = (part for message in model.asked[-1].messages for part in message.parts)
    return [json.loads(part.text) for part in parts if isinstance(part, ToolResult)]


async def test_at_the_last_step_tools_are_off_so_that_it_answers(place: Place) -> None:
    agent = await place.runtime.ensure_agent(spec(Block("human", "")))
    model = Watched(
        "[[reply]]\nwhen = { nth = 3 }\nsay = 'Enough.'\n"
        + call("memory_insert", "label = 'human', new_string = 'again'", "edit")
    )
    end = ended(await take(place, agent, model, turn("Please edit.", max_steps=3)))
    assert (end.reason, end.text) == ("max_steps", "Enough.")
    assert [bool(prompt.tools) for prompt in model.asked] == [True, True, False]
    assert end.usage.calls == 3
    assert await values(place, agent) == {"human": "again\nagain"}


async def test_a_model_that_calls_all_the_same_ends_the_turn_and_no_call_is_left_open(place: Place) -> None:
    agent = await place.runtime.ensure_agent(spec(Block("human", "")))
    model = Watched(
        say("Yes.", "there") + call("memory_insert", "label = 'human', new_string = 'again'", "edit")
    )
    end = ended(await take(place, agent, model, turn("Please edit.", max_steps=1)))
    assert (end.reason, end.text) == ("max_steps", "")
    assert await values(place, agent) == {"human": ""}
    await take(place, agent, model, "Are you there?")
    assert [message.role for message in model.asked[-1].messages] == ["user", "assistant", "tool", "user"]


async def test_own_tools_run_at_once_beside_those_of_the_caller(place: Place) -> None:
    agent = await place.runtime.ensure_agent(spec(Block("human", "")))
    model = Watched(
        say("Both.", "a planet")
        + "[[reply]]\n[[reply.tool]]\nname = 'look_up'\narguments = { word = 'Mars' }\n"
        "[[reply.tool]]\nname = 'memory_insert'\narguments = { label = 'human', new_string = 'Asks.' }\n"
        "[[reply.tool]]\nname = 'fly'\n"
    )
    steps = await take(place, agent, model, turn("What is Mars?", tools=(LOOK_UP,)))
    assert [made.name for made in called(steps)] == ["look_up"]
    own = [step for step in steps if isinstance(step, ToolResult)]
    assert [result.error for result in own] == [False, True]
    assert "look_up" in own[1].text, "who calls a tool that is not there is told which are"
    assert await values(place, agent) == {"human": "Asks."}
    needs = next(step for step in steps if isinstance(step, NeedsTools))
    answer = turn((ToolResult(needs.calls[0].id, "a planet"),), tools=(LOOK_UP,))
    assert ended(await take(place, agent, model, answer)).text == "Both."


@pytest.mark.parametrize(
    ("tool", "arguments", "said", "after"),
    [
        (
            "memory_insert",
            "label = 'human', new_string = 'Zero.', insert_line = 0",
            "OK",
            "Zero.\nAda.\nTea.",
        ),
        ("memory_insert", "label = 'human', new_string = 'One.', insert_line = 1", "OK", "Ada.\nOne.\nTea."),
        ("memory_insert", "label = 'human', new_string = 'x', insert_line = 9", "no line 9; it has 2", None),
        ("memory_insert", "label = 'human', new_string = 'longer than all'", "its limit is 20", None),
        ("memory_insert", "label = 'people', new_string = 'x'", "There are: human, law", None),
        ("memory_insert", "label = 'human'", "'new_string' is a required property", None),
        ("memory_replace", "label = 'human', old_string = 'Tea.', new_string = ''", "OK", "Ada.\n"),
        ("memory_replace", "label = 'human', old_string = '.', new_string = ''", "stands 2 times", None),
        ("memory_replace", "label = 'human', old_string = 'Eve', new_string = ''", "does not stand", None),
        ("memory_rethink", "label = 'human', new_memory = 'Bea.'", "OK", "Bea."),
        ("memory_rethink", "label = 'law', new_memory = 'Be cruel.'", "read-only", None),
    ],
)
async def test_an_edit_is_made_or_its_result_says_what_to_do(
    place: Place, tool: str, arguments: str, said: str, after: str | None
) -> None:
    agent = await place.runtime.ensure_agent(
        spec(Block("human", "Ada.\nTea.", limit=20), Block("law", "Be kind.", read_only=True))
    )
    model = Watched(say("I see.", '"status"') + call(tool, arguments, "edit"))
    await take(place, agent, model, "Please edit.")
    (result,) = results(model)
    assert (result["status"] == "OK") is (after is not None)
    assert said in f"{result['status']} {result['message']}"
    assert (await values(place, agent))["human"] == ("Ada.\nTea." if after is None else after)


async def test_who_may_edit_nothing_gets_no_tools_to_edit_with(place: Place) -> None:
    agent = await place.runtime.ensure_agent(spec(Block("law", "Be kind.", read_only=True)))
    model = Watched(say("Yes."))
    await take(place, agent, model, "Hello?")
    assert [tool.name for tool in model.asked[-1].tools] == ["conversation_search"]


async def test_what_is_archived_by_a_tool_is_found_by_a_tool(place: Place) -> None:
    agent = await place.runtime.ensure_agent(spec(archival=True))
    kept = call("archival_memory_insert", "content = 'Herons nest high.', tags = ['birds']", "keep")
    await take(place, agent, Watched(say("Kept.", '"status"') + kept), "Please keep.")
    sought = call("archival_memory_search", "query = 'nests', tags = ['birds']", "search")
    model = Watched(say("Found.", '"status"') + sought)
    await take(place, agent, model, "Please search.", thread="another")
    assert "Herons nest high." in results(model)[-1]["message"]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("query = 'herons'", "The word is heron."),
        ("query = '苍鹭'", "Noted"),
        ("query = 'heron', roles = ['assistant']", "Nothing was found"),
        ("query = 'heron', end_date = '2020-01-01'", "Nothing was found"),
        ("query = 'heron', start_date = '2020-01-01T12:00'", "The word is heron."),
        ("query = 'heron', start_date = 'soon'", "no date"),
        ("limit = 1", "Noted"),
        ("query = 'remember'", "Nothing was found"),
    ],
)
async def test_what_was_said_in_any_thread_is_found_but_not_the_question_itself(
    place: Place, arguments: str, found: str
) -> None:
    agent = await place.runtime.ensure_agent(spec())
    await take(place, agent, Watched(say("Noted: 苍鹭.")), "The word is heron.", thread="before")
    model = Watched(say("So.", '"status"') + call("conversation_search", arguments, "remember"))
    await take(place, agent, model, "Do you remember?")
    assert found in results(model)[-1]["message"]
