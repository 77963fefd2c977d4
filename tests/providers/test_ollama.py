"""Ollama's provider through the real SDK, against a server on the loopback that speaks the same wire."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import ollama
import pytest
from ollama._client import _parse_host
from pydantic import SecretStr

from atlas_mcp import errors
from atlas_mcp.chunks import Stopped, TextDelta, Usage
from atlas_mcp.messages import Image, Intent, Message, Prompt, Reasoning, Text, ToolCall, ToolSpec
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.ollama import OllamaChat, open_provider
from atlas_mcp.providers.provider import Fold, complete
from atlas_mcp.providers.wires.access import Access
from tests.fakes.model_server import FakeModels, Turn
from tests.providers.asking import (
    IMPATIENCE,
    KEY,
    PATIENCE,
    closed_after,
    drain,
    failure,
    prompt,
    streamed,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.providers.vendor import VendorProvider

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
PICTURE = Prompt((Message("user", (Text("Look."), Image("image/png", "aGk="))),), Intent.GATHER, "a picture")


@pytest.fixture
async def provider(server: FakeModels) -> AsyncGenerator[VendorProvider, None]:
    opened = open_provider("fake-model", api_key=KEY, base_url=server.root, patience=PATIENCE)
    yield opened
    await opened.aclose()


@pytest.fixture
async def hasty(server: FakeModels) -> AsyncGenerator[VendorProvider, None]:
    opened = open_provider("fake-model", base_url=server.root, patience=IMPATIENCE)
    yield opened
    await opened.aclose()


def paths(server: FakeModels) -> list[str]:
    return [exchange.path for exchange in server.exchanges]


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
    assert stopped == Stopped("end", "ollama", "fake-model")
    assert server.requests[0]["messages"] == [{"role": "user", "content": "hello"}]
    assert server.exchanges[-1].headers["authorization"] == f"Bearer {KEY}"


async def test_an_answer_in_one_piece_is_the_same_answer(
    server: FakeModels, provider: VendorProvider
) -> None:
    turn = Turn(text="Hi there", reasoning="hm", calls=[{"id": "c1", "name": "read", "arguments": {"n": 1}}])
    server.turns.extend([turn, turn])
    whole, reply = await complete(provider, prompt()), await streamed(provider, prompt())
    assert [body["stream"] for body in server.requests] == [False, True]
    assert whole == reply
    assert whole.message.parts == (
        Reasoning("hm", maker="ollama:fake-model"), Text(whole.text), ToolCall("c1", "read", {"n": 1}),
    )  # fmt: skip
    assert whole.stopped.reason == "tool_calls"


async def test_connections_are_reused_after_whole_answers(
    server: FakeModels, provider: VendorProvider
) -> None:
    for _ in range(3):
        await streamed(provider, prompt())
    assert server.connections == 1


async def test_the_server_is_asked_once_what_the_model_can_do_however_many_prompts_begin(
    server: FakeModels, provider: VendorProvider
) -> None:
    await asyncio.gather(*(streamed(provider, prompt()) for _ in range(5)))
    assert paths(server).count("/api/show") == 1
    known = provider.info.capabilities
    assert known.window == 131072
    assert known.has(Capability.TOOLS)
    assert known.strength(Capability.VISION) is Strength.NONE


async def test_a_picture_is_not_sent_to_a_model_that_would_pass_over_it_in_silence(
    server: FakeModels, provider: VendorProvider
) -> None:
    error, _ = await failure(provider, PICTURE)
    assert type(error) is errors.Unsupported
    assert "lacks images" in error.message
    assert "ollama show fake-model" in error.remedy
    assert server.requests == []


async def test_a_group_goes_on_to_a_model_that_can_see(server: FakeModels, provider: VendorProvider) -> None:
    seeing = Capabilities({Capability.VISION: Strength.STRONG})
    other = open_provider("other-model", base_url=server.root, capabilities=seeing, patience=PATIENCE)
    # The server does not know the other model, and so says nothing against it.
    reply = await complete(ProviderGroup([provider, other]), PICTURE)
    assert reply.stopped.model == "other-model"
    assert server.requests[0]["messages"][0]["images"] == ["aGk="]
    await other.aclose()


async def test_the_context_grows_with_the_prompts_and_never_shrinks(
    server: FakeModels, provider: VendorProvider
) -> None:
    for text, limit in (("hello", 100), ("tide " * 9000, 100), ("hello", 100)):
        await streamed(provider, prompt(text, max_output_tokens=limit))
    small, large, again = (body["options"]["num_ctx"] for body in server.requests)
    assert small == 4096
    assert again == large == 16384


async def test_a_context_that_somebody_asks_for_is_left_alone(
    server: FakeModels, provider: VendorProvider
) -> None:
    await streamed(provider, prompt(sampling={"num_ctx": 1234, "temperature": 0.5}))
    assert server.requests[0]["options"] == {"num_ctx": 1234, "temperature": 0.5}


async def test_a_prompt_that_did_not_fit_after_all_is_sent_once_more_with_more_room(
    server: FakeModels, provider: VendorProvider
) -> None:
    server.turns.append(Turn(refused="context"))
    await streamed(provider, prompt(max_output_tokens=9))
    server.turns.extend([Turn(refused="context"), Turn(refused="context")])
    error, _ = await failure(provider, prompt(max_output_tokens=9))
    assert type(error) is errors.ContextTooLong
    assert [body["options"]["num_ctx"] for body in server.requests] == [4096, 8192, 8192, 16384]


async def test_a_prompt_that_fits_no_window_of_the_model_is_too_long_at_once(server: FakeModels) -> None:
    window = Capabilities(window=4096)
    provider = open_provider("fake-model", base_url=server.root, capabilities=window, patience=PATIENCE)
    server.turns.append(Turn(refused="context"))
    error, _ = await failure(provider)
    assert type(error) is errors.ContextTooLong
    assert [body["options"]["num_ctx"] for body in server.requests] == [4096]
    await provider.aclose()


async def test_a_model_that_cannot_think_is_not_asked_to_from_then_on(
    server: FakeModels, provider: VendorProvider
) -> None:
    server.turns.append(Turn(status=400, body={"error": '"fake-model" does not support thinking'}))
    for _ in range(2):
        await streamed(provider, prompt(effort="high"))
    assert [body.get("think") for body in server.requests] == ["high", None, None]


async def test_a_server_that_refuses_a_schema_is_told_it_in_words_alone() -> None:
    async with FakeModels(tokens=5, refuse_schema=True) as server:
        provider = open_provider("fake-model", base_url=server.root, patience=PATIENCE)
        for _ in range(2):
            assert (await streamed(provider, prompt(schema=SCHEMA))).stopped.reason == "end"
        assert ["format" in body for body in server.requests] == [True, False, False]
        assert "JSON Schema" in server.requests[-1]["messages"][0]["content"]
        await provider.aclose()


async def test_structured_output_reaches_the_server(server: FakeModels, provider: VendorProvider) -> None:
    reply = await streamed(provider, prompt(schema=SCHEMA))
    assert server.requests[0]["format"] == SCHEMA
    assert '"answer"' in reply.text


async def test_a_model_that_is_not_there_says_how_to_pull_it(server: FakeModels) -> None:
    provider = open_provider("llama3.2:latest", base_url=server.root, patience=PATIENCE)
    server.turns.append(Turn(refused="model"))
    error, _ = await failure(provider)
    assert type(error) is errors.ModelNotFound
    assert "ollama pull llama3.2`" in error.remedy
    await provider.aclose()


async def test_a_model_that_cannot_use_tools_is_unsupported(
    server: FakeModels, provider: VendorProvider
) -> None:
    said = "registry.ollama.ai/library/fake-model does not support tools"
    server.turns.append(Turn(status=400, body={"error": said}))
    error, _ = await failure(provider, prompt(tools=(ToolSpec("search", "finds", {"type": "object"}),)))
    assert type(error) is errors.Unsupported
    assert "tools" in error.message
    assert len(server.requests) == 1


async def test_a_refused_connection_says_to_start_the_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        provider = open_provider("fake-model", base_url=f"127.0.0.1:{free.getsockname()[1]}")
    error, _ = await failure(provider)
    assert type(error) is errors.ConnectionFailed
    assert "ollama serve" in error.remedy
    assert "OLLAMA_HOST" in error.remedy
    await provider.aclose()


async def test_rate_limits_say_when_to_come_back(server: FakeModels, provider: VendorProvider) -> None:
    server.turns.append(Turn(status=429, body={"error": "usage limit"}, headers={"retry-after": "7"}))
    error, _ = await failure(provider)
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == 7


async def test_a_web_page_is_no_ollama(server: FakeModels, provider: VendorProvider) -> None:
    server.turns.append(Turn(body="<h1>Welcome to nginx!</h1>"))
    error, _ = await failure(provider)
    assert type(error) is errors.MalformedResponse
    assert "OLLAMA_HOST" in error.remedy


@pytest.mark.parametrize(
    ("turn", "leaf"),
    [
        (Turn(ending="drop", after=5), errors.StreamBroken),
        (Turn(ending="eof", after=5), errors.StreamBroken),
        (Turn(ending="junk", after=5), errors.MalformedResponse),
        (Turn(ending="error", after=5), errors.ServerFailed),
    ],
)
async def test_a_stream_that_dies_is_typed_and_what_it_cost_is_estimated(
    server: FakeModels, provider: VendorProvider, turn: Turn, leaf: type[errors.ProviderError]
) -> None:
    server.turns.append(turn)
    error, fold = await failure(provider)
    assert type(error) is leaf
    assert fold.text
    assert fold.usage.estimated
    assert fold.usage.output_tokens > 0
    assert fold.stopped is None


async def test_a_stream_that_goes_silent_is_stalled(server: FakeModels, hasty: VendorProvider) -> None:
    server.turns.append(Turn(ending="stall", after=5))
    error, _ = await failure(hasty)
    assert type(error) is errors.Stalled


async def test_usage_that_never_comes_is_estimated(server: FakeModels, provider: VendorProvider) -> None:
    server.turns.append(Turn(text="x" * 80, usage=None))
    reply = await streamed(provider, prompt())
    assert reply.usage.estimated
    assert min(reply.usage.input_tokens, reply.usage.output_tokens) > 0


async def test_cancelling_closes_the_socket(server: FakeModels, provider: VendorProvider) -> None:
    server.turns.append(Turn(ending="stall", after=3))
    stream = provider.stream(prompt())
    reader = asyncio.create_task(drain(stream, Fold()))
    await until(lambda: stream.control.metrics.chunks == 3)
    since = time.perf_counter()
    stream.control.cancel("enough")
    with pytest.raises(errors.Cancelled, match="enough"):
        await reader
    assert await closed_after(server, since) < 0.5


async def test_without_a_model_the_first_the_server_lists_is_used() -> None:
    async with FakeModels(tokens=5, models=("llama3.2:latest", "mistral")) as server:
        provider = open_provider(base_url=server.root, patience=PATIENCE)
        assert provider.info.name == "ollama"
        for _ in range(2):
            assert (await streamed(provider, prompt())).stopped.model == "llama3.2"
        assert provider.info.name == "ollama:llama3.2"
        assert paths(server).count("/api/tags") == 1
        await provider.aclose()


async def test_a_server_without_models_says_what_to_do() -> None:
    async with FakeModels(models=()) as server:
        provider = open_provider(base_url=server.root, patience=PATIENCE)
        with pytest.raises(errors.ModelNotFound, match=r"has no model.*ollama:MODEL"):
            await streamed(provider, prompt())
        await provider.aclose()


def answered(path: str, said: Any) -> tuple[OllamaChat, ollama.AsyncClient]:
    """The dialect, and the SDK's client of a server that says just that."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == path
        return httpx.Response(200, json=said)

    dialect = OllamaChat(Access(SecretStr(""), "http://127.0.0.1:11434"))
    return dialect, ollama.AsyncClient(transport=httpx.MockTransport(answer))


