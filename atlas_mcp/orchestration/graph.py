"""A team as a LangGraph graph, with its checkpoints. The only file that knows LangGraph.

    recall → plan → (approve) → work (parallel, in waves) → review ─┬→ work (the next wave)
                                                                    ├→ plan (another round)
                                                                    └→ compose → check
    check ─┬→ revise ─┬→ work (whoever made it makes it anew)
           │          └→ check (the supervisor composed it anew)
           └→ (deliver) → learn

One superstep's finished workers are kept by the checkpointer when another fails or the process dies.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # pyright: ignore[reportMissingTypeStubs]
from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.runtime import Runtime  # noqa: TC002 - read when the graph is made  # pyright: ignore[reportMissingTypeStubs]
from langgraph.types import Send  # pyright: ignore[reportMissingTypeStubs]

from atlas_mcp.errors import AtlasError
from atlas_mcp.orchestration.delivering import delivers
from atlas_mcp.orchestration.state import State, Work
from atlas_mcp.orchestration.steps import Steps  # noqa: TC001 - read when the graph is made

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from pathlib import Path

    from atlas_mcp.orchestration.team import Team

__all__ = ["Checkpoints", "open_checkpoints", "walk"]


_WHILE_A_PERSON_WISHES = 100_000
"""Steps of a run that a person may send back to work each time that all of it failed."""


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


@dataclass(frozen=True, slots=True)
class Walker:
    """Who walks the graph."""

    steps: Steps


class Checkpoints:
    """Where graphs keep how far they came."""

    def __init__(self, saver: AsyncSqliteSaver) -> None:
        self.saver = saver
        self._graphs: dict[tuple[bool, bool, bool], Any] = {}

    def graph(self, *, approves: bool, revises: bool, delivers: bool = False) -> Any:
        """The graph with those steps, compiled when it is first asked for."""
        shape = (approves, revises, delivers)
        if shape not in self._graphs:
            made = _graph(approves=approves, revises=revises, delivers=delivers)
            self._graphs[shape] = made.compile(checkpointer=self.saver)
        return self._graphs[shape]

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
    graph = checkpoints.graph(approves=team.approve, revises=revises(team), delivers=delivers(team))
    # Each round plans, then alternates work and review, at worst with every assignment after another; a
    # revision goes through work, review, compose and check again.
    most = 14 + team.rounds * (2 * team.max_assignments + 4) + 8 * team.revisions
    if team.escalate:
        most = _WHILE_A_PERSON_WISHES
    config: Any = {
        "configurable": {"thread_id": run_id},
        "recursion_limit": most,
        "max_concurrency": team.max_parallel,
    }
    kept = await graph.aget_state(config)
    begun = bool(kept.values)
    if begun:
        steps.restore(cast("State", kept.values))
    start = State(round=0, assignments=[], results={})
    with steps.memory.tally.counting():
        try:
            state = await graph.ainvoke(
                None if begun else start, config, context=Walker(steps), durability="async"
            )
        except AtlasError as error:
            await steps.memory.learn_of_failure(error)
            raise
    return cast("State", state)


def revises(team: Team) -> bool:
    """Whether a team's output is rated, so that it can be found wanting."""
    return team.revisions > 0 and (team.quality is not None or bool(team.teams))


def _graph(*, approves: bool, revises: bool, delivers: bool) -> Any:
    """The one shape; who takes the steps is the run's context, so that it is compiled once."""
    graph: Any = StateGraph(State, context_schema=Walker)
    for name in ("recall", "plan", "review", "compose", "check", "learn"):
        graph.add_node(name, _step(name))
    graph.add_node("work", _work)
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "plan")
    if approves:
        graph.add_node("approve", _step("approve"))
        graph.add_edge("plan", "approve")
    graph.add_conditional_edges("approve" if approves else "plan", _send, ["work", "review"])
    graph.add_edge("work", "review")
    graph.add_conditional_edges("review", _after_review, ["work", "plan", "compose"])
    graph.add_edge("compose", "check")
    last = "deliver" if delivers else "learn"
    if delivers:
        graph.add_node("deliver", _deliver)
        graph.add_edge("deliver", "learn")
    if revises:
        graph.add_node("revise", _step("revise"))
        graph.add_conditional_edges("check", _after_check, {True: "revise", False: last})
        graph.add_conditional_edges("revise", _after_revise, ["work", "check"])
    else:
        graph.add_edge("check", last)
    graph.add_edge("learn", END)
    return graph


def _step(name: str) -> Any:
    async def step(state: State, runtime: Runtime[Walker]) -> Any:
        return await getattr(runtime.context.steps, name)(state)

    return step


async def _work(work: Work, runtime: Runtime[Walker]) -> Any:
    return await runtime.context.steps.work(work)


async def _deliver(state: State, runtime: Runtime[Walker]) -> Any:
    return await runtime.context.steps.delivery.deliver(state)


def _wave(state: State, runtime: Runtime[Walker]) -> list[Send]:
    return [Send("work", work) for work in runtime.context.steps.next_wave(state)]


def _send(state: State, runtime: Runtime[Walker]) -> list[Send] | str:
    return _wave(state, runtime) or "review"


def _after_review(state: State, runtime: Runtime[Walker]) -> list[Send] | str:
    if wave := _wave(state, runtime):
        return wave
    return "plan" if runtime.context.steps.wants_another_round(state) else "compose"


def _after_check(state: State, runtime: Runtime[Walker]) -> bool:
    return runtime.context.steps.wants_revision(state)


def _after_revise(state: State, runtime: Runtime[Walker]) -> list[Send] | str:
    return _wave(state, runtime) or "check"
