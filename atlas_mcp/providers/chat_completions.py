"""The chat-completions wire, which many servers speak: prompts to request bodies, events to chunks.

It knows no SDK, no connection and no account; JSON types go in and out. What a compatible server adds or
leaves out (reasoning fields, missing ids and indexes, usage that never comes) is settled here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import jiter

from atlas_mcp.errors import MalformedResponse
from atlas_mcp.messages import ReasoningDelta, Stopped, Text, TextDelta, ToolCall, ToolResult, Usage
from atlas_mcp.providers.fence import render, render_parts
from atlas_mcp.providers.wire_errors import error_in_stream

if TYPE_CHECKING:
    from collections.abc import Collection

    from atlas_mcp.messages import Chunk, Message, Prompt

__all__ = ["Assembly", "request_body"]

JsonObject: TypeAlias = dict[str, Any]

_CHARACTERS_PER_TOKEN = 4
_REASONS: dict[str, Literal["end", "tool_calls", "length", "refused"]] = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refused",
}


def request_body(prompt: Prompt, model: str, *, without: Collection[str] = ()) -> JsonObject:
    """The body of a streaming request.

    `without` names parameters that the server is known to refuse. Where that is `response_format`, the schema
    is described in the system message instead; where it is `max_tokens`, its newer name is used.
    """
    system = prompt.system
    if prompt.schema is not None and "response_format" in without:
        system = "\n\n".join(part for part in (system, _schema_in_words(prompt.schema)) if part)
    messages = [{"role": "system", "content": system}] if system else []
    for message in prompt.messages:
        messages.extend(_messages(message))
    optional: JsonObject = {**prompt.sampling, "stream_options": {"include_usage": True}}
    if prompt.schema is not None:
        form = {"name": prompt.intent.value, "schema": _without_marks(prompt.schema), "strict": False}
        optional["response_format"] = {"type": "json_schema", "json_schema": form}
    if prompt.max_output_tokens is not None:
        name = "max_completion_tokens" if "max_tokens" in without else "max_tokens"
        optional[name] = prompt.max_output_tokens
    body = {name: value for name, value in optional.items() if name not in without}
    if prompt.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in prompt.tools
        ]
    return {**body, "model": model, "messages": messages, "stream": True}


def _messages(message: Message) -> list[JsonObject]:
    """One turn: its tool results each as a message of their own, the rest as one."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    said = [{"role": "tool", "tool_call_id": result.call_id, "content": render(result)} for result in results]
    if message.role == "assistant":
        return [_assistant(message), *said]
    rest = render_parts(part for part in message.parts if not isinstance(part, ToolResult))
    return [*said, {"role": "user", "content": rest}] if rest or not results else said


def _assistant(message: Message) -> JsonObject:
    calls = [
        {
            "id": part.id,
            "type": "function",
            "function": {"name": part.name, "arguments": json.dumps(part.arguments, ensure_ascii=False)},
        }
        for part in message.parts
        if isinstance(part, ToolCall)
    ]
    text = "".join(part.text for part in message.parts if isinstance(part, Text))
    return {
        "role": "assistant",
        "content": text if text or not calls else None,
        **({"tool_calls": calls} if calls else {}),
    }


def _schema_in_words(schema: JsonObject) -> str:
    text = json.dumps(_without_marks(schema), ensure_ascii=False)
    return f"Answer with one JSON object that fits this JSON Schema, and with nothing else:\n{text}"


def _without_marks(schema: Any) -> Any:
    """The schema without our own `x-atlas-…` marks, which servers that validate schemas refuse."""
    if isinstance(schema, dict):
        fields = cast("JsonObject", schema)
        return {key: _without_marks(value) for key, value in fields.items() if not key.startswith("x-atlas")}
    if isinstance(schema, list):
        return [_without_marks(item) for item in cast("list[Any]", schema)]
    return schema


