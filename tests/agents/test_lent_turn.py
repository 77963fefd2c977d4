"""Models lent for one turn: what the wire cannot say comes back, and an answer is paid for once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import openai
import pytest

from atlas_mcp import errors
from atlas_mcp.agents.lent_turn import GO_ON, LentTurn
from atlas_mcp.agents.runtime import Turn
from atlas_mcp.agents.turns import TURNS, TurnLedger
from atlas_mcp.chunks import Switched
from atlas_mcp.database import open_database
from atlas_mcp.messages import Intent, Material, Passage, Source, ToolResult
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.lending.endpoint import open_endpoint
from atlas_mcp.providers.terms import Terms
from tests.providers.lending.endpoints import Asking, group, speaking, text_of
from tests.providers.mortal import Fate, Mortal, text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.providers.provider import Provider

PASSAGE = Passage("p7", Source("ab", "file:///t", "Tides", "2026-01-01"), "The Moon pulls.", 0)
TOOLS: Any = [{"type": "function", "function": {"name": "look_up"}}]
WHOLE = Fate(text("The ", "moon"))


def words(said: str) -> Any:
    return [{"role": "user", "content": said}]


@asynccontextmanager
async def lent(
    home: Path, provider: Provider, turn: Turn, budget: Budget | None = None
) -> AsyncGenerator[tuple[LentTurn, Asking]]:
    """A session for a turn, and the SDK in the place of the program that takes it."""
    async with open_database(home / "agents.db", (TURNS,)) as database, open_endpoint() as endpoint:
        record = TurnLedger(database).turn("a", "t", turn)
        make = partial(LentTurn, provider, turn, Terms(budget=budget), record, name="reader", model="atlas")
        with endpoint.admit(make) as session:
            async with speaking(session) as client:
                yield session, Asking(session, client)


async def test_material_intent_and_schema_reach_the_model_as_the_turn_has_them(home: Path) -> None:
    model = Mortal("m", [WHOLE])
    turn = Turn(
        "t1", "Read.", schema={"type": "object"}, material=Material(passages=(PASSAGE,)), intent=Intent.RATE,
        about="tides", max_output_tokens=99, sampling={"temperature": 0.5},
    )  # fmt: skip
    async with lent(home, model, turn) as (_, asking):
        await asking.whole(messages=words(turn.text), tools=TOOLS, temperature=1.0)
    (life,) = model.lives
    prompt = life.prompt
    assert prompt.passages == (PASSAGE,)
    assert (prompt.intent, prompt.about, prompt.schema) == (Intent.RATE, "tides", {"type": "object"})
    assert (prompt.agent, prompt.max_output_tokens, prompt.sampling) == ("reader", 99, {"temperature": 0.5})


async def test_a_result_has_its_passages_again(home: Path) -> None:
    model = Mortal("m", [WHOLE])
    result = ToolResult("c1", "found", passages=(PASSAGE,))
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    thread: Any = [
        *words("Look."),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"status": "OK", "message": "found"}'},
    ]
    async with lent(home, model, Turn("t1", (result,))) as (_, asking):
        await asking.whole(messages=thread, tools=TOOLS)
    (life,) = model.lives
    assert life.prompt.messages[-1].parts == (result,)


async def test_a_prompt_of_the_programs_own_is_left_as_it_is(home: Path) -> None:
    model = Mortal("m", [WHOLE])
    async with lent(home, model, Turn("t1", "Read.", schema={"type": "object"})) as (_, asking):
        await asking.whole(messages=words("Summarise."))
    (life,) = model.lives
    assert (life.prompt.schema, life.prompt.about) == (None, "Summarise.")


async def test_an_answer_that_was_given_whole_is_given_again_and_costs_nothing(home: Path) -> None:
    model, budget = Mortal("m", [WHOLE]), Budget(Limit(), name="run")
    turn = Turn("t1", "Read.")
    async with lent(home, model, turn, budget) as (session, asking):
        assert await text_of(await asking.stream(messages=words("Read."), tools=TOOLS)) == "The moon"
        spent = budget.spent
        assert await text_of(await asking.stream(messages=words("Read."), tools=TOOLS)) == "The moon"
        assert (budget.spent, session.usage) == (spent, spent)
    async with lent(home, model, turn, budget) as (_, asking):  # another process, after a crash
        assert (await asking.whole(messages=words("Read."), tools=TOOLS)).choices[0].message.content == (
            "The moon"
        )
        await asking.whole(messages=words("Read on."), tools=TOOLS)
    assert len(model.lives) == 2


async def test_what_a_restart_makes_of_a_prompt_is_not_paid_for_again(home: Path) -> None:
    """The time, the order of tools and of their rules, and that the agent was interrupted ask nothing new."""
    model = Mortal("m", [WHOLE])
    system = (
        "You read.\n<tool_usage_rules>\n{}\n</tool_usage_rules>\n<memory_metadata>\n{}\n</memory_metadata>"
    )
    others: Any = [{"type": "function", "function": {"name": "note"}}]
    before: Any = [{"role": "system", "content": system.format("look_up, note", "1 PM")}, *words("Read.")]
    after: Any = [
        {"role": "system", "content": system.format("note, look_up", "2 PM")}, *words("Read."), *words(GO_ON),
    ]  # fmt: skip
    async with lent(home, model, Turn("t1", "Read.")) as (_, asking):
        await asking.whole(messages=before, tools=[*TOOLS, *others])
        await asking.whole(messages=after, tools=[*others, *TOOLS])
    assert len(model.lives) == 1


async def test_why_there_is_no_answer_is_known_in_our_words(home: Path) -> None:
    model = Mortal("m", [Fate((), errors.InvalidRequest("No.")), WHOLE])
    async with lent(home, group(model), Turn("t1", "Read.")) as (session, asking):
        with pytest.raises(openai.BadRequestError):
            await asking.whole(messages=words("Read."), tools=TOOLS)
        assert isinstance(session.failure, errors.InvalidRequest)
        await asking.whole(messages=words("Read."), tools=TOOLS)
        assert session.failure is None


async def test_a_budget_that_is_spent_in_mid_answer_is_why_it_broke_off(home: Path) -> None:
    model = Mortal("m", [Fate(text(*["tide"] * 1_000))])
    budget = Budget(Limit(tokens=200), name="run")
    async with lent(home, group(model), Turn("t1", "Read."), budget) as (session, asking):
        with pytest.raises(openai.APIError):
            await text_of(await asking.stream(messages=words("Read."), tools=TOOLS))
        assert isinstance(session.failure, errors.BudgetSpent)


async def test_a_seam_is_told_once(home: Path) -> None:
    dying = Mortal("dying", [Fate(text("The "), errors.ServerFailed("Down."))])
    heir = Mortal("heir", [Fate(text("moon"))], prefill=True)
    async with lent(home, group(dying, heir), Turn("t1", "Read.")) as (session, asking):
        await text_of(await asking.stream(messages=words("Read."), tools=TOOLS))
        assert [seam.joined for seam in session.take_seams() if isinstance(seam, Switched)] == ["mortal:heir"]
        assert session.take_seams() == []


async def test_the_model_is_called_as_it_is_lent_and_its_window_is_told(home: Path) -> None:
    async with lent(home, Mortal("m", [WHOLE]), Turn("t1", "Read.")) as (session, asking):
        (model,) = (await asking.client.models.list()).data
        assert model.id == session.model == "atlas"


async def test_who_cancels_has_until_it_closes_to_tell_the_program(home: Path) -> None:
    model = Mortal("m", [Fate(text("The ", "moon"), pause=0.2)])
    async with lent(home, group(model), Turn("t1", "Read.")) as (session, asking):
        stream = await asking.stream(messages=words("Read."), tools=TOOLS)
        assert (await anext(stream)).choices
        reading = asyncio.create_task(text_of(stream))
        session.cancel("its turn was left")
        await asyncio.wait([reading], timeout=0.6)
        assert (model.open, reading.done()) == (0, False)
        session.close()
        with pytest.raises(openai.APIError, match="left"):
            await reading
        assert session.failure is None


async def test_a_call_that_is_just_beginning_is_cancelled_with_the_others(home: Path) -> None:
    model = Mortal("m", [Fate(text("The ", "moon"))])
    async with lent(home, model, Turn("t1", "Read.")) as (session, asking):
        looking, go_on = asyncio.Event(), asyncio.Event()
        known = session._record.answered

        async def slowly(prompt: str) -> Any:
            looking.set()
            await go_on.wait()
            return await known(prompt)

        session._record.answered = slowly
        reading = asyncio.create_task(asking.whole(messages=words("Read."), tools=TOOLS))
        await looking.wait()
        session.close()
        go_on.set()
        with pytest.raises(openai.APIError):
            await reading
        assert [life.said for life in model.lives] in ([], [[]])
