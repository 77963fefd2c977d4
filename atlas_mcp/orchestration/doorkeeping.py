"""Before a tool with effects is used a person is asked; what was refused is written down."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import shortened
from atlas_mcp.orchestration.asking import Question, QuestionKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.downstream.toolbox import Tool
    from atlas_mcp.messages import ToolCall
    from atlas_mcp.orchestration.context import RunContext

__all__ = ["Doorkeeper", "tool_question"]

_SHOWN = 400


class Doorkeeper:
    """The gate of one step's toolbox."""

    def __init__(self, context: RunContext, path: str, actor: str) -> None:
        self._context = context
        self._path = path
        self._actor = actor

    async def approve(self, tool: Tool, call: ToolCall) -> str:
        """Why the call may not be made; empty if it may."""
        server = tool.address.partition("/")[0]
        if server in self._context.approved:
            return ""
        question = tool_question(self._path, self._actor, tool.address, call.arguments)
        answer = await self._context.ask_person(question)
        if answer["decision"] == "server":
            self._context.approved.add(server)
        if answer["decision"] != "no":
            return ""
        note = answer.get("note")
        return f"A person refused {tool.address}{f': {note}' if note else ''}."

    async def refused(self, call: ToolCall, reason: str) -> None:
        """Write a refused call to the journal."""
        await self._context.emit(
            Kind.TOOL_REFUSED, self._actor, self._path, tool=call.name, arguments=call.arguments,
            reason=reason,
        )  # fmt: skip


def tool_question(path: str, actor: str, address: str, arguments: Mapping[str, Any]) -> Question:
    """Whether an agent may use a tool with effects, once or all of its server's for the rest of the run.

    Known by step, tool and arguments: a step that is walked again finds the answer to what it asked.
    """
    told = json.dumps(arguments, ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(f"{address} {told}".encode()).hexdigest()[:12]
    server = address.partition("/")[0]
    return Question(
        id=f"{path}/tool/{digest}",
        text=f"May {actor} use {address} with {shortened(told, _SHOWN)}?",
        kind=QuestionKind.APPROVE_TOOL,
        data={"tool": address, "arguments": dict(arguments)},
        schema={
            "type": "object",
            "required": ["decision"],
            "additionalProperties": False,
            "properties": {
                "decision": {
                    "type": "string",
                    "enum": ["once", "server", "no"],
                    "description": f"once: this call. server: every tool of {server} in this run. no: not.",
                },
                "note": {"type": "string", "maxLength": 2000, "description": "Why, or a wish."},
            },
        },
    )
