"""The chat-completions wire from its other end: chunks as the events, or the one object, that a client reads.

It is the inverse of `chat_completions.ChatAssembly`. What the wire has no word for (who was chosen, who
joined) is said in comment lines, which every client passes over. It knows no connection and no provider.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from atlas_mcp.chunks import (
    Chosen,
    Citation,
    ReasoningDelta,
    Retracted,
    Stopped,
    Switched,
    TextDelta,
    Usage,
)
from atlas_mcp.errors import StreamBroken
from atlas_mcp.messages import Reasoning, ToolCall
from atlas_mcp.providers.lending.errors import told

if TYPE_CHECKING:
    from atlas_mcp.chunks import Chunk, Reply
    from atlas_mcp.errors import AtlasError
    from atlas_mcp.providers.lending.requests import ChatRequest

__all__ = ["ChatEvents", "completion", "error_event", "model_list"]

JsonObject: TypeAlias = dict[str, Any]

_REASONS = {"end": "stop", "tool_calls": "tool_calls", "length": "length", "refused": "content_filter"}
_DONE = b"data: [DONE]\n\n"


class ChatEvents:
    """Writes one answer as server-sent events: `take` each chunk.

    Nothing is written before the answer begins, so that a failure until then can still be told by a status.
    `model` is who answers, as far as that is known.

    Raises while taking:
        StreamBroken: text was retracted, which this wire cannot say.
    """

    def __init__(self, request: ChatRequest, model: str) -> None:
        self.model = model
        self.begun = False
        self._request = request
        self._opening = _opening("chat.completion.chunk")
        self._before = b""
        self._after = b""
        self._waiting = b""
        self._usage = Usage()
        self._calls = 0
        self._answers(model)

    def take(self, chunk: Chunk) -> bytes:
        """What is to be written for a chunk; often nothing."""
        said = b""
        match chunk:
            case TextDelta():
                said = self._said(b"content", chunk.text)
            case ReasoningDelta():
                said = self._said(b"reasoning_content", chunk.text) if chunk.text else b""
            case ToolCall():
                said = self._called(chunk)
            case Usage():
                self._usage = self._usage + chunk
            case Chosen():
                self._answers(chunk.member)
                said = self._remark(f"chosen {chunk.member}: {chunk.reason}")
            case Switched():
                self._answers(chunk.joined)
                seam = f"switched from {chunk.left} to {chunk.joined} ({chunk.way}): {chunk.reason}"
                said = self._remark(seam)
            case Retracted():
                said = self._retracted(chunk)
            case Stopped():
                said = self._stopped(chunk)
            case Citation():
                pass  # a client's prompt has no passages that could be cited
            case _:
                assert_never(chunk)
        return said

    def _answers(self, model: str) -> None:
        """Who answers from here on; every event names them."""
        self.model = model
        fields = json.dumps({**self._opening, "model": model}, separators=(",", ":"))
        self._before = f'data: {fields[:-1]},"choices":[{{"index":0,"delta":'.encode()
        usage = ',"usage":null' if self._request.reports else ""
        self._after = f',"logprobs":null,"finish_reason":null}}]{usage}}}\n\n'.encode()

    def _begin(self) -> bytes:
        """What stands before the first event of the answer."""
        if self.begun:
            return b""
        self.begun = True
        first = b'%b{"role":"assistant","content":""}%b' % (self._before, self._after)
        waiting, self._waiting = self._waiting, b""
        return waiting + first

    def _said(self, field: bytes, text: str) -> bytes:
        event = b'%b{"%b":%b}%b' % (self._before, field, json.dumps(text).encode(), self._after)
        return event if self.begun else self._begin() + event

    def _called(self, call: ToolCall) -> bytes:
        if self._calls and self._request.one_call:
            return b""
        delta = {"tool_calls": [{"index": self._calls, **_call(call)}]}
        self._calls += 1
        return self._begin() + self._before + json.dumps(delta).encode() + self._after

    def _retracted(self, chunk: Retracted) -> bytes:
        if chunk.characters:
            raise StreamBroken(
                f"The answer cannot go on: {chunk.reason}",
                remedy="Ask again; what came is not a whole answer.",
            )
        return self._remark("the reasoning so far does not count") if self.begun else b""

    def _remark(self, said: str) -> bytes:
        line = f": {' '.join(said.split())}\n\n".encode()
        if self.begun:
            return line
        self._waiting += line
        return b""

    def _stopped(self, stopped: Stopped) -> bytes:
        self._answers(f"{stopped.provider}:{stopped.model}")
        note = self._remark(f"ended early: {stopped.note}") if stopped.note else b""
        events = [self._begin(), note, self._event(finish=_REASONS[stopped.reason])]
        if self._request.reports:
            events.append(self._event(usage=self._usage))
        return b"".join([*events, _DONE])

    def _event(self, *, finish: str | None = None, usage: Usage | None = None) -> bytes:
        """An event without text: why the answer ended, or what it took."""
        choice: JsonObject = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish}
        fields: JsonObject = {**self._opening, "model": self.model, "choices": [choice] if finish else []}
        if self._request.reports:
            fields["usage"] = _usage(usage) if usage is not None else None
        return _data(fields)


def completion(request: ChatRequest, reply: Reply) -> JsonObject:
    """A whole answer as one object."""
    thought = "".join(part.text for part in reply.message.parts if isinstance(part, Reasoning))
    calls = [_call(call) for call in reply.calls[: 1 if request.one_call else None]]
    message: JsonObject = {
        "role": "assistant",
        "content": reply.text if reply.text or not calls else None,
        "refusal": None,
        **({"reasoning_content": thought} if thought else {}),
        **({"tool_calls": calls} if calls else {}),
    }
    reason = _REASONS[reply.stopped.reason]
    return {
        **_opening("chat.completion"),
        "model": f"{reply.stopped.provider}:{reply.stopped.model}",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": _usage(reply.usage),
    }


def error_event(error: AtlasError) -> bytes:
    """An error after the answer has begun; nothing follows it."""
    return _data({"error": told(error).body})


def model_list(name: str, vendor: str, window: int | None = None) -> JsonObject:
    """The one model there is; its window, where it is known, as OpenRouter's list says it."""
    entry: JsonObject = {"id": name, "object": "model", "created": 0, "owned_by": vendor}
    if window is not None:
        entry["context_length"] = window
    return {"object": "list", "data": [entry]}


def _opening(kind: str) -> JsonObject:
    return {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": kind, "created": int(time.time())}


def _call(call: ToolCall) -> JsonObject:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _usage(usage: Usage) -> JsonObject:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _data(fields: JsonObject) -> bytes:
    return b"data: " + json.dumps(fields, separators=(",", ":")).encode() + b"\n\n"
