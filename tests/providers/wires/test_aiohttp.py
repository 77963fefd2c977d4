"""The transport aiohttp under both SDKs that carry it: the same answers and the same failures."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.providers import anthropic, openai
from atlas_mcp.providers.provider import Fold, complete
from tests.fakes.model_server import FakeModels, Turn
from tests.providers.asking import IMPATIENCE, KEY, PATIENCE, closed_after, drain, prompt, streamed, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_mcp.providers.vendor import VendorProvider

pytestmark = pytest.mark.parametrize("vendor", ["anthropic", "openai"])


def opened(vendor: str, address: str, **more: Any) -> VendorProvider:
    if vendor == "anthropic":
        return anthropic.open_provider("fake-model", api_key=KEY, base_url=address, aiohttp=True, **more)
    return openai.open_provider("fake-model", api_key=KEY, base_url=f"{address}/v1", aiohttp=True, **more)


async def failure_at(vendor: str, address: str, **more: Any) -> errors.ProviderError:
    provider = opened(vendor, address, **more)
    with pytest.raises(errors.ProviderError) as caught:
        await streamed(provider, prompt())
    assert KEY not in "".join(traceback.format_exception(caught.value))
    await provider.aclose()
    return caught.value


async def test_answers_stream_or_come_in_one_piece_on_one_connection(server: FakeModels, vendor: str) -> None:
    provider = opened(vendor, server.root, patience=PATIENCE)
    server.turns.extend([Turn(text="Tides come twice a day.")] * 4)
    for _ in range(2):
        assert await streamed(provider, prompt()) == await complete(provider, prompt())
    assert server.connections == 1
    await provider.aclose()
    await until(lambda: server.open_connections == 0)


@pytest.mark.parametrize(
    ("turn", "leaf"),
    [
        (Turn(ending="drop", after=5), errors.StreamBroken),
        (Turn(ending="reset", after=5), errors.StreamBroken),
        (Turn(ending="eof", after=5), errors.StreamBroken),
        (Turn(ending="stall", after=5), errors.Stalled),
        (Turn(ending="silent"), errors.ProviderTimeout),
        (Turn(refused="rate"), errors.RateLimited),
    ],
)
async def test_whatever_breaks_is_the_same_leaf(
    server: FakeModels, vendor: str, turn: Turn, leaf: type[errors.ProviderError]
) -> None:
    server.turns.append(turn)
    assert type(await failure_at(vendor, server.root, patience=IMPATIENCE)) is leaf


async def test_nobody_there_is_a_failed_connection(vendor: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert type(await failure_at(vendor, f"http://127.0.0.1:{port}")) is errors.ConnectionFailed


@pytest.mark.parametrize("greeting", [b"", b"220 mail.example.org ESMTP\r\n\r\n"])
async def test_a_server_that_speaks_no_http_is_a_failed_connection(vendor: str, greeting: bytes) -> None:
    async def greet(asked: asyncio.StreamReader, said: asyncio.StreamWriter) -> None:
        await asked.readuntil(b"\r\n\r\n")
        said.write(greeting)
        said.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert type(await failure_at(vendor, f"http://127.0.0.1:{port}")) is errors.ConnectionFailed


@pytest.mark.parametrize("cancel", [True, False])
async def test_whoever_ends_a_stream_early_closes_the_socket(
    server: FakeModels, vendor: str, *, cancel: bool
) -> None:
    provider = opened(vendor, server.root, patience=PATIENCE)
    server.turns.append(Turn(ending="stall", after=3))
    stream, fold = provider.stream(prompt()), Fold()
    reader = asyncio.create_task(drain(stream, fold))
    await until(lambda: stream.control.metrics.chunks == 3)
    since = time.perf_counter()
    leave: Callable[[], object] = stream.control.cancel if cancel else reader.cancel
    leave()
    with pytest.raises((errors.Cancelled, asyncio.CancelledError)):
        await reader
    assert await closed_after(server, since) < 0.5
    await provider.aclose()
