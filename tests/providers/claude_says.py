"""What streams of the Messages wire are made of, and what our assembly makes of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from atlas_mcp.messages import Intent, Material, Message, Passage, Prompt, Source, Text
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.wires.messages_answer import MessagesAssembly

if TYPE_CHECKING:
    from atlas_mcp.chunks import Chunk

SOURCE = Source("0" * 64, "u", "Tides", "2026-01-01T00:00:00Z")
PASSAGE = Passage("p1", SOURCE, "The moon pulls the sea.", 50)
Events = list[dict[str, Any]]


def prompt(*passages: Passage, **fields: Any) -> Prompt:
    parts = (Text("hello"), Material(passages))
    return Prompt((Message("user", parts),), Intent.PLAN, "hello", **fields)


def assembly_for(asked: Prompt | None = None, *, native: bool = True) -> MessagesAssembly:
    asked = asked or prompt(PASSAGE)
    meter = Meter(asked)
    meter.began = True
    return MessagesAssembly(provider="anthropic", model="m", prompt=asked, meter=meter, native=native)


def assembled(*events: dict[str, Any], native: bool = True, asked: Prompt | None = None) -> list[Chunk]:
    assembly = assembly_for(asked, native=native)
    chunks = [chunk for event in events for chunk in assembly.take(json.dumps(event).encode())]
    return [*chunks, *assembly.end()]


def start(**usage: int) -> dict[str, Any]:
    told = {"input_tokens": 9, "output_tokens": 1, **usage}
    return {"type": "message_start", "message": {"model": "m-1", "content": [], "usage": told}}


def begin(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None = "end_turn", output: int | None = 5, **more: Any) -> Events:
    said = {"stop_reason": reason, "stop_sequence": None, **more.pop("delta", {})}
    usage = {} if output is None else {"usage": {"output_tokens": output, **more}}
    return [{"type": "message_delta", "delta": said, **usage}, {"type": "message_stop"}]


def text(index: int, *pieces: str) -> Events:
    said = [delta(index, "text_delta", text=piece) for piece in pieces]
    return [begin(index, "text", text=""), *said, stop(index)]


def tool(index: int, call_id: str, name: str, *pieces: str) -> Events:
    said = [delta(index, "input_json_delta", partial_json=piece) for piece in pieces]
    return [begin(index, "tool_use", id=call_id, name=name, input={}), *said, stop(index)]


def char_location(document: int, first: int, last: int, cited: str) -> dict[str, Any]:
    return {
        "type": "char_location",
        "document_index": document,
        "start_char_index": first,
        "end_char_index": last,
        "cited_text": cited,
    }
