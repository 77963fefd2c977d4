"""One request to a vendor and its answer, as far as they have come; and what went wrong, as our errors."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Protocol, cast

import jiter

from atlas_mcp import errors
from atlas_mcp.errors import MalformedResponse, ProviderError
from atlas_mcp.providers.known.allowance import allowance_of
from atlas_mcp.providers.watchdog import Watchdog
from atlas_mcp.providers.wires.errors import classify, redacted, remedy_for, retry_after
from atlas_mcp.providers.wires.halves import Halves

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from types import ModuleType

    from pydantic import SecretStr

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import JsonObject
    from atlas_mcp.providers.control import StreamMetrics
    from atlas_mcp.providers.meter import Meter
    from atlas_mcp.providers.terms import Patience

__all__ = ["SEALS", "Assembly", "Decoder", "Exchange", "Response", "explained", "refused_parameter"]

SEALS = "seals"
"""Reasoning that the server once sealed and does not take back now: left out of one request, not of all."""

_DRAIN_SECONDS = 0.5
_UNSUPPORTED = re.compile(r"support|unknown|unrecogni[sz]ed|unexpected|permitted|extra", re.IGNORECASE)
_LEFT_OUT = frozenset({"response_format", "stream_options", "text", "think"})
"""Parameters that are left out whatever is said against them."""
_ALSO_CALLED = {
    "response_format": "json_schema",
    "text": "json_schema",
    "format": "schema|grammar",
    "think": "thinking",
}
"""What servers speak of when they refuse a parameter without its name."""
_WORDS = frozenset({"include", "reasoning", "store", "text"})
"""Names that are words too, and mean a parameter only in quotes or with a part of it."""
_APART = ("reasoning.summary",)
"""Parts of a parameter that are left out by themselves."""
_KEPT = frozenset(
    {"model", "messages", "input", "instructions", "stream", "tools", "max_completion_tokens", "options"}
)
"""Parameters without which there is no request."""


class Response(Protocol):
    """A response whose headers have come."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by name in small letters."""
        ...

    def aiter_bytes(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, decoded."""
        ...

    def aiter_raw(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes."""
        ...

    async def aread(self) -> bytes:
        """The body, whole."""
        ...


class Decoder(Protocol):
    """Makes events of bytes."""

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that a piece completes, as their JSON."""
        ...


class Assembly(Protocol):
    """Makes one answer's chunks out of its events.

    Raises while taking and ending:
        ProviderError: the server reported an error within the stream, as its class says.
        MalformedResponse: an event is not what the protocol says.
    """

    @property
    def whole(self) -> bool:
        """The model has said that it is done; only its usage may still come."""
        ...

    @property
    def over(self) -> bool:
        """The terminal event came; nothing of interest will follow."""
        ...

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks of one event."""
        ...

    def end(self) -> list[Chunk]:
        """What stands at the end of a whole answer: its tool calls, its usage, `Stopped`."""
        ...

    def plain(self, answer: JsonObject) -> list[Chunk]:
        """The chunks of an answer that came in one piece."""
        ...


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_patience",
        "assembly",
        "body",
        "http",
        "meter",
        "metrics",
        "request_id",
        "streams",
        "waiting",
    )

    def __init__(self, meter: Meter, patience: Patience) -> None:
        self._patience = patience
        self.meter = meter
        self.metrics: StreamMetrics
        self.http: ModuleType
        self.waiting: Watchdog
        self.body: JsonObject = {}
        self.assembly: Assembly
        self.request_id: str | None = None
        self.streams = True

    def watch(self, http: ModuleType, deadline: float | None) -> Watchdog:
        """The watchdog over every wait of this exchange, which begins now, over that HTTP library."""
        self.http = http
        patience = self._patience
        self.waiting = Watchdog(first_token=patience.first_token, idle=patience.idle, deadline=deadline)
        return self.waiting

    def begin(self, response: Response, assembly: Assembly) -> None:
        """The server accepted the request and begins to answer.

        Raises:
            MalformedResponse: with something else than what was asked for.
        """
        headers = response.headers
        self.note(headers)
        self.request_id = headers.get("x-request-id") or headers.get("request-id")
        self.assembly = assembly
        self.streams = bool(self.body.get("stream"))
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/html" or (self.streams and kind == "application/json"):
            raise MalformedResponse(
                f"The server answered a request for a stream with {kind}."
                if self.streams
                else "The server answered with a web page.",
                status=response.status_code,
            )
        self.meter.began = True

    def note(self, headers: Mapping[str, str]) -> None:
        """Keep what an answer, or a refusal, says of the vendor's rate limits."""
        if (told := allowance_of(headers)) is not None:
            self.metrics.allowance = told
            self.metrics.allowed_at = asyncio.get_running_loop().time()

    async def whole(self, response: Response) -> list[Chunk]:
        """The chunks of an answer that comes in one piece.

        Raises:
            MalformedResponse: it is not what was asked for.
        """
        with self.waiting:
            data = await response.aread()
        self.metrics.bytes += len(data)
        try:
            answer = Halves().read(data)
        except ValueError as error:
            raise MalformedResponse(f"The answer is not JSON: {error}.") from None
        if not isinstance(answer, dict):
            raise MalformedResponse("The answer is not a JSON object.")
        return self.assembly.plain(cast("JsonObject", answer))

    def pieces(self, response: Response) -> AsyncGenerator[bytes, None]:
        """The body of an answer that streams."""
        encoded = "content-encoding" in response.headers
        return response.aiter_bytes() if encoded else response.aiter_raw()

    async def next_piece(self, pieces: AsyncGenerator[bytes, None]) -> bytes | None:
        """What the wire brings next; None at its end, and when a whole answer is followed by trouble.

        Raises:
            StreamBroken: the wire ended before the answer did.
        """
        if self.assembly.whole:
            return await self._last_piece(pieces)
        try:
            with self.waiting as waiting:
                piece = await pieces.__anext__()
        except StopAsyncIteration:
            raise errors.StreamBroken("The stream ended without saying why the model stopped.") from None
        waiting.heard()
        self.metrics.bytes += len(piece)
        return piece

    async def _last_piece(self, pieces: AsyncGenerator[bytes, None]) -> bytes | None:
        """What follows a whole answer: its usage, and the end of the body, which leaves the wire reusable."""
        waiting = self.waiting
        waiting.idle = min(waiting.idle, _DRAIN_SECONDS if self.assembly.over else self._patience.usage)
        try:
            with waiting:
                piece = await anext(pieces, None)
        except (errors.Stalled, errors.ProviderTimeout, self.http.TransportError):
            return None
        waiting.heard()
        if piece is not None:
            self.metrics.bytes += len(piece)
        return piece


