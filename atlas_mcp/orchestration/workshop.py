"""What every owner of a run in this process works with, opened when the first run needs it."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from atlas_mcp.errors import AtlasError
from atlas_mcp.observe.alarm import Alarm
from atlas_mcp.orchestration.asking import Questions
from atlas_mcp.orchestration.control import Controls
from atlas_mcp.orchestration.desk import Desk
from atlas_mcp.orchestration.places import Places
from atlas_mcp.orchestration.remembering import recall_tool
from atlas_mcp.orchestration.standing import standing_items
from atlas_mcp.orchestration.store import RunState, RunStore
from atlas_mcp.settings import AlertSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from atlas_mcp.database import Database
    from atlas_mcp.downstream.servers import Servers
    from atlas_mcp.events import Event
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.observe.journal import Journal
    from atlas_mcp.orchestration.context import Homes, RunContext
    from atlas_mcp.orchestration.graph import Checkpoints
    from atlas_mcp.orchestration.lease import Leases
    from atlas_mcp.orchestration.outside import Outside
    from atlas_mcp.orchestration.store import RunRow
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.providers.budget import Budget as Spending
    from atlas_mcp.providers.group import ProviderGroup
    from atlas_mcp.settings import MemorySettings, ServerSettings

__all__ = ["Workshop"]

log = logging.getLogger(__name__)


class Workshop:
    """What every owner of this process works with; heavy parts are opened when the first run needs them.

    `answers` is who answers prompts here, as `vendor:model`; `homes` is where agents live that remember,
    `memories` what runs may recall and learn; `servers` are the downstream ones, `rules` what they may do;
    `keep_said`: what was said to a run stays after its end; `alarm` warns of the thresholds `alerts`.
    """

    def __init__(
        self, database: Database, journal: Journal, leases: Leases, *, at_once: int, answers: str,
        memory: Callable[[], Awaitable[Memory]], checkpoints: Callable[[], Awaitable[Checkpoints]],
        provider: Callable[[], Awaitable[ProviderGroup]], homes: Homes, memories: MemorySettings,
        servers: Callable[[], Awaitable[Servers]] | None = None, rules: ServerSettings | None = None,
        day: Spending | None = None, keep_said: bool = False, alerts: AlertSettings | None = None,
        alarm: Alarm | None = None,
    ) -> None:  # fmt: skip
        self.database = database
        self.journal = journal
        self.leases = leases
        self.store = RunStore(database, keep_said=keep_said)
        self.controls = Controls(database)
        self.questions = Questions(database, journal)
        self.places = Places(at_once)
        self.answers = answers
        self.memory = memory
        self.checkpoints = checkpoints
        self.provider = provider
        self.homes = replace(homes, standing=partial(standing_items, memory, memories))
        self.memories = memories
        self.day = day
        self.alerts = alerts or AlertSettings()
        self.alarm = alarm or Alarm()
        self._servers = servers
        self._rules = rules

    def outside(self, context: RunContext, memory: Memory) -> Outside | None:
        """What downstream servers give a run's workers; None where there are none."""
        if self._servers is None or self._rules is None:
            return None
        from atlas_mcp.orchestration.outside import Outside

        return Outside(self._servers, self._rules, memory, context)

    async def forget(self, state: RunState, *run_ids: str) -> None:
        """Let go of what only runs that go on need: checkpoints, and names of files promised to them."""
        checkpoints = await self.checkpoints()
        for each in run_ids:
            await checkpoints.forget(each)
        # One that is done has ended its promise itself.
        if self._servers is not None and state is not RunState.DONE:
            try:
                await (await self._servers()).store.end_promises(run_ids)
            except (AtlasError, sqlite3.Error, OSError) as error:
                # The run has ended all the same, and its file will have another name if it is made again.
                log.warning("names of files promised to %s stay taken: %s", run_ids[0], error)

    async def inside(self, run_id: str) -> list[Event]:
        """The events of the runs that work for a run, and of those that work for them."""
        events: list[Event] = []
        for child in await self.store.children(run_id):
            events += await self.journal.read(child.run_id)
            events += await self.inside(child.run_id)
        return events

    async def desk(self, row: RunRow, team: Team) -> Desk:
        """What a run may read, and by what its workers look into memory."""
        memory = await self.memory()
        return Desk(
            memory, row.user, row.options.get("documents", []), handbook=team.handbook,
            remembered=recall_tool(memory, row, team, self.memories),
        )  # fmt: skip
