"""The same streams, read by the SDK's own objects and by ours: nothing may differ.

The streams were written down after the types of the SDK; none was taken from a live server.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anthropic
import httpx2
import pytest
from anthropic.types import RedactedThinkingBlock, ThinkingBlock, ToolUseBlock

from atlas_mcp.chunks import Citation, Usage
from atlas_mcp.messages import (
    Intent,
    Material,
    Message,
    Passage,
    Prompt,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.provider import Fold
from atlas_mcp.providers.wires.messages_answer import MessagesAssembly
from atlas_mcp.providers.wires.sse import EventDecoder

if TYPE_CHECKING:
    from anthropic.types import Message as TheirMessage

    from atlas_mcp.chunks import Reply

FOLDER = Path(__file__).parent / "recordings" / "anthropic"
RECORDINGS = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.sse"))}
KINDS = {"text", "thinking", "tools", "citations", "cache", "refusal", "max_tokens", "unicode", "unknown"}

SOURCE = Source("0" * 64, "https://example.org", "Tides", "2026-01-01T00:00:00Z")
DOCUMENTS = (
    Passage("p1", SOURCE, "The moon pulls the sea twice a day. So does the sun.", 100),
    Passage("p2", SOURCE, "Springs are most. Neap tides are the least.", 9000),
)
FOUND = Passage("p3", SOURCE, "Harbours keep tables.", 70)
PROMPT = Prompt(
    (
        Message("user", (Text("When is high water?"), Material(DOCUMENTS))),
        Message("assistant", (ToolCall("c1", "search", {}),)),
        Message("tool", (ToolResult("c1", "one found", (FOUND,)),)),
    ),
    Intent.COMPOSE,
    "tides",
)
REASONS = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "refused",
}


async def read_by_the_sdk(recording: bytes) -> TheirMessage:
    """The message that the official client makes of a stream."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=recording)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with (
        anthropic.AsyncAnthropic(api_key="k", http_client=http, max_retries=0) as client,
        client.messages.stream(model="claude-sonnet-5-5", max_tokens=9, messages=[]) as stream,
    ):
        return await stream.get_final_message()


def read_by_us(recording: bytes, size: int) -> Reply:
    """The reply that we make of it when it comes in pieces of so many bytes."""
    meter = Meter(PROMPT)
    decoder = EventDecoder()
    assembly = MessagesAssembly(
        provider="anthropic", model="asked-for", prompt=PROMPT, meter=meter, native=True
    )
    fold = Fold()
    for start in range(0, len(recording), size):
        for event in decoder.feed(recording[start : start + size]):
            for chunk in assembly.take(event):
                fold.add(chunk)
    assert assembly.over
    for chunk in assembly.end():
        fold.add(chunk)
    return fold.reply()


def their_usage(message: TheirMessage) -> Usage:
    said = message.usage
    read, written = said.cache_read_input_tokens or 0, said.cache_creation_input_tokens or 0
    details = said.output_tokens_details
    return Usage(
        said.input_tokens + read + written,
        said.output_tokens,
        read,
        details.thinking_tokens if details else 0,
        cost_usd=None,
        calls=1,
        cache_write_tokens=written,
    )


def their_citations(message: TheirMessage) -> list[Citation]:
    found: list[Citation] = []
    for block in message.content:
        for said in (block.citations or ()) if block.type == "text" else ():
            if said.type == "char_location":
                passage = DOCUMENTS[said.document_index]
                assert passage.text[said.start_char_index : said.end_char_index] == said.cited_text
                start = passage.start + said.start_char_index
                found.append(Citation(passage.id, start, start + len(said.cited_text), said.cited_text))
            elif said.type == "search_result_location":
                assert said.cited_text == FOUND.text
                found.append(Citation("p3", 70, 70 + len(FOUND.text), ""))
    return found


def their_reasoning(message: TheirMessage) -> list[tuple[str, str | None, bool]]:
    return [
        (block.thinking, block.signature, False)
        if isinstance(block, ThinkingBlock)
        else ("[redacted]", block.data, True)
        for block in message.content
        if isinstance(block, ThinkingBlock | RedactedThinkingBlock)
    ]


def their_calls(message: TheirMessage) -> list[ToolCall]:
    """The SDK hands out half a call as well, when the answer was cut off; that is left aside."""
    calls = [
        ToolCall(block.id, block.name, block.input)
        for block in message.content
        if isinstance(block, ToolUseBlock)
    ]
    return calls[:-1] if message.stop_reason == "max_tokens" else calls


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", RECORDINGS)
async def test_the_sdk_and_we_read_the_same(name: str, end: bytes) -> None:
    data = RECORDINGS[name].replace(b"\n", end)
    theirs = await read_by_the_sdk(data)
    for size in (len(data), 7):
        ours = read_by_us(data, size)
        assert ours.text == "".join(block.text for block in theirs.content if block.type == "text")
        reasoning = [part for part in ours.message.parts if isinstance(part, Reasoning)]
        assert [(part.text, part.signature, part.redacted) for part in reasoning] == their_reasoning(theirs)
        assert list(ours.calls) == their_calls(theirs)
        assert list(ours.citations) == their_citations(theirs)
        assert ours.usage == their_usage(theirs)
        assert ours.stopped.reason == REASONS[theirs.stop_reason or ""]
        assert ours.stopped.model == theirs.model
        details = theirs.stop_details
        assert ours.stopped.note == (details.explanation if details else "")


def test_there_is_a_recording_of_every_kind() -> None:
    assert RECORDINGS.keys() >= KINDS
