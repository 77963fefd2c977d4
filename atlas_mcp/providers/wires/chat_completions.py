"""The chat-completions wire, which many servers speak: prompts to request bodies, events to chunks.

It knows no SDK, no connection and no account; JSON types go in and out. What a compatible server adds or
leaves out (reasoning fields, missing ids and indexes, usage that never comes) is settled here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from atlas_mcp.chunks import ReasoningDelta, Stopped, TextDelta, Usage
from atlas_mcp.errors import MalformedResponse
from atlas_mcp.messages import Image, Text, ToolCall, ToolResult
from atlas_mcp.providers.wires.errors import error_in_stream
from atlas_mcp.providers.wires.fence import render, render_parts
from atlas_mcp.providers.wires.halves import Halves
from atlas_mcp.providers.wires.instructions import instructions
from atlas_mcp.providers.wires.markers import Markers
from atlas_mcp.providers.wires.schemas import without_marks
from atlas_mcp.providers.wires.tool_calls import finished_call

if TYPE_CHECKING:
    from collections.abc import Collection

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Message, Prompt
    from atlas_mcp.providers.meter import Meter

__all__ = ["ChatAssembly", "event_object", "reported_usage", "request_body"]

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
    system = instructions(prompt, schema_in_words="response_format" in without)
    messages = [{"role": "system", "content": system}] if system else []
    for message in prompt.messages:
        messages.extend(_messages(message))
    optional: JsonObject = dict(prompt.sampling)
    if streaming:
        optional["stream_options"] = {"include_usage": True}
    if prompt.effort is not None:
        optional["reasoning_effort"] = prompt.effort
    if prompt.schema is not None:
        form = {"name": prompt.intent.value, "schema": without_marks(prompt.schema), "strict": False}
        optional["response_format"] = {"type": "json_schema", "json_schema": form}
    if prompt.max_output_tokens is not None:
        name = "max_completion_tokens" if "max_tokens" in without else "max_tokens"
        optional[name] = prompt.max_output_tokens
    if prompt.tools and prompt.tool_choice != "auto":
        optional["tool_choice"] = _tool_choice(prompt.tool_choice)
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
        self._reported: Any = None
        self._cited = Markers(prompt)
        self._halves = Halves()
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
        return self._take(event_object(event, self._halves), "delta")

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
            self._reported = usage
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
        text = delta.get("content")
        if len(delta) == 1 and text and not self._cited.sought:  # as nearly every one is
            return [TextDelta(self._counted(text))]
        chunks: list[Chunk] = []
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            chunks.append(ReasoningDelta(self._counted(thought)))
        if text:
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
        index, call_id = piece.get("index"), str(piece.get("id") or "")
        call = self._by_index.get(index) if index is not None else None
        if index is None and not call_id and self._calls:
            call = self._calls[-1]
        if call is None or (call_id and call.id != call_id):
            call = _OpenCall(call_id or f"call_{len(self._calls) + 1}")
            self._calls.append(call)
            if index is not None:
                self._by_index[index] = call
        said: JsonObject = piece.get("function") or {}
        call.name = call.name or str(said.get("name") or "")
        if arguments := said.get("arguments"):
            if not isinstance(arguments, str):
                raise TypeError
            call.arguments.append(self._meter.overhear(arguments))

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
        measured = reported_usage(self._reported, asked="prompt", said="completion")
        return self._meter.usage() if measured is None else self._meter.report_counts(measured)

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


def event_object(event: bytes, halves: Halves) -> JsonObject:
    """An event's JSON object; `halves` are those of the answer it belongs to.

    Raises:
        MalformedResponse: it is none.
    """
    try:
        fields = halves.read(event)
    except ValueError as error:
        raise MalformedResponse(f"An event of the stream is not JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise MalformedResponse("An event of the stream is not a JSON object.")
    return cast("JsonObject", fields)


def reported_usage(usage: Any, *, asked: str, said: str) -> Usage | None:
    """What a server reports under the names that begin with `asked` and `said`; None where it does not."""
    fields = cast("JsonObject", usage) if isinstance(usage, dict) else {}
    prompt, answer = fields.get(f"{asked}_tokens"), fields.get(f"{said}_tokens")
    if not isinstance(prompt, int) or not isinstance(answer, int):
        return None
    of_prompt, of_answer = fields.get(f"{asked}_tokens_details"), fields.get(f"{said}_tokens_details")
    cached, written = _count(of_prompt, "cached_tokens"), _count(of_prompt, "cache_write_tokens")
    reasoned = _count(of_answer, "reasoning_tokens")
    # Some servers count reasoning beside the completion; `Usage` counts it within.
    output = answer if reasoned <= answer else answer + reasoned
    return Usage(prompt, output, cached, reasoned, cost_usd=None, calls=1, cache_write_tokens=written)


def _count(details: Any, name: str) -> int:
    count = cast("JsonObject", details).get(name) if isinstance(details, dict) else None
    return count if isinstance(count, int) else 0
