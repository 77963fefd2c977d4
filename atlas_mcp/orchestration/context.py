"""What the steps of one run share: its journal, ledger, limits, gate and whoever speaks now."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from atlas_mcp.agents.agent import Answered, Happened, Speaking
from atlas_mcp.agents.model_agent import ModelAgent
from atlas_mcp.chunks import Retracted, TextDelta, Usage
from atlas_mcp.downstream.toolbox import Toolbox
from atlas_mcp.errors import RunError
from atlas_mcp.events import Kind
from atlas_mcp.messages import TaskType
from atlas_mcp.orchestration.doorkeeping import Doorkeeper
from atlas_mcp.orchestration.ledger import LedgeredProvider, LedgeredToolbox
from atlas_mcp.orchestration.past import unledgered, unledgered_by_path, unpaid
from atlas_mcp.orchestration.voice import Voice
from atlas_mcp.providers.terms import Attempts, Terms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable, Sequence

    from atlas_mcp.agents.agent import Agent, Task
    from atlas_mcp.agents.card import Card
    from atlas_mcp.agents.runtime import AgentRuntime
    from atlas_mcp.agents.standing import StandingItem
    from atlas_mcp.chunks import Reply
    from atlas_mcp.downstream.toolbox import Tool, Tools
    from atlas_mcp.events import Event
    from atlas_mcp.observe.journal import Journal
    from atlas_mcp.orchestration.asking import Part, Person, Question
    from atlas_mcp.orchestration.ledger import Ledger
    from atlas_mcp.orchestration.limits import Limits
    from atlas_mcp.orchestration.outside import Outside
    from atlas_mcp.orchestration.store import RunRow
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.providers.budget import Budget, Hold
    from atlas_mcp.providers.group import ProviderGroup
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.stream import StreamControl
    from atlas_mcp.settings import MemorySettings

__all__ = ["ALIKE", "Homes", "RunContext"]


@dataclass(frozen=True, slots=True)
class Homes:
    """Where agents live that remember (`everybody` may), and who answers by another name than the run's.

    `standing` is what those of a run's team are reminded of.
    """

    agents: Callable[[], Awaitable[AgentRuntime]]
    provider: Callable[[str], Awaitable[ProviderGroup]]
    everybody: bool = False
    standing: Callable[[RunRow, Team], Awaitable[Sequence[StandingItem]]] | None = None


ONCE = "once"
"""The kind under which the ledger keeps texts that were made once."""

ALIKE = 3
"""So many workers that fail alike stop the fan-out."""


class RunContext:
    """One run as its steps see it."""

    def __init__(
        self, row: RunRow, team: Team, *, provider: ProviderGroup, tools: Sequence[Tool], journal: Journal,
        ledger: Ledger, limits: Limits, guard: Callable[[sqlite3.Connection], None],
    ) -> None:  # fmt: skip
        self.row = row
        self.team = team
        self.provider = provider
        self.limits = limits
        self.speaking: dict[str, Voice] = {}
        self._voices = ""
        self.made_with: dict[str, str] = {}
        self.failures: Counter[str] = Counter()
        self._tools = tools
        self._journal = journal
        self._ledger = ledger
        self._guard = guard
        self._open = asyncio.Event()
        self._open.set()
        self._streams: set[StreamControl] = set()
        self._answered_by: dict[str, str] = {}
        self._asked_for: dict[str, TaskType] = {}
        self._budgets: dict[str, Budget] = {}
        self._before: dict[str, Usage] = {}
        self.children: list[RunContext] = []
        self.homes: Homes | None = None
        self.memories: MemorySettings | None = None
        self.person: Person | Part | None = None
        self.outside: Outside | None = None
        self.approved: set[str] = set()
        """Downstream servers whose tools with effects a person let in for the whole run."""

    def follow(self, parent: RunContext) -> None:
        """Speak where the parent speaks, ask whom it asks, and begin paused if it is."""
        self.speaking, self._voices = parent.speaking, f"{self.row.run_id}/"
        self.homes = parent.homes
        self.memories = parent.memories
        self.approved = parent.approved
        if parent.person is not None:
            self.person = parent.person.under(self.row.run_id, self.team.name, self.limits)
        if not parent._open.is_set():
            self.pause()

    async def emit(self, kind: Kind, actor: str, span_id: str, /, **data: Any) -> None:
        """Write an event to the run's journal.

        Raises:
            LeaseLost: another process owns the run.
        """
        await self._journal.append(
            self.row.run_id,
            kind,
            actor=actor,
            span_id=span_id,
            parent_run_id=self.row.parent_run_id,
            data=data,
            guard=self._guard,
        )

    async def events(self) -> list[Event]:
        """What happened in the run until now."""
        return await self._journal.read(self.row.run_id)

    async def once(self, path: str, about: str, make: Callable[[], Awaitable[str]]) -> str:
        """A text that is made once in the run, and is the same when its step is walked again.

        Raises:
            LeaseLost: another process owns the run.
        """
        digest = hashlib.sha256(about.encode()).hexdigest()
        if (kept := await self._ledger.find(path, 1, digest)) is not None:
            return kept
        made = await make()
        await self._ledger.commit(path, 1, digest, ONCE, made)
        return made

    async def toolbox(self, card: Card, path: str, actor: str = "", *, hold: Hold | None = None) -> Tools:
        """The tools a card grants, their results kept under `path`; `actor` is who uses them.

        What they cost counts against the same budget as what `ask` takes under that path, or is paid out of
        the `hold` that was set aside for them.
        """
        actor = actor or card.name
        budget = self._budgets[path] = self._budget(card, actor, path)
        outside = await self.outside.tools(card, path, actor, budget, hold=hold) if self.outside else []
        gate = Doorkeeper(self, path, actor)
        box = Toolbox([*self._tools, *outside], card.tools, card.writes, gate)
        return LedgeredToolbox(box, self._ledger, path, effects=box.effects)

    async def ask(
        self, card: Card, task: Task, path: str, *, actor: str, tools: Tools, last: bool = False,
        attempts: Attempts | None = None, avoid: frozenset[str] = frozenset(),
    ) -> Answered:  # fmt: skip
        """Let an agent do a task, journal what happens, and give its answer.

        `last` is the turn that hands back what there is: it is asked even when a limit is reached. `attempts`
        is the count that it shares with earlier tries; `avoid` are who is passed over while others are free.
        """
        gate = self._open.wait if last else self._gate
        heard = partial(self._heard, path)
        budget = self._budgets.pop(path, None) or self._budget(card, actor, path)
        own = None if budget is self.limits.budget else budget
        provider = LedgeredProvider(await self._asked(card), self._ledger, path, heard, gate, budget=own)
        terms = Terms(budget=budget, closing=last, attempts=attempts, avoid=avoid)
        voice = Voice()
        try:
            agent = await self._agent(card, provider, tools, terms, path)
            async with aclosing(agent.work(task)) as steps:
                async for step in steps:
                    match step:
                        case TextDelta():
                            self.speaking[self._voices + actor] = voice
                            voice.hear(step.text)
                        case Retracted():
                            voice = Voice()
                        case Happened():
                            again = step.kind is Kind.MODEL_FINISHED and provider.replayed
                            replayed = {"replayed": True} if again else {}
                            if step.kind is Kind.MODEL_STARTED:
                                self._asked_for[path] = TaskType(step.data["task"])
                            await self.emit(step.kind, actor, path, **step.data, **replayed)
                        case Speaking():
                            self._steer(step.control)
                        case Answered():
                            return step
                        case _:
                            pass
        finally:
            self.speaking.pop(self._voices + actor, None)
        raise AssertionError("an agent's last step is its answer")

    def _budget(self, card: Card, actor: str, path: str) -> Budget:
        """What one task of an agent may take, less what it took under that path before this process."""
        whole = self.limits.budget
        if card.budget is None:
            return whole
        own = whole.child(card.budget.limit, name=actor)
        own.add(self._before.pop(path, Usage()), above=False)
        return own

    async def ask_person(self, question: Question) -> dict[str, Any]:
        """What a person answers to a question, waited for however long, over restarts too.

        A step that asks does nothing else: walked again, it finds its question and the answer to it.

        Raises:
            LeaseLost: another process owns the run.
            RunError: whoever owns the run named no person.
        """
        if self.person is None:
            raise RunError(
                f"Nobody can be asked in run {self.row.run_id}.", remedy="Take it up as a run of an Atlas."
            )
        return await self.person.ask(question)

    async def _asked(self, card: Card) -> ProviderGroup:
        """Who answers a card: the model or group it names, else whoever answers the run."""
        named = card.model or (f"group:{card.group}" if card.group else self.team.group)
        if self.homes is None or not named or ":" not in named:
            return self.provider
        return await self.homes.provider(named)

    async def _agent(self, card: Card, provider: Provider, tools: Tools, terms: Terms, path: str) -> Agent:
        """Whoever a card stands for: one that thinks in this process, or lives where it remembers."""
        homes = self.homes
        if homes is not None and (card.resident or homes.everybody):
            from atlas_mcp.agents.resident import Residence, ResidentAgent

            place = f"{self.row.run_id}/{path}"
            runtime = await homes.agents()
            standing = homes.standing and partial(homes.standing, self.row, self.team)
            home = Residence(
                runtime, self.team.name, thread=place, user=self.row.user, work=place, standing=standing
            )
            return ResidentAgent(card, home, provider, tools, terms)
        return ModelAgent(card, provider, tools, terms, priority=self.row.options.get("priority", "normal"))

    def remember(self, replies: Sequence[Reply], events: Sequence[Event], inside: Sequence[Event]) -> None:
        """Count what the run took before this process: calls that gave replies, and what came beside them.

        `events` are its own, `inside` those of the runs that work for it. Only its own budget is charged;
        that of a parent counts its children's calls itself.
        """
        self.limits.refused = unpaid(events)
        self._before = unledgered_by_path(events)
        for reply in replies:
            self.made_with[reply.stopped.model] = reply.stopped.provider
            self.limits.budget.add(reply.usage, above=False)
        beside = unledgered((each.kind, each.data) for each in (*events, *inside))
        self.limits.budget.add(beside, above=False)

    def _heard(self, path: str, reply: Reply) -> None:
        self.made_with[reply.stopped.model] = reply.stopped.provider
        if reply.switches or reply.choices:
            chosen = reply.switches[-1].joined if reply.switches else reply.choices[-1].member
            self._answered_by[path] = chosen

    def answered_by(self, path: str) -> frozenset[str]:
        """Who answered under `path`, where somebody was chosen."""
        return frozenset({self._answered_by[path]}) if path in self._answered_by else frozenset()

    @property
    def alike(self) -> str:
        """The code of the failure by which so many workers failed that no more are sent; else empty."""
        return next((code for code, times in self.failures.most_common(1) if times >= ALIKE), "")

    def rate(self, path: str, task: TaskType, quality: float) -> None:
        """Tell who answered under `path`, if somebody was chosen, how good it was, from 0 to 5.

        It counts for the kind of task that it was chosen for; `task` is what the step takes it for.
        """
        if member := self._answered_by.get(path):
            self.provider.rate(member, self._asked_for.get(path, task), quality)

    async def _gate(self) -> None:
        await self._open.wait()
        self.limits.check()

    def _steer(self, control: StreamControl) -> None:
        self._streams = {stream for stream in self._streams if not stream.ended} | {control}
        if not self._open.is_set():
            control.pause()

    def pause(self) -> None:
        """Let no new call begin, and stop reading those under way; the time does not count."""
        if self._open.is_set():
            self._open.clear()
            self.limits.pause()
            for stream in self._streams:
                stream.pause()
            for child in self.children:
                child.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        if not self._open.is_set():
            self._open.set()
            self.limits.resume()
            for stream in self._streams:
                stream.resume()
            for child in self.children:
                child.resume()
