"""Before a tool with effects is used a person is asked; what was refused is written down."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import ToolRefused
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.asking import Question, QuestionKind
from atlas_mcp.text.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from atlas_mcp.downstream.toolbox import Tool
    from atlas_mcp.messages import ToolCall
    from atlas_mcp.orchestration.asking import Asked
    from atlas_mcp.orchestration.running import Running

__all__ = ["Doorkeeper", "admit", "file_question", "let_in", "tool_question"]

_SHOWN = 3_000
"""Characters of a call's arguments that a person is shown."""
_LONGEST = (200, 80, 30)
"""Of each value among them: as long as there is room for all of them."""


class Doorkeeper:
    """The gate of one step's toolbox: an answer that lets one call pass lets no other pass."""

    def __init__(self, context: Running, path: str, actor: str) -> None:
        self._context = context
        self._path = path
        self._actor = actor
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def approve(self, tool: Tool, call: ToolCall) -> str:
        """Why the call may not be made; empty if it may.

        A no holds for the same call, however often the step makes it.
        """
        # Two calls that are alike are asked for one after the other, as two questions.
        async with self._asking[_digest(tool.address, call.arguments)]:
            for ordinal in count(1):
                question = tool_question(self._path, self._actor, tool.address, call.arguments, ordinal)
                try:
                    if await self._lets_pass(question):
                        break
                except ToolRefused as error:
                    return error.message
        return ""

    async def _lets_pass(self, question: Question) -> bool:
        """Whether a question's answer is for this call, or for all of its server's.

        What was answered is written to the ledger before the call is made. So a step that is walked again
        finds the answer to what it still asks; one that is there already let an earlier call pass.
        """
        if _server(question) in self._context.approved:
            return True
        asked = False

        async def ask() -> str:
            nonlocal asked
            asked = True
            return json.dumps(await self._context.ask_person(question))

        answer = json.loads(await self._context.once(question.id, "", ask))
        _judge(self._context, question, answer)
        return asked or _server(question) in self._context.approved

    async def refused(self, call: ToolCall, error: ToolRefused) -> None:
        """Write a refused call to the journal."""
        limit = {"limit": error.limit} if error.limit else {}
        await self._context.emit(
            Kind.TOOL_REFUSED, self._actor, self._path, tool=call.name, arguments=call.arguments,
            reason=error.message, **limit,
        )  # fmt: skip


def let_in(asked: Iterable[Asked]) -> set[str]:
    """The servers that a person let in for the whole of a run, by what was asked in it until now."""
    return {
        _server(each.question) for each in asked
        if each.question.kind is QuestionKind.APPROVE_TOOL and (each.answer or {}).get("decision") == "server"
    }  # fmt: skip


async def admit(context: Running, question: Question) -> None:
    """Ask a person for a tool with effects, unless its server was let in for the whole run.

    Raises:
        ToolRefused: the person said no.
    """
    if _server(question) not in context.approved:
        _judge(context, question, await context.ask_person(question))


def file_question(path: str, team: str, server: str, file: str, calls: int) -> Question:
    """Whether a team's finished document may be written to a file by a server."""
    return _question(
        f"{path}/file", f"May the team {team} write {file} by {server}, in {calls} calls?",
        {"tool": f"{server}/*", "file": file},
        {"server": f"every tool of {server} in this run", "no": "not"},
    )  # fmt: skip


def tool_question(
    path: str, actor: str, address: str, arguments: Mapping[str, Any], ordinal: int = 1
) -> Question:
    """Whether an agent may use a tool with effects, once or all of its server's for the rest of the run.

    Known by step, tool and arguments, and by how often these were asked for: a step that is walked again
    finds the answer to what it asked, and the same call once more is another question.
    """
    server = address.partition("/")[0]
    return _question(
        f"{path}/tool/{_digest(address, arguments)}/{ordinal}",
        f"May {actor} use {address} with {_arguments(arguments)}?",
        {"tool": address, "arguments": dict(arguments)},
        {"once": "this call", "server": f"every tool of {server} in this run", "no": "not"},
    )


def _digest(address: str, arguments: Mapping[str, Any]) -> str:
    told = json.dumps(arguments, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(f"{address} {told}".encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _server(question: Question) -> str:
    address: str = question.data["tool"]
    return address.partition("/")[0]


def _judge(context: Running, question: Question, answer: Mapping[str, Any]) -> None:
    if answer["decision"] == "server":
        context.approved.add(_server(question))
    if answer["decision"] == "no":
        note = answer.get("note")
        raise ToolRefused(f"A person refused {question.data['tool']}{f': {note}' if note else ''}.")


def _arguments(arguments: Mapping[str, Any]) -> str:
    """Arguments as JSON in which each value is shortened by itself, so that a long one hides no other."""
    told = ""
    for most in _LONGEST:
        told = _told(arguments, most)
        if len(told) <= _SHOWN:
            return told
    return f"{told[:_SHOWN]}… (NOT ALL IS SHOWN: {len(told) - _SHOWN:,} more characters)"


def _told(value: Any, most: int) -> str:
    match value:
        case dict():
            items = sorted(cast("dict[str, Any]", value).items())
            return f"{{{', '.join(f'{_told(key, most)}: {_told(each, most)}' for key, each in items)}}}"
        case list():
            return f"[{', '.join(_told(each, most) for each in cast('list[Any]', value))}]"
        case str():
            return json.dumps(_ends(value, most), ensure_ascii=False)
        case _:
            return _ends(json.dumps(value), most)


def _ends(text: str, most: int) -> str:
    """A text, or its beginning and its end, and how long it is."""
    if len(text) <= most:
        return text
    return f"{text[: most * 3 // 4]} … {text[-(most // 4) :]} ({len(text):,} characters)"


def _question(identity: str, text: str, data: dict[str, Any], decisions: Mapping[str, str]) -> Question:
    told = "; ".join(f"{name}: {said}" for name, said in decisions.items())
    return Question(
        id=identity,
        text=visible(text),
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
