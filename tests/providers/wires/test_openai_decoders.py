"""The same recorded streams, read by the SDK's own objects and by ours: nothing may differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx2
import openai
import pytest
from openai.types.responses import (
    ResponseCompletedEvent,
    ResponseError,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseIncompleteEvent,
    ResponseRefusalDeltaEvent,
    ResponseTextDeltaEvent,
)

from atlas_mcp.chunks import Usage
from atlas_mcp.errors import ProviderError
from atlas_mcp.messages import Intent, Message, Prompt, Reasoning, Text
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.provider import Fold
from atlas_mcp.providers.wires.chat_completions import ChatAssembly
from atlas_mcp.providers.wires.responses import ResponsesAssembly
from atlas_mcp.providers.wires.sse import EventDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk
    from openai.types.responses import Response, ResponseStreamEvent

RECORDINGS = Path(__file__).parent / "recordings"
FAILED = {"error", "failed"}
PROMPT = Prompt((Message("user", (Text("When is high water?"),)),), Intent.COMPOSE, "tides")
Assembly: TypeAlias = Callable[..., ChatAssembly | ResponsesAssembly]


def recordings(wire: str, *, failed: bool = False) -> list[Any]:
    paths = sorted((RECORDINGS / wire).glob("*.sse"))
    return [
        pytest.param(path.read_bytes(), id=path.stem) for path in paths if (path.stem in FAILED) is failed
    ]


@dataclass
class Read:
    """What a reader makes of a stream; `usage` is None where nothing is reported."""

    text: str = ""
    reasoning: str = ""
    seals: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    calls: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])
    reason: str = ""
    model: str = ""
    usage: Usage | None = None


def read_by_us(assembly_of: Assembly, recording: bytes, size: int) -> Read:
    """What we make of it when it comes in pieces of so many bytes."""
    decoder, fold = EventDecoder(), Fold()
    assembly = assembly_of(provider="openai", model="asked-for", prompt=PROMPT, meter=Meter(PROMPT))
    for start in range(0, len(recording), size):
        for event in decoder.feed(recording[start : start + size]):
            for chunk in assembly.take(event):
                fold.add(chunk)
    assert assembly.over
    for chunk in assembly.end():
        fold.add(chunk)
    reply = fold.reply()
    thoughts = [part for part in reply.message.parts if isinstance(part, Reasoning)]
    seals = [json.loads(thought.signature) for thought in thoughts if thought.signature]
    return Read(
        reply.text,
        "".join(thought.text for thought in thoughts),
        [(seal["id"], seal["encrypted_content"]) for seal in seals],
        [(call.id, call.name, call.arguments) for call in reply.calls],
        reply.stopped.reason,
        reply.stopped.model,
        None if reply.usage.estimated or not reply.usage.calls else reply.usage,
    )


@asynccontextmanager
async def sdk(recording: bytes) -> AsyncGenerator[openai.AsyncOpenAI]:
    """The official client of a server that answers with the recording."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=recording)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with openai.AsyncOpenAI(api_key="k", http_client=http, max_retries=0) as client:
        yield client


async def chunks_of_the_sdk(recording: bytes) -> list[ChatCompletionChunk]:
    async with sdk(recording) as client:
        stream = await client.chat.completions.create(model="m", messages=[], stream=True)
        return [chunk async for chunk in stream]


async def events_of_the_sdk(recording: bytes) -> list[ResponseStreamEvent]:
    async with sdk(recording) as client:
        stream = await client.responses.create(model="m", input="", stream=True)
        return [event async for event in stream]


FINISHES = {"stop": "end", "length": "length", "tool_calls": "tool_calls", "content_filter": "refused"}


def chat_read_by_the_sdk(chunks: list[ChatCompletionChunk]) -> Read:
    read, calls = Read(), dict[int, dict[str, str]]()
    for chunk in chunks:
        read.usage = usage_of_chat(chunk.usage) if chunk.usage else read.usage
        # An event that is no chunk at all has no choices either.
        for choice in (each for each in chunk.choices or () if each.index == 0):
            delta, more = choice.delta, choice.delta.model_extra or {}
            read.text += (delta.content or "") + (delta.refusal or "")
            read.reasoning += more.get("reasoning_content") or more.get("reasoning") or ""
            read.reason = "refused" if delta.refusal else read.reason
            for piece in delta.tool_calls or ():
                call = calls.setdefault(piece.index, {"id": piece.id or "", "name": "", "arguments": ""})
                said = piece.function
                call["name"] += (said.name if said else "") or ""
                call["arguments"] += (said.arguments if said else "") or ""
            if choice.finish_reason:
                read.reason = read.reason or FINISHES[choice.finish_reason]
                read.model = chunk.model
    read.calls = [
        (call["id"], call["name"], json.loads(call["arguments"] or "{}")) for call in calls.values()
    ]
    return read


