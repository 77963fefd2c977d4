"""Whatever goes wrong between us and a server is a leaf of our tree, and keeps every secret."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from typing import TYPE_CHECKING

import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Usage
from tests.fakes.model_server import Turn
from tests.providers.asking import KEY, PATIENCE, Route, closed_after, failure, prompt, streamed

if TYPE_CHECKING:
    from atlas_mcp.providers.vendor import VendorProvider
    from tests.fakes.model_server import FakeModels


@pytest.mark.parametrize(
    ("turn", "leaf"),
    [
        (Turn(ending="drop", after=5), errors.StreamBroken),
        (Turn(ending="reset", after=5), errors.StreamBroken),
        (Turn(ending="eof", after=5), errors.StreamBroken),
        (Turn(ending="junk", after=5), errors.MalformedResponse),
        (Turn(ending="error", after=5), errors.Overloaded),
        (Turn(ending="error", after=5, error={"message": "oops", "code": 502}), errors.ServerFailed),
    ],
)
async def test_a_stream_that_dies_is_typed_and_what_it_cost_is_estimated(
    server: FakeModels, provider: VendorProvider, turn: Turn, leaf: type[errors.ProviderError]
) -> None:
    server.turns.append(turn)
    error, fold = await failure(provider)
    assert type(error) is leaf
    assert error.request_id == "req_fake"
    assert fold.text
    assert fold.usage.estimated
    assert fold.usage.output_tokens > 0
    assert fold.stopped is None


async def test_a_stream_that_goes_silent_is_stalled(server: FakeModels, hasty: VendorProvider) -> None:
    server.turns.append(Turn(ending="stall", after=5))
    since = time.perf_counter()
    error, fold = await failure(hasty)
    assert type(error) is errors.Stalled
    assert fold.usage.estimated
    assert await closed_after(server, since) < 2


async def test_a_server_that_never_answers_is_a_timeout(server: FakeModels, hasty: VendorProvider) -> None:
    server.turns.append(Turn(ending="silent"))
    since = time.perf_counter()
    error, fold = await failure(hasty)
    assert type(error) is errors.ProviderTimeout
    assert fold.usage == Usage()
    assert await closed_after(server, since) < 2


async def test_a_stream_that_begins_and_says_nothing_is_a_timeout(
    server: FakeModels, hasty: VendorProvider, route: Route
) -> None:
    server.turns.append(Turn(ending="stall", after=0))
    error, _ = await failure(hasty)
    # Responses begin with a sign of life.
    assert type(error) is (errors.ProviderTimeout if route.chat else errors.Stalled)


@pytest.mark.parametrize(
    ("status", "code", "leaf"),
    [
        (400, None, errors.InvalidRequest),
        (400, "context_length_exceeded", errors.ContextTooLong),
        (401, "invalid_api_key", errors.Authentication),
        (403, None, errors.PermissionDenied),
        (404, "model_not_found", errors.ModelNotFound),
        (429, "insufficient_quota", errors.QuotaExceeded),
        (500, None, errors.ServerFailed),
        (503, None, errors.Overloaded),
    ],
)
async def test_a_status_is_a_leaf_and_nothing_is_retried(
    server: FakeModels,
    provider: VendorProvider,
    status: int,
    code: str | None,
    leaf: type[errors.ProviderError],
) -> None:
    server.turns.append(Turn(status=status, body={"error": {"message": "no", "code": code}}))
    error, _ = await failure(provider)
    assert type(error) is leaf
    assert (error.status, error.request_id) == (status, "req_fake")
    assert len(server.exchanges) == 1


async def test_rate_limits_say_when_to_come_back(server: FakeModels, provider: VendorProvider) -> None:
    server.turns.append(Turn(status=429, body={"error": {"message": "slow"}}, headers={"retry-after": "7"}))
    error, _ = await failure(provider)
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == 7


async def test_json_where_a_stream_was_asked_for_is_malformed(
    server: FakeModels, provider: VendorProvider
) -> None:
    server.turns.append(Turn(body={"choices": [{"message": {"content": "hi"}}]}))
    error, _ = await failure(provider)
    assert isinstance(error, errors.MalformedResponse)
    assert "application/json" in error.message


async def test_a_refused_connection_is_a_failed_connection(route: Route) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    provider = route.open(f"http://127.0.0.1:{port}/v1")
    error, _ = await failure(provider)
    assert type(error) is errors.ConnectionFailed
    await provider.aclose()


async def test_a_server_that_speaks_no_http_is_a_failed_connection(route: Route) -> None:
    async def greet(asked: asyncio.StreamReader, said: asyncio.StreamWriter) -> None:
        await asked.readuntil(b"\r\n\r\n")
        said.write(b"220 mail.example.org ESMTP\r\n\r\n")
        said.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for model in ("fake-model", ""):
            provider = route.open(f"http://127.0.0.1:{port}/v1", model=model)
            with pytest.raises(errors.ConnectionFailed) as caught:
                await streamed(provider, prompt())
            assert KEY not in "".join(traceback.format_exception(caught.value))
            await provider.aclose()


async def test_the_key_is_in_no_error_and_no_representation(server: FakeModels, route: Route) -> None:
    for key in (KEY, "odd/key with+signs"):
        echo = {"error": {"message": f"Incorrect API key provided: {key}.", "code": "invalid_api_key"}}
        provider = route.open(server.url, key=key, patience=PATIENCE)
        server.turns.append(Turn(status=401, body=echo))
        error, _ = await failure(provider)
        shown = "".join(traceback.format_exception(error))
        assert all(key not in text for text in (str(error), repr(error), str(error.to_dict()), shown))
        assert key not in repr(provider)
        assert error.__cause__ is None
        await provider.aclose()
