"""Judging: a worker answers criteria about a work, evidence and reason before each verdict."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from atlas_mcp.agents.agent import Task
from atlas_mcp.messages import Intent
from atlas_mcp.orchestration.evidence import marks_in
from atlas_mcp.quality.judging import check_judgements, judge_material, judge_schema, judge_text, judgements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.agents.agent import Answered
    from atlas_mcp.orchestration.state import Result
    from atlas_mcp.orchestration.trades.trade import Commission
    from atlas_mcp.quality.rubric import Criterion

__all__ = ["Judging"]


class Judging:
    """The trade of those who judge one `work` by `criteria`; `asked` is what the work was to do."""

    needs_material = True

    def __init__(self, work: str, criteria: Sequence[Criterion], asked: str) -> None:
        self._work = work
        self._criteria = criteria
        self._asked = asked

    def task(self, commission: Commission) -> Task:
        """Ask for a verdict on each criterion."""
        return Task(
            Intent.RATE,
            self._asked or commission.goal,
            judge_text(self._criteria, task=self._asked, cites=bool(marks_in(self._work))),
            judge_schema(self._criteria),
            judge_material(self._work, commission.before.findings),
            lambda value, _passages: check_judgements(self._criteria, value, self._work),
        )

    def result(self, commission: Commission, answer: Answered) -> Result:  # noqa: ARG002 - a trade's shape
        """The verdicts; whoever knows who answered says so."""
        said: list[dict[str, Any]] = [asdict(each) for each in judgements(answer.value, "", self._work)]
        return {"findings": [], "gaps": [], "dropped": [], "drafts": [], "judgements": said}
