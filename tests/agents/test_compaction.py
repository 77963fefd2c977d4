"""A thread that grows too long: old messages give way to a summary, and nothing of them is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.agents.embedded.compaction import choose, digest, portions
from atlas_mcp.agents.embedded.runtime import open_runtime
from atlas_mcp.agents.embedded.threads import Item
from atlas_mcp.errors import ContextTooLong
from atlas_mcp.messages import Message, Text, ToolCall, ToolResult
from atlas_mcp.providers.capabilities import Capabilities
from atlas_mcp.providers.known.tokens import tokens_of, tokens_of_prompt
from tests.agents.runtime_place import (
    LOOK_UP,
    Place,
    Watched,
    call,
    called,
    ended,
    say,
    seen,
    spec,
    take,
    turn,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.provider import ProviderInfo

WINDOW = 3_000
LONG = "Herons nest in tall trees by the river, and every spring they come back. " * 12


class Able(Watched):
    """A scripted model that passes for a language model."""

    @property
    def info(self) -> ProviderInfo:
        return replace(super().info, language_model=True)


async def scripted(script: str) -> Watched:
    return Watched(script)


@pytest.fixture
async def place(home: Path) -> AsyncGenerator[Place]:
    async with open_runtime(home) as runtime:
        yield Place(runtime, scripted)


def summarised(prompt: Prompt) -> str:
    """The summary that stands in a prompt, and once at most."""
    found = [message.text for message in prompt.messages if message.text.startswith("[In place of ")]
    assert len(found) <= 1
    return found[0] if found else ""


async def test_a_language_model_summarises_and_the_originals_are_found(place: Place) -> None:
    agent = await place.runtime.ensure_agent(spec())
    model = Able(
        say("I looked.", '"status"')
        + say("SUMMARY: the code word is heron-7.", "Summarise")
        + call("conversation_search", "query = 'heron-7'", "Look it up")
        + say("Noted. " + LONG),
        Capabilities(window=WINDOW),
    )
    await take(place, agent, model, "The code word is heron-7. " + LONG)
    steps = []
    for number in range(12):
        steps = await take(place, agent, model, f"Number {number}. {LONG}")
        assert tokens_of_prompt(model.asked[-1]) <= WINDOW
    summary = summarised(model.asked[-1])
    assert "SUMMARY: the code word is heron-7." in summary
    assert "earlier messages of this conversation" in summary
    count = int(summary.split()[3])
    shown = len(model.asked[-1].messages) - 1
    assert count + shown == 2 * 12 + 1, "every message is shown, or stood for"
    assert len(await place.runtime.history(agent.id, "t", limit=100)) == 2 * 13
    asked = sum(prompt.about.startswith("Summarise") for prompt in model.asked)
    assert asked >= 2
    assert ended(steps).text.startswith("Noted.")
    looking = await take(place, agent, model, "Look it up.")
    found = next(step for step in looking if isinstance(step, ToolResult))
    assert "The code word is heron-7." in json.loads(found.text)["message"]


async def test_what_a_summary_took_counts_for_the_turn(place: Place) -> None:
    agent = await place.runtime.ensure_agent(spec())
    model = Able(say("A summary.", "Summarise") + say("Noted. " + LONG), Capabilities(window=WINDOW))
    calls = 0
    while calls < 2:
        before = len(model.asked)
        end = ended(await take(place, agent, model, f"More. {LONG}"))
        calls = len(model.asked) - before
        assert end.usage.calls == calls
        assert end.text.startswith("Noted."), "a summary is nothing that the agent says"


async def test_without_a_language_model_a_digest_says_that_it_is_one(place: Place) -> None:
    agent = await place.runtime.ensure_agent(spec())
    model = Watched(say("Noted. " + LONG), Capabilities(window=WINDOW))
    for number in range(8):
        await take(place, agent, model, f"Number {number} is said. {LONG}")
    summary = summarised(model.asked[-1])
    assert "word for word; no language model summarised them" in summary
    assert "- user: Number 0 is said." in summary
    assert "more sentences are left out here" in summary
    assert summary.index("Number 0 is said.") < summary.index("Number 1 is said.")
    assert not any(prompt.about.startswith("Summarise") for prompt in model.asked)


async def test_a_model_with_a_smaller_window_than_we_know_is_asked_once_more(place: Place) -> None:
    agent = await place.runtime.ensure_agent(spec())
    model = Watched(say("Noted. " + LONG))
    for number in range(3):
        await take(place, agent, model, f"Number {number}. {LONG}")
    too_long = "[[reply]]\nwhen = { nth = 4 }\nfail = 'context_too_long'\ntimes = 1\n"
    small = Watched(too_long + say("Ah."))
    assert ended(await take(place, agent, small, "And now?")).text == "Ah."
    assert len(small.asked) == 2
    assert summarised(small.asked[1])
    hopeless = Watched("[[reply]]\nfail = 'context_too_long'\n")
    with pytest.raises(ContextTooLong):
        await take(place, agent, hopeless, "And now?", thread="new")
    assert len(hopeless.asked) == 1, "where nothing can give way, nothing is repeated"


async def test_calls_and_their_results_stay_together(place: Place) -> None:
    agent = await place.runtime.ensure_agent(spec())
    script = "".join(
        f"[[reply]]\nwhen = {{ contains = 'result {number} ' }}\n"
        f"tool = {{ name = 'look_up', arguments = {{ word = '{number - 1}' }} }}\n"
        for number in range(1, 9)
    )
    script = say("All found.", "result 0 ") + script + call("look_up", "word = '8'", "Look")
    model = Watched(script, Capabilities(window=WINDOW))
    # Newer results come first in the script: what gave way must not be needed to go on.
    steps = await take(place, agent, model, turn("Look up all.", tools=(LOOK_UP,)))
    for number in range(8, -1, -1):
        (made,) = called(steps)
        answer = turn((ToolResult(made.id, f"result {number} {LONG}"),), tools=(LOOK_UP,))
        steps = await take(place, agent, model, answer)
    assert ended(steps).text == "All found."
    for prompt in model.asked:
        open_calls: set[str] = set()
        for message in prompt.messages:
            for part in message.parts:
                if isinstance(part, ToolCall):
                    open_calls.add(part.id)
                if isinstance(part, ToolResult):
                    assert part.call_id in open_calls
        assert "Look up all." in seen(prompt), "what was asked stays"
    assert summarised(model.asked[-1])


def message(role: str, number: int, size: int) -> Message:
    text = f"{number} " + "word " * size
    match role:
        case "call":
            return Message("assistant", (ToolCall(f"c{number}", "look_up", {"word": text}),))
        case "result":
            return Message("tool", (ToolResult(f"c{number - 1}", text),))
        case "user":
            return Message("user", (Text(text),))
        case _:
            return Message("assistant", (Text(text),))


@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant", "call"]), st.integers(0, 300)), min_size=1),
    st.integers(-500, 3_000),
)
def test_what_gives_way_is_the_oldest_and_never_half_an_exchange(
    said: list[tuple[str, int]], room: int
) -> None:
    items: list[Item] = []
    for role, size in said:
        items.append(Item(len(items), message(role, len(items), size), 0.0))
        if role == "call":
            items.append(Item(len(items), message("result", len(items), size), 0.0))
    gone = choose(items, room)
    numbers = {item.number for item in gone}
    last_asked = max((item.number for item in items if item.message.role == "user"), default=-1)
    assert [item.number for item in gone] == sorted(numbers)
    assert last_asked not in numbers
    assert items[-1].number not in numbers
    kept_before = [item.number for item in items if item.number not in numbers and item.number != last_asked]
    assert all(number > max(numbers, default=-1) for number in kept_before)
    for item in items:
        if item.message.role == "tool":
            assert (item.number in numbers) is (item.number - 1 in numbers)


@given(st.lists(st.text(min_size=1, max_size=3_000), min_size=1, max_size=8), st.integers(20, 500))
def test_portions_leave_nothing_out(texts: list[str], most: int) -> None:
    items = [Item(n, Message("user", (Text(text),)), 0.0) for n, text in enumerate(texts)]
    joined = "".join(portions(items, most)).replace("\n\n", "")
    assert joined == "".join(f"user: {text}" for text in texts).replace("\n\n", "")
    assert all(tokens_of(portion) <= 4 * most for portion in portions(items, most))


@given(st.lists(st.text(max_size=500), min_size=1, max_size=8), st.integers(10, 300))
def test_a_digest_keeps_to_its_size(texts: list[str], most: int) -> None:
    items = [Item(n, Message("user", (Text(text),)), 0.0) for n, text in enumerate(texts)]
    lines = digest(items, "herons", most).splitlines()
    assert sum(tokens_of(line) for line in lines) <= 2 * most + 40
