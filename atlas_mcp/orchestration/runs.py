"""The runs of one user as this process sees them: begun, owned, steered, taken up again after a crash.

Any process may ask and steer; the one that holds a run's lease works on it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import AtlasError, InvalidInput
from atlas_mcp.orchestration.control import Verb
from atlas_mcp.orchestration.ledger import spent_until_now
from atlas_mcp.orchestration.run import Owner, changed
from atlas_mcp.orchestration.store import ALIVE, RunRow, RunState
from atlas_mcp.orchestration.team import Team, pick_team

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_mcp.orchestration.asking import Question
    from atlas_mcp.orchestration.lease import Lease
    from atlas_mcp.orchestration.voice import Voice
    from atlas_mcp.orchestration.workshop import Workshop

__all__ = ["Runs"]

SETTLING_SECONDS = 5.0
"""How long a run that was just queued may wait for its owner before it counts as abandoned."""

_OWNED = ALIVE - {RunState.WAITING}
"""States that nobody is in without a living owner; waiting for a person needs none."""

log = logging.getLogger(__name__)


class Runs:
    """Begins, owns and steers the runs of one user.

    `about` is told of each run that begins here; `on_work` is called before one is worked on.
    """

    def __init__(
        self, workshop: Workshop, teams: Mapping[str, Team], user: str, *,
        about: Mapping[str, str] | None = None, on_work: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._workshop = workshop
        self._store = workshop.store
        self._teams = teams
        self._user = user
        self._about = about
        self._on_work = on_work
        self._owners: dict[str, tuple[Owner, asyncio.Task[None]]] = {}

    async def begin(
        self, team: Team, given: dict[str, Any], options: dict[str, Any], *, fresh: bool
    ) -> tuple[RunRow, bool]:
        """Begin a run, or find the one alive that asks the same; `True` says that it is new.

        One that is found without a living owner is taken up.
        """
        row, new = await self._store.begin(
            self._user, team.name, team.version, given, options, fresh=fresh, about=self._about
        )
        if new or row.state in {RunState.QUEUED, RunState.RUNNING}:
            await self.own(row)
        return row, new

    async def own(self, row: RunRow, *, changed_team: bool = False) -> bool:
        """Work on a run in this process, unless a living process holds it already.

        `changed_team` lets it go on with the team as it is now, where that is another than it began with.

        Raises:
            UnknownTeam: its team is gone.
            TeamChanged: its team is no longer the one it began with.
            ProviderChanged: another vendor would answer than the one it was begun with.
        """
        team = pick_team(self._teams, row.team)
        provider = await self._workshop.provider()
        lease = await self._workshop.leases.take(row.run_id)
        if lease is None:
            return False
        try:
            # Another owner may have ended it just before the lease was free.
            row = await self._store.get(row.run_id)
            if row.final:
                await self._workshop.leases.release(lease)
                return False
            if changed_team and row.team_version != team.version:
                row = await self._store.adopt(lease, team.version)
            await self._adopt_children(row.run_id, lease, changed_team=changed_team)
            owner = Owner(self._workshop, row, team, lease, provider)
            await self._store.move(lease, RunState.QUEUED)
        except BaseException:
            await self._workshop.leases.release(lease)
            raise
        if self._on_work is not None:
            self._on_work()
        task = asyncio.create_task(owner.work(), name=f"own {row.run_id}")
        self._owners[row.run_id] = (owner, task)
        task.add_done_callback(lambda _: self._owners.pop(row.run_id, None))
        return True

    async def _adopt_children(self, run_id: str, lease: Lease, *, changed_team: bool) -> None:
        """Refuse to go on where the team of an open child changed, unless somebody wished it.

        Raises:
            TeamChanged: it did, and nobody did.
        """
        for child in await self._store.children(run_id):
            if child.final:
                continue
            team = pick_team(self._teams, child.team)
            if child.team_version != team.version and not changed_team:
                raise changed(child, lease.run_id)
            if child.team_version != team.version:
                await self._store.adopt(lease, team.version, child.run_id)
            await self._adopt_children(child.run_id, lease, changed_team=changed_team)

    async def get(self, run_id: str) -> RunRow:
        """A run as it stands; one whose owner is gone is shown as interrupted.

        Raises:
            UnknownRun: there is no such run of this user.
        """
        return await self._as_it_stands(await self._store.get(run_id, self._user))

    async def newest(
        self, *, limit: int, team: str | None = None, states: frozenset[RunState] | None = None
    ) -> list[RunRow]:
        """The runs, newest first."""
        rows = await self._store.newest(user=self._user, states=states, team=team, limit=limit)
        return [await self._as_it_stands(row) for row in rows]

    async def _as_it_stands(self, row: RunRow) -> RunRow:
        if row.state not in _OWNED or row.run_id in self._owners:
            return row
        if row.parent_run_id:
            # It is worked on by whoever works on its parent.
            parent = await self.get(row.parent_run_id)
            if parent.final:
                return replace(row, state=RunState.INTERRUPTED)
            stands = parent.state in {RunState.PAUSED, RunState.INTERRUPTED}
            return replace(row, state=parent.state) if stands else row
        if row.state is RunState.QUEUED and _age(row.updated_at) < SETTLING_SECONDS:
            return row
        if await self._workshop.leases.held_by_another(row.run_id):
            return row
        return replace(row, state=RunState.INTERRUPTED)

    def speaking(self, run_id: str) -> Mapping[str, Voice]:
        """What a run's models say now, by actor, in its child runs by `run_id/actor`; empty if not ours."""
        owned = self._owners.get(run_id)
        return owned[0].speaking if owned else {}

    async def control(self, run_id: str, action: str, reason: str, *, changed_team: bool = False) -> RunRow:
        """Pause, resume or cancel a run, whichever process owns it.

        `changed_team` lets an interrupted run go on with the team as it is now.

        Raises:
            UnknownRun: there is no such run of this user.
            InvalidInput: there is no such action, or the run has ended.
            TeamChanged: an interrupted run's team is no longer what it was.
            ProviderChanged: another vendor would answer an interrupted run.
        """
        if action not in set(Verb):
            raise InvalidInput(f"There is no action {action!r}.", remedy=f"Actions: {', '.join(Verb)}.")
        row = await self.get(run_id)
        if row.final:
            raise InvalidInput(f"Run {run_id} is {row.state}; it has ended.", remedy="Start another one.")
        if row.parent_run_id:
            raise await self._part_of_another(row, "run_control", action, action)
        if await self._is_left(row):
            await self._control_interrupted(row, Verb(action), reason, changed_team=changed_team)
        else:
            await self._workshop.controls.send(run_id, Verb(action), reason)
        return await self.get(run_id)

    async def _control_interrupted(self, row: RunRow, verb: Verb, reason: str, *, changed_team: bool) -> None:
        match verb:
            case Verb.RESUME:
                await self.own(row, changed_team=changed_team)
            case Verb.CANCEL:
                await self._cancel_interrupted(row, reason)
            case Verb.PAUSE:
                raise InvalidInput(f"Run {row.run_id} is {row.state} already.", remedy="Resume or cancel it.")

    async def _is_left(self, row: RunRow) -> bool:
        """Whether nobody works on a run; one that waits for a person may do so without an owner."""
        if row.state is not RunState.WAITING or row.run_id in self._owners:
            return row.state is RunState.INTERRUPTED
        return not await self._workshop.leases.held_by_another(row.run_id)

    async def questions(self, run_id: str) -> list[Question]:
        """What a run asks a person now, oldest first; nothing once it has ended.

        Raises:
            UnknownRun: there is no such run of this user.
        """
        row = await self._store.get(run_id, self._user)
        return [] if row.final else await self._workshop.questions.open(run_id)

    async def answer(self, run_id: str, answer: Mapping[str, Any], question_id: str | None) -> RunRow:
        """Answer what a run asks, and work on it here if nobody does; one that is paused stays paused.

        Raises:
            UnknownRun: there is no such run of this user.
            InvalidInput: the run asks nothing, the answer does not fit, or another answer came first.
            TeamChanged: the answer is kept, and the run's team is no longer what it was.
            ProviderChanged: the answer is kept, and another vendor would answer the run's prompts.
        """
        row = await self.get(run_id)
        if row.final:
            raise InvalidInput(
                f"Run {run_id} is {row.state} and asks nothing any more.", remedy="Start another one."
            )
        if row.parent_run_id:
            raise await self._part_of_another(row, "run_answer", "answer")
        await self._workshop.questions.answer(run_id, answer, question_id, by=self._user)
        row = await self._store.get(run_id)
        if not row.final and row.state is not RunState.PAUSED:
            try:
                await self.own(row)
            except AtlasError as error:
                if row.state is RunState.QUEUED:
                    await self._leave_interrupted(row)
                error.message = f"The answer is kept, and the run stays where it is. {error.message}"
                raise
        return await self.get(run_id)

    async def _part_of_another(self, row: RunRow, tool: str, command: str, action: str = "") -> InvalidInput:
        """What is said to whoever would steer or answer a child run, with what to call instead."""
        whole = row
        while whole.parent_run_id:
            whole = await self._store.get(whole.parent_run_id)
        wish = f', action="{action}"' if action else ""
        how = f'{tool}(run_id="{whole.run_id}"{wish})'
        return InvalidInput(
            f"Run {row.run_id} is part of run {whole.run_id} of the team {whole.team}, and goes with it.",
            remedy=f"Say it to that one: atlas-mcp runs {command} {whole.run_id}, or {how}.",
        )

    def owned(self) -> tuple[str, ...]:
        """The runs that this process works on."""
        return tuple(self._owners)

    def works_on(self, run_id: str) -> bool:
        """Whether this process works on a run."""
        return run_id in self._owners

    async def _cancel_interrupted(self, row: RunRow, reason: str) -> None:
        lease = await self._workshop.leases.take(row.run_id)
        if lease is None:
            # Somebody took it up meanwhile, and hears of it.
            await self._workshop.controls.send(row.run_id, Verb.CANCEL, reason)
            return
        error = {"code": "cancelled", "message": reason}
        usage = await self._workshop.database.read(lambda connection: spent_until_now(connection, row.run_id))
        data = {"state": RunState.CANCELLED.value, "partial": False, "usage": usage, "error": error}
        ended = await self._store.finish(
            lease, RunState.CANCELLED, partial=False, output=None, error=error, usage=usage, data=data
        )
        self._workshop.journal.wake(row.run_id)
        await self._workshop.leases.release(lease)
        await self._workshop.forget(RunState.CANCELLED, row.run_id, *ended)

    async def resume_interrupted(self, within: float) -> list[str]:
        """Take up every run whose owner went less than `within` seconds ago; gives their ids.

        Older ones stay interrupted until somebody resumes them.
        """
        states = frozenset({RunState.QUEUED, RunState.RUNNING, RunState.INTERRUPTED})
        taken: list[str] = []
        for row in await self._store.newest(user=self._user, states=states, limit=1000):
            if await self._workshop.leases.held_by_another(row.run_id):
                continue
            if _age(await self._workshop.journal.last_at(row.run_id) or row.updated_at) > within:
                await self._leave_interrupted(row)
                continue
            try:
                if await self.own(row):
                    taken.append(row.run_id)
            except AtlasError as error:
                log.warning("run %s cannot go on: %s", row.run_id, error)
        return taken

    async def _leave_interrupted(self, row: RunRow) -> None:
        if row.state is not RunState.INTERRUPTED and (lease := await self._workshop.leases.take(row.run_id)):
            await self._store.move(lease, RunState.INTERRUPTED)
            await self._workshop.leases.release(lease)

    async def prune(self, keep_days: float, said_days: float | None = None) -> int:
        """Forget runs that ended more than so many days ago; gives how many.

        What was said to one goes after `said_days`; None leaves it to whoever tells of runs.
        """
        if said_days is not None:
            await self._store.unsay_before(_days_ago(said_days))
        return len(await self._store.prune(_days_ago(keep_days)))

    async def close(self) -> None:
        """Interrupt the runs of this process, so that another can go on with them."""
        tasks = [task for _, task in self._owners.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")


def _age(at: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
