"""The composition root: settings become a wired `Atlas`; the only file that knows everyone.

`Atlas` is the whole public surface: the MCP server, the command line and programs stand on exactly this.
What is heavy (LangGraph, embeddings, a vendor's SDK) is opened when the first run needs it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from ulid import ULID

from atlas_mcp.agents.housing import letta_server, open_agents
from atlas_mcp.database import open_database
from atlas_mcp.events import Kind
from atlas_mcp.memory.person import PersonMemory
from atlas_mcp.observe.health import Health
from atlas_mcp.observe.journal import Journal
from atlas_mcp.observe.tracking.observing import Observing, observing
from atlas_mcp.orchestration.context import Homes
from atlas_mcp.orchestration.envelope import envelope
from atlas_mcp.orchestration.lease import Leases
from atlas_mcp.orchestration.naming import named_documents
from atlas_mcp.orchestration.records import RunRecords
from atlas_mcp.orchestration.runs import Runs
from atlas_mcp.orchestration.started import Run
from atlas_mcp.orchestration.store import MIGRATIONS, RunRow, RunState, RunStore
from atlas_mcp.orchestration.team import Team, load_teams, pick_team
from atlas_mcp.orchestration.team_file import checked_budget
from atlas_mcp.orchestration.workshop import Workshop
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.keeping.accounts import Accounts, current_user
from atlas_mcp.providers.registry import Registry, default_provider_name
from atlas_mcp.settings import Settings
from atlas_mcp.trust import catalogue_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from atlas_mcp.agents.runtime import AgentRuntime
    from atlas_mcp.database import Database
    from atlas_mcp.downstream.servers import Servers
    from atlas_mcp.events import Event
    from atlas_mcp.memory.documents.knowledge import Ingested, OnProgress
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.orchestration.asking import Question
    from atlas_mcp.orchestration.graph import Checkpoints
    from atlas_mcp.orchestration.voice import Voice
    from atlas_mcp.providers.lending.endpoint import ModelEndpoint
    from atlas_mcp.providers.provider import Provider

__all__ = ["Atlas", "Priority", "Run", "open_atlas"]

Priority = Literal["low", "normal", "high"]

CANCEL_SECONDS = 5.0
"""How long leaving a watched run waits for its cancellation."""


class Atlas:
    """Teams and their runs over one data folder; made by `open_atlas`."""

    def __init__(
        self, settings: Settings, teams: Mapping[str, Team], database: Database, leases: Leases,
        stack: AsyncExitStack, *, accounts: Accounts, user: str, roots: Sequence[Path],
        provider: Provider | None, observing: Observing,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.teams = teams
        self.user = user
        self.roots = tuple(roots)
        # There is no run yet that could pay for the pages that it is given.
        self._named = partial(
            named_documents, roots=self.roots, servers=self.servers, budget=accounts.day.budget
        )
        self.journal = Journal(database)
        self._stack = stack
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.providers = Registry(
            settings.group, settings.provider, models=accounts.models, circumstances=accounts.circumstances,
            aiohttp=settings.models.transport == "aiohttp",
        )  # fmt: skip
        self.accounts = accounts
        self._given = provider
        self._opened: dict[str, Any] = {}
        self._answers = provider.info.name if provider else settings.models.default or default_provider_name()
        workshop = Workshop(
            database, self.journal, leases, at_once=settings.runs.at_once, answers=self._answers,
            memory=self.memory, checkpoints=self.checkpoints, provider=self.provider,
            homes=Homes(self.agents, self.provider, everybody=letta_server(settings) is not None),
            memories=settings.memory, day=accounts.day.budget, servers=self.servers, rules=settings.servers,
            keep_said=observing.keeps_said, alerts=settings.alerts, alarm=observing.alarm,
        )  # fmt: skip
        about = {"session": f"s_{ULID()}", "project": settings.memory.project}
        self._runs = Runs(workshop, teams, user, about=about, on_work=self.attend)
        self.observing = observing
        self.health = Health(
            settings.home, self.journal, runs=self._runs.owned, places=settings.runs.at_once,
            telling=observing.telling, left=accounts.reliability.least_left,
        )  # fmt: skip
        self.memories = PersonMemory(self.memory, user, settings.memory.project)

    async def start(
        self, team: str, *, documents: Sequence[str] = (), budget: Mapping[str, Any] | None = None,
        priority: Priority = "normal", fresh: bool = False, memory: bool = True, **given: Any,
    ) -> Run:  # fmt: skip
        """Start a run that goes on without the caller, or attach to the one alive that asks the same.

        `documents` are paths of files or folders, addresses of pages, or texts; `budget` overrides the
        team's; without `memory` nothing is recalled and nothing kept of it; `given` is the team's input.

        Raises:
            UnknownTeam: there is no such team.
            InvalidInput: the input, a document or the budget is not as it must be.
            OutsideRoots: a path may not be read.
            InvalidConfiguration: who should answer cannot be used as it is configured.
        """
        chosen = pick_team(self.teams, team)
        checked = chosen.check_input(given)
        who = {"provider": self._answers, "recipients": list((await self.provider()).info.recipients)}
        options: dict[str, Any] = {"priority": priority, **who}
        if documents:
            options["documents"] = await self._named(documents)
        if budget:
            options["budget"] = checked_budget(budget)
        if not memory:
            options["memory"] = False
        # Whole or not at all: a run that is written and owned by nobody would wait for the next start.
        row, new = await asyncio.shield(self._runs.begin(chosen, checked, options, fresh=fresh))
        return Run(row.run_id, new, self)

    @asynccontextmanager
    async def run(self, team: str, **wishes: Any) -> AsyncGenerator[Run]:
        """Start a run and watch it; leaving before its end cancels it. Takes what `start` takes."""
        run = await self.start(team, **wishes)
        try:
            yield run
        finally:
            if not (await self.get(run.id)).final:
                await self.control(run.id, "cancel", reason="its watcher left")
                await self.result(run.id, wait_seconds=CANCEL_SECONDS, to_the_end=True)

    async def watch(self, run_id: str, *, after: int = 0) -> AsyncGenerator[Event]:
        """The events of a run with a `seq` above `after`, as they are written, by whichever process.

        They end with the run, or when it is interrupted and nobody works on it.

        Raises:
            UnknownRun: there is no such run of this user.
        """

        async def abandoned() -> bool:
            return (await self.get(run_id)).state is RunState.INTERRUPTED

        await self.get(run_id)
        async for event in self.journal.follow(run_id, after=after, abandoned=abandoned):
            yield event

    async def events(self, run_id: str, *, after: int = 0) -> list[Event]:
        """The events written so far; UnknownRun if this user has no such run."""
        await self.get(run_id)
        return await self.journal.read(run_id, after=after)

    async def get(self, run_id: str) -> RunRow:
        """A run as it is stored, shown as interrupted where its owner died; UnknownRun if there is none."""
        return await self._runs.get(run_id)

    async def list(
        self, *, limit: int = 20, team: str | None = None, states: frozenset[RunState] | None = None
    ) -> list[RunRow]:
        """This user's runs, newest first."""
        return await self._runs.newest(limit=limit, team=team, states=states)

    async def result(
        self, run_id: str, *, wait_seconds: float = 0.0, to_the_end: bool = False
    ) -> dict[str, Any]:
        """The envelope of a run, after waiting at most `wait_seconds` for its end or a question of it.

        `to_the_end` waits on though a person is asked.

        Raises:
            UnknownRun: there is no such run of this user.
        """
        row = await self.get(run_id)
        if not row.final and wait_seconds > 0 and row.state is not RunState.INTERRUPTED:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._ended(run_id, or_asking=not to_the_end)
            row = await self.get(run_id)
        return envelope(row, await self.questions(run_id))

    async def _ended(self, run_id: str, *, or_asking: bool) -> None:
        if or_asking and await self.questions(run_id):
            return
        async with aclosing(self.watch(run_id)) as events:
            async for event in events:
                if or_asking and event.kind is Kind.QUESTION_ASKED and await self.questions(run_id):
                    return

    async def questions(self, run_id: str) -> Sequence[Question]:
        """What a run asks a person now, oldest first; UnknownRun if this user has no such run."""
        return await self._runs.questions(run_id)

    async def answer(
        self, run_id: str, answer: Mapping[str, Any], *, question_id: str | None = None
    ) -> RunRow:
        """Answer what a run asks; whoever owns it goes on with it, and if nobody does, we do.

        Without `question_id` the only open question is meant.

        Raises:
            UnknownRun: there is no such run of this user.
            InvalidInput: the run asks nothing, the answer does not fit, or another answer came first.
            TeamChanged, ProviderChanged: the answer is kept; the run goes on once somebody resumes it so.
        """
        return await asyncio.shield(self._runs.answer(run_id, answer, question_id))

    def works_on(self, run_id: str) -> bool:
        """Whether this process works on a run."""
        return self._runs.works_on(run_id)

    def speaking(self, run_id: str) -> Mapping[str, Voice]:
        """What a run's models say now, by actor, in its child runs by `run_id/actor`; empty if not ours."""
        return self._runs.speaking(run_id)

    async def control(
        self, run_id: str, action: str, *, reason: str = "", changed_team: bool = False
    ) -> RunRow:
        """Pause, resume or cancel a run, whichever process owns it.

        `changed_team` lets an interrupted run go on with its team as it is now.

        Raises:
            UnknownRun: there is no such run of this user.
            InvalidInput: there is no such action, or the run has ended.
            TeamChanged: an interrupted run's team is no longer what it was, and nobody said to go on.
            ProviderChanged: another vendor would answer an interrupted run.
        """
        return await self._runs.control(run_id, action, reason, changed_team=changed_team)

    async def resume_interrupted(self) -> list[str]:
        """Take up every run whose owner went less than `[runs] resume_within` ago; gives their ids."""
        return await self._runs.resume_interrupted(self.settings.runs.resume_within)

    async def prune(self) -> int:
        """Forget ended runs older than `[runs] keep_days`, and what was said to them; gives how many runs."""
        return await self._runs.prune(self.settings.runs.keep_days, self.observing.said_days)

    async def ingest(self, documents: Sequence[str], *, on_progress: OnProgress | None = None) -> Ingested:
        """Take documents in for good: runs of this user that name none answer from them.

        Raises:
            InvalidInput: a document is not as it must be.
            OutsideRoots: a path may not be read.
            IncompatibleStore: the stored vectors were made by another embedding model.
        """
        from atlas_mcp.memory.documents.knowledge import as_source

        named = [as_source(each) for each in await self._named(documents)]
        return await (await self.memory()).ingest(named, scope=f"user:{self.user}", on_progress=on_progress)

    async def memory(self) -> Memory:
        """The documents and what is known of them, opened on first use."""
        return await self._once("memory", self._open_memory)

    async def provider(self, name: str = "") -> ProviderGroup:
        """Who answers prompts, or who is called so (`vendor:model`, `group:NAME`); opened on first use.

        Raises:
            InvalidConfiguration: nobody is called so, or cannot be used as it is configured.
        """
        name = name or self._answers
        return await self._once(f"provider {name}", partial(self._open_provider, name))

    async def agents(self) -> AgentRuntime:
        """Where agents live that remember, opened on first use.

        Raises:
            RuntimeUnavailable: they live on a server that is down.
        """
        return await self._once("agents", self._open_agents)

    async def overview(self, *, ping: bool = False) -> dict[str, Any]:
        """Who can answer prompts, how able, priced and reliable; with `ping` also whether they answer."""
        from atlas_mcp.providers.overview import overview

        return await overview(self.providers, self.accounts, self._answers, self.provider, ping=ping)

    async def endpoint(self, port: int = 0) -> ModelEndpoint:
        """The address for programs that make model calls of their own, opened on first use.

        Raises:
            InvalidConfiguration: the port is in use.
        """
        return await self._once("endpoint", partial(self._open_endpoint, port))

    async def servers(self) -> Servers:
        """The downstream servers whose tools teams may use; none is started before it is needed."""
        return await self._once("servers", self._open_servers)

    async def checkpoints(self) -> Checkpoints:
        """How far the runs came, opened on first use."""
        return await self._once("checkpoints", self._open_checkpoints)

    def attend(self) -> None:
        """Tell from now on of what happens, and of how this process fares."""
        self.observing.begin()
        self.health.begin()

    async def warm(self) -> None:
        """Load what the first run will need, away from the event loop."""
        await asyncio.gather(self.checkpoints(), self.memory(), self.provider())

    async def _once(self, name: str, opener: Callable[[], Awaitable[Any]]) -> Any:
        async with self._opening[name]:
            if name not in self._opened:
                self._opened[name] = await opener()
            return self._opened[name]

    async def _open_memory(self) -> Memory:
        from atlas_mcp.memory.memory import open_memory
        from atlas_mcp.providers.embedding import configured_embedder

        settings = self.settings
        embedder = await configured_embedder(settings, self.providers)
        return await self._stack.enter_async_context(open_memory(settings.home, embedder, settings.memory))

    async def _open_provider(self, name: str) -> ProviderGroup:
        if self._given is not None and name == self._answers:
            circumstances = self.accounts.circumstances
            return await self.accounts.opened(ProviderGroup.alone(self._given, circumstances=circumstances))
        return await self.accounts.opened(await asyncio.to_thread(self.providers.open, name))

    async def _open_agents(self) -> AgentRuntime:
        return await self._stack.enter_async_context(open_agents(self.settings, self.endpoint))

    async def _open_servers(self) -> Servers:
        from atlas_mcp.downstream.launch import Places
        from atlas_mcp.downstream.servers import open_servers

        settings = self.settings
        output = settings.servers.output or settings.home / "files"
        places = Places(self.roots, output, settings.home / "servers")
        return await self._stack.enter_async_context(
            open_servers(settings.home, catalogue_of(settings), places)
        )

    async def _open_endpoint(self, port: int) -> ModelEndpoint:
        endpoint = await asyncio.to_thread(import_module, "atlas_mcp.providers.lending.endpoint")
        return await self._stack.enter_async_context(endpoint.open_endpoint(port))

    async def _open_checkpoints(self) -> Checkpoints:
        # A second of imports, which belongs off the event loop.
        graph = await asyncio.to_thread(import_module, "atlas_mcp.orchestration.graph")
        return await self._stack.enter_async_context(graph.open_checkpoints(self.settings.home / "runs.db"))


