"""What a run remembers of earlier ones, and what it leaves to later ones.

What is recalled for a task is kept with the run's finished calls, so that a step that is walked again gives
the same prompt, and no answer is paid twice. Memory that fails is told, and never fails a run.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from atlas_mcp.agents.agent import Task
from atlas_mcp.errors import (
    AgentRuntimeError,
    AtlasError,
    DownstreamFailed,
    IncompatibleStore,
    IndexUnavailable,
    InvalidConfiguration,
    InvalidInput,
    LeaseLost,
    MissingExtra,
    NotConfigured,
    NothingToShow,
    ProviderChanged,
    ProviderError,
    RunError,
    StoreFull,
    TeamChanged,
)
from atlas_mcp.events import Kind
from atlas_mcp.memory.lifecycle import uri_of
from atlas_mcp.memory.moments import moment, now
from atlas_mcp.memory.preparing import Prepared, Request, prepare
from atlas_mcp.memory.scope import Scope
from atlas_mcp.messages import Intent, TaskType
from atlas_mcp.observe.sentences import shortened
from atlas_mcp.orchestration.desk import SEARCH
from atlas_mcp.orchestration.gate import POINTERS, pointed
from atlas_mcp.orchestration.outside import needs_servers
from atlas_mcp.orchestration.recall_tool import QUOTABLE, RECALL, RecallTool
from atlas_mcp.orchestration.tallying import RunTally
from atlas_mcp.quality.escalation import RECOVERIES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence

    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.orchestration.context import RunContext
    from atlas_mcp.orchestration.desk import Desk
    from atlas_mcp.orchestration.state import State
    from atlas_mcp.orchestration.store import RunRow
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.settings import MemorySettings

__all__ = ["Recollection", "Remembering", "memory_workers", "recall_tool", "recalls", "scope_of"]

T = TypeVar("T")

log = logging.getLogger(__name__)

TOKENS = {"plan": 1_200, "compose": 400, "work": 800}
"""Tokens that what is remembered may take in a prompt, where the window is large."""

SHARE = 1 / 12
"""The share of a window that it may take where the window is small."""

MEMORY_URI = uri_of("")
_HOW_IT_WENT = ("limits", "made_with", "measures", "open_questions")

_ASIDE = frozenset(
    kind.code for kind in RECOVERIES
    if issubclass(
        kind,
        ProviderError | AgentRuntimeError | DownstreamFailed | IndexUnavailable | InvalidInput
        | InvalidConfiguration | NotConfigured | MissingExtra | IncompatibleStore | StoreFull
        | LeaseLost | TeamChanged | ProviderChanged,
    )
)  # fmt: skip
"""Codes of failures that another day, another key or another file would not have seen."""

MOST_TOLD = 50
"""Learnings that a run's events tell as not kept, at most."""

Recollection = dict[str, Any]
"""What was recalled for somebody: `text` as they are told it, `items` {id, kind, text, about, score}."""


def recalls(row: RunRow, team: Team, settings: MemorySettings) -> bool:
    """Whether a run is given what is remembered."""
    return team.recall and settings.recall and row.options.get("memory", True)


def learns(row: RunRow, team: Team, settings: MemorySettings) -> bool:
    """Whether what a run learns is kept."""
    return team.learn and settings.learn and row.options.get("memory", True)


def scope_of(row: RunRow, settings: MemorySettings | None) -> Scope:
    """Whose memory a run reads and writes."""
    return Scope(row.user, (settings and settings.project) or None, row.team)


def recall_tool(memory: Memory, row: RunRow, team: Team, settings: MemorySettings) -> RecallTool | None:
    """By what a run's workers look into memory; None where it does without."""
    if not recalls(row, team, settings):
        return None
    return RecallTool(memory, scope_of(row, settings), moment(row.created_at))


