"""The steps that every team takes: recall, plan, work, review, compose, check.

A step reads the run's state and gives what it adds to it, in JSON types. Steps know agents and memory; they
know neither the graph that orders them nor the process that owns the run.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypeAlias, TypedDict

from atlas_mcp.agents.agent import Task
from atlas_mcp.errors import (
    AtlasError,
    BudgetSpent,
    InvalidInput,
    InvalidOutput,
    LeaseLost,
    NothingToShow,
    RunError,
)
from atlas_mcp.events import Kind
from atlas_mcp.messages import Intent, Material, TaskType, ToolCall
from atlas_mcp.orchestration import evidence, prompts
from atlas_mcp.orchestration.context import ALIKE
from atlas_mcp.orchestration.desk import SEARCH
from atlas_mcp.orchestration.measuring import assigned, measured, measured_draft
from atlas_mcp.orchestration.output import assemble
from atlas_mcp.quality.citations import judge_claims, judge_sentences, misquoted
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.agents.agent import Answered
    from atlas_mcp.agents.card import Card
    from atlas_mcp.downstream.toolbox import Tools
    from atlas_mcp.messages import Finding, Passage
    from atlas_mcp.orchestration.context import RunContext
    from atlas_mcp.orchestration.desk import Desk

__all__ = ["State", "Steps", "Update", "Work"]

Result: TypeAlias = dict[str, Any]

COMPOSE_TOKENS = 2_500
"""What a composition takes beside its findings: persona, instructions, schema and the answer."""

_MOST = 5.0
"""The quality of an answer of which everything was supported."""


def _joined(known: dict[str, Result], new: dict[str, Result]) -> dict[str, Result]:
    return known | new


class State(TypedDict):
    """A run's state between steps; JSON types only. `results` maps assignment ids to what came of them."""

    library: NotRequired[Result]
    round: int
    assignments: list[Result]
    results: Annotated[dict[str, Result], _joined]
    draft: NotRequired[Result]
    output: NotRequired[Result]
    partial: NotRequired[bool]


class Update(TypedDict, total=False):
    """What one step adds to the state."""

    library: Result
    round: int
    assignments: list[Result]
    results: dict[str, Result]
    draft: Result
    output: Result
    partial: bool


class Work(TypedDict):
    """What one worker is sent: its assignment, and what came of those that it comes after, by id."""

    assignment: Result
    before: dict[str, Result]


