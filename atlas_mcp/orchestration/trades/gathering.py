"""Gathering: a worker reads passages and hands over verbatim quotes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.agents.agent import Task
from atlas_mcp.messages import Intent, Material
from atlas_mcp.orchestration.evidence import gathered
from atlas_mcp.quality.citations import misquoted

if TYPE_CHECKING:
    from atlas_mcp.agents.agent import Answered
    from atlas_mcp.messages import Passage
    from atlas_mcp.orchestration.state import Result
    from atlas_mcp.orchestration.trades.trade import Commission

__all__ = ["MOST_FINDINGS", "SCHEMA", "Gathering"]

MOST_FINDINGS = 6
"""Findings that one assignment may give."""

_ASK = """\
Below are passages from the documents. Give the sentences that bear on your goal, copied exactly, each
with the id of its passage; also those that limit or contradict others. Search again with other words if
they do not suffice. Leave out what is only near the subject. Say what stays unanswered."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["findings", "gaps"],
    "additionalProperties": False,
    "properties": {
        "findings": {
            "type": "array",
            "maxItems": MOST_FINDINGS,
            "x-atlas-fill": "rank",
            "description": "What the passages say on the goal, best first; none if they say nothing.",
            "items": {
                "type": "object",
                "required": ["passage", "quote"],
                "additionalProperties": False,
                "properties": {
                    "passage": {
                        "type": "string",
                        "x-atlas-fill": "select",
                        "description": "The passage's id.",
                    },
                    "quote": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 1200,
                        "x-atlas-fill": "quote",
                        "description": "One to three whole sentences, copied exactly from that passage.",
                    },
                    "about": {
                        "type": ["string", "null"],
                        "maxLength": 300,
                        "x-atlas-fill": "none",
                        "description": "What the quote shows, in a few words.",
                    },
                },
            },
        },
        "gaps": {
            "type": "array",
            "maxItems": 6,
            "x-atlas-fill": "select",
            "description": "What the goal asks that no passage answers.",
            "items": {"type": "string", "minLength": 1, "maxLength": 300},
        },
    },
}


class Gathering:
    """The trade of those who read."""

    needs_material = False

    def task(self, commission: Commission) -> Task:
        """Ask for findings on a goal."""
        return Task(
            Intent.GATHER,
            commission.goal,
            f"The team answers this question: {commission.question}\n\n"
            f"Your goal: {commission.goal}\n\n{_ASK}",
            SCHEMA,
            Material(commission.passages, commission.before.findings),
            _misquoted,
        )

    def result(self, commission: Commission, answer: Answered) -> Result:  # noqa: ARG002 - a trade's shape
        """The quotes as they stand in their sources."""
        return gathered(answer.value, answer.passages)


def _misquoted(value: dict[str, Any], passages: tuple[Passage, ...]) -> list[str]:
    return misquoted(value["findings"], {passage.id: passage for passage in passages})
