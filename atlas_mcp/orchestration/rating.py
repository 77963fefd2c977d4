"""The steps of a rating team: what can be measured is measured, then judges are asked what takes reading.

The shape is every team's. The plan is made here and not by a model: one judge with the whole rubric, and
where the result is near the minimum a panel in another round. Nobody composes; the rating is computed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import InvalidField, InvalidInput
from atlas_mcp.events import Kind
from atlas_mcp.messages import TaskType
from atlas_mcp.orchestration import evidence
from atlas_mcp.orchestration.gate import prose
from atlas_mcp.orchestration.output import assemble
from atlas_mcp.orchestration.steps import Steps
from atlas_mcp.orchestration.trades.judging import Judging
from atlas_mcp.orchestration.versions import Version
from atlas_mcp.orchestration.working import Workers
from atlas_mcp.quality.judging import Judgement, choose_judges
from atlas_mcp.quality.librarian import Work as Measurable
from atlas_mcp.quality.librarian import measure
from atlas_mcp.quality.rating import needs_panel, rate
from atlas_mcp.quality.rubric import BEST
from atlas_mcp.quality.rubric_text import read_rubric, rubrics
from atlas_mcp.quality.texts import MEASURES, measure_text, measured_too
from atlas_mcp.text.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.messages import Finding
    from atlas_mcp.orchestration.context import RunContext
    from atlas_mcp.orchestration.desk import Desk
    from atlas_mcp.orchestration.evidence import Evidence
    from atlas_mcp.orchestration.state import State, Update, Work
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.orchestration.trades.trade import Delegation
    from atlas_mcp.quality.judging import Bench
    from atlas_mcp.quality.rubric import Rubric
    from atlas_mcp.quality.rubric_text import Given
    from atlas_mcp.quality.texts import Measured

__all__ = ["RatingSteps", "steps_of"]

PANEL = 2
"""Judges who are asked beside the first where the result is in doubt."""

MOST_LOOKED_UP = 120
"""Sentences of a work without marks that are looked up in the documents."""


class RatingSteps(Steps):
    """The steps of one run of a team whose workers judge."""

    def __init__(self, context: RunContext, desk: Desk, children: Delegation) -> None:
        super().__init__(context, desk, children)
        given, quality = context.row.input, context.team.quality
        self._rated_work = str(next(iter(given.values())))
        minimum = given.get("minimum")
        self._minimum = float(minimum if minimum is not None else quality.minimum if quality else 3.5)
        if not 0 <= self._minimum <= BEST:
            raise InvalidField(
                f"`minimum` is {self._minimum:g}; a score is 0 to {BEST:g}.", field="minimum",
                remedy="Write a number from 0 to 5, such as 3.5.",
            )  # fmt: skip
        self._rubric = _rubric(context.team, given.get("rubric") or "general")
        judging = Judging(self._rated_work, self._rubric.asked, str(given.get("task") or ""))
        self._workers = Workers(context, desk, children, self._question, memory=self.memory,
            trades={TaskType.RATING: judging},
        )  # fmt: skip
        self._writers = frozenset(context.row.options.get("writers", ()))
        self._measuring: Measured | None = None

    async def plan(self, state: State) -> Update:
        """One judge for the whole rubric, of another family than the writer where there is one.

        Raises:
            InvalidInput: there is nothing to rate.
        """
        since = await self._begin("plan", "plan: who judges, by which criteria")
        if not self._rated_work.strip():
            raise InvalidInput("There is no text to rate.", remedy="Give it as `work`.")
        made = self._judges(state, 1)
        asked = f"{len(self._rubric.asked)} criteria of the rubric {self._rubric.name}"
        reason = "; ".join(part for part in (asked, self._bench(1).note) if part)
        await self._emit(Kind.PLAN_MADE, "plan/1", round=1, assignments=made, reason=reason)
        await self._end("plan", since, assignments=len(made))
        return {"round": 1, "assignments": made}

    def _bench(self, number: int) -> Bench:
        members = [member.provider.info for member in self._context.provider.leaves()]
        return choose_judges(self._writers, members, number)

    def _judges(self, state: State, number: int) -> list[dict[str, Any]]:
        """Assignments for the judges up to the `number`-th who have none yet."""
        if not self._context.provider.info.judges or not self._rubric.asked:
            return []
        members = [member.name for member in self._context.provider.leaves()]
        bench = self._bench(number).judges
        earlier = state["assignments"]
        made: list[dict[str, Any]] = []
        for place in range(len(earlier), number):
            # With fewer models than judges, another persona of the team judges with the same model.
            judge = bench[place] if place < len(bench) else bench[place % len(bench)]
            made.append({
                "id": f"a{place + 1}", "worker": self._team.workers[place % len(self._team.workers)],
                "goal": f"Judge the work by the {len(self._rubric.asked)} criteria of the rubric.",
                "after": [], "round": state["round"] + 1,
                "avoid": [each for each in members if each != judge],
            })  # fmt: skip
        return made

    async def work(self, work: Work) -> Update:
        """Let one judge judge, and note who it was."""
        update = await super().work(work)
        result = update.get("results", {}).get(work["assignment"]["id"], {})
        for each in result.get("judgements", ()):
            each["judge"] = (
                f"{result['answered_by'] or self._context.provider.info.name} ({result['worker']})"
            )
        return update

    async def review(self, state: State) -> Update:
        """Call a panel where one judge is not enough; what nobody could judge is measured all the same."""
        if self.next_wave(state):
            return {}
        results = state["results"].values()
        rating = rate(self._rubric, await self._measured_work(), _said(state), self._minimum)
        if needs_panel(rating, self._minimum) and not self._context.limits.reached:
            more = self._judges(state, 1 + PANEL)
            who = "a panel judges" if more else "there is no further judge"
            await self._emit(
                Kind.REVIEW_MADE, "review/1", round=1, enough=not more, gaps=0,
                reason=f"{rating.quality:g} is near the minimum of {self._minimum:g}: {who}",
            )  # fmt: skip
            if more:
                await self._emit(
                    Kind.PLAN_MADE, "review/1", round=state["round"] + 1, assignments=more, reason="a panel"
                )
                return {"round": state["round"] + 1, "assignments": [*state["assignments"], *more]}
        return {"partial": any(not result["ok"] for result in results)}

    def wants_another_round(self, state: State) -> bool:  # noqa: ARG002 - a step's shape
        """Never: a panel is called by the review."""
        return False

    def wants_revision(self, state: State) -> bool:  # noqa: ARG002 - a step's shape
        """Never: a rating is what it is."""
        return False

    async def compose(self, state: State) -> Update:  # noqa: ARG002 - a step's shape
        """Nobody composes a rating."""
        return {"draft": {}}

    async def _assembled(
        self, state: State, found: Evidence, lost: list[Finding], snapshots: Mapping[str, str]
    ) -> Version:
        del snapshots
        rating = rate(self._rubric, await self._measured_work(), _said(state), self._minimum)
        measured = await self._measured_work()
        output = assemble(
            self._context, {}, found, lost, measures=measured.measures, partial=state.get("partial", False),
            unread=self._desk.unread, more=rating.to_dict(),
        )  # fmt: skip
        await self._emit(
            Kind.CHECK_FINISHED, "check", claims=0, quotes=len(found.findings) - len(lost), unsupported=0,
            problems=[], score=rating.overall, gate=rating.gate, why=rating.why,
            parts=output["measures"]["parts"] if "measures" in output else [],
        )  # fmt: skip
        return Version(self._fitting(output))

    async def _measured_work(self) -> Measured:
        """What can be measured of the work: against what it cites, else against the documents at hand."""
        if self._measuring is None:
            found = evidence.numbered([], {}, self._given)
            if found.findings and evidence.marks_in(self._rated_work):
                stored = {
                    each.id: (await self._stored(found.sources[each.source_id].sha256))[
                        each.location.start : each.location.end
                    ]
                    for each in found.findings
                }
                said = "\n\n".join(prose(self._rated_work))
                cited = await asyncio.to_thread(measure, Measurable([], said, found.quotes, stored))
                self._measuring = await asyncio.to_thread(measured_too, cited, self._rated_work)
            else:
                texts = await self._sources_of_the_work()
                self._measuring = await asyncio.to_thread(measure_text, self._rated_work, texts)
        return self._measuring

    async def _sources_of_the_work(self) -> list[str]:
        """The passages of the documents that bear on the work's sentences."""
        texts: dict[str, None] = {}
        said = [each.text for paragraph in prose(self._rated_work) for each in sentences(paragraph)]
        for sentence in said[:MOST_LOOKED_UP]:
            texts.update(dict.fromkeys(passage.text for passage in await self._desk.passages(sentence, 3)))
        return list(texts)


def _rubric(team: Team, given: Given) -> Rubric:
    """What a rating team is to judge by: a rubric of its own by name, or one that a person wrote."""
    return read_rubric(given, rubrics(team.folder / "rubrics", MEASURES), MEASURES)


def _said(state: State) -> list[Judgement]:
    """What the judges said, in the plan's order."""
    return [
        Judgement(**each)
        for assignment in state["assignments"]
        if (result := state["results"].get(assignment["id"])) and result["ok"]
        for each in result.get("judgements", ())
    ]


def steps_of(context: RunContext, desk: Desk, children: Delegation) -> Steps:
    """The steps of a run, of the kind that its team takes.

    Raises:
        InvalidField: it is to be rated by what is no rubric, which is better said before anything is spent.
    """
    for team in context.team.teams.values():
        if team.task is TaskType.RATING and (given := context.row.input.get("rubric")):
            _rubric(team, given)
    kind = RatingSteps if context.team.task is TaskType.RATING else Steps
    return kind(context, desk, children)