class _OpenCall:
    """A tool call that is still being said."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.name = ""
        self.arguments: list[str] = []


class Assembly:
    """Makes one answer's chunks out of its events: `take` each event, then `end`.

    Raises while taking and ending:
        ProviderError: the server reported an error within the stream, as its class says.
        MalformedResponse: an event is not what the protocol says, or a tool call's arguments are no JSON.
    """

    def __init__(self, *, provider: str, body: JsonObject) -> None:
        self._provider = provider
        self._body = body
        self._model: str = body["model"]
        self._finish: str | None = None
        self._refused = False
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int, _OpenCall] = {}
        self._reported: JsonObject | None = None
        self._characters = 0

    @property
    def whole(self) -> bool:
        """The model has said that it is done; only its usage may still come."""
        return self._finish is not None

    @property
    def spoke(self) -> bool:
        """Something of an answer came."""
        return self._characters > 0

    def take(self, data: bytes) -> list[Chunk]:
        """The chunks of one event: text and reasoning at once, tool calls only when all is said."""
        try:
            event = jiter.from_json(data)
        except ValueError as error:
            raise MalformedResponse(f"An event of the stream is not JSON: {error}.") from None
        if not isinstance(event, dict):
            raise MalformedResponse("An event of the stream is not a JSON object.")
        fields = cast("JsonObject", event)
        if fields.get("error"):
            raise error_in_stream(fields["error"])
        if usage := fields.get("usage"):
            self._reported = usage if isinstance(usage, dict) else None
        if not (choices := fields.get("choices")):
            return []
        try:
            choice = choices[0]
            if choice.get("index"):
                return []
            chunks = self._take_delta(delta) if (delta := choice.get("delta")) else []
        except (AttributeError, TypeError, KeyError):
            raise MalformedResponse("An event of the stream does not have the protocol's form.") from None
        if finish := choice.get("finish_reason"):
            self._finish = str(finish)
            self._model = str(fields.get("model") or self._model)
        return chunks

    def _take_delta(self, delta: JsonObject) -> list[Chunk]:
        chunks: list[Chunk] = []
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            chunks.append(ReasoningDelta(self._counted(thought)))
        if text := delta.get("content"):
            chunks.append(TextDelta(self._counted(text)))
        if refusal := delta.get("refusal"):
            self._refused = True
            chunks.append(TextDelta(self._counted(refusal)))
        for piece in delta.get("tool_calls") or ():
            self._take_call(piece)
        return chunks

    def _counted(self, text: object) -> str:
        if not isinstance(text, str):
            raise TypeError
        self._characters += len(text)
        return text

    def _take_call(self, piece: JsonObject) -> None:
        """Add a piece to its call; some servers give no index, others index 0 for every call."""
        index, call_id = piece.get("index"), piece.get("id") or ""
        call = self._by_index.get(index) if index is not None else None
        if index is None and not call_id and self._calls:
            call = self._calls[-1]
        if call is None or (call_id and call.id != call_id):
            call = _OpenCall(call_id or f"call_{len(self._calls) + 1}")
            self._calls.append(call)
            if index is not None:
                self._by_index[index] = call
        said: JsonObject = piece.get("function") or {}
        call.name = call.name or said.get("name") or ""
        if arguments := said.get("arguments"):
            call.arguments.append(self._counted(arguments))

    def end(self) -> list[Chunk]:
        """What stands at the end of a whole answer: its tool calls, its usage, `Stopped`."""
        calls = self._finished_calls()
        reason = _REASONS.get(self._finish or "", "end")
        if self._refused:
            reason = "refused"
        elif calls and reason == "end":
            reason = "tool_calls"
        return [*calls, self.usage(), Stopped(reason, self._provider, self._model)]

    def _finished_calls(self) -> list[ToolCall]:
        if _REASONS.get(self._finish or "") != "length":
            return [_finished(call) for call in self._calls]
        # Cut off by its length, an answer may end within a call; half a call is none.
        whole: list[ToolCall] = []
        for call in self._calls:
            try:
                if call.arguments:
                    whole.append(_finished(call))
            except MalformedResponse:
                break
        return whole

    def usage(self) -> Usage:
        """What the answer cost so far: as the server reported it, else estimated at 4 characters a token."""
        measured = _reported_usage(self._reported) if self._reported else None
        if measured is not None:
            return measured
        asked = len(json.dumps(self._body, ensure_ascii=False))
        return Usage(
            input_tokens=-(-asked // _CHARACTERS_PER_TOKEN),
            output_tokens=-(-self._characters // _CHARACTERS_PER_TOKEN),
            cost_usd=None,
            estimated=True,
            calls=1,
        )


def _finished(call: _OpenCall) -> ToolCall:
    text = "".join(call.arguments)
    arguments: Any = {}
    try:
        if text.strip():
            arguments = jiter.from_json(text.encode())
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict) or not call.name:
        raise MalformedResponse(
            f"The model's call of the tool {call.name!r} is not a name with a JSON object of arguments.",
            remedy="Try again; a model that does this often cannot be used with tools.",
        )
    return ToolCall(call.id, call.name, cast("JsonObject", arguments))


def _reported_usage(usage: JsonObject) -> Usage | None:
    asked, said = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(asked, int) or not isinstance(said, int):
        return None
    asked_of: JsonObject = usage.get("prompt_tokens_details") or {}
    said_of: JsonObject = usage.get("completion_tokens_details") or {}
    cached, reasoned = asked_of.get("cached_tokens") or 0, said_of.get("reasoning_tokens") or 0
    # Some servers count reasoning beside the completion; `Usage` counts it within.
    output = said if reasoned <= said else said + reasoned
    return Usage(asked, output, cached, reasoned, cost_usd=None, calls=1)
