"""What supervisors and workers are told, and the shape of what they give back.

The persona says who somebody is; this says what is wanted now. Nothing here is specific to a vendor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.orchestration.team import Team

__all__ = ["GATHER_SCHEMA", "MOST_FINDINGS", "compose_text", "gather_text", "plan_schema", "plan_text"]

MOST_FINDINGS = 6
"""Findings that one assignment may give."""

_PLAN = """\
Break this into at most {most} assignments that together answer it. Few good ones beat many: one is enough
for a simple question. Each goal is a question in itself, for one worker, who sees nothing but the goal. A
worker may get several assignments."""

_GATHER = """\
Below are passages from the documents. Give the sentences that bear on your goal, copied exactly, each
with the id of its passage; also those that limit or contradict others. Search again with other words if
they do not suffice. Leave out what is only near the subject. Say what stays unanswered."""

_COMPOSE = """\
Below are your workers' findings: verbatim quotes with ids. Compose from them and from nothing else. Each
claim says what its findings say, in plain words, and names their ids. The answer comes first, to the
point, each sentence followed by the ids it rests on, such as [f2]. Name where findings disagree, and what
the question asks that they do not answer."""

GATHER_SCHEMA: dict[str, Any] = {
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


def plan_schema(team: Team) -> dict[str, Any]:
    """The shape of a plan: assignments for this team's workers."""
    assignment = {
        "type": "object",
        "required": ["id", "worker", "goal", "after"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "pattern": "^a[0-9]+$"},
            "worker": {"type": "string", "enum": list(team.workers), "x-atlas-fill": "select"},
            "goal": {
                "type": "string",
                "minLength": 1,
                "maxLength": 600,
                "x-atlas-fill": "quote",
                "description": "One question that this worker can answer alone, complete in itself.",
            },
            "after": {
                "type": "array",
                "x-atlas-fill": "select",
                "items": {"type": "string", "pattern": "^a[0-9]+$"},
                "description": "Ids of assignments whose results this one needs first; usually none.",
            },
        },
    }
    return {
        "type": "object",
        "required": ["assignments"],
        "additionalProperties": False,
        "properties": {
            "assignments": {
                "type": "array",
                "minItems": 1,
                "maxItems": team.max_assignments,
                "x-atlas-fill": "rank",
                "items": assignment,
            },
            "reason": {"type": ["string", "null"], "maxLength": 600, "x-atlas-fill": "none"},
        },
    }


def plan_text(team: Team, given: Mapping[str, Any], tried: Sequence[str]) -> str:
    """Ask for a plan; `tried` are goals of earlier rounds, which found too little."""
    workers = "\n".join(f"- {name}: {team.cards[name].description}" for name in team.workers)
    lines = [
        _asked(given),
        f"Your workers:\n{workers}",
        _PLAN.format(most=team.max_assignments),
    ]
    if tried:
        goals = "\n".join(f"- {goal}" for goal in tried)
        lines.append(f"These found too little; ask otherwise.\nAlready tried:\n{goals}")
    return "\n\n".join(lines)


def gather_text(question: str, goal: str) -> str:
    """Ask a worker for findings on a goal."""
    return f"The team answers this question: {question}\n\nYour goal: {goal}\n\n" + _GATHER


def compose_text(given: Mapping[str, Any], gaps: Sequence[str]) -> str:
    """Ask the supervisor to compose from the findings."""
    lines = [
        _asked(given),
        _COMPOSE,
    ]
    if gaps:
        lines.append("Your workers could not answer:\n" + "\n".join(f"- {gap}" for gap in gaps))
    return "\n\n".join(lines)


def _asked(given: Mapping[str, Any]) -> str:
    return "\n".join(f"{name.capitalize()}: {value}" for name, value in given.items())
