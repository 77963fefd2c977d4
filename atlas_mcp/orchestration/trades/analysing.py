"""Analysing: a worker says what findings show together, each statement by the ids it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.agents.agent import Task
from atlas_mcp.messages import Intent, Material
from atlas_mcp.orchestration.evidence import cited_only
from atlas_mcp.quality.citations import judge_claims

if TYPE_CHECKING:
    from atlas_mcp.agents.agent import Answered
    from atlas_mcp.orchestration.evidence import Evidence
    from atlas_mcp.orchestration.state import Result
    from atlas_mcp.orchestration.trades.trade import Commission

__all__ = ["KINDS", "SCHEMA", "Analysing"]

KINDS = (
    "strength", "weakness", "opportunity", "threat", "pro", "con", "likeness", "difference", "cause",
    "effect", "trend", "risk", "score", "contradiction", "assumption", "finding",
)  # fmt: skip
"""What a statement can be, over all frameworks."""

_ASK = """\
Below are findings: verbatim quotes with ids, some of them computed. Say what they show on your goal: one
statement each, in plain words, with the ids it rests on. Compare, contrast, weigh; look for what contradicts
and what limits. A number stands in a finding or is left out: never work one out in your head. Say what
cannot be told from these findings."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["statements", "gaps"],
    "additionalProperties": False,
    "properties": {
        "statements": {
            "type": "array",
            "maxItems": 8,
            "x-atlas-fill": "rank",
            "description": "What the findings show on the goal, weightiest first.",
            "items": {
                "type": "object",
                "required": ["kind", "text", "finding_ids"],
                "additionalProperties": False,
                "properties": {
                    "kind": {"type": "string", "enum": list(KINDS), "x-atlas-fill": "none"},
                    "text": {"type": "string", "minLength": 1, "maxLength": 600, "x-atlas-fill": "quote"},
                    "finding_ids": {
                        "type": "array", "minItems": 1, "maxItems": 6, "x-atlas-fill": "select",
                        "items": {"type": "string", "pattern": "^f[0-9]+$"},
                    },
                },
            },
        },
        "gaps": {
            "type": "array",
            "maxItems": 6,
            "x-atlas-fill": "select",
            "description": "What the goal asks that the findings cannot tell.",
            "items": {"type": "string", "minLength": 1, "maxLength": 300},
        },
    },
}  # fmt: skip


class Analysing:
    """The trade of those who weigh."""

    needs_material = True

    def task(self, commission: Commission) -> Task:
        """Ask for statements on a goal."""
        found = commission.before
        framework = commission.given.get("framework")
        lines = [
            f"The team is asked: {commission.question}",
            f"Its framework: {framework}" if framework else "",
            f"Your goal: {commission.goal}",
            _ASK,
        ]
        return Task(
            Intent.COMPOSE,
            commission.goal,
            "\n\n".join(line for line in lines if line),
            SCHEMA,
            Material(commission.passages, found.findings, found.drafts),
            lambda value, _passages: _uncarried(value, found),
        )

    def result(self, commission: Commission, answer: Answered) -> Result:
        """The statements, with the findings that they rest on."""
        drafts = [
            {
                "kind": "statement", "heading": each["kind"], "text": each["text"],
                "finding_ids": each["finding_ids"],
            }
            for each in answer.value["statements"]
        ]  # fmt: skip
        return {"gaps": list(answer.value["gaps"]), "dropped": [], **cited_only(drafts, commission.before)}


def _uncarried(value: dict[str, Any], found: Evidence) -> list[str]:
    return [
        f"$.statements[{number}]: {verdict.reason}. Say what the findings say, and cite their ids."
        for number, verdict in enumerate(judge_claims(value["statements"], found.quotes))
        if not verdict.supported
    ]
