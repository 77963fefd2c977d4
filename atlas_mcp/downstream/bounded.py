"""Answers over HTTP with a limit: one that goes on beyond it is broken off, not kept in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["BoundedTransport"]


class BoundedTransport(httpx2.AsyncHTTPTransport):
    """An HTTP transport whose answers have at most so many bytes; an event stream is bounded elsewhere."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self._most = most_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; reading its answer raises `ReadError` beyond the limit."""
        response = await super().handle_async_request(request)
        if "text/event-stream" not in response.headers.get("content-type", ""):
            stream = cast("httpx2.AsyncByteStream", response.stream)
            response.stream = _Bounded(stream, self._most, request)
        return response


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, most: int, request: httpx2.Request) -> None:
        self._stream = stream
        self._most = most
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > self._most:
                raise httpx2.ReadError(
                    f"its answer has more than {self._most / 1e6:g} MB", request=self._request
                )
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
