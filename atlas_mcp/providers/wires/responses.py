"""The Responses wire, OpenAI's newer one: prompts to request bodies, events to chunks.

It gives more than chat completions where a model reasons: summaries of the reasoning, and the reasoning
itself, sealed, to be sent back on the next turn. Nothing is asked to be kept at the vendor. It knows no SDK,
no connection and no account; JSON types go in and out.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal

import jiter

from atlas_mcp.chunks import ReasoningDelta, Stopped, TextDelta
from atlas_mcp.errors import MalformedResponse
from atlas_mcp.messages import Image, Reasoning, Text, ToolCall, ToolResult
from atlas_mcp.providers.wires.chat_completions import event_object, reported_usage
from atlas_mcp.providers.wires.errors import error_in_stream
from atlas_mcp.providers.wires.exchange import SEALS
from atlas_mcp.providers.wires.fence import render, render_parts
from atlas_mcp.providers.wires.halves import Halves
from atlas_mcp.providers.wires.instructions import instructions
from atlas_mcp.providers.wires.markers import Markers
from atlas_mcp.providers.wires.schemas import without_marks
from atlas_mcp.providers.wires.tool_calls import finished_call

if TYPE_CHECKING:
    from collections.abc import Collection

    from atlas_mcp.chunks import Chunk, Usage
    from atlas_mcp.messages import JsonObject, Message, Prompt
    from atlas_mcp.providers.meter import Meter

__all__ = ["ResponsesAssembly", "request_body"]

_DONE = b"[DONE]"
_SEALED = "reasoning.encrypted_content"
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_REASONS: dict[str | None, Literal["length", "refused"]] = {"content_filter": "refused"}
"""Why an answer is incomplete, where it is not for some limit."""


def request_body(
    prompt: Prompt, model: str, *, vendor: str, without: Collection[str] = (), streaming: bool = True
) -> JsonObject:
    """The body of a request.

    `vendor` and `model` are whose sealed reasoning may be sent. `without` names parameters that the server is
    known to refuse, and `SEALS` where it takes no reasoning back. Where that is `text`, the schema is
    described in the instructions instead.
    """
    optional: JsonObject = {**prompt.sampling, "store": False, "include": [_SEALED]}
    reasoning: JsonObject = {} if "reasoning.summary" in without else {"summary": "auto"}
    if prompt.effort is not None:
        reasoning["effort"] = prompt.effort
    if reasoning:
        optional["reasoning"] = reasoning
    if prompt.schema is not None:
        form = {"name": prompt.intent.value, "schema": without_marks(prompt.schema), "strict": False}
        optional["text"] = {"format": {"type": "json_schema", **form}}
    if prompt.max_output_tokens is not None:
        optional["max_output_tokens"] = prompt.max_output_tokens
    if prompt.tools and prompt.tool_choice != "auto":
        optional["tool_choice"] = _tool_choice(prompt.tool_choice)
    body = {name: value for name, value in optional.items() if name not in without}
    if told := instructions(prompt, schema_in_words="text" in without):
        body["instructions"] = told
    if prompt.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in prompt.tools
        ]
    maker = "" if SEALS in without else f"{vendor}:{model}"
    items = [item for message in prompt.messages for item in _items(message, maker)]
    return {**body, "model": model, "input": items, "stream": streaming}


def _tool_choice(wish: str) -> str | JsonObject:
    return wish if wish == "required" else {"type": "function", "name": wish}


def _items(message: Message, maker: str) -> list[JsonObject]:
    """One turn: its tool results each as an item of its own, before the rest of what a person said."""
    results: list[JsonObject] = [
        {"type": "function_call_output", "call_id": part.call_id, "output": render(part)}
        for part in message.parts
        if isinstance(part, ToolResult)
    ]
    if message.role == "assistant":
        return [*_assistant(message, maker), *results]
    rest = render_parts(part for part in message.parts if not isinstance(part, ToolResult))
    pictures = [part for part in message.parts if isinstance(part, Image)]
    if pictures:
        words = [{"type": "input_text", "text": rest}] if rest else []
        content = [*words, *(_picture(picture) for picture in pictures)]
        return [*results, {"role": "user", "content": content}]
    return [*results, {"role": "user", "content": rest}] if rest or not results else results


def _picture(image: Image) -> JsonObject:
    url = f"data:{image.media_type};base64,{image.data}"
    return {"type": "input_image", "image_url": url, "detail": "auto"}


def _assistant(message: Message, maker: str) -> list[JsonObject]:
    """A model's turn, in order; reasoning that nothing came of is refused, and left out."""
    items: list[JsonObject] = []
    thought: list[JsonObject] = []
    for part in message.parts:
        match part:
            case Reasoning():
                thought += _sealed(part, maker)
                continue
            case Text() if part.text:
                item = {"role": "assistant", "content": part.text}
            case ToolCall():
                arguments = json.dumps(part.arguments, ensure_ascii=False)
                call = {"call_id": part.id, "name": part.name, "arguments": arguments}
                item = {"type": "function_call", **call}
            case _:
                continue
        items += [*thought, item]
        thought = []
    return items


