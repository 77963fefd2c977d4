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
from time import monotonic
from typing import TYPE_CHECKING, Any

from atlas_mcp.ending import to_the_end
from atlas_mcp.errors import AtlasError, LeaseLost, ProviderChanged, TeamChanged
from atlas_mcp.events import Kind
from atlas_mcp.observe.journal import now
from atlas_mcp.orchestration.alerting import (
    Alert,
    Thresholds,
    WarnedAlready,
    Watch,
    of_the_team,
    refuse_again,
)
from atlas_mcp.orchestration.asking import Person
from atlas_mcp.orchestration.context import RunContext
from atlas_mcp.orchestration.control import Verb
from atlas_mcp.orchestration.doorkeeping import let_in
from atlas_mcp.orchestration.lease import RENEW_SECONDS, Lease, assert_held
from atlas_mcp.orchestration.ledger import Ledger, spent_until_now
from atlas_mcp.orchestration.limits import Limits
from atlas_mcp.orchestration.past import worked
from atlas_mcp.orchestration.state import is_partial
from atlas_mcp.orchestration.store import RunRow, RunState
from atlas_mcp.orchestration.team import Budget, Team

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from atlas_mcp.orchestration.places import Place
    from atlas_mcp.orchestration.steps import State
    from atlas_mcp.orchestration.voice import Voice
    from atlas_mcp.orchestration.workshop import Workshop
    from atlas_mcp.providers.group import ProviderGroup

__all__ = ["Owner", "changed"]

CONTROL_SECONDS = 0.2
"""How often an owner looks for what its run was told."""

log = logging.getLogger(__name__)


