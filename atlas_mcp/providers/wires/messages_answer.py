"""The Messages wire, answering: events, or a whole answer, as chunks.

An answer is a row of blocks, each begun, said in deltas and stopped. Events, blocks and deltas that are not
known here are passed over, as the protocol asks. It knows no SDK, no connection and no account.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from atlas_mcp.chunks import ReasoningDelta, Stopped, TextDelta, Usage
from atlas_mcp.errors import ContextTooLong, MalformedResponse
from atlas_mcp.providers.wires.chat_completions import event_object
from atlas_mcp.providers.wires.errors import error_in_stream, remedy_for
from atlas_mcp.providers.wires.halves import Halves
from atlas_mcp.providers.wires.markers import Markers
from atlas_mcp.providers.wires.messages_turns import Shown
from atlas_mcp.providers.wires.tool_calls import finished_call

if TYPE_CHECKING:
    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Prompt, ToolCall
    from atlas_mcp.providers.meter import Meter

__all__ = ["MessagesAssembly"]

JsonObject: TypeAlias = dict[str, Any]

_REASONS: dict[str, Literal["end", "tool_calls", "length", "refused"]] = {
    "max_tokens": "length",
    "pause_turn": "length",
    "refusal": "refused",
}
_TOO_LONG = "model_context_window_exceeded"
_NOTES = {"pause_turn": "The server paused in the middle of its turn."}
_CUT_OFF = frozenset({*_REASONS, _TOO_LONG})
"""Reasons to stop in the middle of what is being said."""


@dataclass(slots=True)
class _Block:
    """A block that is still being said: a text's citations, a thought's seal, a call's arguments."""

    kind: str
    fields: JsonObject
    arguments: list[str] = field(default_factory=list[str])
    citations: list[JsonObject] = field(default_factory=list["JsonObject"])
    signature: str = ""

    @property
    def says_something(self) -> bool:
        """Whether a call has any arguments as yet; some servers give them all at its beginning."""
        return any(self.arguments) or bool(self.fields.get("input"))

    def call(self) -> ToolCall:
        """The call, if it is whole.

        Raises:
            MalformedResponse: it is not.
        """
        arguments = "".join(self.arguments) or self.fields.get("input") or ""
        return finished_call(self.fields["id"], self.fields["name"], arguments)


