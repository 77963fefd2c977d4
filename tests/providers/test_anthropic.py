"""Anthropic's provider through the real SDK, against a server on the loopback that speaks the same wire."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Citation, Stopped, TextDelta, Usage
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
    ToolSpec,
)
from atlas_mcp.providers.anthropic import DEFAULT_MODEL, open_provider
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.provider import Fold, complete
from tests.fakes.model_server import FakeModels, Turn
from tests.fakes.wires import messages
from tests.providers.asking import (
    CLAUDE,
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
    from collections.abc import Callable

    from atlas_mcp.providers.vendor import VendorProvider

SEARCH = ToolSpec("search", "finds", {"type": "object"})
SOURCE = Source("0" * 64, "u", "Tides", "2026-01-01T00:00:00Z")


async def test_an_answer_streams_in_and_ends_with_its_measured_usage(
    server: FakeModels, claude: VendorProvider
) -> None:
    server.turns.append(Turn(usage={"input": 130, "cached": 100, "cache_write": 20}))
    async with claude.stream(prompt()) as stream:
        chunks = [chunk async for chunk in stream]
    *text, usage, stopped = chunks
    assert len(text) == 20
    assert all(isinstance(chunk, TextDelta) for chunk in text)
    assert usage == Usage(130, 20, 100, cost_usd=None, calls=1, cache_write_tokens=20)
    assert stopped == Stopped("end", "anthropic", CLAUDE)
    headers = server.exchanges[0].headers
    assert KEY in {headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer ")}
    assert server.requests[0] == {
        "model": CLAUDE,
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        "stream": True,
    }


async def test_an_answer_in_one_piece_is_the_same(server: FakeModels, claude: VendorProvider) -> None:
    turn = Turn(reasoning="hm so", text="I look.", calls=[{"name": "search", "arguments": {"q": "tides"}}])
    server.turns.extend([turn, turn])
    at_once, piecemeal = await complete(claude, prompt()), await streamed(claude, prompt())
    assert at_once == piecemeal
    assert at_once.calls == (ToolCall("call_1", "search", {"q": "tides"}),)
    assert [request["stream"] for request in server.requests] == [False, True]


async def test_connections_are_reused_after_whole_answers(server: FakeModels, claude: VendorProvider) -> None:
    for _ in range(3):
        await streamed(claude, prompt())
    assert server.connections == 1


async def test_what_was_thought_before_a_call_goes_back_with_its_result(
    server: FakeModels, claude: VendorProvider
) -> None:
    server.turns.append(Turn(reasoning="hm", text="", calls=[{"name": "search", "arguments": {}}]))
    asked = prompt(tools=(SEARCH,))
    reply = await streamed(claude, asked)
    thought = reply.message.parts[0]
    assert isinstance(thought, Reasoning)
    assert (thought.text, thought.maker) == ("hm", f"anthropic:{CLAUDE}")
    told = Message("tool", (ToolResult("call_1", "found"),))
    await streamed(claude, Prompt((*asked.messages, reply.message, told), Intent.COMPOSE, "hello"))
    _, said, result = server.requests[1]["messages"]
    assert [block["type"] for block in said["content"]] == ["thinking", "tool_use"]
    assert said["content"][0]["signature"] == thought.signature
    assert result["content"][0]["type"] == "tool_result"


async def test_the_servers_citations_are_of_the_passages_that_were_given(
    server: FakeModels, claude: VendorProvider
) -> None:
    passages = (Passage("p1", SOURCE, "Elsewhere.", 0), Passage("p2", SOURCE, "The moon pulls.", 500))
    said = {
        "type": "char_location",
        "document_index": 1,
        "start_char_index": 4,
        "end_char_index": 8,
        "cited_text": "moon",
    }
    server.turns.append(Turn(text="It pulls.", citations=[said]))
    asked = Prompt((Message("user", (Material(passages), Text("Why?"))),), Intent.COMPOSE, "tides")
    assert (await streamed(claude, asked)).citations == (Citation("p2", 504, 508, "moon"),)
    sent = server.requests[0]["messages"][0]["content"]
    assert [block["type"] for block in sent] == ["document", "document", "text"]


async def test_structured_output_and_material_reach_the_server(
    server: FakeModels, claude: VendorProvider
) -> None:
    item = {"type": "object", "properties": {"passage": {"type": "string"}, "quote": {"type": "string"}}}
    schema = {"type": "object", "properties": {"findings": {"type": "array", "items": item}}}
    material = Material((Passage("p7", SOURCE, "The moon pulls the sea twice a day.", 0),))
    asked = Prompt((Message("user", (material,)),), Intent.GATHER, "tides", schema=schema)
    reply = await streamed(claude, asked)
    assert '"passage": "p7", "quote": "The moon pulls the sea twice a day."' in reply.text


async def test_cancelling_closes_the_socket(server: FakeModels, claude: VendorProvider) -> None:
    server.turns.append(Turn(ending="stall", after=3))
    stream = claude.stream(prompt())
    reader = asyncio.create_task(drain(stream, Fold()))
    await until(lambda: stream.control.metrics.chunks == 3)
    since = time.perf_counter()
    stream.control.cancel("enough")
    with pytest.raises(errors.Cancelled, match="enough"):
        await reader
    assert await closed_after(server, since) < 0.5
    assert stream.usage.estimated


# The models there are --------------------------------------------------------------------------------------


async def test_a_look_at_the_server_says_what_the_model_can_do() -> None:
    async with FakeModels(models=("claude-haiku-5-5", CLAUDE)) as server:
        known = Capabilities({Capability.VISION: Strength.STRONG})
        provider = open_provider(CLAUDE, base_url=server.root, patience=PATIENCE, capabilities=known)
        health = await provider.check()
        assert health.answers
        assert health.capabilities == provider.info.capabilities
        now = provider.info.capabilities
        assert (now.window, now.output) == (200_000, 64_000)
        assert now.strength(Capability.VISION) is Strength.STRONG
        assert now.strength(Capability.STRUCTURED_OUTPUT) is Strength.MODERATE
        await streamed(provider, prompt())
        assert server.requests[0]["max_tokens"] == 64_000
        await provider.aclose()


async def test_what_a_look_at_the_server_found_a_model_to_lack_is_not_tried(
    server: FakeModels, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    provider = open_provider("fake-model", base_url=server.root, patience=PATIENCE)
    about = messages.described("fake-model")
    about["lifecycle"], about["retires_at"] = "deprecated", "2027-01-22T00:00:00Z"
    about["capabilities"]["thinking"]["types"]["disabled"] = {"supported": False}

    def described(_: str) -> dict[str, Any]:
        return about

    monkeypatch.setattr(messages, "described", described)
    assert (await provider.check()).answers
    assert "anthropic:fake-model is deprecated; it ends on 2027-01-22" in caplog.text
    await streamed(provider, prompt(effort="none"))
    assert server.requests[0]["thinking"] == {"type": "between_tools"}
    await provider.aclose()


async def test_a_gateway_that_does_not_describe_its_models_is_still_there() -> None:
    async with FakeModels(models=("other",)) as server:
        provider = open_provider(CLAUDE, base_url=server.root, patience=PATIENCE)
        health = await provider.check()
        assert not health.answers
        assert health.says == f"answers, 1 model, but none is called {CLAUDE}"
        assert health.remedy == "Name one that it has: other."
        await provider.aclose()


LISTED = {"data": [{"id": "fake-model"}]}


@pytest.mark.parametrize(
    ("listed", "described"),
    [("nonsense", {}), ([], {}), ({"data": [5]}, {}), (LISTED, "nonsense"), (LISTED, [])],
)
async def test_nonsense_about_models_is_malformed(
    server: FakeModels, monkeypatch: pytest.MonkeyPatch, listed: Any, described: Any
) -> None:
    def said(what: Any) -> Callable[[object], Any]:
        return lambda _: what

    monkeypatch.setattr(messages, "listed", said(listed))
    monkeypatch.setattr(messages, "described", said(described))
    provider = open_provider("fake-model", base_url=server.root, patience=PATIENCE)
    health = await provider.check()
    await provider.aclose()
    assert health.says.startswith("malformed_response: ")


async def test_the_usual_model_is_listed_first() -> None:
    async with FakeModels(models=("claude-fable-5-2", DEFAULT_MODEL, "claude-haiku-5-5")) as server:
        provider = open_provider("nobody", base_url=server.root, patience=PATIENCE)
        assert f"it has: {DEFAULT_MODEL}, claude-fable-5-2" in (await provider.check()).remedy
        await provider.aclose()


# Opening ---------------------------------------------------------------------------------------------------


def test_what_is_not_given_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert open_provider().info.name == f"anthropic:{DEFAULT_MODEL}"
    assert open_provider("claude-haiku-5-5").info.model == "claude-haiku-5-5"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://user:secret@127.0.0.1:1/")
    assert open_provider().info.address == "http://127.0.0.1:1"


def test_what_cannot_work_is_said_before_the_first_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    with pytest.raises(errors.InvalidConfiguration, match="ANTHROPIC_API_KEY"):
        open_provider()
    with pytest.raises(errors.InvalidConfiguration, match="no address"):
        open_provider(base_url="localhost:8080")


async def test_a_base_url_that_ends_with_its_version_is_named_as_the_cause(server: FakeModels) -> None:
    provider = open_provider(CLAUDE, base_url=server.url, patience=PATIENCE)
    error, _ = await failure(provider)
    await provider.aclose()
    assert type(error) is errors.ModelNotFound
    assert "without /v1" in error.remedy


def test_the_sdk_is_not_imported_before_the_first_stream() -> None:
    script = (
        "import sys; from atlas_mcp.providers.anthropic import open_provider;"
        "open_provider('m', api_key='k').stream; print({'anthropic', 'httpx2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
