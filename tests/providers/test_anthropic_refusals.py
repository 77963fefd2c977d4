"""What Anthropic's servers refuse is left out or typed, and what breaks says how far it came."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Stopped
from atlas_mcp.messages import Intent, Message, Prompt, Reasoning, Text, ToolSpec
from atlas_mcp.providers.anthropic import open_provider
from atlas_mcp.providers.capabilities import Capabilities
from tests.fakes.model_server import FakeModels, Turn
from tests.providers.asking import CLAUDE, KEY, PATIENCE, failure, prompt, streamed

if TYPE_CHECKING:
    from atlas_mcp.providers.vendor import VendorProvider

NO_PREFILL = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
SEARCH = ToolSpec("search", "finds", {"type": "object"})


def refusing(message: str) -> Turn:
    error = {"type": "invalid_request_error", "message": message}
    return Turn(status=400, body={"type": "error", "error": error, "request_id": "req_1"})


async def test_a_server_that_refuses_structured_output_is_asked_in_words_from_then_on() -> None:
    async with FakeModels(tokens=5, refuse_schema=True) as server:
        provider = open_provider(CLAUDE, base_url=server.root, patience=PATIENCE)
        for _ in range(2):
            assert (await streamed(provider, prompt(schema=SCHEMA))).stopped.reason == "end"
        first, second, third = server.requests
        assert "format" in first["output_config"]
        assert second == third
        assert "JSON Schema" in second["system"]
        await provider.aclose()


async def test_thinking_is_switched_off_in_the_way_that_the_model_knows(
    server: FakeModels, claude: VendorProvider
) -> None:
    for kind in ("disabled", "between_tools"):
        server.turns.append(
            refusing(
                f'"thinking.type.{kind}" is not supported for this model. '
                'Use "thinking.type.adaptive" and "output_config.effort".'
            )
        )
    for _ in range(2):
        await streamed(claude, prompt(effort="none"))
    first, second, third, fourth = server.requests
    assert (first["thinking"], second["thinking"]) == ({"type": "disabled"}, {"type": "between_tools"})
    assert "thinking" not in third
    assert third["output_config"] == {"effort": "low"}
    assert fourth == third


@pytest.mark.parametrize(
    ("message", "asked", "gone_and_kept"),
    [
        (
            "This model does not support the effort parameter.",
            prompt(effort="high"),
            ("output_config", "thinking"),
        ),
        (
            "adaptive thinking is not supported on this model",
            prompt(effort="high"),
            ("thinking", "output_config"),
        ),
        (
            "`temperature` is deprecated for this model.",
            prompt(sampling={"temperature": 0, "top_k": 3}),
            ("temperature", "top_k"),
        ),
        (
            'tool_choice: type "tool" and "any" are not supported for this model.',
            prompt(tools=(SEARCH,), tool_choice="required"),
            ("tool_choice", "tools"),
        ),
    ],
)
async def test_what_the_model_does_not_take_is_left_out(
    server: FakeModels, claude: VendorProvider, message: str, asked: Prompt, gone_and_kept: tuple[str, str]
) -> None:
    gone, kept = gone_and_kept
    server.turns.append(refusing(message))
    await streamed(claude, asked)
    first, second = server.requests
    assert gone in first
    assert gone not in second
    assert second[kept] == first[kept]


async def test_a_seal_that_is_not_taken_back_is_left_out_of_that_request_alone(
    server: FakeModels, claude: VendorProvider
) -> None:
    said = Message("assistant", (Reasoning("hm", "seal", f"anthropic:{CLAUDE}"), Text("So.")))
    talk = (Message("user", (Text("Q?"),)), said, Message("user", (Text("And?"),)))
    bound = "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound elsewhere."
    server.turns.append(refusing(bound))
    for _ in range(2):
        await streamed(claude, Prompt(talk, Intent.COMPOSE, "hello"))
    assert [len(request["messages"][1]["content"]) for request in server.requests] == [2, 1, 2]


async def test_a_server_that_refuses_the_same_thing_again_is_believed(
    server: FakeModels, claude: VendorProvider
) -> None:
    server.turns.extend([refusing("Invalid `signature` in `thinking` block")] * 2)
    error, _ = await failure(claude)
    assert type(error) is errors.InvalidRequest
    assert len(server.requests) == 2


async def test_sampling_that_the_model_is_known_not_to_take_is_left_out_and_said_once(
    server: FakeModels, caplog: pytest.LogCaptureFixture
) -> None:
    known = Capabilities(sampling=frozenset())
    provider = open_provider(CLAUDE, base_url=server.root, patience=PATIENCE, capabilities=known)
    with caplog.at_level(logging.INFO, "atlas_mcp"):
        for _ in range(2):
            await streamed(provider, prompt(sampling={"temperature": 0, "top_p": 1}))
    await provider.aclose()
    assert not {"temperature", "top_p"} & server.requests[0].keys()
    assert [record.message for record in caplog.records if record.name.startswith("atlas_mcp")] == [
        f"anthropic:{CLAUDE} takes no temperature and no top_p; going on without"
    ]


# What goes wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "message", "leaf"),
    [
        (
            400,
            "invalid_request_error",
            "prompt is too long: 208310 tokens > 200000 maximum",
            errors.ContextTooLong,
        ),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000",
            errors.ContextTooLong,
        ),
        (400, "invalid_request_error", NO_PREFILL, errors.Unsupported),
        (400, "invalid_request_error", "This model does not support image input.", errors.Unsupported),
        (400, "invalid_request_error", "messages: at least one is required", errors.InvalidRequest),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API.",
            errors.QuotaExceeded,
        ),
        (
            400,
            "invalid_request_error",
            "You have reached your specified API usage limits.",
            errors.QuotaExceeded,
        ),
        (401, "authentication_error", "invalid x-api-key", errors.Authentication),
        (402, "billing_error", "x", errors.QuotaExceeded),
        (403, "permission_error", "x", errors.PermissionDenied),
        (404, "not_found_error", "model: nobody", errors.ModelNotFound),
        (413, "request_too_large", "x", errors.ContextTooLong),
        (429, "rate_limit_error", "x", errors.RateLimited),
        (500, "api_error", "x", errors.ServerFailed),
        (504, "timeout_error", "x", errors.ProviderTimeout),
        (529, "overloaded_error", "x", errors.Overloaded),
    ],
)
async def test_a_refusal_is_typed(
    server: FakeModels, status: int, kind: str, message: str, leaf: type[errors.ProviderError]
) -> None:
    provider = open_provider(CLAUDE, api_key=KEY, base_url=server.root, patience=PATIENCE)
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    headers = {"retry-after": "7", "request-id": "req_7"}
    server.turns.append(Turn(status=status, body=body, headers=headers))
    error, _ = await failure(provider)
    await provider.aclose()
    assert type(error) is leaf
    assert (error.status, error.request_id, error.retry_after) == (status, "req_7", 7)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("turn", "leaf"),
    [
        (Turn(ending="drop", after=5), errors.StreamBroken),
        (Turn(ending="eof", after=5), errors.StreamBroken),
        (Turn(done=False), errors.StreamBroken),
        (Turn(ending="error", after=5), errors.Overloaded),
        (Turn(ending="junk", after=5), errors.MalformedResponse),
        (Turn(finish="model_context_window_exceeded"), errors.ContextTooLong),
    ],
    ids=lambda value: getattr(value, "ending", None),
)
async def test_a_stream_that_dies_is_typed_and_its_prompt_is_counted_as_told(
    server: FakeModels, claude: VendorProvider, turn: Turn, leaf: type[errors.ProviderError]
) -> None:
    turn.usage = {"input": 130, "cached": 100}
    server.turns.append(turn)
    error, fold = await failure(claude)
    assert type(error) is leaf
    assert error.request_id == "req_fake"
    assert fold.text
    assert (fold.usage.input_tokens, fold.usage.cached_tokens) == (130, 100)
    assert fold.usage.output_tokens > 0
    assert fold.stopped is None


async def test_a_model_that_refuses_says_why(server: FakeModels, claude: VendorProvider) -> None:
    server.turns.append(Turn(text="I can", refusal="Not this."))
    reply = await streamed(claude, prompt())
    assert reply.stopped == Stopped("refused", "anthropic", CLAUDE, note="Not this.")