class MessagesAssembly:
    """Makes one answer's chunks out of its events: `take` each event, then `end`.

    `native` says that the prompt's passages went out as documents.

    Raises while taking and ending:
        ProviderError: the server reported an error within the stream, as its class says.
        ContextTooLong: the answer does not fit the model's window.
        MalformedResponse: an event is not what the protocol says, or a tool call's arguments are no JSON.
    """

    def __init__(self, *, provider: str, model: str, prompt: Prompt, meter: Meter, native: bool) -> None:
        self._provider = provider
        self._model = model
        self._prompt = prompt
        self._meter = meter
        markers = None if native else Markers(prompt)
        self._markers = markers if markers is not None and markers.sought else None
        self._shown: Shown | None = None
        self._halves = Halves()
        self._blocks: dict[int, _Block] = {}
        self._doubtful: list[_Block] = []
        self._called = False
        self._told: JsonObject = {}
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._note = ""
        self.over = False

    @property
    def whole(self) -> bool:
        """The terminal event came: whatever else was said before it, without it an answer is cut off."""
        return self.over

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks of one event: text and reasoning at once, citations and tool calls when all is said."""
        if self.over:
            return []
        fields = event_object(event, self._halves)
        try:
            return self._taken(fields)
        except (AttributeError, KeyError, TypeError):
            raise MalformedResponse("An event of the stream does not have the protocol's form.") from None

    def plain(self, answer: JsonObject) -> list[Chunk]:
        """The chunks of an answer that came in one piece."""
        if answer.get("type") == "error":
            raise error_in_stream(answer.get("error"))
        chunks: list[Chunk] = []
        try:
            self._take_start(answer)
            for index, block in enumerate(answer["content"]):
                chunks += self._begin(index, block)
                chunks += self._stop(index)
            chunks += self._take_finish(answer, answer.get("usage"))
        except (AttributeError, KeyError, TypeError):
            raise MalformedResponse("The answer does not have the protocol's form.") from None
        return [*chunks, *self.end()]

    def end(self) -> list[Chunk]:
        """What stands at the end of a whole answer: its usage, `Stopped`."""
        if self._finish is None:
            raise MalformedResponse("The answer does not say why the model stopped.")
        if self._finish == _TOO_LONG:
            raise ContextTooLong(
                "The model's window was full before the answer was whole.", remedy=remedy_for(ContextTooLong)
            )
        if self._finish not in _CUT_OFF and any(block.kind == "tool_use" for block in self._blocks.values()):
            raise MalformedResponse("The answer ended within a tool call.")
        reason = _REASONS.get(self._finish, "end")
        if self._called and reason == "end":
            reason = "tool_calls"
        return [
            self._usage or self._meter.usage(),
            Stopped(reason, self._provider, self._model, note=self._note),
        ]

    def _taken(self, event: JsonObject) -> list[Chunk]:
        match event["type"]:
            case "content_block_delta":
                return self._take_delta(event["index"], event["delta"])
            case "content_block_start":
                return self._begin(event["index"], event["content_block"])
            case "content_block_stop":
                return self._stop(event["index"])
            case "message_start":
                self._take_start(event["message"])
            case "message_delta":
                return self._take_finish(event["delta"], event.get("usage"))
            case "message_stop":
                self.over = True
            case "error":
                raise error_in_stream(event.get("error"))
            case _:
                pass
        return []

    def _take_start(self, message: JsonObject) -> None:
        self._model = str(message.get("model") or self._model)
        self._told = dict(message.get("usage") or {})
        if (prompt := _usage(self._told, output=0)) is not None and prompt.input_tokens:
            self._meter.told_of_prompt(prompt)

    def _take_finish(self, delta: JsonObject, usage: JsonObject | None) -> list[Chunk]:
        """The counts are totals, and what is not counted anew stands as it was told at the start."""
        reason = delta.get("stop_reason")
        if reason is None:
            return []
        self._finish = str(reason)
        details: JsonObject = delta.get("stop_details") or {}
        self._note = str(details.get("explanation") or details.get("category") or _NOTES.get(reason, ""))
        if usage is not None:
            counted = {name: count for name, count in usage.items() if count is not None}
            measured = _usage({**self._told, **counted}, output=counted.get("output_tokens"))
            self._usage = None if measured is None else self._meter.report_counts(measured)
        return self._settled(cut_off=self._finish in _CUT_OFF)

    def _begin(self, index: int, fields: JsonObject) -> list[Chunk]:
        """A block begins, so what was said before it is whole."""
        chunks = self._settled()
        block = _Block(fields["type"], fields)
        match block.kind:
            case "text":
                chunks += self._said(fields.get("text") or "")
                block.citations = list(fields.get("citations") or ())
            case "thinking":
                chunks += self._thought(fields.get("thinking") or "")
                block.signature = fields.get("signature") or ""
            case "redacted_thinking":
                chunks.append(ReasoningDelta("[redacted]", signature=fields["data"], redacted=True))
            case "tool_use":
                if given := fields.get("input"):
                    self._overheard(given if isinstance(given, str) else json.dumps(given))
            case _:
                return chunks
        self._blocks[index] = block
        return chunks

    def _take_delta(self, index: int, delta: JsonObject) -> list[Chunk]:
        kind = delta["type"]
        if kind == "text_delta":
            return self._said(delta["text"])
        if kind == "thinking_delta":
            return self._thought(delta["thinking"])
        if (block := self._blocks.get(index)) is not None:
            match kind:
                case "input_json_delta":
                    block.arguments.append(self._overheard(delta["partial_json"]))
                case "citations_delta":
                    block.citations.append(delta["citation"])
                case "signature_delta":
                    block.signature = delta["signature"]
                case _:
                    pass
        return []

    def _stop(self, index: int) -> list[Chunk]:
        """A block is whole: its citations, its seal, its call are handed out."""
        block = self._blocks.pop(index, None)
        if block is None:
            return []
        if block.kind == "thinking" and block.signature:
            return [ReasoningDelta("", signature=block.signature)]
        if block.kind != "tool_use":
            return self._cited(block.citations)
        try:
            if block.says_something:
                return [self._handed_out(block)]
        except MalformedResponse:
            pass
        self._doubtful.append(block)
        return []

    def _settled(self, *, cut_off: bool = False) -> list[Chunk]:
        """Calls without arguments, or with broken ones, unless the model was cut off while it said them."""
        doubtful, self._doubtful = self._doubtful, []
        return [] if cut_off else [self._handed_out(block) for block in doubtful]

    def _handed_out(self, block: _Block) -> ToolCall:
        call = block.call()
        self._called = True
        return call

    def _cited(self, citations: list[JsonObject]) -> list[Chunk]:
        if not citations:
            return []
        self._shown = self._shown or Shown(self._prompt)
        return [cited for fields in citations if (cited := self._shown.cited(fields)) is not None]

    def _said(self, text: str) -> list[Chunk]:
        if not text:
            return []
        said = TextDelta(self._counted(text))
        return [said] if self._markers is None else [said, *self._markers.hear(text)]

    def _thought(self, text: str) -> list[Chunk]:
        return [ReasoningDelta(self._counted(text))] if text else []

    def _counted(self, text: object) -> str:
        if not isinstance(text, str):
            raise TypeError
        return self._meter.hear(text)

    def _overheard(self, text: object) -> str:
        if not isinstance(text, str):
            raise TypeError
        return self._meter.overhear(text)


def _usage(told: JsonObject, *, output: Any) -> Usage | None:
    """What was told; None where it is not told whole. The server counts its cache beside the input."""
    asked = told.get("input_tokens")
    if not isinstance(asked, int) or not isinstance(output, int):
        return None
    read, written = told.get("cache_read_input_tokens") or 0, told.get("cache_creation_input_tokens") or 0
    details: JsonObject = told.get("output_tokens_details") or {}
    return Usage(
        asked + read + written,
        output,
        read,
        details.get("thinking_tokens") or 0,
        cost_usd=None,
        calls=1,
        cache_write_tokens=written,
    )
