"""Answers over HTTP as the protocol can read them: what refuses outside of it, or is too long, is its error.

The SDK says of any other status that "Server returned an error response", and of a body that breaks off that
the connection was closed; whoever has to mend it needs the status, the server's words, the limit.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import httpx2
from mcp_types import INTERNAL_ERROR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["readable"]

_NOT_FOUND = 404
_LONGEST_REFUSAL = 64 * 1024
_REFUSAL_SECONDS = 5.0
_WORDS = ("error_description", "message", "detail", "error", "title")
"""Where the words of a refusal stand, of RFC 6749, RFC 9457 and many others."""


def readable(most_bytes: int) -> Callable[[httpx2.Response], Awaitable[None]]:
    """For a client's hooks: an answer beyond so many bytes is broken off, not kept in memory.

    The call that it answers gets an error of the protocol; where there is none, reading raises `ReadError`.
    So does a call whose answer is a status alone, but for 404, which the protocol gives a meaning.

    A hook, since a client with a transport of its own no longer takes the proxies of the environment. An
    event stream is bounded elsewhere.
    """

    async def read(response: httpx2.Response) -> None:
        if "text/event-stream" in response.headers.get("content-type", "").lower():
            return
        stream = cast("httpx2.AsyncByteStream", response.stream)
        # What came compressed though nobody asked for that is read by whoever can, or breaks off.
        plain = response.headers.get("content-encoding", "identity").lower() == "identity"
        answers = plain and response.request.method == "POST"
        refuses = answers and response.is_error and response.status_code != _NOT_FOUND
        if not refuses or (call := _call(response.request)) is None:
            response.stream = _Bounded(stream, most_bytes, response.request, answers=answers)
            return
        body = await _refusal(response, stream, call)
        response.headers.pop("content-length", None)
        response.headers["content-type"] = "application/json"
        response.stream = _Instead(stream, body)

    return read


def _call(request: httpx2.Request) -> Any:
    """The id of the call that a request makes; None where it makes none."""
    try:
        message = json.loads(request.content)
    except (ValueError, RecursionError, httpx2.RequestNotRead):
        return None
    return cast("dict[str, Any]", message).get("id") if isinstance(message, dict) else None


def _error(call: Any, said: str) -> bytes:
    error = {"code": INTERNAL_ERROR, "message": said}
    return json.dumps({"jsonrpc": "2.0", "id": call, "error": error}).encode()


async def _refusal(response: httpx2.Response, stream: httpx2.AsyncByteStream, call: Any) -> bytes:
    """What is refused, as an error of the protocol; its own, where it speaks it."""
    body = bytearray()
    with suppress(TimeoutError, httpx2.HTTPError, httpx2.StreamError):
        async with asyncio.timeout(_REFUSAL_SECONDS):
            async for piece in stream:
                body += piece
                if len(body) > _LONGEST_REFUSAL:
                    break
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    words = ""
    if kind.endswith("json"):
        told = _json(body)
        if "jsonrpc" in told:
            return bytes(body)
        words = _worded(told)
    elif kind in {"", "text/plain"}:
        words = body.decode("utf-8", "replace")
    said = f"{response.status_code} {response.reason_phrase}".strip()
    line = " ".join(words.split())
    return _error(call, f"{said}: {line[:300]}" if line else said)


def _json(body: bytearray) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}


def _worded(told: dict[str, Any]) -> str:
    for name in _WORDS:
        said = told.get(name)
        if isinstance(said, dict):
            said = cast("dict[str, Any]", said).get("message")
        if isinstance(said, str) and said.strip():
            return said
    return ""


class _Instead(httpx2.AsyncByteStream):
    """Another body in the place of a stream's, which is closed with it."""

    def __init__(self, stream: httpx2.AsyncByteStream, body: bytes) -> None:
        self._stream = stream
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """A stream that ends where it is too long; what answers a call is given whole or not at all."""

    def __init__(
        self, stream: httpx2.AsyncByteStream, most: int, request: httpx2.Request, *, answers: bool
    ) -> None:
        self._stream = stream
        self._most = most
        self._request = request
        self._answers = answers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, kept = 0, list[bytes]()
        async for piece in self._stream:
            size += len(piece)
            if size > self._most:
                said = f"its answer has more than {self._most / 1e6:g} MB"
                if not self._answers or (call := _call(self._request)) is None:
                    raise httpx2.ReadError(said, request=self._request)
                yield _error(call, said)
                return
            if self._answers:
                kept.append(piece)
            else:
                yield piece
        for piece in kept:
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
