"""A team that works for another: a run of its own, under the parent's lease and within its budget.

It is found again by its place in the parent's plan, so that a parent that goes on after a crash takes it up
where it was, or takes what it gave. What it hands back is read from its output alone.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict
from time import monotonic
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import AtlasError, BudgetSpent, LeaseLost, NothingToShow, TeamChanged
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.chain import whole_product
from atlas_mcp.orchestration.context import RunContext
from atlas_mcp.orchestration.delivering import delivers
from atlas_mcp.orchestration.evidence import handed_over, numbered, remarked
from atlas_mcp.orchestration.gate import resting
from atlas_mcp.orchestration.lease import Lease, assert_held
from atlas_mcp.orchestration.ledger import Ledger
from atlas_mcp.orchestration.limits import Limits
from atlas_mcp.orchestration.past import worked
from atlas_mcp.orchestration.state import is_partial
from atlas_mcp.orchestration.store import RunRow, RunState
from atlas_mcp.orchestration.team_file import TEAM_WORKER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.messages import Draft
    from atlas_mcp.orchestration.desk import Desk
    from atlas_mcp.orchestration.evidence import Evidence
    from atlas_mcp.orchestration.state import Result, State, Work
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.orchestration.workshop import Workshop

__all__ = ["Children", "result_of"]

_INHERITED = ("documents", "memory", "priority", "provider", "recipients")

_RATING = (
    "overall", "truth", "quality", "gate", "why", "absent", "agreement", "judges", "blocked", "revise",
)  # fmt: skip


class Children:
    """The child runs of one run."""

    def __init__(self, workshop: Workshop, lease: Lease, parent: RunContext, desk: Desk) -> None:
        self._workshop = workshop
        self._lease = lease
        self._parent = parent
        self._desk = desk

    async def work(self, work: Work, path: str, given: Mapping[str, Any] | None) -> Result:
        """Let a team do an assignment, and give what it made as a result.

        Raises:
            NothingToShow: the team failed, with its own reason.
            BudgetSpent: it had nothing yet when a limit was reached.
            TeamChanged: its folder is not the one that its run began with.
        """
        assignment, parent = work["assignment"], self._parent.row
        team = self._parent.team.teams[assignment["worker"].removeprefix(TEAM_WORKER)]
        found = numbered([{"id": name} for name in work["before"]], work["before"], given)
        inherited = {key: parent.options[key] for key in _INHERITED if key in parent.options}
        row = await self._workshop.store.begin_child(
            self._lease, parent, path, team=team.name, version=team.version,
            given=_input(team, assignment, self._parent, found),
            options={
                **inherited, "given": handed_over(found), "library": self._desk.library,
                "writers": sorted(_writers(work["before"], self._parent)),
            },
        )  # fmt: skip
        if row.team_version != team.version and not row.final:
            raise TeamChanged(
                f"The folder of team {team.name} changed since run {row.run_id} began.",
                remedy="Start the run again, or bring the folder back to what it was.",
            )
        await self._parent.emit(
            Kind.CHILD_STARTED, self._parent.team.name, path, assignment=assignment["id"], team=team.name,
            run=row.run_id,
        )  # fmt: skip
        if not row.final:
            row = await self._run(row, team)
        if row.output is None:
            error = row.error or {}
            said = f"The {team.name} team gave nothing: {error.get('message', row.state)}"
            remedy = str(error.get("remedy") or f"See run {row.run_id}.")
            if error.get("code") == BudgetSpent.code:  # the parent is cut short, too
                raise BudgetSpent(said, remedy=remedy)
            causes: list[str] = error.get("causes") or [error.get("code", "")]
            raise NothingToShow(said, remedy=remedy, causes=tuple(filter(None, causes)))
        result = result_of(row, team)
        works = [draft.id for draft in found.drafts if draft.kind == "work"]
        return {**result, "of": works[-1].rpartition(".")[0]} if works else result

    async def _run(self, row: RunRow, team: Team) -> RunRow:
        """Walk a child's steps to its end; it ends in its own row and journal."""
        began = monotonic()
        context, desk = await self._context(row, team)
        self._parent.children.append(context)
        walking = asyncio.create_task(self._walk(row, context, desk), name=f"walk {row.run_id}")
        try:
            await asyncio.wait({walking})
        except asyncio.CancelledError:
            walking.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({walking})
            raise
        finally:
            self._parent.children.remove(context)
            self._parent.made_with.update(context.made_with)
        state, partial, output, error = _outcome(walking, context)
        usage = asdict(context.limits.spent)
        data = {"state": state.value, "partial": partial, "seconds": round(monotonic() - began, 3),
                "usage": usage, "error": error}  # fmt: skip
        if partial and (limit := context.limits.reached or context.limits.refused):
            data["limit"] = limit
        await self._workshop.store.finish(
            self._lease, state, partial=partial, output=output, error=error, usage=usage, data=data,
            run_id=row.run_id,
        )  # fmt: skip
        self._workshop.journal.wake(row.run_id)
        await (await self._workshop.checkpoints()).forget(row.run_id)
        return await self._workshop.store.get(row.run_id)

    async def _context(self, row: RunRow, team: Team) -> tuple[RunContext, Desk]:
        workshop, parent = self._workshop, self._parent
        desk = await workshop.desk(row, team)
        ledger = Ledger(workshop.database, self._lease, run_id=row.run_id)
        replies, events = await ledger.replies(), await workshop.journal.read(row.run_id)
        inside = await workshop.inside(row.run_id)
        # Nothing is awaited from here until the parent knows the child, so that it misses no pause and no end
        # of one.
        before, left = worked(events), parent.limits.seconds_left
        wished = (team.budget.seconds, None if left is None else before + left)
        seconds = [each for each in wished if each is not None]
        budget = team.budget.model_copy(update={"seconds": max(0.1, min(seconds)) if seconds else None})
        context = RunContext(
            row, team, provider=parent.provider, tools=desk.tools(), journal=workshop.journal, ledger=ledger,
            limits=Limits(budget, seconds_before=before, day=parent.limits.budget),
            guard=lambda connection: assert_held(connection, self._lease),
        )  # fmt: skip
        context.follow(parent)
        context.outside = workshop.outside(context, desk.memory)
        context.remember(replies, events, inside)
        return context, desk

    async def _walk(self, row: RunRow, context: RunContext, desk: Desk) -> State:
        from atlas_mcp.orchestration.graph import walk
        from atlas_mcp.orchestration.rating import steps_of

        workshop, info = self._workshop, context.provider.info
        again = row.state is not RunState.QUEUED
        await workshop.store.move(self._lease, RunState.RUNNING, run_id=row.run_id)
        await context.emit(
            Kind.RUN_RESUMED if again else Kind.RUN_STARTED, context.team.name, "", team=context.team.name,
            provider=info.name, language_model=info.language_model,
        )  # fmt: skip
        children = Children(workshop, self._lease, context, desk)
        steps = steps_of(context, desk, children)
        return await walk(steps, await workshop.checkpoints(), row.run_id, context.team)


