"""A team as a LangGraph graph, with its checkpoints. The only file that knows LangGraph.

    recall → plan → work (parallel, in waves) → review ─┬→ work (the next wave)
                                                        ├→ plan (another round)
                                                        └→ compose → check

One superstep's finished workers are kept by the checkpointer when another fails or the process dies.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # pyright: ignore[reportMissingTypeStubs]
from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.types import Send  # pyright: ignore[reportMissingTypeStubs]

from atlas_mcp.orchestration.steps import State, Steps

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from pathlib import Path

    from atlas_mcp.orchestration.team import Team

__all__ = ["Checkpoints", "open_checkpoints", "walk"]


class _WholeWrites(AsyncSqliteSaver):
    """A saver that finishes what it began to write.

    A write cancelled between its statement and its commit would leave the database locked for everybody.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        super().__init__(connection)
        self._under_way: set[asyncio.Task[Any]] = set()

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        return await self._finish(super().aput(*args, **kwargs))

    async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
        await self._finish(super().aput_writes(*args, **kwargs))

    async def adelete_thread(self, thread_id: str) -> None:
        await self._finish(super().adelete_thread(thread_id))

    async def _finish(self, writing: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.create_task(writing)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def settled(self) -> None:
        """Wait until nothing is being written."""
        if self._under_way:
            await asyncio.wait(self._under_way)


class Checkpoints:
    """Where graphs keep how far they came."""

    def __init__(self, saver: AsyncSqliteSaver) -> None:
        self.saver = saver

    async def forget(self, run_id: str) -> None:
        """Drop a run's checkpoints; it can no longer be resumed."""
        await self.saver.adelete_thread(run_id)


@asynccontextmanager
async def open_checkpoints(path: Path) -> AsyncGenerator[Checkpoints]:
    """Open the checkpoints in a database that is already in WAL mode."""
    async with aiosqlite.connect(path, timeout=30.0) as connection:
        await connection.execute("PRAGMA synchronous=NORMAL")
        saver = _WholeWrites(connection)
        await saver.setup()
        try:
            yield Checkpoints(saver)
        finally:
            await saver.settled()


async def walk(steps: Steps, checkpoints: Checkpoints, run_id: str, team: Team) -> State:
    """Take a run's steps, from the start or from where its checkpoints end, and give its last state."""
    graph = _graph(steps).compile(checkpointer=checkpoints.saver)
    config: Any = {
        "configurable": {"thread_id": run_id},
        # Each round plans, then alternates work and review, at worst with every assignment after another.
        "recursion_limit": 10 + team.rounds * (2 * team.max_assignments + 3),
        "max_concurrency": team.max_parallel,
    }
    kept = await graph.aget_state(config)
    begun = bool(kept.values)
    if begun:
        steps.restore(cast("State", kept.values))
    start = State(round=0, assignments=[], results={})
    state = await graph.ainvoke(None if begun else start, config, durability="async")
    return cast("State", state)


def _graph(steps: Steps) -> Any:
    graph: Any = StateGraph(State)
    for name in ("recall", "plan", "work", "review", "compose", "check"):
        graph.add_node(name, getattr(steps, name))

    def send(state: State) -> list[Send] | str:
        wave = [Send("work", work) for work in steps.next_wave(state)]
        return wave or "review"

    def after_review(state: State) -> list[Send] | str:
        if wave := [Send("work", work) for work in steps.next_wave(state)]:
            return wave
        return "plan" if steps.wants_another_round(state) else "compose"

    graph.add_edge(START, "recall")
    graph.add_edge("recall", "plan")
    graph.add_conditional_edges("plan", send, ["work", "review"])
    graph.add_edge("work", "review")
    graph.add_conditional_edges("review", after_review, ["work", "plan", "compose"])
    graph.add_edge("compose", "check")
    graph.add_edge("check", END)
    return graph