def memory_workers(team: Team) -> frozenset[str]:
    """Those workers of a team who look into memory and not into documents."""

    def may(worker: str, tool: str) -> bool:
        return any(fnmatchcase(tool, granted) for granted in team.cards[worker].tools)

    cards = (each for each in team.workers if each in team.cards)
    return frozenset(each for each in cards if may(each, RECALL) and not may(each, SEARCH))


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, T]) -> AsyncGenerator[asyncio.Task[T]]:
    """Let something be done meanwhile; it is called off where what it is beside fails."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        # What this raises is for its caller alone: `wait` does not raise what the task ended with.
        await asyncio.wait({task})


class Remembering:
    """The memory of one run; `tally` is what the run has it do."""

    def __init__(self, context: RunContext, desk: Desk, question: str) -> None:
        self._context = context
        self._team = context.team
        self._desk = desk
        self._question = question
        settings = context.memories
        self._recalls = settings is not None and recalls(context.row, context.team, settings)
        self._learns = settings is not None and learns(context.row, context.team, settings)
        self._proposes = settings is not None and settings.propose
        self._scope = scope_of(context.row, settings)
        self.tally = RunTally(context)

    async def recall(self) -> dict[str, Any]:
        """What the supervisor is to know: `plan` and `compose` as texts, and the `items` in them."""
        idle = {"idle": names} if (names := await self._idle()) else {}
        if not self._recalls:
            return idle
        planning, composing = await asyncio.gather(
            self._kept("plan", "supervisor", TaskType.PLANNING, self._question, "recall"),
            self._kept("compose", "supervisor", self._team.task, self._question, "recall/compose"),
        )
        texts = {"plan": planning["text"], "compose": composing["text"]}
        return {**texts, "items": planning["items"], **idle}

    async def _idle(self) -> list[str]:
        """Workers with nothing to work with: their downstream servers are not there, or were not asked for.

        Who plans without judgement would ask the web for everything; where documents are named it does not.
        """
        named = bool(self._context.row.options.get("documents")) and not self._context.provider.info.judges
        outside = self._context.outside
        return [
            name for name in self._team.workers
            if name in self._team.cards and needs_servers(self._team.cards[name])
            and (named or outside is None or not await outside.usable(self._team.cards[name]))
        ]  # fmt: skip

    async def for_work(self, worker: str, goal: str, path: str, actor: str) -> Recollection:
        """What a worker is to know for a goal; nothing for judges, and for those who look into memory."""
        task = self._team.task_of(worker)
        if not self._recalls or task is TaskType.RATING or worker in memory_workers(self._team):
            return {"text": "", "items": []}
        return await self._kept("work", "worker", task, goal, path, actor=actor)

    def workers(self, memory: Mapping[str, Any]) -> tuple[str, ...]:
        """Who may be sent: those who look into memory only where there is something in it to be quoted.

        Who plans by the question's words alone would send everybody for everything; for them see `completed`.
        """
        idle = frozenset(memory.get("idle", ()))
        if not (_quotable(memory) and self._context.provider.info.judges):
            idle |= memory_workers(self._team)
        return tuple(each for each in self._team.workers if each not in idle) or self._team.workers

    def completed(
        self, made: list[dict[str, Any]], memory: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """A plan made without judgement, with somebody who looks into memory if there is something in it.

        Whoever works on what others find comes after that, too.
        """
        lookers = [each for each in self._team.workers if each in memory_workers(self._team)]
        sent = any(each["worker"] in lookers for each in (*earlier, *made))
        if not lookers or sent or not _quotable(memory) or self._context.provider.info.judges:
            return made
        number = 1 + max((int(each["id"][1:]) for each in (*earlier, *made)), default=0)
        own: dict[str, Any] = {
            "id": f"a{number}", "worker": lookers[0], "goal": self._question, "after": [],
        }  # fmt: skip
        return [
            *({**each, "after": [*each["after"], own["id"]]} if each["after"] else each for each in made),
            own,
        ]

    @property
    def learns(self) -> bool:
        """Whether what the run learns is kept."""
        return self._learns

    async def learn(self, state: State) -> dict[str, int]:
        """Keep what the run's evidence is worth, and count what was kept, closed by it, and dropped."""
        rated = state.get("rated")
        rating = {"overall": rated["score"], "gate": rated["gate"]} if rated else None
        partial = state.get("partial", False)
        return await self._learn(_own(state.get("output", {}), whole=not partial), rating, partial=partial)

    async def learn_of_failure(self, error: AtlasError) -> None:
        """Keep how a run went that failed: nothing that it found, but that and why it failed.

        A provider that was down, a key or a file that was wrong say nothing of the question.
        """
        if self._learns and _is_of_the_task(error):
            await self._learn({}, None, partial=True, failure=error.message)

    async def _learn(
        self, output: dict[str, Any], rating: dict[str, Any] | None, *, partial: bool, failure: str = ""
    ) -> dict[str, int]:
        from atlas_mcp.memory.capturing.capture import RunTold, capture

        row = self._context.row
        told = RunTold(
            run_id=row.run_id, team=row.team, question=self._question, input=row.input, output=output,
            events=await self._context.events(), rating=rating, partial=partial, at=now(), failure=failure,
        )  # fmt: skip
        asks = self._proposes and output and self._context.provider.info.judges
        capturing = capture(
            told, self._desk.memory, self._scope, read=self._desk.snapshot,
            propose=self._proposed if asks else None,
        )  # fmt: skip
        async with self.tally.told("learn"):
            captured = await self._tried(capturing, "learn", "learn")
        if captured is None:
            return {}
        for learning, added in captured.kept:
            await self._context.emit(
                Kind.LEARNING_KEPT, self._team.name, "learn", id=added.id, kind=learning.kind.value,
                score=learning.score, evidence=len(learning.evidence), new=added.new,
                closes=list(added.closed),
            )  # fmt: skip
        for each in captured.dropped[:MOST_TOLD]:
            # What a memory says as well is not told here, since that may be forgotten.
            words = {} if each.cause == "known" else {"text": shortened(each.learning.text)}
            await self._context.emit(
                Kind.LEARNING_DROPPED, self._team.name, "learn", kind=each.learning.kind.value, **words,
                score=each.score, cause=each.cause, reason=each.reason,
            )  # fmt: skip
        return {
            "kept": len(captured.kept), "closed": len(captured.closed), "dropped": len(captured.dropped),
        }  # fmt: skip

    async def _proposed(self, text: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the supervisor would remember, in its words."""
        card = self._team.cards[self._team.supervisor]
        task = Task(Intent.REVIEW, self._question, text, dict(schema))
        async with self._context.limits.within():
            tools = await self._context.toolbox(card, "learn")
            answer = await self._context.ask(card, task, "learn", actor=card.name, tools=tools)
        return answer.value

    async def _kept(
        self, use: str, agent_type: str, task: TaskType, text: str, path: str, *, actor: str = ""
    ) -> Recollection:
        """What was recalled under a path before, or is recalled now and told."""

        async def make() -> str:
            since = perf_counter()
            prepared = self._prepared(use, agent_type, task, text)
            made = await self._tried(prepared, "recall", path) or Prepared("")
            if use != "compose" and (made.items or made.left_out):
                await self._context.emit(
                    Kind.MEMORY_RECALLED, actor or self._team.supervisor, path,
                    **_told(made), query=text, task=task.value, seconds=round(perf_counter() - since, 4),
                )  # fmt: skip
            items = [
                {key: getattr(each, key) for key in ("id", "kind", "text", "about", "score")}
                for each in made.items
            ]
            return json.dumps({"text": made.text, "items": items}, ensure_ascii=False)

        kept = await self._context.once(f"{path}/memory", f"{task.value}\n{text}", make)
        return cast("Recollection", json.loads(kept))

    async def _prepared(self, use: str, agent_type: str, task: TaskType, text: str) -> Prepared:
        window = self._context.provider.info.capabilities.window
        tokens = TOKENS[use] if window is None else min(TOKENS[use], int(window * SHARE))
        at = moment(self._context.row.created_at)
        made = await prepare(
            self._desk.memory, Request(agent_type, task.value, text, tokens, self._scope, at)
        )
        if made.items:
            await self._desk.memory.used([each.id for each in made.items], scope=self._scope)
        return made

    async def _tried(self, work: Coroutine[Any, Any, T], step: str, path: str) -> T | None:
        """What something with memory gives; None, and a word on why, where it fails."""
        async with beside(work) as task:
            await asyncio.wait({task})
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, AtlasError):
            told = error.to_dict()
        else:
            log.error("run %s could not %s", self._context.row.run_id, step, exc_info=error)
            message = f"ATLAS itself failed ({type(error).__name__}); the log says more."
            told = {"code": "internal", "message": message}
        await self._context.emit(Kind.MEMORY_FAILED, self._team.name, path, step=step, error=told)
        return None


def _is_of_the_task(error: AtlasError) -> bool:
    """Whether the task had a part in a failure, and not providers, the network or settings alone."""
    if isinstance(error, NothingToShow) and error.causes:
        # That others failed before is no cause of its own.
        causes = set(error.causes) - {RunError.code} or {RunError.code}
        return not causes <= _ASIDE
    return error.code not in _ASIDE


def _told(made: Prepared) -> dict[str, Any]:
    """What a run's events say of what was recalled: no texts, which may be forgotten later."""
    items = [
        {"id": each.id, "kind": each.kind, "score": each.relevance, "why": each.why} for each in made.items
    ]
    left_out = [{"id": each.id, "reason": each.reason} for each in made.left_out]
    return {"items": items, "tokens": made.tokens, "left_out": left_out}


def _own(output: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """What of an output may be learned: all that rests on sources other than memory itself.

    What memory said and a run repeats is no further evidence for it. A run that ended in part tells how it
    went, and nothing else.
    """
    if not whole:
        return {key: output[key] for key in _HOW_IT_WENT if key in output}
    remembered = {
        source["id"] for source in output.get("sources", ()) if source["uri"].startswith(MEMORY_URI)
    }
    own = dict(output)
    said = {each["id"] for each in output.get("findings", ()) if each.get("source_id") in remembered}
    said |= {each["id"] for each in output.get("evidence", ()) if each.get("source_id") in remembered}
    # That memory says otherwise disputes nothing: which of the two holds is decided when it is learned.
    for name in POINTERS:
        if isinstance(output.get(name), list):
            own[name] = [each for each in output[name] if said.isdisjoint(pointed(each))]
    for name in ("findings", "evidence"):
        if name in output:
            own[name] = [each for each in output[name] if each.get("source_id") not in remembered]
    return own


def _quotable(memory: Mapping[str, Any]) -> bool:
    return any(each["kind"] in QUOTABLE for each in memory.get("items", ()))
