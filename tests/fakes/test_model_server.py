"""The fake server speaks what the vendors' own SDKs expect to hear, each reading it as strictly as it can."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import ollama
import openai
import pytest

from tests.fakes import model_server
from tests.fakes.model_server import FakeModels, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CALLS: list[dict[str, Any]] = [
    {"id": "c1", "name": "search", "arguments": {"q": "tides"}},
    {"id": "c2", "name": "read", "arguments": {}},
]
EVERYTHING = Turn(
    text="hello world",
    reasoning="let me think",
    calls=CALLS,
    usage={"input": 50, "cached": 30, "cache_write": 2},
)
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def server() -> AsyncGenerator[FakeModels, None]:
    async with FakeModels(tokens=4) as running:
        yield running


@pytest.fixture
async def of_openai(server: FakeModels) -> AsyncGenerator[openai.AsyncOpenAI, None]:
    async with openai.AsyncOpenAI(
        api_key="k", base_url=server.url, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture
async def of_anthropic(server: FakeModels) -> AsyncGenerator[anthropic.AsyncAnthropic, None]:
    async with anthropic.AsyncAnthropic(
        api_key="k", base_url=server.root, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture
async def of_ollama(server: FakeModels) -> AsyncGenerator[Any, None]:  # its own types are incomplete
    client = ollama.AsyncClient(host=server.root)
    yield client
    await client.close()


async def test_chat_completions_are_read_alike_in_a_stream_and_whole(
    server: FakeModels, of_openai: openai.AsyncOpenAI
) -> None:
    server.turns.extend([EVERYTHING, EVERYTHING])
    async with of_openai.chat.completions.stream(
        model="m", messages=HELLO, stream_options={"include_usage": True}
    ) as stream:
        streamed = await stream.get_final_completion()
    whole = await of_openai.chat.completions.create(model="m", messages=HELLO)
    assert streamed.choices[0].message.content == whole.choices[0].message.content == "hello world"
    assert whole.choices[0].finish_reason == "tool_calls"
    for completion in (streamed, whole):
        said = completion.choices[0].message.to_dict()
        assert said["reasoning_content"] == "let me think"
        calls: Any = said["tool_calls"]
        assert [call["function"]["arguments"] for call in calls] == ['{"q": "tides"}', "{}"]
    assert streamed.usage == whole.usage
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (50, 11)


async def test_responses_are_read_alike_in_a_stream_and_whole(
    server: FakeModels, of_openai: openai.AsyncOpenAI
) -> None:
    server.turns.extend([EVERYTHING, EVERYTHING])
    async with of_openai.responses.stream(model="m", input="hello") as stream:
        numbers = [event.sequence_number async for event in stream if hasattr(event, "sequence_number")]
        streamed = await stream.get_final_response()
    whole = await of_openai.responses.create(model="m", input="hello")
    assert numbers == sorted(set(numbers))
    assert streamed.output_text == whole.output_text == "hello world"
    assert [item.type for item in whole.output] == ["reasoning", "message", "function_call", "function_call"]
    assert [item.type for item in streamed.output] == [item.type for item in whole.output]
    assert streamed.usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.input_tokens_details.cached_tokens == 30


async def test_messages_are_read_alike_in_a_stream_and_whole(
    server: FakeModels, of_anthropic: anthropic.AsyncAnthropic
) -> None:
    server.turns.extend([EVERYTHING, EVERYTHING])
    async with of_anthropic.messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
        streamed = await stream.get_final_message()
    whole = await of_anthropic.messages.create(model="m", max_tokens=9, messages=HELLO)
    assert [block.type for block in whole.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert [block.to_dict() for block in streamed.content] == [
        {key: value for key, value in block.to_dict().items() if key != "citations"}
        for block in whole.content
    ]
    assert streamed.stop_reason == whole.stop_reason == "tool_use"
    assert streamed.usage == whole.usage
    assert (whole.usage.input_tokens, whole.usage.cache_read_input_tokens) == (18, 30)


async def test_ollamas_chat_is_read_alike_in_a_stream_and_whole(server: FakeModels, of_ollama: Any) -> None:
    server.turns.extend([EVERYTHING, EVERYTHING])
    parts = [part async for part in await of_ollama.chat(model="m", messages=HELLO, stream=True)]
    whole = await of_ollama.chat(model="m", messages=HELLO)
    assert "".join(part.message.content or "" for part in parts) == whole.message.content == "hello world"
    assert "".join(part.message.thinking or "" for part in parts) == whole.message.thinking == "let me think"
    streamed = [call for part in parts for call in part.message.tool_calls or ()]
    assert streamed == whole.message.tool_calls
    assert [dict(call.function.arguments) for call in streamed] == [{"q": "tides"}, {}]
    assert (parts[-1].prompt_eval_count, parts[-1].eval_count) == (50, 11)


async def test_each_wire_lists_the_models_in_its_own_form(
    of_openai: openai.AsyncOpenAI, of_anthropic: anthropic.AsyncAnthropic, of_ollama: Any
) -> None:
    assert [model.id async for model in of_openai.models.list()] == ["fake-model"]
    assert [model.id async for model in of_anthropic.models.list()] == ["fake-model"]
    assert (await of_anthropic.models.retrieve("fake-model")).max_input_tokens == 200_000
    assert [model.model for model in (await of_ollama.list()).models] == ["fake-model"]
    assert "tools" in ((await of_ollama.show("fake-model")).capabilities or ())


def test_it_runs_alone_and_says_its_port() -> None:
    command = [sys.executable, str(Path(model_server.__file__)), "--tokens", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        said = httpx.post(f"http://127.0.0.1:{port}/api/chat", json={"model": "m", "messages": []})
        stats = httpx.get(f"http://127.0.0.1:{port}/stats").json()
        process.terminate()
    assert len(said.text.splitlines()) == 4
    assert (stats["requests"], stats["left_early"]) == (1, 0)
