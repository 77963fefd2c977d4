"""A run tells what it had memory do, and nothing of what others had it do meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from atlas_mcp.events import Kind
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.scope import Scope
from atlas_mcp.messages import Intent
from atlas_mcp.providers.extractive import ExtractiveProvider
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms
from tests.orchestration.atlas_talk import RUBRIC, TASK, script
from tests.orchestration.talk import QUESTION, SCRIPT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from pathlib import Path

    from atlas_mcp.app import Atlas
    from atlas_mcp.chunks import Chunk
    from atlas_mcp.events import Event
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.messages import Prompt
    from tests.orchestration.conftest import OpenAtlas

RANGE = "The Bay of Fundy has a range of 16 metres."


class AllAtOnce(ExtractiveProvider):
    """Answers no plan before so many were asked for, so that runs go on side by side."""

    def __init__(self, runs: int) -> None:
        super().__init__()
        self._missing = runs
        self._all = asyncio.Event()

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        return Stream(self._after_all(prompt, terms))

    async def _after_all(self, prompt: Prompt, terms: Terms) -> AsyncGenerator[Chunk]:
        if prompt.intent is Intent.PLAN:
            self._missing -= 1
            if self._missing <= 0:
                self._all.set()
            await self._all.wait()
        async with super().stream(prompt, terms) as stream:
            async for chunk in stream:
                yield chunk


async def measured(atlas: Atlas, run_id: str) -> list[Event]:
    return [each for each in await atlas.events(run_id) if each.kind is Kind.MEMORY_MEASURED]


def added_up(events: Iterable[Event]) -> Counter[str]:
    """How often each operation was done on each store."""
    told: Counter[str] = Counter()
    for event in events:
        for each in event.data["operations"]:
            told[f"{each['operation']} {each['store']}"] += each["count"]
    return told


def counted(memory: Memory) -> Counter[str]:
    return Counter({f"{each.operation} {each.store}": each.count for each in memory.meter.figures()})


async def done(atlas: Atlas, *asked: dict[str, Any]) -> list[str]:
    """Let runs go on side by side; gives their ids."""
    runs = [await atlas.start(fresh=True, **each) for each in asked]
    for envelope in await asyncio.gather(*(run.envelope(wait_seconds=60) for run in runs)):
        assert envelope["state"] == "done", envelope
    return [run.id for run in runs]


async def test_recalling_each_assignment_and_learning_tell_each_what_it_took(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(SCRIPT) as atlas:
        asked = {"team": "research", "question": QUESTION, "documents": [str(documents)]}
        (run,) = await done(atlas, asked)
        events = await measured(atlas, run)
        own = {event.span_id: added_up([event]) for event in events}
        assert set(own) == {"recall", "work/a1", "work/a2", "learn"}
        assert own["recall"]["ingest documents"] == 1
        assert own["work/a1"]["search documents"] == own["work/a2"]["search documents"] == 1
        assert own["learn"]["keep record"] == 1
        assert own["learn"]["read documents"] > 0, "what the check read is told with what comes next"
        assert {event.actor for event in events} == {"research", "documents#a1", "documents#a2"}
        every = [each for event in events for each in event.data["operations"]]
        assert all(each["count"] > 0 and each["seconds"] > 0 for each in every)
        assert added_up(events) == counted(await atlas.memory())


async def test_runs_side_by_side_count_what_they_had_done_and_nothing_of_one_another(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(provider=AllAtOnce(runs=3)) as atlas:
        memory = await atlas.memory()
        await memory.remember([Learning(LearningKind.FACT, RANGE)], scope=Scope(atlas.user))
        before = counted(memory)
        about = {"team": "research", "question": "What is the range of the Bay of Fundy?"}
        tides, harbours = str(documents / "tides.md"), str(documents / "harbours.md")
        forgetful, *others = await done(
            atlas, {**about, "documents": [tides], "memory": False},
            {**about, "documents": [harbours]}, {**about, "documents": [tides, harbours]},
        )  # fmt: skip
        bare = added_up(await measured(atlas, forgetful))
        assert bare["search documents"] > 0
        assert {name.split()[0] for name in bare} == {"ingest", "search"}, "it neither recalls nor learns"
        own = [added_up(await measured(atlas, each)) for each in others]
        assert all(each["recall record"] > 0 for each in own)
        told, took = sum(own, bare), counted(memory) - before
        # What the last check of a run that does not learn read is told by nobody.
        took.pop("read documents")
        told.pop("read documents")
        assert told == took


async def test_a_run_that_works_for_another_counts_for_itself_alone(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(script()) as atlas:
        (run,) = await done(
            atlas, {"team": "atlas", "task": TASK, "rubric": RUBRIC, "documents": [str(documents)]}
        )
        events = await atlas.events(run)
        children = {e.data["run"]: e.data["team"] for e in events if e.kind is Kind.CHILD_STARTED}
        every = {each: await measured(atlas, each) for each in (run, *children)}
        searching = {children.get(each) for each in every if added_up(every[each])["search documents"]}
        assert searching == {"research"}
        told = sum((added_up(each) for each in every.values()), Counter[str]())
        took = counted(await atlas.memory())
        assert told["read documents"] <= took.pop("read documents")
        del told["read documents"]
        assert told == took
