"""The supervisor of a run: asked for plans and reviews, and to compose within what the budget leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from atlas_mcp.agents.agent import Task
from atlas_mcp.errors import BudgetSpent
from atlas_mcp.messages import Intent, Material
from atlas_mcp.orchestration import evidence
from atlas_mcp.orchestration.gate import faults
from atlas_mcp.orchestration.outdated import current, outdated, with_outdated

if TYPE_CHECKING:
    from atlas_mcp.agents.agent import Answered
    from atlas_mcp.messages import Draft
    from atlas_mcp.orchestration.context import RunContext
    from atlas_mcp.orchestration.evidence import Evidence

__all__ = ["Supervisor"]

COMPOSE_TOKENS = 2_500
"""What a composition takes beside its findings: persona, instructions, schema and the answer."""


class Supervisor:
    """The supervisor of one run's team."""

    def __init__(self, context: RunContext, question: str) -> None:
        self._context = context
        self._team = context.team
        self._question = question

    async def ask(self, task: Task, path: str, *, last: bool = False) -> Answered:
        """The answer to a task; `last` is the turn that hands back what there is, whatever limit is reached.

        Raises:
            BudgetSpent: a limit is reached, and it is not the last turn.
        """
        card = self._team.cards[self._team.supervisor]
        tools = await self._context.toolbox(card, path)
        ask = self._context.ask(card, task, path, actor=self._team.supervisor, tools=tools, last=last)
        if last:
            return await ask
        async with self._context.limits.within():
            return await ask

    async def compose(
        self, asked: str, found: Evidence, drafts: tuple[Draft, ...], path: str, *, memory: str = ""
    ) -> tuple[dict[str, Any], bool]:
        """The whole, of as many findings as the budget has room for; and whether that was all of them.

        `memory` is what is remembered of how it is liked and done. With nothing left to compose with, the
        whole is the findings themselves. What memory said and a document contradicts is told, not used.
        """
        against = await asyncio.to_thread(outdated, found)
        draft, whole = await self._composed(asked, current(found, against), drafts, path, memory)
        return with_outdated(draft, self._team.composed_schema, found, against), whole

    async def _composed(
        self, asked: str, found: Evidence, drafts: tuple[Draft, ...], path: str, memory: str
    ) -> tuple[dict[str, Any], bool]:
        left, _ = self._context.limits.budget.left(closing=True)
        room = None if left is None else left - COMPOSE_TOKENS
        findings = evidence.fitting(found.findings, room)
        quotes = {finding.id: finding.quote for finding in findings}
        task = Task(
            Intent.COMPOSE,
            self._question,
            asked,
            self._team.composed_schema,
            Material(findings=findings, drafts=drafts),
            lambda value, _passages: faults(evidence.plainly_marked(value), quotes),
            memory,
        )
        try:
            answer = await self.ask(task, path, last=True)
        except BudgetSpent:
            return evidence.bare_draft(self._team, self._question, found), False
        return evidence.plainly_marked(answer.value), len(findings) == len(found.findings)