def usage_of_chat(usage: CompletionUsage) -> Usage:
    asked, said = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        usage.prompt_tokens,
        usage.completion_tokens,
        (asked.cached_tokens if asked else 0) or 0,
        (said.reasoning_tokens if said else 0) or 0,
        cost_usd=None,
        calls=1,
        cache_write_tokens=(asked.cache_write_tokens if asked else 0) or 0,
    )


def responses_read_by_the_sdk(events: list[ResponseStreamEvent]) -> Read:
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent | ResponseIncompleteEvent)
    response = last.response
    read = Read(model=response.model, reason=reason_of(response))
    deltas = (each for each in events if isinstance(each, ResponseTextDeltaEvent | ResponseRefusalDeltaEvent))
    read.text = "".join(each.delta for each in deltas)
    for item in response.output:
        if item.type == "reasoning":
            read.reasoning += "\n\n".join(part.text for part in (*item.summary, *(item.content or ())))
            if item.encrypted_content:
                read.seals.append((item.id, item.encrypted_content))
        elif item.type == "function_call" and item.status == "completed":
            read.calls.append((item.call_id, item.name, json.loads(item.arguments)))
    if usage := response.usage:
        asked, said = usage.input_tokens_details, usage.output_tokens_details
        read.usage = Usage(
            usage.input_tokens,
            usage.output_tokens,
            asked.cached_tokens,
            said.reasoning_tokens,
            cost_usd=None,
            calls=1,
            cache_write_tokens=asked.cache_write_tokens or 0,  # which compatible servers leave out
        )
    return read


def reason_of(response: Response) -> str:
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    if any(part.type == "refusal" for part in parts):
        return "refused"
    if response.status == "incomplete":
        details = response.incomplete_details
        return "refused" if details and details.reason == "content_filter" else "length"
    return "tool_calls" if any(item.type == "function_call" for item in response.output) else "end"


@pytest.mark.parametrize("recording", recordings("chat"))
async def test_chat_completions_read_by_us_are_what_the_sdk_reads(recording: bytes) -> None:
    theirs = chat_read_by_the_sdk(await chunks_of_the_sdk(recording))
    for size in (1, 7, 1460, len(recording)):
        assert read_by_us(ChatAssembly, recording, size) == theirs


@pytest.mark.parametrize("recording", recordings("responses"))
async def test_responses_read_by_us_are_what_the_sdk_reads(recording: bytes) -> None:
    theirs = responses_read_by_the_sdk(await events_of_the_sdk(recording))
    for size in (1, 7, 1460, len(recording)):
        assert read_by_us(ResponsesAssembly, recording, size) == theirs


@pytest.mark.parametrize("recording", recordings("chat", failed=True))
async def test_where_the_sdk_finds_an_error_in_chat_completions_so_do_we(recording: bytes) -> None:
    with pytest.raises(openai.APIError) as theirs:
        await chunks_of_the_sdk(recording)
    with pytest.raises(ProviderError) as ours:
        read_by_us(ChatAssembly, recording, 1460)
    assert theirs.value.message in ours.value.message


@pytest.mark.parametrize("recording", recordings("responses", failed=True))
async def test_where_the_sdk_finds_an_error_in_responses_so_do_we(recording: bytes) -> None:
    last = (await events_of_the_sdk(recording))[-1]
    with pytest.raises(ProviderError) as ours:
        read_by_us(ResponsesAssembly, recording, 1460)
    error = last.response.error if isinstance(last, ResponseFailedEvent) else last
    assert isinstance(error, ResponseError | ResponseErrorEvent)
    assert error.message in ours.value.message


def test_the_recordings_show_what_there_is_to_read() -> None:
    chat = [read_by_us(ChatAssembly, each.values[0], 1460) for each in recordings("chat")]
    responses = [read_by_us(ResponsesAssembly, each.values[0], 1460) for each in recordings("responses")]
    for reads in (chat, responses):
        assert {read.reason for read in reads} == {"end", "tool_calls", "length", "refused"}
        assert any(read.reasoning for read in reads)
        assert any(len(read.calls) > 1 for read in reads)
        assert any(read.usage is None for read in reads)
        assert any(read.usage and read.usage.cached_tokens and read.usage.reasoning_tokens for read in reads)
    assert any(read.seals for read in responses)
