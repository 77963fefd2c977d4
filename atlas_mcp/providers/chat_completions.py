"""The chat-completions wire, which many servers speak: prompts to request bodies, events to chunks.

It knows no SDK, no connection and no account; JSON types go in and out. What a compatible server adds or
leaves out (reasoning fields, missing ids and indexes, usage that never comes) is settled here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import jiter

from atlas_mcp.chunks import ReasoningDelta, Stopped, TextDelta, Usage
from atlas_mcp.errors import MalformedResponse
from atlas_mcp.messages import Image, Text, ToolCall, ToolResult
from atlas_mcp.providers.fence import render, render_parts
from atlas_mcp.providers.markers import CITE, Markers
from atlas_mcp.providers.tool_calls import finished_call
from atlas_mcp.providers.wire_errors import error_in_stream

if TYPE_CHECKING:
    from collections.abc import Collection

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Message, Prompt
    from atlas_mcp.providers.meter import Meter

__all__ = ["ChatAssembly", "request_body"]

JsonObject: TypeAlias = dict[str, Any]

_DONE = b"[DONE]"
_REASONS: dict[str, Literal["end", "tool_calls", "length", "refused"]] = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refused",
}


def request_body(
    prompt: Prompt, model: str, *, without: Collection[str] = (), streaming: bool = True
) -> JsonObject:
    """The body of a request.

    `without` names parameters that the server is known to refuse. Where that is `response_format`, the schema
    is described in the system message instead; where it is `max_tokens`, its newer name is used.
    """
    system = prompt.system
    if prompt.schema is None and prompt.passages:
        system = "\n\n".join(part for part in (system, CITE) if part)
    if prompt.schema is not None and "response_format" in without:
        system = "\n\n".join(part for part in (system, _schema_in_words(prompt.schema)) if part)
    messages = [{"role": "system", "content": system}] if system else []
    for message in prompt.messages:
        messages.extend(_messages(message))
    optional: JsonObject = dict(prompt.sampling)
    if streaming:
        optional["stream_options"] = {"include_usage": True}
    if prompt.effort is not None:
        optional["reasoning_effort"] = prompt.effort
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
        if prompt.tool_choice != "auto":
            body["tool_choice"] = _tool_choice(prompt.tool_choice)
    return {**body, "model": model, "messages": messages, "stream": streaming}


def _tool_choice(wish: str) -> str | JsonObject:
    return wish if wish == "required" else {"type": "function", "function": {"name": wish}}


def _messages(message: Message) -> list[JsonObject]:
    """One turn: its tool results each as a message of their own, the rest as one."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    said = [{"role": "tool", "tool_call_id": result.call_id, "content": render(result)} for result in results]
    if message.role == "assistant":
        return [_assistant(message), *said]
    rest = render_parts(part for part in message.parts if not isinstance(part, ToolResult))
    pictures = [part for part in message.parts if isinstance(part, Image)]
    if pictures:
        shown = [_picture(picture) for picture in pictures]
        words = [{"type": "text", "text": rest}] if rest else []
        return [*said, {"role": "user", "content": [*words, *shown]}]
    return [*said, {"role": "user", "content": rest}] if rest or not results else said


def _picture(image: Image) -> JsonObject:
    return {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{image.data}"}}


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


class ChatAssembly:
    """Makes one answer's chunks out of its events: `take` each event, then `end`.

    Raises while taking and ending:
        ProviderError: the server reported an error within the stream, as its class says.
        MalformedResponse: an event is not what the protocol says, or a tool call's arguments are no JSON.
    """

    def __init__(self, *, provider: str, model: str, prompt: Prompt, meter: Meter) -> None:
        self._provider = provider
        self._model = model
        self._meter = meter
        self._finish: str | None = None
        self._refused = False
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int, _OpenCall] = {}
        self._reported: JsonObject | None = None
        self._cited = Markers(prompt)
        self.over = False

    @property
    def whole(self) -> bool:
        """The model has said that it is done; only its usage may still come."""
        return self._finish is not None

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks of one event: text and reasoning at once, tool calls only when all is said."""
        if event == _DONE:
            self.over = True
            return []
        try:
            fields = jiter.from_json(event)
        except ValueError as error:
            raise MalformedResponse(f"An event of the stream is not JSON: {error}.") from None
        if not isinstance(fields, dict):
            raise MalformedResponse("An event of the stream is not a JSON object.")
        return self._take(cast("JsonObject", fields), "delta")

    def plain(self, answer: JsonObject) -> list[Chunk]:
        """The chunks of an answer that came in one piece."""
        chunks = self._take(answer, "message")
        if self._finish is None:
            raise MalformedResponse("The answer does not say why the model stopped.")
        return [*chunks, *self.end()]

    def _take(self, fields: JsonObject, where: str) -> list[Chunk]:
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
            chunks = self._take_delta(delta) if (delta := choice.get(where)) else []
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
            if self._cited.sought:
                chunks.extend(self._cited.hear(text))
        if refusal := delta.get("refusal"):
            self._refused = True
            chunks.append(TextDelta(self._counted(refusal)))
        for piece in delta.get("tool_calls") or ():
            self._take_call(piece)
        return chunks

    def _counted(self, text: object) -> str:
        if not isinstance(text, str):
            raise TypeError
        return self._meter.hear(text)

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
        return [*calls, self._usage(), Stopped(reason, self._provider, self._model)]

    def _usage(self) -> Usage:
        measured = _reported_usage(self._reported) if self._reported else None
        return self._meter.usage() if measured is None else self._meter.report(measured)

    def _finished_calls(self) -> list[ToolCall]:
        if _REASONS.get(self._finish or "") != "length":
            return [finished_call(call.id, call.name, "".join(call.arguments)) for call in self._calls]
        # Cut off by its length, an answer may end within a call; half a call is none.
        whole: list[ToolCall] = []
        for call in self._calls:
            try:
                if call.arguments:
                    whole.append(finished_call(call.id, call.name, "".join(call.arguments)))
            except MalformedResponse:
                break
        return whole


def _reported_usage(usage: JsonObject) -> Usage | None:
    asked, said = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(asked, int) or not isinstance(said, int):
        return None
    asked_of: JsonObject = usage.get("prompt_tokens_details") or {}
    said_of: JsonObject = usage.get("completion_tokens_details") or {}
    cached, reasoned = asked_of.get("cached_tokens") or 0, said_of.get("reasoning_tokens") or 0
    # Some servers count reasoning beside the completion; `Usage` counts it within.
    output = said if reasoned <= said else said + reasoned
    written = asked_of.get("cache_write_tokens") or 0
    return Usage(asked, output, cached, reasoned, cost_usd=None, calls=1, cache_write_tokens=written)
