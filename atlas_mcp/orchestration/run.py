"""One run and its owner: a task that holds the lease, walks the graph and hears what the run is told.

The owner cancels the graph's task itself, since a cancel scope around LangGraph does not reach its nodes. A
run whose process dies keeps its checkpoints and its ledger; whoever takes the lease next goes on from
there.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import AtlasError, LeaseLost, TeamChanged
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.context import Limits, RunContext
from atlas_mcp.orchestration.control import Controls, Verb
from atlas_mcp.orchestration.desk import Desk
from atlas_mcp.orchestration.lease import RENEW_SECONDS, Lease, Leases
from atlas_mcp.orchestration.ledger import Ledger
from atlas_mcp.orchestration.places import Places
from atlas_mcp.orchestration.store import RunRow, RunState, RunStore
from atlas_mcp.orchestration.team import Budget, Team

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from atlas_mcp.database import Database
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.observe.journal import Journal
    from atlas_mcp.orchestration.context import Voice
    from atlas_mcp.orchestration.graph import Checkpoints
    from atlas_mcp.orchestration.steps import State
    from atlas_mcp.providers.provider import Provider

__all__ = ["Owner", "Workshop"]

CONTROL_SECONDS = 0.2
"""How often an owner looks for what its run was told."""

_AT_WORK = {Kind.RUN_STARTED, Kind.RUN_RESUMED, Kind.RUN_CONTINUED}

log = logging.getLogger(__name__)


class Workshop:
    """What every owner of this process works with; heavy parts are opened when the first run needs them."""

    def __init__(
        self, database: Database, journal: Journal, leases: Leases, *, at_once: int,
        memory: Callable[[], Awaitable[Memory]], checkpoints: Callable[[], Awaitable[Checkpoints]],
        provider: Callable[[], Awaitable[Provider]],
    ) -> None:  # fmt: skip
        self.database = database
        self.journal = journal
        self.leases = leases
        self.store = RunStore(database)
        self.controls = Controls(database)
        self.places = Places(at_once)
        self.memory = memory
        self.checkpoints = checkpoints
        self.provider = provider


class Owner:
    """Works on one run, from taking it up to its end or its interruption."""

    def __init__(self, workshop: Workshop, row: RunRow, team: Team, lease: Lease) -> None:
        if row.team_version != team.version:
            raise TeamChanged(
                f"The folder of team {team.name} changed since run {row.run_id} began.",
                remedy="Start the run again, or bring the folder back to what it was.",
            )
        self._workshop = workshop
        self._row = row
        self._team = team
        self._lease = lease
        self._context: RunContext | None = None
        self._cancelled: str | None = None
        self._lost = False
        self._began = monotonic()

    @property
    def speaking(self) -> Mapping[str, Voice]:
        """What the run's models are saying now, by actor."""
        return self._context.speaking if self._context else {}

    async def work(self) -> None:
        """Work on the run until it ends; being cancelled interrupts it, so that it can go on later."""
        walking = asyncio.create_task(self._walk(), name=f"walk {self._row.run_id}")
        keeping = asyncio.create_task(self._keep(walking), name=f"keep {self._row.run_id}")
        try:
            await asyncio.wait({walking})
        except asyncio.CancelledError:
            await _stop(walking)
            await self._interrupt("the server is closing")
            raise
        finally:
            await _stop(keeping)
        await self._conclude(walking)

    async def _walk(self) -> State:
        from atlas_mcp.orchestration.graph import walk
        from atlas_mcp.orchestration.steps import Steps

        workshop, row, team = self._workshop, self._row, self._team
        async with workshop.places.taken(row.options.get("priority", "normal")):
            desk = Desk(await workshop.memory(), row.user, row.options.get("documents", []))
            provider = await workshop.provider()
            ledger = Ledger(workshop.database, self._lease)
            budget = Budget(**{**team.budget.model_dump(), **row.options.get("budget", {})})
            self._context = context = RunContext(
                row, team, provider=provider, tools=desk.tools(), journal=workshop.journal, ledger=ledger,
                limits=Limits(budget, began=monotonic() - await self._worked_before()),
            )  # fmt: skip
            context.remember(await ledger.replies())
            again = row.state is not RunState.QUEUED
            info = provider.info
            await workshop.store.move(row.run_id, RunState.RUNNING)
            await context.emit(
                Kind.RUN_RESUMED if again else Kind.RUN_STARTED, team.name, "", team=team.name,
                provider=info.name, language_model=info.language_model,
            )  # fmt: skip
            return await walk(
                Steps(context, desk), await workshop.checkpoints(), row.run_id, team.max_parallel
            )

    async def _worked_before(self) -> float:
        """Seconds that earlier owners worked on the run; pauses and the time without an owner do not count."""
        seconds, since = 0.0, None
        last = None
        for event in await self._workshop.journal.read(self._row.run_id):
            at = datetime.fromisoformat(event.at)
            if event.kind in _AT_WORK:
                if since is not None and last is not None:
                    seconds += (last - since).total_seconds()
                since = at
            elif event.kind is Kind.RUN_PAUSED and since is not None:
                seconds += (at - since).total_seconds()
                since = None
            last = at
        if since is not None and last is not None:
            seconds += (last - since).total_seconds()
        return seconds

    async def _keep(self, walking: asyncio.Task[State]) -> None:
        """Hold on to the lease and do what the run is told."""
        renewed = monotonic()
        try:
            while True:
                for control in await self._workshop.controls.take(self._row.run_id):
                    await self._obey(control.verb, control.reason, walking)
                if monotonic() - renewed > RENEW_SECONDS:
                    await self._workshop.leases.renew(self._lease)
                    renewed = monotonic()
                await asyncio.sleep(CONTROL_SECONDS)
        except LeaseLost:
            self._lost = True
            walking.cancel()

    async def _obey(self, verb: Verb, reason: str, walking: asyncio.Task[State]) -> None:
        store, journal, run_id = self._workshop.store, self._workshop.journal, self._row.run_id
        data = {"verb": verb.value, "reason": reason}
        if verb is Verb.CANCEL:
            # The wire is closed first; what is written about it can wait.
            self._cancelled = reason or "cancelled"
            walking.cancel()
            await journal.append(run_id, Kind.CONTROL_RECEIVED, actor="person", data=data)
            return
        await journal.append(run_id, Kind.CONTROL_RECEIVED, actor="person", data=data)
        if self._context is None:
            return
        if verb is Verb.PAUSE:
            self._context.pause()
            await store.move(run_id, RunState.PAUSED)
            await journal.append(run_id, Kind.RUN_PAUSED, actor=self._team.name, data={"reason": reason})
        else:
            self._context.resume()
            await store.move(run_id, RunState.RUNNING)
            await journal.append(run_id, Kind.RUN_CONTINUED, actor=self._team.name, data={"reason": reason})

    async def _conclude(self, walking: asyncio.Task[State]) -> None:
        if self._lost:
            return
        if walking.cancelled():
            await self._finish(
                RunState.CANCELLED, None, {"code": "cancelled", "message": self._cancelled or ""}
            )
            return
        error = walking.exception()
        if isinstance(error, LeaseLost):
            return
        if error is None:
            state = walking.result()
            await self._finish(RunState.DONE, state.get("output"), None, partial=state.get("partial", False))
        elif isinstance(error, AtlasError):
            await self._finish(RunState.FAILED, None, error.to_dict())
        else:
            log.error("run %s failed", self._row.run_id, exc_info=error)
            message = f"ATLAS itself failed ({type(error).__name__}); the log says more."
            await self._finish(RunState.FAILED, None, {"code": "internal", "message": message})

    async def _finish(
        self,
        state: RunState,
        output: dict[str, Any] | None,
        error: dict[str, Any] | None,
        *,
        partial: bool = False,
    ) -> None:
        run_id, workshop = self._row.run_id, self._workshop
        usage = asdict(self._context.limits.spent) if self._context else {}
        data = {
            "state": state.value,
            "partial": partial,
            "seconds": round(monotonic() - self._began, 3),
            "usage": usage,
            "error": error,
        }
        await workshop.store.finish(
            run_id, state, partial=partial, output=output, error=error, usage=usage, data=data
        )
        workshop.journal.wake(run_id)
        await workshop.leases.release(self._lease)
        await (await workshop.checkpoints()).forget(run_id)

    async def _interrupt(self, reason: str) -> None:
        run_id, workshop = self._row.run_id, self._workshop
        await workshop.store.move(run_id, RunState.INTERRUPTED)
        await workshop.journal.append(
            run_id, Kind.RUN_INTERRUPTED, actor=self._team.name, data={"reason": reason}
        )
        await workshop.leases.release(self._lease)


async def _stop(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it is gone; what it raised is looked at elsewhere."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait({task})