class Owner:
    """Works on one run, from taking it up to its end or its interruption."""

    def __init__(
        self, workshop: Workshop, row: RunRow, team: Team, lease: Lease, provider: ProviderGroup
    ) -> None:
        if row.team_version != team.version:
            raise changed(row, row.run_id)
        asked: str = row.options.get("provider", workshop.answers)
        known: Sequence[str] = row.options.get("recipients", [asked.partition(":")[0]])
        if strangers := sorted(set(provider.info.recipients) - set(known)):
            # Its documents must not go to somebody whom nobody named for it.
            raise ProviderChanged(
                f"Run {row.run_id} was begun with {asked}; here {', '.join(strangers)} would answer.",
                remedy=f"Ask again, or atlas-mcp runs resume {row.run_id} --provider {asked}",
            )
        self._provider = provider
        self._workshop = workshop
        self._row = row
        self._team = team
        self._lease = lease
        self._context: RunContext | None = None
        self._person: Person | None = None
        self._place: Place | None = None
        self._unpaused = asyncio.Event()
        self._unpaused.set()
        self._cancelled: str | None = None
        self._watch: Watch | None = None
        self._began = monotonic()

    @property
    def speaking(self) -> Mapping[str, Voice]:
        """What the run's models are saying now, by actor; those of a child run by `run_id/actor`."""
        return self._context.speaking if self._context else {}

    async def work(self) -> None:
        """Work on the run until it ends; being cancelled interrupts it, so that it can go on later."""
        walking = asyncio.create_task(self._walk(), name=f"walk {self._row.run_id}")
        keeping = asyncio.create_task(self._keep(walking), name=f"keep {self._row.run_id}")
        try:
            await asyncio.wait({walking, keeping}, return_when=asyncio.FIRST_COMPLETED)
            # A keeper ends before the walk only when it failed: without it nobody may work.
            orphaned = not walking.done()
        except asyncio.CancelledError:
            await _stop(walking)
            await self._interrupt("the server is closing")
            raise
        finally:
            await _stop(keeping)
        if orphaned:
            await _stop(walking)
            log.error("run %s was left", self._row.run_id, exc_info=keeping.exception())
            await self._interrupt("its owner could no longer hold it")
            return
        try:
            # Whoever heard of the end may close everything at once.
            await to_the_end(self._conclude(walking))
        except LeaseLost:
            log.info("run %s went to another process", self._row.run_id)

    async def _walk(self) -> State:
        from atlas_mcp.orchestration.child import Children
        from atlas_mcp.orchestration.graph import walk
        from atlas_mcp.orchestration.rating import steps_of

        workshop, row, team = self._workshop, self._row, self._team
        async with workshop.places.taken(row.options.get("priority", "normal")) as place:
            self._place = place
            if not self._unpaused.is_set():
                place.lend()
            desk = await workshop.desk(row, team)
            provider = self._provider
            ledger = Ledger(workshop.database, self._lease)
            budget = Budget(**{**team.budget.model_dump(), **row.options.get("budget", {})})
            events, replies = await workshop.journal.read(row.run_id), await ledger.replies()
            inside, asked = await workshop.inside(row.run_id), await workshop.questions.of(row.run_id)
            # Nothing is awaited between this and the context, which hears of a pause from then on.
            await self._unpaused.wait()
            self._context = context = RunContext(
                row, team, provider=provider, tools=desk.tools(), journal=workshop.journal, ledger=ledger,
                limits=Limits(budget, seconds_before=worked(events), day=workshop.day), guard=self._guard,
            )  # fmt: skip
            context.homes, context.memories = workshop.homes, workshop.memories
            context.outside = workshop.outside(context, desk.memory)
            context.person = self._person = Person(
                workshop.questions, row.run_id, actor=team.name, limits=context.limits, guard=self._guard,
                on_change=self._rest_or_work,
            )  # fmt: skip
            context.remember(replies, events, inside)
            context.approved.update(let_in(asked))
            self._watch = Watch(Thresholds.of(workshop.alerts, team), events)
            again = row.state is not RunState.QUEUED
            info = provider.info
            await workshop.store.move(self._lease, RunState.RUNNING)
            await context.emit(
                Kind.RUN_RESUMED if again else Kind.RUN_STARTED, team.name, "", team=team.name,
                provider=info.name, language_model=info.language_model,
            )  # fmt: skip
            steps = steps_of(context, desk, Children(workshop, self._lease, context, desk))
            return await walk(steps, await workshop.checkpoints(), row.run_id, team)

    async def _keep(self, walking: asyncio.Task[State]) -> None:
        """Hold on to the lease and do what the run is told."""
        renewed = monotonic()
        while True:
            for control in await self._workshop.controls.take(self._row.run_id):
                await self._obey(control.verb, control.reason, walking)
            if self._person:
                await self._person.look()
            await self._warn_of_the_run()
            if monotonic() - renewed > RENEW_SECONDS:
                await self._workshop.leases.renew(self._lease)
                renewed = monotonic()
            await asyncio.sleep(CONTROL_SECONDS)

    async def _warn_of_the_run(self) -> None:
        if self._watch and self._context:
            limits = self._context.limits
            await self._warn(self._watch.look(limits.seconds_taken, limits.spent))

    async def _warn_of_the_team(self, state: RunState) -> None:
        """Look at the team's last runs, of which this is one."""
        if state is RunState.CANCELLED:
            return
        thresholds, failed = Thresholds.of(self._workshop.alerts, self._team), state is RunState.FAILED
        alerts = await self._workshop.database.read(
            lambda connection: of_the_team(connection, self._row, thresholds, failed=failed)
        )
        await self._warn(alerts, thresholds)

    async def _warn(self, alerts: Sequence[Alert], of_team: Thresholds | None = None) -> None:
        """Note what is to be warned of and tell it; of a team only where no other run does at this moment."""
        row = self._row
        for each in alerts:

            def guard(connection: sqlite3.Connection, alert: Alert = each) -> None:
                assert_held(connection, self._lease)
                if of_team is not None:
                    refuse_again(connection, row, alert, of_team)

            try:
                await self._workshop.journal.append(
                    row.run_id, Kind.ALERT_RAISED, actor=row.team, data=asdict(each), guard=guard
                )
            except WarnedAlready:
                continue
            text = f"ATLAS, {row.team}, run {row.run_id}: {each.text}."
            about = {"run_id": row.run_id, "team": row.team, "user": row.user, "at": now()}
            self._workshop.alarm.ring({**asdict(each), **about, "text": text})

    async def _obey(self, verb: Verb, reason: str, walking: asyncio.Task[State]) -> None:
        if verb is Verb.CANCEL:
            # The wire is closed first; what is written about it can wait.
            self._cancelled = reason or "cancelled"
            walking.cancel()
        await self._note(Kind.CONTROL_RECEIVED, "person", verb=verb.value, reason=reason)
        match verb:
            case Verb.CANCEL:
                pass
            case Verb.PAUSE:
                self._unpaused.clear()
                if self._context:
                    self._context.pause()
                await self._rest_or_work()
                await self._note(Kind.RUN_PAUSED, reason=reason)
            case Verb.RESUME:
                self._unpaused.set()
                if self._context:
                    self._context.resume()
                await self._rest_or_work()
                await self._note(Kind.RUN_CONTINUED, reason=reason)

    async def _rest_or_work(self) -> None:
        """Leave the place to others while the run is paused or a person is asked, and be seen to."""
        if not self._unpaused.is_set():
            state = RunState.PAUSED
        elif self._person and self._person.waiting:
            state = RunState.WAITING
        else:
            state = RunState.RUNNING if self._context else RunState.QUEUED
        if self._place:
            rests = state in {RunState.PAUSED, RunState.WAITING}
            self._place.lend() if rests else self._place.take_back()
        await self._workshop.store.move(self._lease, state)

    def _guard(self, connection: sqlite3.Connection) -> None:
        assert_held(connection, self._lease)

    async def _note(self, kind: Kind, actor: str = "", **data: Any) -> None:
        await self._workshop.journal.append(
            self._row.run_id, kind, actor=actor or self._team.name, data=data, guard=self._guard
        )

    async def _conclude(self, walking: asyncio.Task[State]) -> None:
        if walking.cancelled():
            await self._finish(
                RunState.CANCELLED, None, {"code": "cancelled", "message": self._cancelled or ""}
            )
            return
        error = walking.exception()
        if isinstance(error, LeaseLost):
            raise error
        if error is None:
            state = walking.result()
            partial = is_partial(state) or bool(self._context and self._context.limits.refused)
            await self._finish(RunState.DONE, state.get("output"), None, partial=partial)
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
        if self._context:
            usage = asdict(self._context.limits.spent)
        else:  # it ended before its work was taken up, and may have taken something under an earlier owner
            usage = await workshop.database.read(lambda connection: spent_until_now(connection, run_id))
        data = {
            "state": state.value,
            "partial": partial,
            "seconds": round(monotonic() - self._began, 3),
            "usage": usage,
            "error": error,
        }
        await self._warn_of_the_run()
        await self._warn_of_the_team(state)
        if (
            partial
            and self._context
            and (limit := self._context.limits.reached or self._context.limits.refused)
        ):
            data["limit"] = limit
        ended = await workshop.store.finish(
            self._lease, state, partial=partial, output=output, error=error, usage=usage, data=data
        )
        workshop.journal.wake(run_id)
        await workshop.leases.release(self._lease)
        await workshop.forget(state, run_id, *ended)

    async def _interrupt(self, reason: str) -> None:
        with suppress(LeaseLost):
            # What a person paused stays paused, so that no server takes it up unasked; what waits for a
            # person's answer goes on waiting.
            if self._unpaused.is_set():
                asks = await self._workshop.questions.open(self._row.run_id)
                state = RunState.WAITING if asks else RunState.INTERRUPTED
                await self._workshop.store.move(self._lease, state)
            await self._note(Kind.RUN_INTERRUPTED, reason=reason)
        await self._workshop.leases.release(self._lease)


def changed(row: RunRow, whole: str) -> TeamChanged:
    """The error of a run whose team changed; `whole` is the run that it works for, or itself."""
    return TeamChanged(
        f"The folder of team {row.team} changed since run {row.run_id} began.",
        remedy="Start it again, bring the folder back to what it was, or let it go on with the team"
        f" as it is now: atlas-mcp runs resume {whole} --changed-team",
    )


async def _stop(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it is gone; what it raised is looked at elsewhere."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait({task})
