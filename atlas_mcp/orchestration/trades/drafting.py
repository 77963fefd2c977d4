"""Drafting: a worker writes one section from findings, and cites them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.agents.agent import Task
from atlas_mcp.messages import Intent, Material
from atlas_mcp.orchestration.evidence import cited_only, plainly_marked
from atlas_mcp.orchestration.gate import faults

if TYPE_CHECKING:
    from atlas_mcp.agents.agent import Answered
    from atlas_mcp.orchestration.state import Result
    from atlas_mcp.orchestration.trades.trade import Commission

__all__ = ["SCHEMA", "WISHES", "Drafting"]

WISHES = ("format", "audience", "length", "tone")
"""The inputs of a team that say how it is to write."""

_ASK = """\
Write this one section from the findings and drafts below and from nothing else; the others write theirs.
Each sentence that says something of the world ends with the ids it rests on, such as [f2]. Write for the
reader and in the tone that are wished for; no heading inside the section, no greeting, no summary of what
comes. Say what the section should have said and the findings do not carry."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["heading", "text", "gaps"],
    "additionalProperties": False,
    "properties": {
        "heading": {
            "type": "string", "minLength": 1, "maxLength": 120, "x-atlas-fill": "quote",
            "description": "The section's heading, without marks.",
        },
        "text": {
            "type": "string", "minLength": 1, "maxLength": 6000, "x-atlas-fill": "quote",
            "description": "The section in Markdown, each claim followed by the ids it rests on, e.g. [f2].",
        },
        "gaps": {
            "type": "array",
            "maxItems": 6,
            "x-atlas-fill": "select",
            "description": "What belongs here and no finding carries.",
            "items": {"type": "string", "minLength": 1, "maxLength": 300},
        },
    },
}  # fmt: skip


class Drafting:
    """The trade of those who write a part."""

    needs_material = True

    def task(self, commission: Commission) -> Task:
        """Ask for a section."""
        found, given = commission.before, commission.given
        lines = [
            f"The whole: {commission.question}",
            *(f"{name.capitalize()}: {given[name]}" for name in WISHES if given.get(name)),
            f"Your section: {commission.goal}",
            _ASK,
        ]
        return Task(
            Intent.COMPOSE,
            commission.goal,
            "\n\n".join(lines),
            SCHEMA,
            Material(commission.passages, found.findings, found.drafts),
            lambda value, _passages: faults({"document": plainly_marked(value["text"])}, found.quotes),
        )

    def result(self, commission: Commission, answer: Answered) -> Result:
        """The section, with the findings that it cites."""
        value = plainly_marked(answer.value)
        section = {"kind": "section", "heading": value["heading"], "text": value["text"]}
        return {"gaps": list(value["gaps"]), "dropped": [], **cited_only([section], commission.before)}