async def test_models_that_can_only_embed_are_listed_behind_those_that_chat() -> None:
    listed = [
        {"model": "embeddinggemma:latest", "capabilities": ["embedding"]},
        {"model": "qwen3:8b", "capabilities": ["completion", "tools"]},
        {"model": "old:latest"},
    ]
    dialect, client = answered("/api/tags", {"models": listed})
    assert await dialect.models(client) == ["qwen3:8b", "old", "embeddinggemma"]
    await client.close()


@pytest.mark.parametrize("said", ["{}", '{"models": 5}', '{"models": [null]}', '{"models": [{}]}', "[]"])
async def test_a_list_of_models_that_is_none_is_malformed(said: str) -> None:
    dialect, client = answered("/api/tags", json.loads(said))
    with pytest.raises(errors.MalformedResponse):
        await dialect.models(client)
    await client.close()


async def test_a_look_says_whether_the_model_is_there(server: FakeModels, provider: VendorProvider) -> None:
    health = await provider.check()
    assert health.answers
    assert health.capabilities is not None
    assert health.capabilities.window == 131072
    other = open_provider("absent", base_url=server.root, patience=PATIENCE)
    health = await other.check()
    assert not health.answers
    assert "fake-model" in health.remedy
    await other.aclose()


@pytest.mark.parametrize(
    "host",
    [
        "", "1.2.3.4", ":56789", "1.2.3.4:56789", "http://1.2.3.4", "https://1.2.3.4", "https://1.2.3.4:56789",
        "example.com", "example.com:56789", "http://example.com:56789", "example.com/", "example.com:56789/",
        "example.com/path", "https://example.com:56789/path/", "[0001:002:003:0004::1]",
        "[0001:002:003:0004::1]:56789", "https://[0001:002:003:0004::1]:56789/path",
    ],
)  # fmt: skip
def test_the_address_is_read_as_the_sdk_reads_it(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    shown = open_provider("m").info.address
    assert _parse_host(shown) == _parse_host(host)


@pytest.mark.parametrize("host", ["http://[bad", "ftp://host", "host:99999", "http://"])
def test_an_address_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(errors.InvalidConfiguration, match="OLLAMA_HOST"):
        open_provider("m", base_url=host)


async def test_the_key_comes_from_the_environment_and_is_in_no_error(
    server: FakeModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("OLLAMA_HOST", server.root)
    provider = open_provider("fake-model", patience=PATIENCE)
    server.turns.append(Turn(status=401, body={"error": f"no such key: {KEY}"}))
    error, _ = await failure(provider)
    assert type(error) is errors.Authentication
    assert "OLLAMA_API_KEY" in error.remedy
    assert server.exchanges[-1].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in f"{error!r}{error}{provider!r}"
    await provider.aclose()


async def test_without_a_key_none_is_sent(server: FakeModels, hasty: VendorProvider) -> None:
    await streamed(hasty, prompt())
    assert "authorization" not in server.exchanges[-1].headers


def test_the_sdk_is_not_imported_before_the_first_stream() -> None:
    script = (
        "import sys; from atlas_mcp.providers.ollama import open_provider;"
        "open_provider('m').stream; print({'ollama', 'httpx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
