"""Ollama's chat wire: prompts to request bodies, JSON lines to chunks.

It knows no SDK, no connection and no model; JSON types go in and out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from atlas_mcp.chunks import ReasoningDelta, Stopped, TextDelta, Usage
from atlas_mcp.errors import MalformedResponse
from atlas_mcp.messages import Image, Reasoning, ToolCall, ToolResult
from atlas_mcp.providers.known.tokens import IMAGE_TOKENS, MESSAGE_TOKENS, tokens_of
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

__all__ = ["OllamaAssembly", "prompt_tokens_of", "request_body"]

JsonObject: TypeAlias = dict[str, Any]

_VENDOR = "ollama"
_NO_ANSWER = frozenset({"load", "unload"})
"""What the server says it is done with when it was asked nothing."""


def request_body(
    prompt: Prompt,
    model: str,
    *,
    vendor: str = _VENDOR,
    without: Collection[str] = (),
    streaming: bool = True,
) -> JsonObject:
    """The body of a request.

    `vendor` and `model` are whose reasoning is shown again. `without` names parameters that the server is
    known to refuse. The schema is described in the system message as well, because `format` only binds the
    model's hand and never shows it the schema; while there are tools it is described there alone, because a
    bound hand cannot call them. `tool_choice`, which this wire does not have, is said in words, and a tool
    that must be called is the only one offered.
    """
    # The server cuts off what does not fit its context, unless it is told not to: the oldest turns of a
    # prompt that is too long (`truncate`), and what the answer grows over (`shift`).
    optional: JsonObject = {"truncate": False, "shift": False}
    if prompt.effort is not None:
        optional["think"] = prompt.effort != "none" and prompt.effort
    if prompt.schema is not None and not prompt.tools:
        optional["format"] = without_marks(prompt.schema)
    if options := _options(prompt):
        optional["options"] = options
    body = {name: value for name, value in optional.items() if name not in without}
    if prompt.tools:
        body["tools"] = _tools(prompt)
    return {
        **body,
        "model": model,
        "messages": _conversation(prompt, f"{vendor}:{model}"),
        "stream": streaming,
    }


def prompt_tokens_of(body: JsonObject) -> int:
    """About how many tokens the prompt in a body has."""
    count = tokens_of(_written(tools)) if (tools := body.get("tools")) else 0
    for message in body["messages"]:
        count += MESSAGE_TOKENS + tokens_of(message["content"]) + tokens_of(message.get("thinking", ""))
        if calls := message.get("tool_calls"):
            count += tokens_of(_written(calls))
        count += IMAGE_TOKENS * len(message.get("images", ()))
    return count


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _options(prompt: Prompt) -> JsonObject:
    options = dict(prompt.sampling)
    if isinstance(stop := options.get("stop"), str):
        options["stop"] = [stop]
    if prompt.max_output_tokens is not None:
        options["num_predict"] = prompt.max_output_tokens
    return options


def _tools(prompt: Prompt) -> list[JsonObject]:
    only = {prompt.tool_choice} & {tool.name for tool in prompt.tools}
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in prompt.tools
        if not only or tool.name in only
    ]


def _conversation(prompt: Prompt, maker: str) -> list[JsonObject]:
    told = [instructions(prompt, schema_in_words=True)]
    if prompt.tools:
        if prompt.schema is not None:
            told.append("Before you answer you may call tools.")
        if prompt.tool_choice != "auto":
            which = "a tool" if prompt.tool_choice == "required" else f"the tool {prompt.tool_choice}"
            told.append(f"Now call {which}.")
    system = "\n\n".join(part for part in told if part)
    messages: list[JsonObject] = [{"role": "system", "content": system}] if system else []
    called: dict[str, str] = {}
    for message in prompt.messages:
        messages.extend(_messages(message, called, maker))
    return messages


def _messages(message: Message, called: dict[str, str], maker: str) -> list[JsonObject]:
    """One turn: its tool results each as a message of their own, the rest as one.

    `called` holds the names of the tools that were called, by the ids of the calls.
    """
    said: list[JsonObject] = []
    if message.role == "assistant":
        said.append(_assistant(message, called, maker))
    for part in message.parts:
        if isinstance(part, ToolResult):
            name = {"tool_name": called[part.call_id]} if part.call_id in called else {}
            said.append({"role": "tool", "content": render(part), "tool_call_id": part.call_id, **name})
    if message.role == "assistant":
        return said
    rest = render_parts(part for part in message.parts if not isinstance(part, ToolResult))
    pictures = [part.data for part in message.parts if isinstance(part, Image)]
    if rest or pictures or not said:
        said.append({"role": "user", "content": rest, **({"images": pictures} if pictures else {})})
    return said


def _assistant(message: Message, called: dict[str, str], maker: str) -> JsonObject:
    said: JsonObject = {"role": "assistant", "content": message.text}
    # A model that reasons between calls of tools is meant to see what it thought.
    thought = (part.text for part in message.parts if isinstance(part, Reasoning) and part.maker == maker)
    if thinking := "".join(thought):
        said["thinking"] = thinking
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if calls:
        called.update((call.id, call.name) for call in calls)
        said["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": call.arguments}} for call in calls
        ]
    return said


class OllamaAssembly:
    """Makes one answer's chunks out of its lines: `take` each, then `end`.

    Raises while taking and ending:
        ProviderError: the server reported an error within the stream, as its class says.
        MalformedResponse: a line is not what the protocol says.
    """

    def __init__(self, *, prompt: Prompt, body: JsonObject, meter: Meter, provider: str = _VENDOR) -> None:
        self._provider = provider
        self._prompt = prompt
        self._model: str = body["model"]
        self._formed = "format" in body
        self._meter = meter
        self._cited = Markers(prompt)
        self._halves = Halves()
        self._thought = False
        self._calls: list[ToolCall] = []
        self._done: JsonObject = {}
        self.whole = False
        """The model has said that it is done, and what it took."""

    @property
    def over(self) -> bool:
        """The terminal line came; nothing of interest will follow."""
        return self.whole

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks of one line: text and reasoning at once, tool calls only when all is said."""
        try:
            fields: Any = self._halves.read(event)
        except ValueError as error:
            raise MalformedResponse(f"A line of the stream is not JSON: {error}.") from None
        if not isinstance(fields, dict):
            raise MalformedResponse("A line of the stream is not a JSON object.")
        return self._take(fields)  # pyright: ignore[reportUnknownArgumentType]

    def plain(self, answer: JsonObject) -> list[Chunk]:
        """The chunks of an answer that came in one piece."""
        chunks = self._take(answer)
        if not self.whole:
            raise MalformedResponse("The answer does not say that the model is done.")
        return [*chunks, *self.end()]

    def _take(self, fields: JsonObject) -> list[Chunk]:
        if error := fields.get("error"):
            raise error_in_stream(error)
        chunks: list[Chunk] = []
        try:
            if message := fields.get("message"):
                if thought := message.get("thinking"):
                    self._thought = True
                    chunks.append(ReasoningDelta(self._counted(thought)))
                if text := message.get("content"):
                    chunks.append(TextDelta(self._counted(text)))
                    if self._cited.sought:
                        chunks.extend(self._cited.hear(text))
                for call in message.get("tool_calls") or ():
                    self._calls.append(self._called(call))
        except (AttributeError, TypeError, KeyError):
            raise MalformedResponse("A line of the stream does not have the protocol's form.") from None
        if fields.get("done"):
            self._finish(fields)
        return chunks

    def _counted(self, text: object) -> str:
        if not isinstance(text, str):
            raise TypeError
        return self._meter.hear(text)

    def _called(self, call: JsonObject) -> ToolCall:
        """A call; those without an id are numbered on from the calls of the conversation."""
        function: JsonObject = call["function"]
        arguments: JsonObject = function.get("arguments") or {}
        self._meter.overhear(_written(arguments))
        if not (call_id := call.get("id")):
            earlier = sum(
                isinstance(part, ToolCall) for message in self._prompt.messages for part in message.parts
            )
            call_id = f"call_{earlier + len(self._calls) + 1}"
        return finished_call(str(call_id), str(function.get("name") or ""), arguments)

    def _finish(self, fields: JsonObject) -> None:
        if fields.get("done_reason") in _NO_ANSWER:
            raise MalformedResponse(
                "The server loaded or unloaded the model, and said nothing.", remedy="Ask something."
            )
        self._done = fields
        self._model = str(fields.get("model") or self._model)
        self.whole = True

    def end(self) -> list[Chunk]:
        """What stands at the end of a whole answer: its tool calls, its usage, `Stopped`."""
        reason: Literal["end", "tool_calls", "length"] = "tool_calls" if self._calls else "end"
        if self._done.get("done_reason") == "length":
            reason = "length"
        return [*self._calls, self._usage(), Stopped(reason, self._provider, self._model)]

    def _usage(self) -> Usage:
        """What the server counted, estimated as far as it did not.

        It leaves out a count of nothing, such as that of a prompt that it still had in its cache. Where a
        model thought before it wrote in a given form, some servers count the writing alone; such a count is
        less than the pieces that came, or far less than there is text.
        """
        meter, done = self._meter, self._done
        asked, said = done.get("prompt_eval_count"), done.get("eval_count")
        said = said if isinstance(said, int) else 0
        if self._formed and self._thought and said < max(meter.pieces, meter.answer_tokens // 2):
            said = 0
        return meter.report_counts(
            Usage(asked if isinstance(asked, int) else 0, said, cost_usd=None, calls=1)
        )
