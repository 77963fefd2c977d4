"""The OpenAI provider through the real SDK, against a server on the loopback that speaks the same wire."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Stopped, TextDelta, Usage
from atlas_mcp.messages import Intent, Material, Message, Passage, Prompt, Source, ToolCall
from atlas_mcp.providers.openai import DEFAULT_MODEL, open_provider
from atlas_mcp.providers.provider import Fold
from tests.fakes.openai_server import FakeOpenAI, Turn
from tests.providers.asking import KEY, PATIENCE, closed_after, drain, failure, prompt, streamed, until

if TYPE_CHECKING:
    from atlas_mcp.providers.stream import Stream
    from atlas_mcp.providers.vendor import VendorProvider

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


async def test_an_answer_streams_in_and_ends_with_its_measured_usage(
    server: FakeOpenAI, provider: VendorProvider
) -> None:
    async with provider.stream(prompt()) as stream:
        chunks = [chunk async for chunk in stream]
    *text, usage, stopped = chunks
    assert len(text) == 20
    assert all(isinstance(chunk, TextDelta) for chunk in text)
    assert isinstance(usage, Usage)
    assert (usage.output_tokens, usage.calls, usage.cost_usd, usage.estimated) == (20, 1, None, False)
    assert stopped == Stopped("end", "openai", "fake-model")
    assert server.requests[0]["messages"] == [{"role": "user", "content": "hello"}]
    assert server.exchanges[0].headers["authorization"] == f"Bearer {KEY}"


async def test_the_sdks_own_reading_of_the_wire_is_the_same(
    server: FakeOpenAI, provider: VendorProvider
) -> None:
    text = 'Wörter, 語, \U0001f30a and\r\nlines\u2028with \\ every "quirk" ' * 5
    server.turns.extend([Turn(text=text), Turn(text=text)])
    ours = await streamed(provider, prompt())
    async with openai.AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="fake-model",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        theirs = [chunk async for chunk in stream]
    assert ours.text == text
    assert ours.text == "".join(chunk.choices[0].delta.content or "" for chunk in theirs if chunk.choices)
    usage = theirs[-1].usage
    assert usage is not None
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (
        usage.prompt_tokens,
        usage.completion_tokens,
    )


async def test_connections_are_reused_after_whole_answers(
    server: FakeOpenAI, provider: VendorProvider
) -> None:
    for _ in range(3):
        await streamed(provider, prompt())
    assert server.connections == 1


async def test_structured_output_and_material_reach_the_server(
    server: FakeOpenAI, provider: VendorProvider
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


async def test_tool_calls_arrive_whole(server: FakeOpenAI, provider: VendorProvider) -> None:
    halves: list[dict[str, Any]] = [
        {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "search", "arguments": '{"q":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ' "tides"}'}}]},
    ]
    server.turns.append(Turn(deltas=halves))
    reply = await streamed(provider, prompt())
    assert reply.calls == (ToolCall("c1", "search", {"q": "tides"}),)
    assert reply.stopped.reason == "tool_calls"


async def test_a_broken_tool_call_is_a_malformed_response(
    server: FakeOpenAI, provider: VendorProvider
) -> None:
    half: dict[str, Any] = {
        "tool_calls": [{"index": 0, "id": "c", "function": {"name": "s", "arguments": '{"q"'}}]
    }
    server.turns.append(Turn(deltas=[half]))
    error, _ = await failure(provider)
    assert isinstance(error, errors.MalformedResponse)


async def test_usage_that_never_comes_is_estimated(server: FakeOpenAI, provider: VendorProvider) -> None:
    server.turns.append(Turn(text="x" * 80, usage=None))
    reply = await streamed(provider, prompt())
    assert reply.usage.estimated
    assert reply.usage.output_tokens == 20


@pytest.mark.parametrize("turn", [Turn(done=False), Turn(usage=None, done=False)])
async def test_an_answer_is_whole_without_the_done_marker(
    server: FakeOpenAI, provider: VendorProvider, turn: Turn
) -> None:
    server.turns.append(turn)
    assert (await streamed(provider, prompt())).stopped.reason == "end"


@pytest.mark.parametrize("after_the_end", ["drop", "stall"])
async def test_trouble_after_a_whole_answer_does_no_harm(
    server: FakeOpenAI, hasty: VendorProvider, after_the_end: Any
) -> None:
    server.turns.append(Turn(text="whole", ending=after_the_end, after=20, finish="stop"))
    reply = await streamed(hasty, prompt())
    assert reply.text.strip() == "whole"
    assert reply.usage.estimated


async def test_a_paused_stream_does_not_time_out(server: FakeOpenAI, hasty: VendorProvider) -> None:
    async with hasty.stream(prompt()) as stream:
        fold = Fold()
        fold.add(await anext(stream))
        await asyncio.sleep(0.4)
        async for chunk in stream:
            fold.add(chunk)
    assert fold.reply().stopped.reason == "end"


async def test_a_server_that_refuses_response_format_is_asked_in_words_from_then_on() -> None:
    async with FakeOpenAI(tokens=5, refuse_schema=True) as server:
        provider = open_provider("fake-model", base_url=server.url, patience=PATIENCE)
        for _ in range(2):
            assert (await streamed(provider, prompt(schema=SCHEMA))).stopped.reason == "end"
        first, second, third = server.requests
        assert "response_format" in first
        assert second["messages"] == third["messages"]
        assert "JSON Schema" in second["messages"][0]["content"]
        await provider.aclose()


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        ("Unrecognized request argument supplied: stream_options", "stream_options"),
        ("Unsupported value: 'temperature' does not support 0.2 with this model.", "temperature"),
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens"),
    ],
)
async def test_other_parameters_that_a_server_refuses_by_name_are_left_out(
    server: FakeOpenAI, provider: VendorProvider, message: str, gone: str
) -> None:
    server.turns.append(Turn(status=400, body={"error": {"message": message}}))
    await streamed(provider, prompt(max_output_tokens=9, sampling={"temperature": 0.2}))
    first, second = server.requests
    assert gone in first
    assert gone not in second
    assert ("max_completion_tokens" in second) == (gone == "max_tokens")


async def test_a_bad_value_is_not_mistaken_for_an_unknown_parameter(
    server: FakeOpenAI, provider: VendorProvider
) -> None:
    said = {"error": {"message": "temperature must be at most 2", "param": "temperature"}}
    server.turns.append(Turn(status=400, body=said))
    error, _ = await failure(provider, prompt(sampling={"temperature": 5}))
    assert isinstance(error, errors.InvalidRequest)


async def test_without_a_model_the_first_the_server_lists_is_used() -> None:
    async with FakeOpenAI(tokens=5, models=("llama", "mistral")) as server:
        provider = open_provider(base_url=server.url, patience=PATIENCE)
        assert provider.info.name == "openai"
        assert (await streamed(provider, prompt())).stopped.model == "llama"
        await streamed(provider, prompt())
        assert provider.info.name == "openai:llama"
        assert [exchange.path for exchange in server.exchanges].count("/v1/models") == 1
        await provider.aclose()


async def test_a_server_without_models_says_what_to_do() -> None:
    async with FakeOpenAI(models=()) as server:
        provider = open_provider(base_url=server.url, patience=PATIENCE)
        with pytest.raises(errors.ModelNotFound, match=r"has no model.*openai:MODEL"):
            await streamed(provider, prompt())
        await provider.aclose()


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
    server: FakeOpenAI, provider: VendorProvider
) -> None:
    took: list[float] = []
    for _ in range(3):
        server.turns.append(Turn(ending="stall", after=3))
        since = await cancelled_while_waiting(provider.stream(prompt()))
        took.append(await closed_after(server, since))
    assert min(took) < 0.02


async def test_cancelling_before_the_headers_closes_the_socket(
    server: FakeOpenAI, provider: VendorProvider
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


@pytest.mark.parametrize("way", ["leave", "cancel task", "cancel idle", "drop"])
async def test_however_a_reader_goes_the_socket_is_closed(
    server: FakeOpenAI, provider: VendorProvider, way: str
) -> None:
    server.turns.append(Turn(ending="stall", after=3))
    stream = provider.stream(prompt())
    for _ in range(3):
        await anext(stream)
    since = time.perf_counter()
    match way:
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
    server: FakeOpenAI, provider: VendorProvider
) -> None:
    server.turns.extend(Turn(text=f"answer {number:02}") for number in range(30))
    replies = await asyncio.gather(*(streamed(provider, prompt()) for _ in range(30)))
    assert {reply.text.strip() for reply in replies} == {f"answer {number:02}" for number in range(30)}
    assert server.most_connections <= 30


async def test_a_closed_provider_takes_no_more_prompts(server: FakeOpenAI, provider: VendorProvider) -> None:
    await streamed(provider, prompt())
    await provider.aclose()
    with pytest.raises(errors.Unavailable, match="closed"):
        await streamed(provider, prompt())


def test_what_is_not_given_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert open_provider().info.name == f"openai:{DEFAULT_MODEL}"
    assert open_provider("gpt-6-luna").info.model == "gpt-6-luna"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert open_provider().info.model == ""


def test_what_cannot_work_is_said_before_the_first_prompt() -> None:
    with pytest.raises(errors.InvalidConfiguration, match="OPENAI_API_KEY"):
        open_provider()
    with pytest.raises(errors.InvalidConfiguration, match="no address") as caught:
        open_provider(base_url="user:password@localhost:8080")
    assert caught.value.remedy


@pytest.mark.parametrize("address", ["http://[bad/v1", "http://host:99999/v1", "http://:80/v1", "ftp://host"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(errors.InvalidConfiguration, match="no address"):
        open_provider(base_url=address)


async def test_white_space_around_a_key_is_not_part_of_it(server: FakeOpenAI) -> None:
    provider = open_provider("m", api_key=f" {KEY}\r\n", base_url=server.url)
    await streamed(provider, prompt())
    await provider.aclose()
    assert server.exchanges[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-\u00e9"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(errors.InvalidConfiguration, match="characters that no key has") as caught:
        open_provider(api_key=key)
    assert key not in str(caught.value)


def test_the_sdk_is_not_imported_before_the_first_stream() -> None:
    script = (
        "import sys; from atlas_mcp.providers.openai import open_provider;"
        "open_provider('m', api_key='k').stream; print({'openai', 'httpx2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
