"""Before a tool with effects is used a person is asked; what was refused is written down."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from atlas_mcp.downstream.screening.invisible import cleaned
from atlas_mcp.errors import ToolRefused
from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import shortened
from atlas_mcp.orchestration.asking import Question, QuestionKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.downstream.toolbox import Tool
    from atlas_mcp.messages import ToolCall
    from atlas_mcp.orchestration.running import Running

__all__ = ["Doorkeeper", "admit", "file_question", "tool_question"]

_SHOWN = 400


class Doorkeeper:
    """The gate of one step's toolbox."""

    def __init__(self, context: Running, path: str, actor: str) -> None:
        self._context = context
        self._path = path
        self._actor = actor

    async def approve(self, tool: Tool, call: ToolCall) -> str:
        """Why the call may not be made; empty if it may."""
        question = tool_question(self._path, self._actor, tool.address, call.arguments)
        try:
            await admit(self._context, question)
        except ToolRefused as error:
            return error.message
        return ""

    async def refused(self, call: ToolCall, reason: str) -> None:
        """Write a refused call to the journal."""
        await self._context.emit(
            Kind.TOOL_REFUSED, self._actor, self._path, tool=call.name, arguments=call.arguments,
            reason=reason,
        )  # fmt: skip


async def admit(context: Running, question: Question) -> None:
    """Ask a person for a tool with effects, unless its server was let in for the whole run.

    Raises:
        ToolRefused: the person said no.
    """
    address: str = question.data["tool"]
    server = address.partition("/")[0]
    if server in context.approved:
        return
    answer = await context.ask_person(question)
    if answer["decision"] == "server":
        context.approved.add(server)
    if answer["decision"] == "no":
        note = answer.get("note")
        raise ToolRefused(f"A person refused {address}{f': {note}' if note else ''}.")


def file_question(path: str, team: str, server: str, file: str, calls: int) -> Question:
    """Whether a team's finished document may be written to a file by a server."""
    return _question(
        f"{path}/file", f"May the team {team} write {file} by {server}, in {calls} calls?",
        {"tool": f"{server}/*", "file": file},
        {"server": f"every tool of {server} in this run", "no": "not"},
    )  # fmt: skip


def tool_question(path: str, actor: str, address: str, arguments: Mapping[str, Any]) -> Question:
    """Whether an agent may use a tool with effects, once or all of its server's for the rest of the run.

    Known by step, tool and arguments: a step that is walked again finds the answer to what it asked.
    """
    told = json.dumps(arguments, ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(f"{address} {told}".encode()).hexdigest()[:12]
    server = address.partition("/")[0]
    return _question(
        f"{path}/tool/{digest}", f"May {actor} use {address} with {shortened(cleaned(told), _SHOWN)}?",
        {"tool": address, "arguments": dict(arguments)},
        {"once": "this call", "server": f"every tool of {server} in this run", "no": "not"},
    )  # fmt: skip


def _question(identity: str, text: str, data: dict[str, Any], decisions: Mapping[str, str]) -> Question:
    told = "; ".join(f"{name}: {said}" for name, said in decisions.items())
    return Question(
        id=identity,
        text=text,
        kind=QuestionKind.APPROVE_TOOL,
        data=data,
        schema={
            "type": "object",
            "required": ["decision"],
            "additionalProperties": False,
            "properties": {
                "decision": {"type": "string", "enum": list(decisions), "description": f"{told}."},
                "note": {"type": "string", "maxLength": 2000, "description": "Why, or a wish."},
            },
        },
    )
