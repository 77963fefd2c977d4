"""Turns on a real Letta server that go wrong, cost too much, or are answered by somebody else."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from atlas_mcp import errors
from atlas_mcp.agents.runtime import Block
from atlas_mcp.chunks import Switched, TextDelta
from atlas_mcp.errors import BudgetSpent, InvalidConfiguration, RuntimeUnavailable, TurnLost
from atlas_mcp.messages import ToolResult
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.terms import TERMS, Policy, Terms
from tests.agents.runtime_place import Watched, edit, ended, say, seen, spec, spoken, turn
from tests.letta.server import OWN_WORDS, here
from tests.providers.mortal import Fate, Mortal, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_mcp.agents.letta.runtime import LettaRuntime
    from atlas_mcp.agents.runtime import AgentInfo, Turn, TurnStep
    from atlas_mcp.providers.provider import Provider

pytestmark = pytest.mark.letta


async def take(
    runtime: LettaRuntime, agent: AgentInfo, model: Provider, asked: Turn | str, terms: Terms = TERMS,
    *, on_words: Callable[[], None] | None = None,
) -> list[TurnStep]:  # fmt: skip
    asked = turn(asked) if isinstance(asked, str) else asked
    steps: list[TurnStep] = []
    async with aclosing(runtime.turn(agent.id, "t", asked, provider=model, terms=terms)) as taking:
        async for step in taking:
            steps.append(step)
            if isinstance(step, TextDelta) and on_words is not None:
                on_words()
    return steps


# Down, and back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [False, True], ids=["before it stored the answer", "about when it had"])
async def test_a_server_that_is_killed_in_mid_turn_says_so_and_takes_the_turns_when_it_is_back(
    runtime: LettaRuntime, *, stored: bool
) -> None:
    """Two turns at once: one was half answered when the server died, the other wholly."""
    server = here()
    half, whole = Watched(say("The Moon pulls.", more="tokens = 10\nseconds = 60")), Watched(say("By sails."))
    tides, ships = turn("Why are there tides?"), turn("How do ships go?")
    agents = [await runtime.ensure_agent(spec()) for _ in range(2)]
    speaking = asyncio.Event()
    taking = [asyncio.create_task(take(runtime, agents[0], half, tides, on_words=speaking.set))]
    await speaking.wait()
    taking.append(asyncio.create_task(take(runtime, agents[1], whole, ships)))
    await answered(runtime)
    while stored and not [one for one in await runtime.history(agents[1].id, "t") if one.role == "assistant"]:
        pass
    server.kill()
    try:
        died = await asyncio.gather(*taking, return_exceptions=True)
        assert isinstance(died[0], RuntimeUnavailable | TurnLost)
        assert stored or isinstance(died[1], RuntimeUnavailable | TurnLost)
        assert not (await runtime.health()).ok
        with pytest.raises(RuntimeUnavailable, match="LETTA_BASE_URL"):
            await take(runtime, agents[0], half, tides)
    finally:
        await asyncio.to_thread(server.start)
    quick, budget = Watched(say("The Moon pulls.")), Budget(Limit(), name="run")
    assert ended(await take(runtime, agents[0], quick, tides)).text == "The Moon pulls."
    told = [(one.role, one.text) for one in await runtime.history(agents[0].id, "t")]
    assert told == [("user", "Why are there tides?"), ("assistant", "The Moon pulls.")]
    again = ended(await take(runtime, agents[1], whole, ships, Terms(budget=budget)))
    assert (again.text, len(whole.asked), budget.spent.tokens) == ("By sails.", 1, 0), "it was paid for"


async def answered(runtime: LettaRuntime) -> None:
    """Wait until a model has answered whole and the ledger has it."""
    kept: list[object] = []
    while not kept:
        await asyncio.sleep(0)  # nobody tells of it
        kept = await runtime._ledger._database.read(
            lambda connection: connection.execute("SELECT turn FROM turn_answer").fetchall()
        )


# What it may cost, and who answers --------------------------------------------------------------------------


async def test_a_budget_cuts_a_turn_off_and_the_thread_goes_on(runtime: LettaRuntime) -> None:
    agent = await runtime.ensure_agent(spec())
    endless = Mortal("endless", [Fate(text(*["tide "] * 20_000))])
    budget = Budget(Limit(tokens=4_000), name="run")
    with pytest.raises(BudgetSpent, match="4,000 tokens"):
        await take(runtime, agent, endless, "Talk on.", Terms(budget=budget))
    assert 4_000 <= budget.spent.tokens <= 4_010
    assert [life.closed for life in endless.lives] == [True]
    with pytest.raises(BudgetSpent):
        await take(runtime, agent, endless, "And on.", Terms(budget=budget))
    assert not any(life.opened for life in endless.lives[1:])
    assert ended(await take(runtime, agent, Watched(say("Enough.")), "Enough?")).text == "Enough."


async def test_a_member_that_dies_in_mid_turn_is_followed_by_another_and_the_seam_is_told(
    runtime: LettaRuntime,
) -> None:
    agent = await runtime.ensure_agent(spec())
    dying = Mortal("dying", [Fate(text("The Moon ", "pulls "), errors.ServerFailed("Down."))])
    heir = Mortal("heir", [Fate(text("at ", "the sea."))], prefill=True)
    group = ProviderGroup([dying, heir], name="g", policy=Policy(attempts=1))
    budget = Budget(Limit(), name="run")
    steps = await take(runtime, agent, group, "Why are there tides?", Terms(budget=budget))
    assert "".join(spoken(steps)) == ended(steps).text == "The Moon pulls at the sea."
    assert [(seam.left, seam.joined) for seam in steps if isinstance(seam, Switched)] == [
        ("mortal:dying", "mortal:heir")
    ]
    assert ended(steps).usage == budget.spent
    assert ended(steps).usage.calls == 2
    assert ended(steps).measured


async def test_a_model_of_the_servers_own_is_marked_as_not_measured(runtime: LettaRuntime) -> None:
    agent = await runtime.ensure_agent(spec(model=f"openai-proxy/{await own_model(runtime)}"))
    model = Watched(say("I was not asked."))
    budget = Budget(Limit(), name="run")
    end = ended(await take(runtime, agent, model, "Who speaks?", Terms(budget=budget)))
    assert (end.text, end.measured, end.usage.calls) == (OWN_WORDS, False, 1)
    assert model.asked == []
    assert budget.spent.tokens == end.usage.tokens > 0


async def test_a_turn_whose_end_was_not_written_down_is_read_from_the_server_with_what_it_took(
    runtime: LettaRuntime,
) -> None:
    agent = await runtime.ensure_agent(spec(model=f"openai-proxy/{await own_model(runtime)}"))
    asked, nobody = turn("Who speaks?"), Watched(say("I was not asked."))
    heard = ended(await take(runtime, agent, nobody, asked))
    await runtime._ledger._database.write(
        lambda connection: connection.execute("UPDATE turn SET given = NULL")
    )
    read = await take(runtime, agent, nobody, asked)
    assert ("".join(spoken(read)), ended(read)) == (OWN_WORDS, heard)
    assert heard.usage.calls == 1


async def own_model(runtime: LettaRuntime) -> str:
    models = await runtime._api.read.models.list()
    return next(str(model.name) for model in models if "scripted" in str(model.handle))


async def test_a_model_that_the_server_does_not_know_is_no_unknown_agent(runtime: LettaRuntime) -> None:
    with pytest.raises(InvalidConfiguration, match="openai-proxy/none"):
        await runtime.ensure_agent(spec(model="openai-proxy/none"))


# Memory -----------------------------------------------------------------------------------------------------


async def test_an_edit_beyond_a_blocks_limit_is_refused_before_the_server_makes_it(
    runtime: LettaRuntime,
) -> None:
    agent = await runtime.ensure_agent(spec(Block("human", "Ada.", limit=20)))
    model = Watched(edit("memory_insert", f"label = 'human', new_string = '{'x' * 30}'"))
    steps = await take(runtime, agent, model, "Please edit.")
    assert ended(steps).text == "I have tried."
    (told,) = [step for step in steps if isinstance(step, ToolResult)]
    assert told.error
    assert "20 characters" in told.text
    assert "20 characters" in seen(model.asked[-1])
    assert (await runtime.blocks(agent.id))[0].value == "Ada."


async def test_who_leaves_ends_the_run_on_the_server(runtime: LettaRuntime) -> None:
    agent = await runtime.ensure_agent(spec())
    model = Watched(say("word " * 200, more="tokens = 200\nseconds = 60"))
    async with aclosing(runtime.turn(agent.id, "t", turn("Talk on."), provider=model, terms=TERMS)) as taking:
        async for step in taking:
            if isinstance(step, TextDelta):
                break
    runs = (await runtime._api.read.runs.list(agent_id=agent.id)).items
    assert [run.status for run in runs] == ["cancelled"]


async def test_a_deadline_ends_a_turn(runtime: LettaRuntime) -> None:
    agent = await runtime.ensure_agent(spec())
    model = Watched(say("word " * 200, more="tokens = 200\nseconds = 60"))
    with pytest.raises(errors.ProviderTimeout):
        await take(runtime, agent, model, turn("Talk on.", deadline=3.0))
    assert ended(await take(runtime, agent, Watched(say("Enough.")), "Enough?")).text == "Enough."


async def test_who_is_cancelled_again_while_leaving_ends_the_run_on_the_server_all_the_same(
    runtime: LettaRuntime,
) -> None:
    agent = await runtime.ensure_agent(spec())
    model = Watched(say("word " * 200, more="tokens = 200\nseconds = 60"))
    speaking = asyncio.Event()

    async def listen() -> None:
        async with aclosing(
            runtime.turn(agent.id, "t", turn("Talk on."), provider=model, terms=TERMS)
        ) as taking:
            async for step in taking:
                if isinstance(step, TextDelta):
                    speaking.set()

    listening = asyncio.create_task(listen())
    await speaking.wait()
    for _ in range(3):
        listening.cancel()
        await asyncio.wait([listening], timeout=0.01)
    with pytest.raises(asyncio.CancelledError):
        await listening
    runs = (await runtime._api.read.runs.list(agent_id=agent.id)).items
    assert [run.status for run in runs] == ["cancelled"]
