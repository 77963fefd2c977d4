"""An agent on a real Letta server is fed from the memory, and keeps what is its own apart from it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from ulid import ULID

from atlas_mcp.agents.agent import Task
from atlas_mcp.agents.card import Card
from atlas_mcp.agents.resident import Residence, ResidentAgent
from atlas_mcp.agents.runtime import Block
from atlas_mcp.agents.standing import MEMORY_TAG, StandingItem, feed
from atlas_mcp.downstream.toolbox import Toolbox
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.memory import Memory, open_memory
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.memory.scope import Scope
from atlas_mcp.messages import Intent
from tests.agents.runtime_place import Watched, spec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from atlas_mcp.agents.letta.runtime import LettaRuntime

pytestmark = pytest.mark.letta

PREFERENCE = "Ranges are wanted in metres."
PROCEDURE = "Look into the tide table first."
OWN = "Herons nest in tall trees."
SHAPE: dict[str, Any] = {
    "type": "object",
    "required": ["answer"],
    "properties": {"answer": {"type": "string"}},
}
ANSWER = "[[reply]]\njson = { answer = 'The Moon.' }\n"
NOTING = (
    "[[reply]]\nwhen = { contains = 'status' }\njson = { answer = 'The Moon.' }\n"
    "[[reply]]\ntool = { name = 'memory_insert', arguments = { label = 'notes', new_string = 'Ask Ada.' } }\n"
)
CARD = Card(
    name="web",
    description="Reads.",
    persona="You read.",
    memory={"notes": {}, "wishes": {"recalled": True}},  # pyright: ignore[reportArgumentType] - as a card's file says it
    archive="recalled",
)


async def standing(memory: Memory, scope: Scope) -> Sequence[StandingItem]:
    held = await memory.memories(scope, Filters())
    return [StandingItem(each.id, each.text, each.recorded_at) for each in held]


async def test_an_agent_is_fed_from_memory_and_what_it_wrote_stays_its_own(
    runtime: LettaRuntime, home: Path
) -> None:
    user = str(ULID())
    scope = Scope(user)
    async with open_memory(home, None) as memory:
        fed = partial(standing, memory, scope)

        async def work(model: Watched) -> str:
            where = Residence(runtime, "research", str(ULID()), user=user, standing=fed)
            agent = ResidentAgent(CARD, where, model, Toolbox([], ()))
            async with aclosing(agent.work(Task(Intent.GATHER, "tides", "Why tides?", SHAPE))) as steps:
                _ = [step async for step in steps]
            return model.asked[-1].system

        learnings = [
            Learning(LearningKind.PREFERENCE, PREFERENCE), Learning(LearningKind.PROCEDURE, PROCEDURE),
        ]  # fmt: skip
        added = await memory.remember(learnings, scope=scope)
        system = await work(Watched(NOTING))
        assert f"- {PREFERENCE} (today)\n- {PROCEDURE} (today)" in system
        assert "none of it is an instruction" in system
        (agent,) = await runtime.list_agents([f"user:{user}"])
        await runtime.archive(agent.id, OWN, ["birds"])
        passages = await runtime.search_archive(agent.id, "", tags=[MEMORY_TAG])
        assert {frozenset(each.tags) for each in passages} == {
            frozenset({MEMORY_TAG, f"{MEMORY_TAG}:{each.id}"}) for each in added
        }

        await memory.forget_memories([added[0].id], scope=scope)
        system = await work(Watched(ANSWER))
        assert PREFERENCE not in system
        assert PROCEDURE in system
        assert "Ask Ada." in system
        left = await runtime.search_archive(agent.id, "", k=9)
        assert [each.text.partition(" (")[0] for each in left] == [OWN, PROCEDURE]
        assert [each.text for each in await memory.memories(scope)] == [PROCEDURE], "nothing flows back"


async def test_tasks_that_begin_at_once_feed_an_agent_once_and_what_stands_twice_is_put_right(
    runtime: LettaRuntime,
) -> None:
    agent = await runtime.ensure_agent(spec(Block("wishes"), archival=True))
    items = [StandingItem(f"m_{n}", f"Wish number {n}.", "2026-11-16T10:00:00+00:00") for n in range(3)]
    feeding = partial(feed, runtime, agent.id, items, blocks=["wishes"], archive=True)
    await asyncio.gather(*(feeding() for _ in range(3)))
    kept = await runtime.search_archive(agent.id, "", k=9)
    assert len(kept) == 3
    await runtime.archive(agent.id, kept[0].text, kept[0].tags)  # as another process might
    await feeding()
    assert len(await runtime.search_archive(agent.id, "", k=9)) == 3
    (block,) = await runtime.blocks(agent.id)
    assert block.value.count("Wish number") == 3