@asynccontextmanager
async def open_atlas(
    settings: Settings | None = None, *, roots: Sequence[Path] | None = None,
    provider: Provider | None = None, resume: bool = False,
) -> AsyncGenerator[Atlas]:  # fmt: skip
    """Open the data folder and its teams; on exit runs of this process are interrupted and can go on later.

    `roots` are the folders that runs may read (default: `[roots] read`); `provider` answers prompts (default:
    the one that is configured) and stays the caller's to close; `resume` takes up runs that were interrupted
    lately.

    Raises:
        InvalidConfiguration: settings or a team's folder are wrong.
        IncompatibleStore: the data folder was written by a newer version.
    """
    settings = settings or Settings.load()
    teams = load_teams(catalogue_of(settings))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.home / "runs.db", MIGRATIONS))
        leases = Leases(database, settings.home / "owners")
        stack.enter_context(leases.living())
        user = current_user()
        accounts = await stack.enter_async_context(Accounts(settings, database, user).kept())
        telling = await stack.enter_async_context(observing(settings, RunRecords(), RunStore(database).unsay))
        atlas = Atlas(
            settings, teams, database, leases, stack, accounts=accounts, user=user,
            roots=settings.roots.read if roots is None else roots, provider=provider, observing=telling,
        )  # fmt: skip
        stack.push_async_callback(atlas.providers.aclose)
        stack.push_async_callback(atlas.health.close)
        try:
            if resume:
                await atlas.prune()
                await atlas.resume_interrupted()
            yield atlas
        finally:
            await atlas._runs.close()
