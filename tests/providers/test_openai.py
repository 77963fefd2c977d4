"""OpenAI's provider through the real SDK, on both wires and transports, against a server on the loopback."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Stopped, TextDelta, Usage
from atlas_mcp.messages import Intent, Material, Message, Passage, Prompt, Source, ToolCall, ToolResult
from atlas_mcp.providers.provider import Fold, complete
from tests.fakes.model_server import Turn
from tests.providers.asking import KEY, PATIENCE, Route, closed_after, drain, failure, prompt, streamed, until

if TYPE_CHECKING:
    from atlas_mcp.providers.stream import Stream
    from atlas_mcp.providers.vendor import VendorProvider
    from tests.fakes.model_server import FakeModels


async def test_an_answer_streams_in_and_ends_with_its_measured_usage(
    server: FakeModels, provider: VendorProvider
) -> None:
    async with provider.stream(prompt()) as stream:
        chunks = [chunk async for chunk in stream]
    *text, usage, stopped = chunks
    assert len(text) == 20
    assert all(isinstance(chunk, TextDelta) for chunk in text)
    assert isinstance(usage, Usage)
    assert (usage.output_tokens, usage.calls, usage.cost_usd, usage.estimated) == (20, 1, None, False)
    assert stopped == Stopped("end", "openai", "fake-model")
    assert server.exchanges[0].headers["authorization"] == f"Bearer {KEY}"


async def test_connections_are_reused_after_whole_answers(
    server: FakeModels, provider: VendorProvider
) -> None:
    for _ in range(3):
        await streamed(provider, prompt())
    assert server.connections == 1


async def test_structured_output_and_material_reach_the_server(
    server: FakeModels, provider: VendorProvider
) -> None:
    source = Source("0" * 64, "u", "Tides", "2026-01-01T00:00:00Z")
    material = Material((Passage("p7", source, "The moon pulls the sea twice a day.", 0),))
    asked = Prompt((Message("user", (material,)),), Intent.GATHER, "tides", schema=FINDINGS)
    reply = await streamed(provider, asked)
    assert '"passage": "p7", "quote": "The moon pulls the sea twice a day."' in reply.text


FINDINGS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"passage": {"type": "string"}, "quote": {"type": "string"}},
            },
        }
    },
}


async def test_tool_calls_arrive_whole(server: FakeModels, provider: VendorProvider) -> None:
    server.turns.append(Turn(calls=[{"id": "c1", "name": "search", "arguments": {"q": "tides"}}]))
    reply = await streamed(provider, prompt())
    assert reply.calls == (ToolCall("c1", "search", {"q": "tides"}),)
    assert reply.stopped.reason == "tool_calls"


async def test_a_broken_tool_call_is_a_malformed_response(
    server: FakeModels, provider: VendorProvider
) -> None:
    server.turns.append(Turn(calls=[{"name": "search", "arguments": '{"q"'}]))
    error, _ = await failure(provider)
    assert isinstance(error, errors.MalformedResponse)


async def test_usage_that_never_comes_is_estimated(server: FakeModels, provider: VendorProvider) -> None:
    server.turns.append(Turn(text="x" * 80, usage=None))
    reply = await streamed(provider, prompt())
    assert reply.usage.estimated
    assert reply.usage.output_tokens == 20


@pytest.mark.parametrize("after_the_end", ["drop", "stall"])
async def test_trouble_after_a_whole_answer_does_no_harm(
    server: FakeModels, hasty: VendorProvider, route: Route, after_the_end: Any
) -> None:
    server.turns.append(Turn(text="whole", ending=after_the_end, after=20, finish="stop"))
    reply = await streamed(hasty, prompt())
    assert reply.text.strip() == "whole"
    assert reply.usage.estimated == route.chat  # the other's last event brings the usage with it


async def test_a_paused_stream_does_not_time_out(server: FakeModels, hasty: VendorProvider) -> None:
    async with hasty.stream(prompt()) as stream:
        fold = Fold()
        fold.add(await anext(stream))
        await asyncio.sleep(0.4)
        async for chunk in stream:
            fold.add(chunk)
    assert fold.reply().stopped.reason == "end"


async def cancelled_while_waiting(stream: Stream) -> float:
    """Cancel once the reader waits for a chunk that does not come; the moment of cancelling."""
    reader = asyncio.create_task(drain(stream, Fold()))
    await until(lambda: stream.control.metrics.chunks == 3)
    since = time.perf_counter()
    stream.control.cancel("enough")
    with pytest.raises(errors.Cancelled, match="enough"):
        await reader
    return since


async def test_cancelling_closes_the_socket_within_20_milliseconds(
    server: FakeModels, provider: VendorProvider
) -> None:
    took: list[float] = []
    for _ in range(3):
        server.turns.append(Turn(ending="stall", after=3))
        since = await cancelled_while_waiting(provider.stream(prompt()))
        took.append(await closed_after(server, since))
    assert min(took) < 0.02


async def test_cancelling_before_the_headers_closes_the_socket(
    server: FakeModels, provider: VendorProvider
) -> None:
    server.turns.append(Turn(ending="silent"))
    stream = provider.stream(prompt())
    reader = asyncio.create_task(anext(stream))  # pyright: ignore[reportArgumentType]
    await until(lambda: server.exchanges)
    since = time.perf_counter()
    stream.control.cancel()
    with pytest.raises(errors.Cancelled):
        await reader
    assert await closed_after(server, since) < 0.5


@pytest.mark.parametrize("leaving", ["leave", "cancel task", "cancel idle", "drop"])
async def test_however_a_reader_goes_the_socket_is_closed(
    server: FakeModels, provider: VendorProvider, leaving: str
) -> None:
    server.turns.append(Turn(ending="stall", after=3))
    stream = provider.stream(prompt())
    for _ in range(3):
        await anext(stream)
    since = time.perf_counter()
    match leaving:
        case "leave":
            async with stream:
                pass
        case "cancel task":
            reader = asyncio.create_task(anext(stream))  # pyright: ignore[reportArgumentType]
            await asyncio.sleep(0)
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
        case "cancel idle":
            stream.control.cancel()
        case _:
            del stream
            gc.collect()
            since = time.perf_counter()  # collecting takes its time in a large process
    assert await closed_after(server, since) < 0.5


async def test_thirty_streams_at_once_each_get_their_own_answer(
    server: FakeModels, provider: VendorProvider
) -> None:
    server.turns.extend(Turn(text=f"answer {number:02}") for number in range(30))
    replies = await asyncio.gather(*(streamed(provider, prompt()) for _ in range(30)))
    assert {reply.text.strip() for reply in replies} == {f"answer {number:02}" for number in range(30)}
    assert server.most_connections <= 30


async def test_a_closed_provider_takes_no_more_prompts(server: FakeModels, provider: VendorProvider) -> None:
    await streamed(provider, prompt())
    await provider.aclose()
    with pytest.raises(errors.Unavailable, match="closed"):
        await streamed(provider, prompt())


async def test_a_plain_answer_is_the_same_as_a_streamed_one(
    server: FakeModels, provider: VendorProvider
) -> None:
    calls = [{"id": "c1", "name": "search", "arguments": {"q": "tides"}}]
    for _ in range(2):
        server.turns.append(Turn(text="Tides come twice a day.", reasoning="The moon, then.", calls=calls))
    plain, streamed_in = await complete(provider, prompt()), await streamed(provider, prompt())
    assert plain == streamed_in
    assert [request["stream"] for request in server.requests] == [False, True]
    assert server.connections == 1


@pytest.mark.parametrize("done", [True, False])
async def test_chat_completions_are_whole_without_the_done_marker(server: FakeModels, done: bool) -> None:
    provider = Route.CHAT.open(server.url, patience=PATIENCE)
    server.turns.extend([Turn(done=False), Turn(usage=None, done=done)])
    for _ in range(2):
        assert (await streamed(provider, prompt())).stopped.reason == "end"
    await provider.aclose()


async def test_sealed_reasoning_is_sent_back_with_the_tools_result(server: FakeModels) -> None:
    provider = Route.RESPONSES.open(server.url, patience=PATIENCE)
    server.turns.append(Turn(reasoning="I must look.", calls=[{"id": "c1", "name": "search"}]))
    first = await streamed(provider, prompt())
    conversation = (*prompt().messages, first.message, Message("tool", (ToolResult("c1", "found"),)))
    await streamed(provider, replace(prompt(), messages=conversation))
    _, thought, call, result = server.requests[1]["input"]
    assert thought["type"] == "reasoning"
    assert thought["encrypted_content"]
    assert call["call_id"] == result["call_id"] == "c1"
    await provider.aclose()
