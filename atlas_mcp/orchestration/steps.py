"""The steps that every team takes: recall, plan, approve, work, review, compose, check, revise, learn.

A step reads the run's state and gives what it adds to it, in JSON types. Steps know agents and memory; they
know neither the graph that orders them nor the process that owns the run.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.agents.agent import Task
from atlas_mcp.errors import BudgetSpent, InvalidInput, InvalidOutput, NothingToShow, ProviderError
from atlas_mcp.events import Kind
from atlas_mcp.messages import Draft, Intent, Material, TaskType
from atlas_mcp.orchestration import chain, evidence, prompts
from atlas_mcp.orchestration.asking import plan_question
from atlas_mcp.orchestration.delivering import Delivery
from atlas_mcp.orchestration.escalating import escalated, tries_again
from atlas_mcp.orchestration.gate import said
from atlas_mcp.orchestration.measuring import assigned, measured, measured_draft
from atlas_mcp.orchestration.output import assemble
from atlas_mcp.orchestration.planning import tidy_plan
from atlas_mcp.orchestration.remembering import Remembering, beside
from atlas_mcp.orchestration.state import Update
from atlas_mcp.orchestration.supervising import Supervisor
from atlas_mcp.orchestration.versions import Version, rework
from atlas_mcp.orchestration.working import Workers
from atlas_mcp.orchestration.worth import worth
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.messages import Finding
    from atlas_mcp.orchestration.context import RunContext
    from atlas_mcp.orchestration.desk import Desk
    from atlas_mcp.orchestration.evidence import Evidence
    from atlas_mcp.orchestration.state import State, Work
    from atlas_mcp.orchestration.trades.trade import Delegation
    from atlas_mcp.orchestration.versions import Rated

__all__ = ["Steps"]


class Steps:
    """The steps of one run."""

    def __init__(self, context: RunContext, desk: Desk, children: Delegation) -> None:
        self._context = context
        self._desk = desk
        self._team = context.team
        self._question = str(next(iter(context.row.input.values())))
        self._given: Mapping[str, Any] | None = context.row.options.get("given")
        self._supervisor = Supervisor(context, self._question)
        self.memory = Remembering(context, desk, self._question)
        self.delivery = Delivery(context)
        self._workers = Workers(context, desk, children, self._question, memory=self.memory)

    async def recall(self, _state: State) -> Update:
        """Make ready what the run may read (a child reads as its parent), and recall what is remembered."""
        since = await self._begin("recall", "documents: getting ready")
        counted: dict[str, int] = {}
        async with self.memory.tally.told("recall"), beside(self.memory.recall()) as recalling:
            if library := self._context.row.options.get("library"):
                self._desk.library = library
            else:
                counted = await self._open_documents()
            memory = await recalling
        await self._end("recall", since, **counted, remembered=len(memory.get("items", ())))
        library = self._desk.library
        return {"library": library, "memory": memory, "round": 0, "assignments": [], "results": {}}

    async def _open_documents(self) -> dict[str, int]:
        # A large folder that is read for the first time must not use up the time for the work itself.
        with self._context.limits.held():
            counted = await self._desk.open_documents(self._on_reading)
        for uri, reason in counted.skipped:
            await self._emit(Kind.DOCUMENT_SKIPPED, "recall", uri=uri, reason=reason)
        return {"documents": counted.documents, "skipped": len(counted.skipped)}

    def restore(self, state: State) -> None:
        """Take up what earlier steps of a run that goes on had opened."""
        self._desk.library = state.get("library", {})

    async def _on_reading(self, label: str, done: int, total: int) -> None:
        await self._emit(Kind.DOCUMENTS_READ, "recall", label=label, done=done, total=total)

    async def plan(self, state: State) -> Update:
        """Let the supervisor break the question into assignments."""
        number = state["round"] + 1
        since = await self._begin("plan", "plan: breaking the question down")
        earlier, memory = state["assignments"], state.get("memory", {})
        failed = [each["error"]["message"] for each in state["results"].values() if not each["ok"]]
        tried, workers = [each["goal"] for each in earlier], self.memory.workers(memory)
        task = Task(
            Intent.PLAN,
            self._question,
            prompts.plan_text(self._team, self._context.row.input, tried, failed, workers=workers),
            prompts.plan_schema(self._team, workers=workers),
            check=lambda value, _passages: prompts.plan_problems(self._team, value),
            memory=memory.get("plan", ""),
        )
        try:
            answer = await self._supervisor.ask(task, f"plan/{number}")
        except BudgetSpent:
            if not earlier:
                raise
            await self._end("plan", since, assignments=0)
            return {"round": number}  # what earlier rounds found is handed back rather than lost
        made = await self._planned(answer.value, earlier, number, memory)
        await self._end("plan", since, assignments=len(made))
        return {"round": number, "assignments": [*earlier, *made]}

    async def _planned(
        self, value: Mapping[str, Any], earlier: list[dict[str, Any]], number: int,
        memory: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        made = tidy_plan(value["assignments"], self._team, earlier, handed=self._given is not None)
        made = self.memory.completed(made, memory or {}, earlier)
        for assignment in made:
            assignment["round"] = number
        await self._emit(
            Kind.PLAN_MADE, f"plan/{number}", round=number, assignments=made, reason=value.get("reason")
        )
        return made

    async def approve(self, state: State) -> Update:
        """Let a person look at the plan of this round: take it, change it, or end the run.

        Raises:
            InvalidInput: the person rejected it.
        """
        number = state["round"]
        made = [each for each in state["assignments"] if each["round"] == number]
        if not made:
            return {}
        answer = await self._context.ask_person(plan_question(self._team, made, number))
        match answer["decision"]:
            case "reject":
                note = answer.get("note") or "no reason was given"
                raise InvalidInput(f"The plan was rejected: {note}.", remedy="Ask again, otherwise.")
            case "edit":
                earlier = [each for each in state["assignments"] if each["round"] != number]
                wished: list[Any] = answer.get("assignments") or []
                value = {"assignments": wished, "reason": "a person's plan"}
                return {"assignments": [*earlier, *await self._planned(value, earlier, number)]}
            case _:
                return {}

    async def work(self, work: Work) -> Update:
        """Let one worker do one assignment; a failure is a value."""
        return {"results": {work["assignment"]["id"]: await self._workers.do(work)}}

    def next_wave(self, state: State) -> list[Work]:
        """The assignments that may begin now: those without a result whose `after` all have one."""
        results = state["results"]
        return [
            {"assignment": assignment, "before": {name: results[name] for name in assignment["after"]}}
            for assignment in state["assignments"]
            if assignment["id"] not in results and all(other in results for other in assignment["after"])
        ]

    async def review(self, state: State) -> Update:
        """Look at what came back; where something is missing, the supervisor decides whether it is enough.

        Raises:
            NothingToShow: no worker succeeded; says why the first did not.
        """
        if self.next_wave(state):
            return {}
        results = state["results"].values()
        failures = [result["error"] for result in results if not result["ok"]]
        if self.wants_another_round(state):
            await escalated(self._context, "supervisor", failures)
            return {}
        if failures and len(failures) == len(results):
            await escalated(self._context, "person", failures)
            if self._team.escalate and await tries_again(self._context, len(results), failures[0]):
                self._context.failures.clear()
                return {"round": state["round"] - 1}
            raise NothingToShow(
                f"No worker succeeded: {failures[0]['message']}", remedy=failures[0].get("remedy", ""),
                causes=tuple(code for each in failures for code in each.get("causes") or [each["code"]]),
            )  # fmt: skip
        if more := await self._reviewed(state):
            return {"round": state["round"] + 1, "assignments": [*state["assignments"], *more]}
        share = 1 - len(failures) / max(1, len(results))
        cut = [each for each in failures if each["code"] == BudgetSpent.code]
        cut += [each for each in results if each.get("partial")]
        return {"partial": bool(cut) or share < self._team.min_success}

    async def _reviewed(self, state: State) -> list[dict[str, Any]]:
        """Further assignments, where workers named gaps and the supervisor finds that they matter."""
        found = self._found(state)
        if (
            not (found.gaps and found.findings and self._context.provider.info.judges)
            or state["round"] >= self._team.rounds
            or state.get("revision")
            or self._context.limits.reached
        ):
            return []
        since = await self._begin("review", "review: is it enough?")
        number, memory = state["round"], state.get("memory", {})
        workers, goals = self.memory.workers(memory), [each["goal"] for each in state["assignments"]]
        task = Task(
            Intent.REVIEW,
            self._question,
            prompts.review_text(self._team, self._context.row.input, goals, found.gaps, workers=workers),
            prompts.plan_schema(self._team, least=0, workers=workers),
            Material(findings=found.findings),
            check=lambda value, _passages: prompts.plan_problems(self._team, value),
            memory=memory.get("plan", ""),
        )
        try:
            answer = await self._supervisor.ask(task, f"review/{number}")
        except BudgetSpent:
            await self._end("review", since, assignments=0)
            return []
        wished = answer.value["assignments"]
        await self._emit(
            Kind.REVIEW_MADE, f"review/{number}", round=number, enough=not wished,
            reason=answer.value.get("reason"), gaps=len(found.gaps),
        )  # fmt: skip
        made = await self._planned(answer.value, state["assignments"], number + 1) if wished else []
        await self._end("review", since, assignments=len(made))
        return made

    def wants_another_round(self, state: State) -> bool:
        """Whether to plan again: nothing was found or too few succeeded, and rounds and budget are left."""
        results = state["results"].values()
        found = any(result["ok"] and (result["findings"] or result.get("drafts")) for result in results)
        share = sum(result["ok"] for result in results) / max(1, len(results))
        enough = (found or self._given is not None) and share >= self._team.min_success
        return (
            not enough
            and not state.get("revision")
            and not self._context.alike
            and state["round"] < self._team.rounds
            and not self._context.limits.reached
        )

    async def compose(self, state: State) -> Update:
        """Let the supervisor compose from what was found; with nothing found, say so unasked.

        Where one worker made the whole, that is it; where the run computes all there is, nobody is asked.
        """
        since = await self._begin("compose", "compose: writing from what was found")
        found = self._found(state)
        product = chain.final_product(self._team, state["assignments"], state["results"], found)
        if product is not None or not self._team.composed_schema["properties"]:
            await self._end("compose", since, findings=len(found.findings))
            return {"draft": {"final_output": product.text} if product else {}}
        if not found.findings and not found.drafts:
            await self._end("compose", since, findings=0)
            return {"draft": evidence.empty_draft(self._team, self._question)}
        asked = prompts.compose_text(self._context.row.input, found.gaps, drafts=bool(found.drafts))
        memory = state.get("memory", {}).get("compose", "")
        draft, whole = await self._supervisor.compose(asked, found, found.drafts, "compose", memory=memory)
        await self._end("compose", since, findings=len(found.findings))
        return {"draft": draft} if whole else {"draft": draft, "partial": True}

    async def check(self, state: State) -> Update:
        """The gate: verify each quote, set aside what is not supported, assemble, and keep the best version.

        Raises:
            InvalidOutput: what is left does not fit the team's own schema.
        """
        since = await self._begin("check", "check: verifying quotes and citations")
        found = self._found(state)
        snapshots = {source.sha256: await self._stored(source.sha256) for source in found.sources.values()}
        lost = evidence.not_in_snapshot(found, snapshots)
        version = await self._assembled(state, found, lost, snapshots)
        await self._end("check", since, unsupported=len(version.output.get("unsupported", [])))
        partial = state.get("partial", False)
        if version.rated is None:
            return {"output": version.output, "partial": partial}
        best = Version.of(state.get("best"))
        kept = version if best is None or version.better_than(best) else best
        await self._emit(
            Kind.VERSION_KEPT, "check", revision=state.get("revision", 0), better=kept is version,
            score=version.rated["score"], gate=version.rated["gate"],
        )  # fmt: skip
        # What should have been revised and cannot be is handed back, and said to be no more than that.
        partial = partial or (version.wants_revision and bool(self._context.limits.reached))
        rated: dict[str, Any] = {**version.rated}
        if kept is not version:
            # Made anew of its draft, since its output also tells of the versions after it.
            earlier: State = {**state, "draft": kept.draft}
            kept = replace(kept, output=(await self._assembled(earlier, found, lost, snapshots)).output)
        return {"output": kept.output, "best": kept.to_dict(), "rated": rated, "partial": partial}

    async def _assembled(
        self, state: State, found: Evidence, lost: list[Finding], snapshots: Mapping[str, str]
    ) -> Version:
        draft, partial = state.get("draft", {}), state.get("partial", False)
        plan = assigned(state["assignments"], state["results"], found)
        # A long brief takes a while to measure, and others are waiting for the loop.
        measures = await asyncio.to_thread(measured, draft, found, lost, snapshots, plan)
        more, rated = worth(self._team, state, found, measures)
        output = assemble(
            self._context, draft, found, lost, measures=measures, partial=partial, unread=self._desk.unread,
            more=more,
        )  # fmt: skip
        await self._emit(
            Kind.CHECK_FINISHED, "check", claims=len(output.get("claims", [])),
            quotes=len(found.findings) - len(lost), unsupported=len(output.get("unsupported", [])),
            problems=[finding.quote[:200] for finding in lost],
            **{key: value for key, value in measures.to_dict().items() if key != "blind_spots"},
        )  # fmt: skip
        # What was cut short is no sign of how well it was written.
        written = await asyncio.to_thread(measured_draft, draft, found, () if partial else plan)
        if written.score is not None:
            self._context.rate("compose", TaskType.WRITING, written.score)
        return Version(self._fitting(output), rated, draft)

    def _fitting(self, output: dict[str, Any]) -> dict[str, Any]:
        """The output, which fits the team's own schema.

        Raises:
            InvalidOutput: it does not.
        """
        if problems := misfits(self._team.output_schema, output):
            raise InvalidOutput(
                f"What is supported does not make a whole {self._team.name} output: {problems[0]}.",
                problems=tuple(problems),
                remedy="Ask again with other documents, or relax output.schema.json.",
            )
        return output

    async def learn(self, state: State) -> Update:
        """Leave to later runs what this one learned."""
        if self.memory.learns:
            since = await self._begin("learn", "learn: keeping what was found out")
            await self._end("learn", since, **await self.memory.learn(state))
        return {}

    def wants_revision(self, state: State) -> bool:
        """Whether to revise: it was found wanting, and revisions, budget and a model that can are left."""
        return (
            (state.get("rated") or {}).get("gate", "pass") != "pass"
            and state.get("revision", 0) < self._team.revisions
            and not self._context.limits.reached
            and self._context.provider.info.judges
        )

    async def revise(self, state: State) -> Update:
        """Begin another version: whoever made what was rated makes it anew, with the reasons."""
        number, quality = state.get("revision", 0) + 1, self._team.quality
        rated = cast("Rated", state.get("best", {})["rated"])
        await self._emit(
            Kind.REVISION_STARTED, f"revise/{number}", revision=number, score=rated["score"],
            minimum=quality.minimum if quality else None, reasons=rated["reasons"],
        )  # fmt: skip
        made = rework(self._team, state["assignments"], rated)
        if made:
            made = [{**each, "round": state["round"]} for each in made]
            await self._emit(
                Kind.PLAN_MADE, f"revise/{number}", round=state["round"], revision=number, assignments=made,
                reason=None,
            )  # fmt: skip
            return {"assignments": [*state["assignments"], *made], "revision": number}
        since = await self._begin("compose", "compose: revising what was found wanting")
        found, given = self._found(state), self._context.row.input
        asked = prompts.revise_text(prompts.compose_text(given, found.gaps, drafts=True), rated["reasons"])
        before = Draft("work", "work", said(state.get("best", {})["draft"]), by=self._team.supervisor)
        try:
            draft, whole = await self._supervisor.compose(
                asked, found, (*found.drafts, before), f"revise/{number}",
                memory=state.get("memory", {}).get("compose", ""),
            )  # fmt: skip
        except (InvalidOutput, ProviderError) as error:  # the version that there is goes out
            await escalated(self._context, "supervisor", [error.to_dict()])
            return {"revision": self._team.revisions}
        await self._end("compose", since, findings=len(found.findings))
        revised = Update(draft=draft, revision=number)
        return revised if whole else {**revised, "partial": True}

    def _found(self, state: State) -> Evidence:
        return evidence.numbered(state["assignments"], state["results"], self._given)

    async def _stored(self, sha256: str) -> str:
        """The stored text of a source; one that is gone or was changed carries nothing."""
        try:
            return await self._desk.snapshot(sha256)
        except InvalidInput:
            return ""

    async def _begin(self, step: str, label: str) -> float:
        await self._emit(Kind.STEP_STARTED, step, step=step, label=label)
        return perf_counter()

    async def _end(self, name: str, since: float, **counted: int) -> None:
        took = round(perf_counter() - since, 3)
        await self._emit(Kind.STEP_FINISHED, name, step=name, seconds=took, **counted)

    async def _emit(self, kind: Kind, path: str, actor: str = "", /, **data: Any) -> None:
        await self._context.emit(kind, actor or self._team.name, path, **data)