def refused_parameter(
    error: Exception, body: JsonObject, read: Callable[[str, JsonObject], str | None] | None = None
) -> str | None:
    """The optional parameter of `body` that the server refuses by name, if that is what it says.

    `read` reads that out of the words of a vendor whose wire has parameters within parameters.
    """
    status, said, _ = _answered(error)
    message = str(said.get("message") or "")
    of_the_request = classify(400, (), message) in {errors.InvalidRequest, errors.Unsupported}
    if status not in {400, 422} or not of_the_request:
        return None
    return _named(said, body) if read is None else read(message, body)


def _named(said: JsonObject, body: JsonObject) -> str | None:
    """The parameter that an error names, as one of OpenAI's form does: in a field, else in its words."""
    message, param = str(said.get("message") or ""), str(said.get("param") or "")
    if said.get("code") == "invalid_encrypted_content":
        return SEALS
    for whole, part in (each.split(".") for each in _APART):
        if param == f"{whole}.{part}" and part in body.get(whole, ()):
            return param
    param = re.split(r"[.\[]", param)[0]
    for name in body.keys() - _KEPT:
        if (words := _ALSO_CALLED.get(name)) and re.search(words, message):
            return name
        written = rf"['\"`]{name}['\"`.]|\b{name}\.\w" if name in _WORDS else rf"\b{re.escape(name)}\b"
        named = param == name or re.search(written, message) is not None
        if named and (name in _LEFT_OUT or _UNSUPPORTED.search(message)):
            return name
    return None


def explained(error: Exception, http: ModuleType, *, began: bool, secret: SecretStr) -> ProviderError:
    """An SDK's or its transport's error as a leaf of our tree; `began` says that the answer had begun."""
    status, said, headers = _answered(error)
    if status is not None:
        return _refusal(status, said, headers, secret)
    cause = error if isinstance(error, http.HTTPError) else error.__cause__ or error
    table: tuple[tuple[type[Exception], type[ProviderError], str], ...] = (
        (http.PoolTimeout, errors.PoolExhausted, "Every connection is in use"),
        (http.ConnectTimeout, errors.ConnectionFailed, "No connection could be made"),
        (
            http.TimeoutException,
            errors.Stalled if began else errors.ProviderTimeout,
            "The server went silent",
        ),
        (http.UnsupportedProtocol, errors.InvalidRequest, "The base URL cannot be used"),
        (http.InvalidURL, errors.InvalidRequest, "The base URL cannot be used"),
        (http.DecodingError, MalformedResponse, "The response cannot be decoded"),
        (http.TooManyRedirects, MalformedResponse, "The server redirects for ever"),
        (http.TransportError, errors.StreamBroken, "The connection broke while the answer came"),
        (http.StreamError, errors.StreamBroken, "The connection was closed while the answer came"),
    )
    # An SDK wraps what it meets on the wire; what it says of its own accord is about the request.
    other: tuple[type[ProviderError], str] = (errors.InvalidRequest, "The request could not be sent")
    if cause is not error:
        other = errors.StreamBroken, "The connection broke while the answer came"
    leaf, words = next(((leaf, words) for kind, leaf, words in table if isinstance(cause, kind)), other)
    if leaf is errors.StreamBroken and not began:
        leaf = errors.ConnectionFailed
        words = "No connection could be made, or it was closed without an answer"
    detail = redacted(str(cause), secret.get_secret_value())
    return leaf(f"{words}: {type(cause).__name__} {detail}".rstrip() + ".", remedy=remedy_for(leaf))


def _answered(error: Exception) -> tuple[int | None, JsonObject, Mapping[str, str]]:
    """The status with which a server refused, what it said and its headers; no status if it did not answer.

    SDKs and HTTP libraries alike hang the response on their error; what the SDK makes of it is left aside.
    """
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if response is None or not isinstance(status, int):
        return None, {}, {}
    try:
        body = jiter.from_json(response.content)
    except ValueError:
        body = response.text
    inner = cast("JsonObject", body).get("error", cast("object", body)) if isinstance(body, dict) else body
    said = cast("JsonObject", inner) if isinstance(inner, dict) else {"message": inner}
    return status, said, response.headers


def _refusal(status: int, said: JsonObject, headers: Mapping[str, str], secret: SecretStr) -> ProviderError:
    message = str(said.get("message") or "no reason given")
    details = said.get("details")
    cause = cast("JsonObject", details).get("error_code") if isinstance(details, dict) else None
    codes = tuple(str(code) for code in (cause, said.get("code"), said.get("type")) if code)
    leaf = classify(status, codes, message)
    return leaf(
        f"The server answered {status}: {redacted(message, secret.get_secret_value())}",
        status=status,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
        retry_after=retry_after(headers),
        remedy=remedy_for(leaf),
    )
