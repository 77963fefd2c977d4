"""An MCP server at an address, as streams of messages."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from atlas_mcp.downstream.http_answers import readable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.downstream.launch import Address

__all__ = ["http_client", "http_streams"]


@asynccontextmanager
async def http_streams(how: Address, *, most_bytes: int) -> AsyncGenerator[Any]:
    """Speak to a server at an address, through the proxy that the environment names."""
    if how.transport == "sse":
        async with sse_client(how.url, headers=dict(how.headers)) as streams:
            yield streams
        return
    async with (
        http_client(how, most_bytes=most_bytes) as client,
        streamable_http_client(how.url, http_client=client) as streams,
    ):
        yield streams


def http_client(how: Address, *, most_bytes: int) -> httpx2.AsyncClient:
    """A client with the address's headers, whose answers have at most so many bytes.

    It asks for answers as they are: of what is compressed nobody could say how long it gets.
    """
    return httpx2.AsyncClient(
        headers={"accept-encoding": "identity", **how.headers},
        timeout=httpx2.Timeout(30.0, read=None),
        event_hooks={"response": [readable(most_bytes)]},
    )