def _outcome(
    walking: asyncio.Task[State], context: RunContext
) -> tuple[RunState, bool, dict[str, Any] | None, dict[str, Any] | None]:
    error = walking.exception()
    if error is None:
        state = walking.result()
        partial = is_partial(state) or bool(context.limits.refused)
        return RunState.DONE, partial, state.get("output"), None
    if isinstance(error, AtlasError) and not isinstance(error, LeaseLost):
        return RunState.FAILED, False, None, error.to_dict()
    raise error


def _input(team: Team, assignment: Mapping[str, Any], parent: RunContext, found: Evidence) -> dict[str, Any]:
    """A child's input: what the plan says, what is handed over, and what the parent was told itself."""
    quality = parent.team.quality
    handed = {
        "goal": assignment["goal"],
        "question": str(next(iter(parent.row.input.values()))),
        "work": _work(found.drafts),
        "minimum": quality.minimum if quality else None,
        "rubric": parent.row.input.get("rubric") or (quality.rubric if quality else "") or None,
        "instructions": assignment.get("instructions"),
    }
    named = {each["name"]: each["value"] for each in assignment.get("input") or ()}
    given: dict[str, Any] = {}
    for number, (name, field) in enumerate(team.input.items()):
        source = field.handed or ("goal" if number == 0 else "")
        if source == "work" and not field.required and not handed["instructions"]:
            continue  # a draft is for whoever is told what to change in it
        if field.format == "file_name" and delivers(parent.team):
            continue  # whoever was asked for the file makes it, of the last version
        said = field.read(named[name]) if name in named else parent.row.input.get(name)
        value = handed[source] if source else said
        if value is not None and value != "":
            given[name] = value[: field.longest] if isinstance(value, str) else value
    return team.check_input(given)


def _writers(before: Mapping[str, Result], parent: RunContext) -> set[str]:
    """The vendors of those who made what is handed over; those who judged it meanwhile are not among them."""
    if any("vendors" not in result for result in before.values() if result["ok"]):
        return set(parent.made_with.values())
    return {vendor for result in before.values() for vendor in result.get("vendors", ())}


def _work(drafts: tuple[Draft, ...]) -> str:
    """The last whole work that was handed over, else what there is of parts."""
    works = [draft for draft in drafts if draft.kind == "work"]
    if works:
        return works[-1].text
    return "\n\n".join(draft.text for draft in drafts)


def result_of(row: RunRow, team: Team) -> Result:
    """What a team that has ended hands back: its evidence, what it made of it, and what stays open."""
    output = row.output or {}
    sources = {source["id"]: source for source in output.get("sources", [])}
    keys = ("sha256", "uri", "title", "retrieved_at")
    listed: list[Any] = output.get("findings", [])
    shown: list[dict[str, Any]] = output.get("evidence") or [
        each for each in listed if "quote" in each and "source_id" in each
    ]
    evidence = [each for each in shown if each["source_id"] in sources]
    names = {each["id"]: f"f{number}" for number, each in enumerate(evidence, start=1)}
    findings = [
        {
            "quote": each["quote"],
            "source": {key: sources[each["source_id"]][key] for key in keys},
            "location": {"page": None, "heading": None, **each["location"]},
            "about": "",
            "worker": each["worker"],
        }
        for each in evidence
    ]
    by = f"{TEAM_WORKER}{team.name}"
    drafts = [
        {"kind": "statement", "heading": each.get("kind") or "", "text": each["statement"],
         "finding_ids": [names[one] for one in each["evidence"] if one in names], "by": by}
        for each in resting(output, "findings")
    ]  # fmt: skip
    if product := whole_product(output):
        title = str(output.get("title") or "")
        text = remarked(product, names)
        drafts.append({"kind": "work", "heading": title, "text": text, "finding_ids": [], "by": by})
    gaps: list[str] = output.get("open_questions") or output.get("limits") or []
    result: Result = {
        "findings": findings, "gaps": list(gaps), "dropped": [], "drafts": drafts, "run_id": row.run_id,
        "partial": row.partial,
    }  # fmt: skip
    if "made_with" in output:
        result["vendors"] = output["made_with"]["providers"]
    if "gate" in output:
        result["rating"] = {key: output[key] for key in _RATING if key in output}
    return result
