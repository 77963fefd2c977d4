"""What a server refuses by name is left out from then on, and said in words where it can be."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.messages import Message, Reasoning, Text, ToolSpec
from atlas_mcp.providers.capabilities import Capabilities
from tests.fakes.model_server import FakeModels, Turn
from tests.providers.asking import PATIENCE, Route, failure, prompt, streamed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.providers.vendor import VendorProvider

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


def refusal(message: str, param: str | None = None) -> Turn:
    return Turn(status=400, body={"error": {"message": message, "param": param}})


@pytest.fixture
async def chat(server: FakeModels) -> AsyncGenerator[VendorProvider, None]:
    opened = Route.CHAT.open(server.url, patience=PATIENCE)
    yield opened
    await opened.aclose()


@pytest.fixture
async def responses(server: FakeModels) -> AsyncGenerator[VendorProvider, None]:
    opened = Route.RESPONSES.open(server.url, patience=PATIENCE)
    yield opened
    await opened.aclose()


@pytest.mark.parametrize(("route", "wish"), [(Route.CHAT, "response_format"), (Route.RESPONSES, "text")])
async def test_a_schema_that_is_refused_is_described_in_words_from_then_on(route: Route, wish: str) -> None:
    async with FakeModels(tokens=5, refuse_schema=True) as server:
        provider = route.open(server.url, patience=PATIENCE)
        for _ in range(2):
            assert (await streamed(provider, prompt(schema=SCHEMA))).stopped.reason == "end"
        first, second, third = server.requests
        assert wish in first
        assert second == third
        assert wish not in second
        assert "JSON Schema" in json.dumps(second)
        await provider.aclose()


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        ("Unrecognized request argument supplied: stream_options", "stream_options"),
        ("Unsupported value: 'temperature' does not support 0.2 with this model.", "temperature"),
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens"),
    ],
)
async def test_parameters_of_chat_completions(
    server: FakeModels, chat: VendorProvider, message: str, gone: str
) -> None:
    server.turns.append(refusal(message))
    await streamed(chat, prompt(max_output_tokens=9, sampling={"temperature": 0.2}))
    first, second = server.requests
    assert gone in first
    assert gone not in second
    assert ("max_completion_tokens" in second) == (gone == "max_tokens")


@pytest.mark.parametrize(
    ("message", "param", "gone"),
    [
        ("Encrypted content is not supported with this model.", "include", "include"),
        ("Unsupported parameter: 'reasoning.effort' is not supported with this model.", None, "reasoning"),
        ("Unsupported parameter: 'temperature' is not supported.", "temperature", "temperature"),
        ("Unknown parameter: 'store'.", None, "store"),
    ],
)
async def test_parameters_of_responses(
    server: FakeModels, responses: VendorProvider, message: str, param: str | None, gone: str
) -> None:
    server.turns.append(refusal(message, param))
    await streamed(responses, prompt(effort="low", sampling={"temperature": 0.2}))
    first, second = server.requests
    assert first.keys() - second.keys() == {gone}


async def test_sampling_that_the_model_is_known_not_to_take_is_not_asked_for(
    server: FakeModels, route: Route
) -> None:
    known = Capabilities(sampling=frozenset({"top_p"}))
    provider = route.open(server.url, patience=PATIENCE, capabilities=known)
    await streamed(provider, prompt(sampling={"temperature": 0.2, "top_p": 0.9}))
    assert server.requests[0]["top_p"] == 0.9
    assert "temperature" not in server.requests[0]
    await provider.aclose()


async def test_an_account_that_may_not_see_reasoning_still_has_it_done(
    server: FakeModels, responses: VendorProvider
) -> None:
    said = "Your organization must be verified to generate reasoning summaries."
    server.turns.append(refusal(said, "reasoning.summary"))
    await streamed(responses, prompt(effort="low"))
    assert [request["reasoning"] for request in server.requests] == [
        {"summary": "auto", "effort": "low"}, {"effort": "low"},
    ]  # fmt: skip


async def test_a_seal_that_is_broken_is_left_out_once(server: FakeModels, responses: VendorProvider) -> None:
    seal = '{"id": "rs_1", "encrypted_content": "gAAAAABo"}'
    thought = Reasoning("hm", seal, "openai:fake-model")
    said = "The encrypted content gAAA could not be verified."
    server.turns.append(
        Turn(status=400, body={"error": {"message": said, "code": "invalid_encrypted_content"}})
    )
    asked = replace(prompt(), messages=(Message("assistant", (thought, Text("So."))), *prompt().messages))
    for _ in range(2):
        await streamed(responses, asked)
    assert [len(request["input"]) for request in server.requests] == [3, 2, 3]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("temperature must be at most 2", "temperature"),
        ("The text is not in a language that is supported.", None),
        ("Please include a question that we support, and store nothing.", None),
    ],
)
async def test_a_bad_value_is_not_mistaken_for_an_unknown_parameter(
    server: FakeModels, provider: VendorProvider, message: str, param: str | None
) -> None:
    server.turns.append(refusal(message, param))
    error, _ = await failure(provider, prompt(sampling={"temperature": 5}, schema=SCHEMA))
    assert isinstance(error, errors.InvalidRequest)


async def test_a_server_that_refuses_what_it_did_not_get_is_not_asked_for_ever(
    server: FakeModels, provider: VendorProvider
) -> None:
    tool: Any = ToolSpec("search", "finds", {"type": "object"})
    server.turns.extend([refusal("Unknown parameter: 'tool_choice'.", "tool_choice")] * 3)
    error, _ = await failure(provider, prompt(tools=(tool,), tool_choice="required"))
    assert isinstance(error, errors.InvalidRequest)
    assert ["tool_choice" in request for request in server.requests] == [True, False]