class Steps:
    """The steps of one run."""

    def __init__(self, context: RunContext, desk: Desk) -> None:
        self._context = context
        self._desk = desk
        self._team = context.team
        self._question = str(next(iter(context.row.input.values())))

    async def recall(self, _state: State) -> Update:
        """Make the documents that the run may read ready."""
        since = await self._begin("recall", "documents: getting ready")
        counted = await self._desk.open_documents(self._on_reading)
        for uri, reason in counted.skipped:
            await self._emit(Kind.DOCUMENT_SKIPPED, "recall", uri=uri, reason=reason)
        await self._end("recall", since, documents=counted.documents, skipped=len(counted.skipped))
        return {"library": self._desk.library, "round": 0, "assignments": [], "results": {}}

    def restore(self, state: State) -> None:
        """Take up what earlier steps of a run that goes on had opened."""
        self._desk.library = state.get("library", {})

    async def _on_reading(self, label: str, done: int, total: int) -> None:
        await self._emit(Kind.DOCUMENTS_READ, "recall", label=label, done=done, total=total)

    async def plan(self, state: State) -> Update:
        """Let the supervisor break the question into assignments."""
        number = state["round"] + 1
        since = await self._begin("plan", "plan: breaking the question down")
        earlier = state["assignments"]
        task = Task(
            Intent.PLAN,
            self._question,
            prompts.plan_text(self._team, self._context.row.input, [a["goal"] for a in earlier]),
            prompts.plan_schema(self._team),
        )
        try:
            answer = await self._supervise(task, f"plan/{number}")
        except BudgetSpent:
            if not earlier:
                raise
            # What earlier rounds found is handed back rather than lost.
            await self._end("plan", since, assignments=0)
            return {"round": number}
        made = evidence.tidy_plan(answer.value["assignments"], len(earlier), self._team.max_assignments)
        for assignment in made:
            assignment["round"] = number
        await self._emit(
            Kind.PLAN_MADE,
            f"plan/{number}",
            round=number,
            assignments=made,
            reason=answer.value.get("reason"),
        )
        await self._end("plan", since, assignments=len(made))
        return {"round": number, "assignments": [*earlier, *made]}

    async def work(self, work: Work) -> Update:
        """Let one worker do one assignment; a failure is a value."""
        assignment = work["assignment"]
        identity, worker, goal = assignment["id"], assignment["worker"], assignment["goal"]
        path, actor = f"work/{identity}", f"{worker}#{identity}"
        await self._emit(Kind.WORK_STARTED, path, actor, assignment=identity, worker=worker, goal=goal)
        since = perf_counter()
        try:
            self._refuse_the_hopeless(work)
            result = await self._gather(self._team.cards[worker], work, path, actor)
        except LeaseLost:
            raise
        except AtlasError as error:
            failure = error.to_dict()
            self._context.failures[error.code] += 1
            await self._emit(Kind.WORK_FAILED, path, actor, assignment=identity, worker=worker, error=failure)
            return {"results": {identity: {"ok": False, "worker": worker, "goal": goal, "error": failure}}}
        await self._emit(
            Kind.WORK_FINISHED, path, actor, assignment=identity, worker=worker,
            findings=len(result["findings"]), dropped=len(result["dropped"]),
            seconds=round(perf_counter() - since, 3),
        )  # fmt: skip
        return {"results": {identity: {"ok": True, "worker": worker, "goal": goal, **result}}}

    def _refuse_the_hopeless(self, work: Work) -> None:
        """Spend nothing on work that cannot succeed.

        Raises:
            RunError: an assignment it comes after failed, workers fail alike one after another, or the team
            has no such worker any more.
        """
        if (worker := work["assignment"]["worker"]) not in self._team.cards:
            raise RunError(f"The team changed and has no {worker} any more.", remedy="Start the run again.")
        for identity, result in work["before"].items():
            if not result["ok"]:
                raise RunError(f"It comes after {identity}, which failed.", remedy="See why that one failed.")
        for code, times in self._context.failures.most_common(1):
            if times >= ALIKE:
                raise RunError(
                    f"{times} workers failed alike ({code}); no more are sent.", remedy="See their error."
                )

    async def _gather(self, card: Card, work: Work, path: str, actor: str) -> Result:
        goal, before = work["assignment"]["goal"], work["before"]
        tools = self._context.toolbox(card, path)
        opening = await self._open_search(goal, path, actor, tools)
        task = Task(
            Intent.GATHER,
            goal,
            prompts.gather_text(self._question, goal),
            prompts.GATHER_SCHEMA,
            Material(opening, evidence.numbered([{"id": name} for name in before], before).findings),
            lambda value, passages: misquoted(value["findings"], {p.id: p for p in passages}),
        )
        async with self._context.limits.within():
            answer = await self._context.ask(card, task, path, actor=actor, tools=tools)
        gathered = evidence.gathered(answer.value, answer.passages)
        found, dropped = len(gathered["findings"]), len(gathered["dropped"])
        if found or dropped:
            self._context.rate(path, TaskType.EXTRACTION, _MOST * found / (found + dropped))
        return gathered

    async def _open_search(self, goal: str, path: str, actor: str, tools: Tools) -> tuple[Passage, ...]:
        """A worker that may search begins with what a search for its goal finds."""
        if SEARCH not in {spec.name for spec in tools.specs}:
            return ()
        call = ToolCall("opening", SEARCH, {"query": goal})
        await self._emit(Kind.TOOL_STARTED, path, actor, tool=call.name, arguments=call.arguments)
        since = perf_counter()
        result = await tools.call(call)
        await self._emit(
            Kind.TOOL_FINISHED, path, actor, tool=call.name, seconds=round(perf_counter() - since, 3),
            passages=len(result.passages), error=result.text if result.error else None,
        )  # fmt: skip
        return result.passages

    def next_wave(self, state: State) -> list[Work]:
        """The assignments that may begin now: those without a result whose `after` all have one."""
        results = state["results"]
        return [
            {"assignment": assignment, "before": {name: results[name] for name in assignment["after"]}}
            for assignment in state["assignments"]
            if assignment["id"] not in results and all(other in results for other in assignment["after"])
        ]

    async def review(self, state: State) -> Update:
        """Look at what came back.

        Raises:
            NothingToShow: no worker succeeded; says why the first did not.
        """
        if self.next_wave(state) or self.wants_another_round(state):
            return {}
        results = state["results"].values()
        failures = [result["error"] for result in results if not result["ok"]]
        if failures and len(failures) == len(results):
            raise NothingToShow(
                f"No worker succeeded: {failures[0]['message']}", remedy=failures[0].get("remedy", "")
            )
        share = 1 - len(failures) / max(1, len(results))
        cut = any(failure["code"] == BudgetSpent.code for failure in failures)
        return {"partial": cut or share < self._team.min_success}

    def wants_another_round(self, state: State) -> bool:
        """Whether to plan again: nothing was found or too few succeeded, and rounds and budget are left."""
        results = state["results"].values()
        found = any(result["ok"] and result["findings"] for result in results)
        share = sum(result["ok"] for result in results) / max(1, len(results))
        enough = found and share >= self._team.min_success
        return not enough and state["round"] < self._team.rounds and not self._context.limits.reached

    async def compose(self, state: State) -> Update:
        """Let the supervisor compose from what was found; with nothing found, say so unasked."""
        since = await self._begin("compose", "compose: writing from what was found")
        found = evidence.numbered(state["assignments"], state["results"])
        if not found.findings:
            await self._end("compose", since, findings=0)
            return {"draft": evidence.empty_draft(self._team, self._question)}
        left, _ = self._context.limits.budget.left(closing=True)
        room = None if left is None else left - COMPOSE_TOKENS
        findings = evidence.fitting(found.findings, room)
        task = Task(
            Intent.COMPOSE,
            self._question,
            prompts.compose_text(self._context.row.input, found.gaps),
            self._team.composed_schema,
            Material(findings=findings),
            lambda value, _passages: _unsupported(value, findings),
        )
        try:
            answer = await self._supervise(task, "compose", last=True)
        except BudgetSpent:
            await self._end("compose", since, findings=0)
            return {"draft": evidence.bare_draft(self._team, self._question, findings), "partial": True}
        await self._end("compose", since, findings=len(findings))
        if len(findings) < len(found.findings):
            return {"draft": answer.value, "partial": True}
        return {"draft": answer.value}

    async def check(self, state: State) -> Update:
        """The gate: verify each quote in its stored source, set aside what is not supported, and assemble.

        Raises:
            InvalidOutput: what is left does not fit the team's own schema.
        """
        since = await self._begin("check", "check: verifying quotes and citations")
        found = evidence.numbered(state["assignments"], state["results"])
        snapshots = {source.sha256: await self._stored(source.sha256) for source in found.sources.values()}
        lost = evidence.not_in_snapshot(found, snapshots)
        draft, partial = state.get("draft", {}), state.get("partial", False)
        plan = assigned(state["assignments"], state["results"], found)
        # A long brief takes a while to measure, and others are waiting for the loop.
        measures = await asyncio.to_thread(measured, draft, found, lost, snapshots, plan)
        output = assemble(
            self._context, draft, found, lost, measures=measures, partial=partial, skipped=self._desk.skipped
        )
        unsupported = len(output.get("unsupported", []))
        await self._emit(
            Kind.CHECK_FINISHED, "check", claims=len(output.get("claims", [])),
            quotes=len(found.findings) - len(lost),
            unsupported=unsupported, problems=[finding.quote[:200] for finding in lost],
            **{key: value for key, value in measures.to_dict().items() if key != "blind_spots"},
        )  # fmt: skip
        # What was cut short is no sign of how well it was written.
        written = await asyncio.to_thread(measured_draft, draft, found, () if partial else plan)
        if written.score is not None:
            self._context.rate("compose", TaskType.WRITING, written.score)
        await self._end("check", since, unsupported=unsupported)
        if problems := misfits(self._team.output_schema, output):
            raise InvalidOutput(
                f"What is supported does not make a whole {self._team.name} output: {problems[0]}.",
                problems=tuple(problems),
                remedy="Ask again with other documents, or relax output.schema.json.",
            )
        return {"output": output}

    async def _stored(self, sha256: str) -> str:
        """The stored text of a source; one that is gone or was changed carries nothing."""
        try:
            return await self._desk.snapshot(sha256)
        except InvalidInput:
            return ""

    async def _supervise(self, task: Task, path: str, *, last: bool = False) -> Answered:
        card = self._team.cards[self._team.supervisor]
        tools = self._context.toolbox(card, path)
        ask = self._context.ask(card, task, path, actor=self._team.supervisor, tools=tools, last=last)
        if last:
            return await ask
        async with self._context.limits.within():
            return await ask

    async def _begin(self, step: str, label: str) -> float:
        await self._emit(Kind.STEP_STARTED, step, step=step, label=label)
        return perf_counter()

    async def _end(self, step: str, since: float, **counted: int) -> None:
        await self._emit(
            Kind.STEP_FINISHED, step, step=step, seconds=round(perf_counter() - since, 3), **counted
        )

    async def _emit(self, kind: Kind, path: str, actor: str = "", /, **data: Any) -> None:
        await self._context.emit(kind, actor or self._team.name, path, **data)


def _unsupported(draft: Mapping[str, Any], findings: tuple[Finding, ...]) -> list[str]:
    """What to tell a supervisor whose claims or answer are not carried by what they cite."""
    quotes = {finding.id: finding.quote for finding in findings}
    verdicts = [
        *((f"$.claims[{n}]", v) for n, v in enumerate(judge_claims(draft.get("claims", []), quotes))),
        *(("$.answer", v) for v in judge_sentences(draft.get("answer") or "", quotes)),
    ]
    return [
        f"{place}: {verdict.text[:160]!r}: {verdict.reason}. Say what the findings say, and cite their ids."
        for place, verdict in verdicts
        if not verdict.supported
    ]