def _sealed(part: Reasoning, maker: str) -> list[JsonObject]:
    """Reasoning as the item it came as, if `maker` made it; a server names the snapshot that answered."""
    made = maker and maker in {part.maker, _SNAPSHOT.sub("", part.maker)}
    if part.signature is None or not made:
        return []
    return [{"type": "reasoning", "summary": [], **jiter.from_json(part.signature.encode())}]


class ResponsesAssembly:
    """Makes one answer's chunks out of its events: `take` each event, then `end`.

    Raises while taking and ending:
        ProviderError: the server reported an error within the stream, as its class says.
        MalformedResponse: an event is not what the protocol says, or a tool call's arguments are no JSON.
    """

    def __init__(self, *, provider: str, model: str, prompt: Prompt, meter: Meter) -> None:
        self._provider = provider
        self._model = model
        self._meter = meter
        self._cited = Markers(prompt)
        self._halves = Halves()
        self._refused = False
        self._called = False
        self._thinking: tuple[Any, Any] | None = None
        self._arguments: dict[int | None, str] = {}
        self._last: list[Chunk] = []

    @property
    def whole(self) -> bool:
        """The model has said that it is done."""
        return bool(self._last)

    @property
    def over(self) -> bool:
        """The same: the event that says so brings the usage too."""
        return bool(self._last)

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks of one event: text and reasoning at once, a tool call when all of it is said."""
        if event == _DONE:  # which some compatible servers add
            return []
        fields = event_object(event, self._halves)
        try:
            return self._take(fields)
        except (AttributeError, TypeError, KeyError):
            raise MalformedResponse("An event of the stream does not have the protocol's form.") from None

    def plain(self, answer: JsonObject) -> list[Chunk]:
        """The chunks of an answer that came in one piece."""
        try:
            status = answer["status"]
            if answer.get("error") or status == "failed":
                raise self._failed(answer)
            if status not in {"completed", "incomplete"}:
                raise MalformedResponse("The answer does not say why the model stopped.")
            chunks = [chunk for item in answer["output"] for chunk in self._read(item)]
            self._conclude(answer)
        except (AttributeError, TypeError, KeyError):
            raise MalformedResponse("The answer does not have the protocol's form.") from None
        return [*chunks, *self._last]

    def end(self) -> list[Chunk]:
        """What stands at the end of a whole answer: its usage, `Stopped`."""
        return self._last

    def _take(self, fields: JsonObject) -> list[Chunk]:
        match fields.get("type"):
            case "response.output_text.delta":
                return self._say(fields["delta"])
            case "response.refusal.delta":
                return self._refuse(fields["delta"])
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                part = fields.get("summary_index", fields.get("content_index"))
                return [self._think(fields["delta"], fields.get("item_id"), part)]
            case "response.function_call_arguments.delta":
                place, heard = fields.get("output_index"), self._overheard(fields["delta"])
                self._arguments[place] = self._arguments.get(place, "") + heard
            case "response.function_call_arguments.done":
                place, whole = fields.get("output_index"), fields["arguments"]
                self._counted_whole(whole, self._arguments.get(place))
                self._arguments[place] = whole
            case "response.output_item.done":
                return self._finished(fields["item"], fields.get("output_index"))
            case _:
                self._take_last(fields)
        return []

    def _take_last(self, fields: JsonObject) -> None:
        """An event that ends the answer, if it is one; any other says nothing that is needed."""
        match fields.get("type"):
            case "response.completed" | "response.incomplete":
                self._conclude(fields["response"])
            case "response.failed":
                raise self._failed(fields["response"])
            case kind:
                if kind == "error" or fields.get("error"):
                    raise error_in_stream(fields.get("error") or fields)

    def _read(self, item: JsonObject) -> list[Chunk]:
        """An item of which nothing was said before."""
        chunks: list[Chunk] = []
        if item["type"] == "message":
            for part in item["content"]:
                if part["type"] == "output_text":
                    chunks += self._say(part["text"])
                elif part["type"] == "refusal":
                    chunks += self._refuse(part["refusal"])
        elif item["type"] == "reasoning":
            thoughts = [*item.get("summary", ()), *(item.get("content") or ())]
            chunks += [self._think(part["text"], item.get("id"), at) for at, part in enumerate(thoughts)]
        return chunks + self._finished(item, None)

    def _say(self, text: Any) -> list[Chunk]:
        said = TextDelta(self._counted(text))
        return [said, *self._cited.hear(text)] if self._cited.sought else [said]

    def _refuse(self, text: Any) -> list[Chunk]:
        self._refused = True
        return [TextDelta(self._counted(text))]

    def _think(self, text: Any, item: Any, part: Any) -> ReasoningDelta:
        """A piece of reasoning; the parts of a summary are paragraphs."""
        before, self._thinking = self._thinking, (item, part)
        gap = "\n\n" if before not in {None, self._thinking} else ""
        return ReasoningDelta(gap + self._counted(text))

    def _counted(self, text: Any) -> str:
        if not isinstance(text, str):
            raise TypeError
        return self._meter.hear(text)

    def _overheard(self, text: Any) -> str:
        if not isinstance(text, str):
            raise TypeError
        return self._meter.overhear(text)

    def _counted_whole(self, arguments: Any, heard: str | None) -> None:
        """Count arguments that come whole, as some servers give them, unless they were heard in pieces."""
        if arguments and not heard:
            self._meter.overhear(arguments if isinstance(arguments, str) else json.dumps(arguments))

    def _finished(self, item: JsonObject, place: int | None) -> list[Chunk]:
        """What an item gives once it is done, beyond its text."""
        if item["type"] == "reasoning" and (sealed := item.get("encrypted_content")):
            silent, self._thinking = self._thinking is None, None
            seal = json.dumps({"id": str(item["id"]), "encrypted_content": str(sealed)})
            return [ReasoningDelta("", seal, redacted=silent)]
        if item["type"] == "function_call" and item.get("status") != "incomplete":
            self._called = True
            heard = self._arguments.pop(place, "")
            arguments = item.get("arguments") or heard
            self._counted_whole(arguments, heard)
            return [finished_call(str(item["call_id"]), str(item["name"] or ""), arguments)]
        return []

    def _conclude(self, response: JsonObject) -> None:
        """The model is done."""
        incomplete: JsonObject = response.get("incomplete_details") or {}
        reason: Literal["end", "tool_calls", "length", "refused"] = "end"
        if self._refused:
            reason = "refused"
        elif response.get("status") == "incomplete" or incomplete:
            reason = _REASONS.get(incomplete.get("reason"), "length")
        elif self._called:
            reason = "tool_calls"
        model = str(response.get("model") or self._model)
        self._last = [self._usage(response), Stopped(reason, self._provider, model)]

    def _failed(self, response: JsonObject) -> Exception:
        self._usage(response)
        return error_in_stream(response.get("error"))

    def _usage(self, response: JsonObject) -> Usage:
        measured = reported_usage(response.get("usage"), asked="input", said="output")
        return self._meter.usage() if measured is None else self._meter.report_counts(measured)
