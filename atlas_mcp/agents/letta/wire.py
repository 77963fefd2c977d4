"""What a Letta server says during one leg of a turn, in our words.

A leg is one request: it ends with the turn, or with a call that somebody else has to answer. It knows the
shapes of messages, and no connection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.agents.runtime import Recalled
from atlas_mcp.chunks import ReasoningDelta, TextDelta, Usage
from atlas_mcp.messages import ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from atlas_mcp.agents.runtime import StopReason, TurnStep
    from atlas_mcp.messages import ToolSpec

__all__ = ["Leg", "approval", "client_tools", "decision", "edited", "recalled", "usage", "user_message"]

_ENDS: dict[str, StopReason] = {
    "end_turn": "end_turn",
    "tool_rule": "end_turn",
    "no_tool_call": "end_turn",
    "requires_approval": "requires_approval",
    "max_steps": "max_steps",
    "max_tokens_exceeded": "max_tokens_exceeded",
    "cancelled": "cancelled",
    "context_window_overflow_in_system_prompt": "context_window_overflow_in_system_prompt",
}


@dataclass(slots=True)
class _Growing:
    """A tool call whose arguments come in pieces."""

    id: str
    name: str
    pieces: list[str] = field(default_factory=list[str])

    def whole(self) -> ToolCall:
        try:
            arguments: object = json.loads("".join(self.pieces) or "{}")
        except ValueError:
            arguments = None
        known = cast("dict[str, Any]", arguments) if isinstance(arguments, dict) else {}
        return ToolCall(self.id, self.name, known)


@dataclass(slots=True)
class Leg:
    """What came of a leg so far.

    `text` is what was said since the last tool's result; `pending` the calls that somebody else has to
    answer; `ended` why it ended, empty while it has not.
    """

    run: str = ""
    text: str = ""
    pending: list[ToolCall] = field(default_factory=list[ToolCall])
    ended: str = ""
    usage: Usage = field(default_factory=Usage)
    _growing: list[_Growing] = field(default_factory=list[_Growing])
    _asks: bool = False

    @property
    def steps(self) -> int:
        """How often the model was asked."""
        return self.usage.calls

    @property
    def reason(self) -> StopReason:
        """Why it ended, in our words."""
        return _ENDS.get(self.ended, "error")

    def add(self, event: Any) -> Iterator[TurnStep]:
        """Take an event or a stored message in; gives what it tells the reader."""
        self.run = getattr(event, "run_id", None) or self.run
        match event.message_type:
            case "assistant_message":
                if text := _text(event.content):
                    self.text += text
                    yield TextDelta(text)
            case "reasoning_message":
                if event.reasoning:
                    yield ReasoningDelta(event.reasoning)
            case "tool_call_message" | "approval_request_message":
                self._asks = event.message_type == "approval_request_message"
                self._grow(event)
            case "tool_return_message":
                yield from self._ran()
                self.text = ""
                error = event.status == "error"
                yield ToolResult(event.tool_call_id, str(event.tool_return), error=error)
            case "stop_reason":
                self.end(event.stop_reason)
            case "usage_statistics":
                self.usage = usage(event, event.step_count or 0)
            case _:  # pings, and what the server tells of itself
                pass

    def read(self, messages: Iterable[Any]) -> None:
        """Add what is stored of it, of which nothing is told."""
        for message in messages:
            for _ in self.add(message):
                pass

    def end(self, reason: str) -> None:
        """The leg ended; calls that nobody ran are pending."""
        self.ended = reason
        if self._asks:
            self.pending = [call.whole() for call in self._growing]
            self._growing = []

    def _grow(self, event: Any) -> None:
        calls: Any = event.tool_calls or [event.tool_call]
        for call in cast("list[Any]", calls if isinstance(calls, list) else [calls]):
            if call.name and (not self._growing or call.tool_call_id not in {None, self._growing[-1].id}):
                self._growing.append(_Growing(call.tool_call_id or "", call.name))
            if self._growing and call.arguments:
                self._growing[-1].pieces.append(call.arguments)

    def _ran(self) -> Iterator[ToolCall]:
        """The calls that the server ran itself."""
        growing, self._growing = self._growing, []
        for call in growing:
            yield call.whole()


def usage(told: Any, calls: int) -> Usage:
    """What a leg or a step of it took, as the server counts it; it knows no prices."""
    return Usage(
        told.prompt_tokens or 0,
        told.completion_tokens or 0,
        told.cached_input_tokens or 0,
        told.reasoning_tokens or 0,
        None,
        calls=calls,
        cache_write_tokens=told.cache_write_tokens or 0,
    )


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(getattr(part, "text", "") or "" for part in cast("list[Any]", content))


def recalled(message: Any) -> Recalled | None:
    """A stored message as one of a thread's history; None for what nobody said."""
    match message.message_type:
        case "user_message":
            return Recalled(message.id, "user", _text(message.content), message.date)
        case "assistant_message":
            return Recalled(message.id, "assistant", _text(message.content), message.date)
        case "tool_return_message":
            return Recalled(message.id, "tool", str(message.tool_return), message.date)
        case _:
            return None


# What is sent ----------------------------------------------------------------------------------------------


def user_message(text: str, otid: str) -> dict[str, Any]:
    """Words to the agent, with an id of ours by which they are found again."""
    return {"role": "user", "content": text, "otid": otid}


def approval(results: Iterable[ToolResult], otid: str) -> dict[str, Any]:
    """The results of tools that we ran."""
    each = [
        {
            "type": "tool",
            "tool_call_id": result.call_id,
            "tool_return": result.text,
            "status": "error" if result.error else "success",
        }
        for result in results
    ]
    return {"type": "approval", "approvals": each, "otid": otid}


def decision(call: ToolCall, refusal: str, otid: str) -> dict[str, Any]:
    """Whether the server may run a call, and if not, why."""
    one: dict[str, Any] = {"type": "approval", "approve": not refusal, "tool_call_id": call.id}
    if refusal:
        one["reason"] = refusal
    return {"type": "approval", "approvals": [one], "otid": otid}


def client_tools(tools: Iterable[ToolSpec]) -> list[dict[str, Any]]:
    """The caller's tools."""
    return [
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in tools
    ]


def edited(value: str, call: ToolCall) -> str:
    """What a block's value would become by a call of the server's memory tools, or something as long."""
    arguments = {name: str(inner) for name, inner in call.arguments.items()}
    match call.name:
        case "memory_insert":
            return f"{value}\n{arguments.get('new_string', '')}" if value else arguments.get("new_string", "")
        case "memory_replace":
            old = arguments.get("old_string", "")
            return value.replace(old, arguments.get("new_string", "")) if old else value
        case _:
            return arguments.get("new_memory", "")
