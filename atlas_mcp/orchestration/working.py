"""The work step: one assignment, done by its worker; a failure is a value, after what its class allows.

An attempt that failed is made anew in another way, at most three times in all, within the count of attempts
that retries, fallbacks and repairs take from. What fails still goes to the supervisor, who may plan again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import AtlasError, LeaseLost, RunError
from atlas_mcp.events import Kind
from atlas_mcp.messages import TaskType, ToolCall
from atlas_mcp.orchestration.desk import SEARCH, TABLES
from atlas_mcp.orchestration.evidence import numbered
from atlas_mcp.orchestration.outside import needs_servers
from atlas_mcp.orchestration.recall_tool import RECALL
from atlas_mcp.orchestration.remembering import beside, memory_workers
from atlas_mcp.orchestration.team_file import TEAM_WORKER
from atlas_mcp.orchestration.trades.known import trade_of
from atlas_mcp.orchestration.trades.trade import Commission
from atlas_mcp.providers.terms import Attempts
from atlas_mcp.quality.escalation import ATTEMPTS, Way, classify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.agents.card import Card
    from atlas_mcp.downstream.toolbox import Tools
    from atlas_mcp.messages import Passage
    from atlas_mcp.orchestration.context import RunContext
    from atlas_mcp.orchestration.desk import Desk
    from atlas_mcp.orchestration.remembering import Remembering
    from atlas_mcp.orchestration.state import Result, Work
    from atlas_mcp.orchestration.trades.trade import Delegation, Trade
    from atlas_mcp.quality.escalation import Recovery

__all__ = ["Workers"]

_LONGEST_WAIT = 30.0
"""Seconds that a retry waits at most; who asks for more is not waited for."""

_MOST = 5.0
"""The quality of an answer of which everything was supported."""


class Workers:
    """The workers of one run; `trades` are those that this kind of team has made for itself."""

    def __init__(
        self, context: RunContext, desk: Desk, children: Delegation, question: str, *,
        memory: Remembering, trades: Mapping[TaskType, Trade] | None = None,
    ) -> None:  # fmt: skip
        self._context = context
        self._desk = desk
        self._children = children
        self._team = context.team
        self._question = question
        self._trades = trades or {}
        self._memory = memory
        self._given: Mapping[str, Any] | None = context.row.options.get("given")

    async def do(self, work: Work) -> Result:
        """What came of an assignment, whatever happened.

        Raises:
            LeaseLost: another process owns the run.
        """
        assignment = work["assignment"]
        identity, worker, goal = assignment["id"], assignment["worker"], assignment["goal"]
        path, actor = f"work/{identity}", f"{worker}#{identity}"
        await self._context.emit(
            Kind.WORK_STARTED, actor, path, assignment=identity, worker=worker, goal=goal
        )
        since = perf_counter()
        try:
            async with self._memory.tally.told(path, actor):
                result = await self._done(work, path, actor)
        except LeaseLost:
            raise
        except AtlasError as error:
            failure = error.to_dict()
            self._context.failures[error.code] += 1
            await self._context.emit(
                Kind.WORK_FAILED, actor, path, assignment=identity, worker=worker, error=failure
            )
            return {"ok": False, "worker": worker, "goal": goal, "error": failure}
        await self._context.emit(
            Kind.WORK_FINISHED, actor, path, assignment=identity, worker=worker,
            findings=len(result["findings"]), drafts=len(result.get("drafts", ())),
            dropped=len(result["dropped"]), **_said_too(result),
            seconds=round(perf_counter() - since, 3),
        )  # fmt: skip
        return {"ok": True, "worker": worker, "goal": goal, **result}

    async def _done(self, work: Work, path: str, actor: str) -> Result:
        """Try, and try in other ways while the failure's class allows one and attempts are left."""
        attempts = Attempts()
        worker, tried = work["assignment"]["worker"], list[Way]()
        avoid = frozenset[str](work["assignment"].get("avoid", ()))
        smaller = False
        while True:
            again = f"{path}~{len(tried) + 1}" if tried else path
            try:
                self._refuse_the_hopeless(work)
                if worker.startswith(TEAM_WORKER):
                    return await self._children.work(work, path, self._given)
                return await self._attempt(worker, work, again, actor, attempts, avoid=avoid, smaller=smaller)
            except LeaseLost:
                raise
            except AtlasError as error:
                recovery = classify(error)
                way = self._way_on(recovery, tried, worker)
                if way is None or not attempts.take():
                    raise
                tried.append(way)
                await self._context.emit(
                    Kind.RECOVERY_TRIED, actor, path, assignment=work["assignment"]["id"],
                    attempt=len(tried), way=way.value, reason=recovery.reason, error=error.to_dict(),
                )  # fmt: skip
                if way is Way.RETRY and recovery.wait:
                    await asyncio.sleep(min(recovery.wait, _LONGEST_WAIT))
                if way is Way.OTHER_MEMBER:
                    # A plan may have avoided all but the one who failed: they are wanted now.
                    avoid = self._context.answered_by(again) or avoid
                smaller = smaller or way is Way.SMALLER_TASK
                if way is Way.OTHER_WORKER:
                    worker = self._others(worker)[0]

    def _way_on(self, recovery: Recovery, tried: list[Way], worker: str) -> Way | None:
        """The next way that a failure's class allows and this team has."""
        for way in recovery.attempts:
            possible = {
                Way.RETRY: True,
                Way.OTHER_MEMBER: len(self._context.provider.members) > 1,
                Way.SMALLER_TASK: not worker.startswith(TEAM_WORKER),
                Way.OTHER_WORKER: bool(self._others(worker)),
            }
            if way not in tried and len(tried) < ATTEMPTS and possible.get(way, False):
                return way
        return None

    def _others(self, worker: str) -> list[str]:
        """Workers who do the same kind of work, in documents, in memory or by servers alike."""
        task, memory, cards = self._team.task_of(worker), memory_workers(self._team), self._team.cards
        return [
            each for each in self._team.workers
            if each != worker and {each, worker} <= cards.keys() and self._team.task_of(each) is task
            and (each in memory) is (worker in memory)
            and needs_servers(cards[each]) is needs_servers(cards[worker])
        ]  # fmt: skip

    def _refuse_the_hopeless(self, work: Work) -> None:
        """Spend nothing on work that cannot succeed.

        Raises:
            RunError: every assignment it comes after failed, workers fail alike one after another, or the
            team has no such worker any more.
        """
        if work["assignment"]["worker"] not in self._team.workers:
            worker = work["assignment"]["worker"]
            raise RunError(f"The team changed and has no {worker} any more.", remedy="Start the run again.")
        failed = [identity for identity, result in work["before"].items() if not result["ok"]]
        if failed and len(failed) == len(work["before"]):
            raise RunError(f"It comes after {failed[0]}, which failed.", remedy="See why that one failed.")
        if code := self._context.alike:
            times = self._context.failures[code]
            raise RunError(
                f"{times} workers failed alike ({code}); no more are sent.", remedy="See their error."
            )

    async def _attempt(
        self, worker: str, work: Work, path: str, actor: str, attempts: Attempts, *,
        avoid: frozenset[str], smaller: bool,
    ) -> Result:  # fmt: skip
        card, goal, before = self._team.cards[worker], work["assignment"]["goal"], work["before"]
        tools = await self._context.toolbox(card, path, actor)
        async with beside(
            self._memory.for_work(worker, goal, f"work/{work['assignment']['id']}", actor)
        ) as recalling:
            passages = await self._opening(card, goal, path, actor, tools)
            recalled = await recalling
        commission = Commission(
            team=self._team, question=self._question, given=self._context.row.input, goal=goal,
            before=numbered([{"id": name} for name in before], before, self._given),
            passages=passages[: max(1, len(passages) // 2)] if smaller else passages,
        )  # fmt: skip
        task = self._team.task_of(worker)
        trade = self._trades.get(task) or trade_of(task)
        async with self._context.limits.within():
            asked = replace(trade.task(commission), memory=recalled["text"])
            answer = await self._context.ask(
                card, asked, path, actor=actor, tools=tools, attempts=attempts, avoid=avoid
            )
        result = trade.result(commission, answer)
        if recalled["items"]:
            result["remembered"] = recalled["items"]
        self._rate(card, path, result)
        return {**result, "worker": worker, "answered_by": min(self._context.answered_by(path), default="")}

    def _rate(self, card: Card, path: str, result: Result) -> None:
        """Feed back how much of what a worker gave could be kept."""
        found, dropped = len(result["findings"]), len(result["dropped"])
        if found or dropped:
            task = card.task or TaskType.EXTRACTION
            self._context.rate(path, task, _MOST * found / (found + dropped))

    async def _opening(
        self, card: Card, goal: str, path: str, actor: str, tools: Tools
    ) -> tuple[Passage, ...]:
        """A worker begins with what its tools find for its goal: statistics of the tables, and passages."""
        granted = frozenset(spec.name for spec in tools.specs)
        figures = await self._desk.opening_statistics(goal) if granted & TABLES else ()
        own = [ToolCall("opening", tool, {"query": goal}) for tool in (SEARCH, RECALL) if tool in granted]
        found = [await self._open_search(call, path, actor, tools) for call in own]
        outside = self._context.outside
        for call in await outside.opening(card, goal, granted) if outside else ():
            # One search of the web is enough to begin with; the next is asked where it finds nothing.
            found.append(await self._open_search(call, path, actor, tools))
            if found[-1]:
                break
        return (*figures, *(passage for passages in found for passage in passages))

    async def _open_search(self, call: ToolCall, path: str, actor: str, tools: Tools) -> tuple[Passage, ...]:
        await self._context.emit(Kind.TOOL_STARTED, actor, path, tool=call.name, arguments=call.arguments)
        since = perf_counter()
        result = await tools.call(call)
        await self._context.emit(
            Kind.TOOL_FINISHED, actor, path, tool=call.name, seconds=round(perf_counter() - since, 3),
            passages=len(result.passages), error=result.text if result.error else None,
        )  # fmt: skip
        return result.passages


def _said_too(result: Result) -> dict[str, Any]:
    """What else is told of work, where there is any of it.

    `kinds` counts the drafts of each kind, `verdicts` those of a judge; `rating` {score, gate, why} and
    `partial` are a team's.
    """
    told: dict[str, Any] = {}
    if kinds := Counter(each["kind"] for each in result.get("drafts", ())):
        told["kinds"] = dict(kinds)
    if "judgements" in result:
        told["verdicts"] = len(result["judgements"])
    if rating := result.get("rating"):
        told["rating"] = {"score": rating.get("overall"), "gate": rating["gate"], "why": rating.get("why")}
    if result.get("partial"):
        told["partial"] = True
    return told
