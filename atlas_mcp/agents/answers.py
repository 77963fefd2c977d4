"""What all agents do alike: read a shaped answer, say what does not fit, tell the journal what happened."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import jiter

from atlas_mcp.agents.agent import Happened
from atlas_mcp.chunks import Chosen, Switched
from atlas_mcp.events import Kind
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.messages import ToolCall, ToolResult

__all__ = ["NO_TOOLS", "REPAIRS", "read_answer", "seam", "sent_back", "tool_finished"]

REPAIRS = 2
"""How often an answer that does not fit its schema is sent back."""

NO_TOOLS = "Tools can no longer be called; answer from what you have."

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL)


def read_answer(
    text: str, schema: dict[str, Any], *, cut_off: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """An answer as JSON, and what does not fit; `cut_off` where the output limit ended it."""
    text = text.strip()
    if fenced := _FENCED.search(text):
        text = fenced[1]
    try:
        value = jiter.from_json(text.encode(), allow_inf_nan=False)
    except ValueError as error:
        cut = " (it was cut off at the output limit)" if cut_off else ""
        return {}, [f"$: this is not JSON{cut}: {error}"]
    problems = misfits(schema, value)
    return (cast("dict[str, Any]", value) if not problems else {}), problems


def sent_back(problems: Sequence[str]) -> str:
    """What a model is told whose answer does not fit."""
    wish = "\n".join(f"- {problem}" for problem in problems)
    return f"Your answer does not fit:\n{wish}\nGive it all again: one JSON object, nothing else."


def seam(chunk: Chosen | Switched, call: int) -> Happened:
    """What the journal says of who was chosen, and of who went on after whom."""
    kind = Kind.MODEL_CHOSEN if isinstance(chunk, Chosen) else Kind.MODEL_SWITCHED
    return Happened(kind, {**asdict(chunk), "call": call})


def tool_finished(call: ToolCall, result: ToolResult, seconds: float) -> dict[str, Any]:
    """What the journal says of a finished tool call."""
    return {
        "tool": call.name,
        "seconds": round(seconds, 3),
        "passages": len(result.passages),
        "error": result.text if result.error else None,
    }
