"""The composition root: settings become a wired `Atlas`; the only file that knows everyone.

`Atlas` is the whole public surface: the MCP server, the command line and programs stand on exactly this.
What is heavy (LangGraph, embeddings, a vendor's SDK) is opened when the first run needs it.
"""

from __future__ import annotations

import asyncio
import getpass
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.database import open_database
from atlas_mcp.errors import AtlasError, InvalidInput
from atlas_mcp.observe.journal import Journal
from atlas_mcp.orchestration.control import Verb
from atlas_mcp.orchestration.envelope import envelope
from atlas_mcp.orchestration.lease import Leases
from atlas_mcp.orchestration.run import Owner, Workshop
from atlas_mcp.orchestration.store import ALIVE, FINAL, MIGRATIONS, RunRow, RunState
from atlas_mcp.orchestration.team import Budget, Team, load_teams, pick_team
from atlas_mcp.roots import readable
from atlas_mcp.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from atlas_mcp.database import Database
    from atlas_mcp.events import Event
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.orchestration.context import Voice
    from atlas_mcp.orchestration.graph import Checkpoints
    from atlas_mcp.providers.provider import Provider

__all__ = ["Atlas", "Priority", "Run", "open_atlas"]

Priority = Literal["low", "normal", "high"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """A started run: its id, and whether the call began it or attached to one that asks the same."""

    id: str
    new: bool
    atlas: Atlas

    def __aiter__(self) -> AsyncGenerator[Event]:
        """The run's events, past ones first, until it has ended."""
        return self.atlas.watch(self.id)

    async def envelope(self, wait_seconds: float = 0.0) -> dict[str, Any]:
        """Where the run stands, after waiting for its end at most so long."""
        return await self.atlas.result(self.id, wait_seconds=wait_seconds)


class Atlas:
    """Teams and their runs over one data folder; made by `open_atlas`."""

    def __init__(
        self, settings: Settings, teams: Mapping[str, Team], database: Database, leases: Leases,
        stack: AsyncExitStack, *, user: str, roots: Sequence[Path], provider: Provider | None,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.teams = teams
        self.user = user
        self.roots = tuple(roots)
        self.journal = Journal(database)
        self._stack = stack
        self._opening = asyncio.Lock()
        self._opened: dict[str, Any] = {"provider": provider} if provider else {}
        self._owners: dict[str, tuple[Owner, asyncio.Task[None]]] = {}
        self._workshop = Workshop(
            database, self.journal, leases, at_once=settings.runs.at_once,
            memory=self.memory, checkpoints=self._checkpoints, provider=self.provider,
        )  # fmt: skip
        self._store = self._workshop.store

    async def start(
        self, team: str, *, documents: Sequence[str] = (), budget: Mapping[str, Any] | None = None,
        priority: Priority = "normal", fresh: bool = False, **given: Any,
    ) -> Run:  # fmt: skip
        """Start a run that goes on without the caller, or attach to the one alive that asks the same.

        `documents` are paths of files or folders, or texts; `budget` overrides the team's; `given` is the
        team's input.

        Raises:
            UnknownTeam: there is no such team.
            InvalidInput: the input, a document or the budget is not as it must be.
            OutsideRoots: a path may not be read.
        """
        chosen = pick_team(self.teams, team)
        checked = chosen.check_input(given)
        options: dict[str, Any] = {"priority": priority}
        if documents:
            options["documents"] = readable(documents, self.roots)
        if budget:
            options["budget"] = _checked_budget(budget)
        row, new = await self._store.begin(self.user, team, chosen.version, checked, options, fresh=fresh)
        if new:
            await self._own(row)
        return Run(row.run_id, new, self)

    @asynccontextmanager
    async def run(self, team: str, **wishes: Any) -> AsyncGenerator[Run]:
        """Start a run and watch it; leaving before its end cancels it. Takes what `start` takes."""
        run = await self.start(team, **wishes)
        try:
            yield run
        finally:
            if not (await self._store.get(run.id)).final:
                await self.control(run.id, "cancel", reason="its watcher left")

    async def watch(self, run_id: str, *, after: int = 0) -> AsyncGenerator[Event]:
        """The events of a run with a `seq` above `after`, as they are written, by whichever process.

        Raises:
            UnknownRun: there is no such run of this user.
        """
        await self._store.get(run_id, self.user)
        async for event in self.journal.follow(run_id, after=after):
            yield event

    async def events(self, run_id: str, *, after: int = 0) -> list[Event]:
        """The events written so far.

        Raises:
            UnknownRun: there is no such run of this user.
        """
        await self._store.get(run_id, self.user)
        return await self.journal.read(run_id, after=after)

    async def get(self, run_id: str) -> RunRow:
        """A run as it is stored; one whose owner died is shown as interrupted.

        Raises:
            UnknownRun: there is no such run of this user.
        """
        return await self._truly(await self._store.get(run_id, self.user))

    async def list(
        self, *, limit: int = 20, team: str | None = None, states: frozenset[RunState] | None = None
    ) -> list[RunRow]:
        """This user's runs, newest first."""
        rows = await self._store.newest(user=self.user, states=states, team=team, limit=limit)
        return [await self._truly(row) for row in rows]

    async def _truly(self, row: RunRow) -> RunRow:
        abandoned = row.state in ALIVE and row.run_id not in self._owners and row.state is not RunState.QUEUED
        if abandoned and not await self._workshop.leases.held_by_another(row.run_id):
            return replace(row, state=RunState.INTERRUPTED)
        return row

    async def result(self, run_id: str, *, wait_seconds: float = 0.0) -> dict[str, Any]:
        """The envelope of a run, after waiting for its end at most `wait_seconds`.

        Raises:
            UnknownRun: there is no such run of this user.
        """
        row = await self.get(run_id)
        if not row.final and wait_seconds > 0 and row.state is not RunState.INTERRUPTED:
            try:
                async with asyncio.timeout(wait_seconds):
                    async for _ in self.journal.follow(run_id):
                        pass
            except TimeoutError:
                pass
            row = await self.get(run_id)
        return envelope(row)

    def speaking(self, run_id: str) -> Mapping[str, Voice]:
        """What the models of a run are saying now, by actor; empty where another process owns the run."""
        owned = self._owners.get(run_id)
        return owned[0].speaking if owned else {}

    async def control(self, run_id: str, action: str, *, reason: str = "") -> RunRow:
        """Pause, resume or cancel a run, whichever process owns it.

        Raises:
            UnknownRun: there is no such run of this user.
            InvalidInput: there is no such action, or the run has ended.
            TeamChanged: an interrupted run's team is no longer what it was.
        """
        if action not in set(Verb):
            raise InvalidInput(f"There is no action {action!r}.", remedy=f"Actions: {', '.join(Verb)}.")
        row = await self.get(run_id)
        if row.state in FINAL:
            raise InvalidInput(f"Run {run_id} is {row.state}; it has ended.", remedy="Start another one.")
        if row.state is RunState.INTERRUPTED:
            await self._control_interrupted(row, Verb(action), reason)
        else:
            await self._workshop.controls.send(run_id, Verb(action), reason)
        return await self.get(run_id)

    async def _control_interrupted(self, row: RunRow, verb: Verb, reason: str) -> None:
        match verb:
            case Verb.RESUME:
                await self._own(row)
            case Verb.CANCEL:
                error = {"code": "cancelled", "message": reason}
                data = {"state": "cancelled", "partial": False, "error": error}
                await self._store.finish(
                    row.run_id,
                    RunState.CANCELLED,
                    partial=False,
                    output=None,
                    error=error,
                    usage=row.usage,
                    data=data,
                )
                self.journal.wake(row.run_id)
            case Verb.PAUSE:
                raise InvalidInput(f"Run {row.run_id} is interrupted already.", remedy="Resume or cancel it.")

    async def resume_interrupted(self) -> list[str]:
        """Take up every run whose owner went less than `[runs] resume_within` ago; gives their ids."""
        states = frozenset({RunState.QUEUED, RunState.RUNNING, RunState.INTERRUPTED})
        taken: list[str] = []
        for row in await self._store.newest(user=self.user, states=states, limit=1000):
            if await self._workshop.leases.held_by_another(row.run_id) or row.run_id in self._owners:
                continue
            if _age(await self._last_sign(row)) > self.settings.runs.resume_within:
                await self._store.move(row.run_id, RunState.INTERRUPTED)
                continue
            try:
                if await self._own(row):
                    taken.append(row.run_id)
            except AtlasError as error:
                log.warning("run %s cannot go on: %s", row.run_id, error)
        return taken

    async def _last_sign(self, row: RunRow) -> str:
        events = await self.journal.read(row.run_id)
        return events[-1].at if events else row.updated_at

    async def _own(self, row: RunRow) -> bool:
        """Work on a run in this process, unless a living process holds it."""
        lease = await self._workshop.leases.take(row.run_id)
        if lease is None:
            return False
        team = pick_team(self.teams, row.team)
        try:
            owner = Owner(self._workshop, row, team, lease)
        except AtlasError:
            await self._workshop.leases.release(lease)
            raise
        await self._store.move(row.run_id, RunState.QUEUED)
        task = asyncio.create_task(owner.work(), name=f"own {row.run_id}")
        self._owners[row.run_id] = (owner, task)
        task.add_done_callback(lambda _: self._owners.pop(row.run_id, None))
        return True

    async def prune(self) -> int:
        """Forget ended runs older than `[runs] keep_days`; gives how many."""
        before = datetime.now(UTC) - timedelta(days=self.settings.runs.keep_days)
        return len(await self._store.prune(before.isoformat(timespec="milliseconds")))

    async def memory(self) -> Memory:
        """The documents and what is known of them, opened on first use."""
        async with self._opening:
            if "memory" not in self._opened:
                from atlas_mcp.memory.memory import open_memory
                from atlas_mcp.text.embedding import find_embedder

                embedder = await asyncio.to_thread(find_embedder) if self.settings.memory.embeddings else None
                opened = open_memory(self.settings.home, embedder)
                self._opened["memory"] = await self._stack.enter_async_context(opened)
            return self._opened["memory"]

    async def provider(self) -> Provider:
        """Who answers prompts, opened on first use."""
        async with self._opening:
            if "provider" not in self._opened:
                from atlas_mcp.providers.registry import default_provider_name, open_provider

                name = self.settings.models.default or default_provider_name()
                provider = await asyncio.to_thread(open_provider, name)
                self._stack.push_async_callback(provider.aclose)
                self._opened["provider"] = provider
            return self._opened["provider"]

    async def _checkpoints(self) -> Checkpoints:
        async with self._opening:
            if "checkpoints" not in self._opened:
                await asyncio.to_thread(_import_langgraph)
                from atlas_mcp.orchestration.graph import open_checkpoints

                opened = open_checkpoints(self.settings.home / "runs.db")
                self._opened["checkpoints"] = await self._stack.enter_async_context(opened)
            return self._opened["checkpoints"]

    async def warm(self) -> None:
        """Load what the first run will need, away from the event loop."""
        await self._checkpoints()
        await self.memory()
        await self.provider()

    async def close(self) -> None:
        """Interrupt the runs of this process, so that another can go on with them."""
        tasks = [task for _, task in self._owners.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _import_langgraph() -> None:
    """A second of imports, which belongs off the event loop."""
    import_module("atlas_mcp.orchestration.graph")


def _checked_budget(budget: Mapping[str, Any]) -> dict[str, Any]:
    from pydantic import ValidationError

    try:
        return Budget.model_validate(dict(budget)).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidInput(
            f"budget.{'.'.join(map(str, first['loc']))}: {first['msg']}.",
            remedy=f"A budget has {', '.join(Budget.model_fields)}.",
        ) from None


def _age(at: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()


@asynccontextmanager
async def open_atlas(
    settings: Settings | None = None,
    *,
    roots: Sequence[Path] | None = None,
    provider: Provider | None = None,
    resume: bool = False,
) -> AsyncGenerator[Atlas]:
    """Open the data folder and its teams; on exit runs of this process are interrupted and can go on later.

    `roots` are the folders that runs may read (default: `[roots] read`); `provider` answers prompts (default:
    the one that is configured) and stays the caller's to close; `resume` takes up runs that were interrupted
    lately.

    Raises:
        InvalidConfiguration: settings or a team's folder are wrong.
        IncompatibleStore: the data folder was written by a newer version.
    """
    settings = settings or Settings.load()
    teams = load_teams(Catalogue((settings.config,)))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.home / "runs.db", MIGRATIONS))
        leases = Leases(database, settings.home / "owners")
        stack.enter_context(leases.living())
        atlas = Atlas(
            settings, teams, database, leases, stack, user=getpass.getuser(),
            roots=settings.roots.read if roots is None else roots, provider=provider,
        )  # fmt: skip
        try:
            if resume:
                await atlas.prune()
                await atlas.resume_interrupted()
            yield atlas
        finally:
            await atlas.close()
