"""OpenAI, and every server that speaks its chat completions, through the official SDK.

The SDK does authentication, addresses and connections; its objects are left out, because building them costs
five times as much as everything else on the way of a token. This is the only file that imports the SDK, and
it does so on the first stream. What the wire says is read in `chat_completions` and `wire_errors`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import jiter
from pydantic import SecretStr

from atlas_mcp import errors
from atlas_mcp.errors import InvalidConfiguration, MalformedResponse, ProviderError
from atlas_mcp.providers.chat_completions import Assembly, request_body
from atlas_mcp.providers.provider import ProviderInfo
from atlas_mcp.providers.sse import EventDecoder
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.watchdog import Watchdog
from atlas_mcp.providers.wire_errors import classify, redacted, remedy_for, retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from openai import APIStatusError, AsyncAPIResponse, AsyncOpenAI

    from atlas_mcp.messages import Chunk, Prompt

__all__ = ["DEFAULT_MODEL", "OpenAIProvider", "Patience", "open_provider"]

DEFAULT_MODEL = "gpt-5.4-mini"

_logger = logging.getLogger(__name__)
_VENDOR = "openai"
_DONE = b"[DONE]"
_NO_KEY = "no-key-needed"  # the SDK insists on a key; a server of one's own often has none
_DRAIN_SECONDS = 0.5
_KEEP_ALIVE_SECONDS = 30.0
_UNSUPPORTED = re.compile(r"support|unknown|unrecogni[sz]ed|unexpected|permitted|extra", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds.

    `connect` for a connection, `first_token` from the request to the first sign of an answer, `idle` between
    signs of life thereafter (a comment that keeps the connection alive is one), `usage` for the usage once
    the answer is whole, `pool` for a free connection.
    """

    connect: float = 5.0
    first_token: float = 60.0
    idle: float = 60.0
    usage: float = 5.0
    pool: float = 10.0


class OpenAIProvider:
    """Answers prompts through chat completions.

    Without a `model` it asks the server which it has, and takes the first. What a compatible server refuses
    by name (structured output, usage in the stream, a sampling parameter) is left out from then on; the
    schema is then described in words.
    """

    def __init__(
        self, *, model: str, key: SecretStr, base_url: str | None = None, patience: Patience | None = None
    ) -> None:
        self._model = model
        self._key = key
        self._base_url = base_url
        self._patience = patience or Patience()
        # OpenAI itself knows this limit by its newer name only, most compatible servers by the older.
        self._refused: set[str] = set() if base_url else {"max_tokens"}
        self._client: AsyncOpenAI | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"OpenAIProvider({self.info.name!r})"

    @property
    def info(self) -> ProviderInfo:
        """Who answers; the model is empty until the server was asked for it."""
        return ProviderInfo(f"{_VENDOR}:{self._model}" if self._model else _VENDOR, _VENDOR, self._model)

    def stream(self, prompt: Prompt) -> Stream:
        """The answer to a prompt, not yet begun."""
        return Stream(self._chunks(prompt))

    async def aclose(self) -> None:
        """Close the connections; further streams fail."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _chunks(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """The answer; whatever goes wrong on its way is an error of ours, after an estimate of its cost."""
        client = await self._connected()
        import httpx2
        from openai import OpenAIError

        exchange = _Exchange(self._patience)
        try:
            async with aclosing(self._read(client, prompt, exchange)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except (ProviderError, OpenAIError, httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
            failure = self._explained(error, exchange)
        else:
            return
        if exchange.assembly is not None and exchange.assembly.spoke:
            yield exchange.assembly.usage()
        raise failure

    async def _read(
        self, client: AsyncOpenAI, prompt: Prompt, exchange: _Exchange
    ) -> AsyncGenerator[Chunk, None]:
        watchdog, decoder = exchange.watchdog, EventDecoder()
        async with AsyncExitStack() as stack:
            stack.callback(watchdog.close)
            response = await self._ask(client, prompt, exchange, stack)
            pieces = await stack.enter_async_context(aclosing(response.http_response.aiter_bytes()))
            assembly = exchange.begin(response)
            while (piece := await exchange.next_piece(pieces)) is not None:
                for event in decoder.feed(piece):
                    if event.data == _DONE:
                        # What is left is the end of the body; read, it leaves the connection reusable.
                        watchdog.idle = _DRAIN_SECONDS
                        continue
                    for chunk in assembly.take(event.data):
                        yield chunk
            for chunk in assembly.end():
                yield chunk

    async def _ask(
        self, client: AsyncOpenAI, prompt: Prompt, exchange: _Exchange, stack: AsyncExitStack
    ) -> AsyncAPIResponse[Any]:
        """Send the request; again, with less, while the server refuses something that can be left out."""
        from openai import APIStatusError

        if not self._model:
            self._model = await self._first_model(client, exchange.watchdog)
        while True:
            exchange.body = request_body(prompt, self._model, without=self._refused)
            # The body goes as it is: the SDK would walk and copy every typed message.
            create = client.chat.completions.with_streaming_response.create(
                model=self._model, messages=[], stream=True, extra_body=exchange.body
            )
            try:
                with exchange.watchdog:
                    return await stack.enter_async_context(create)
            except APIStatusError as error:
                if (name := _refused_parameter(error, exchange.body)) is None:
                    raise
                _logger.warning("%s refuses %s; going on without it", self.info.name, name)
                self._refused.add(name)

    async def _first_model(self, client: AsyncOpenAI, watchdog: Watchdog) -> str:
        with watchdog:
            response = await client.models.with_raw_response.list()
        try:
            listed = jiter.from_json(response.content)["data"]
            names = [str(model["id"]) for model in listed]
        except (ValueError, KeyError, TypeError):
            raise MalformedResponse("The server's list of models is not one.") from None
        if not names:
            raise errors.ModelNotFound(
                "The server has no model.", remedy="Load one, or name one: openai:MODEL."
            )
        return names[0]

    async def _connected(self) -> AsyncOpenAI:
        async with self._opening:
            if self._closed:
                raise errors.Unavailable("The provider was closed.", provider=_VENDOR, model=self._model)
            if self._client is None:
                # The first import takes a second, and certificates are read from disk.
                self._client = await asyncio.to_thread(self._build)
            return self._client

    def _build(self) -> AsyncOpenAI:
        import httpx2
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        patience = self._patience
        timeout = httpx2.Timeout(
            connect=patience.connect, pool=patience.pool, write=patience.idle, read=None
        )  # reading is the watchdog's
        limits = httpx2.Limits(
            max_connections=1000, max_keepalive_connections=100, keepalive_expiry=_KEEP_ALIVE_SECONDS
        )
        client = AsyncOpenAI(
            api_key=self._key.get_secret_value(),
            base_url=self._base_url,
            timeout=timeout,
            max_retries=0,
            http_client=DefaultAsyncHttpxClient(timeout=timeout, limits=limits),
        )
        _ = client.chat.completions.with_streaming_response  # imports what the first request needs
        return client

    def _explained(self, error: Exception, exchange: _Exchange) -> ProviderError:
        """Any failure as a leaf that names who failed, without a secret and without the SDK's error."""
        if isinstance(error, ProviderError):
            failure = error
        else:
            failure = _translated(error, began=exchange.assembly is not None, secret=self._key)
        failure.provider, failure.model = _VENDOR, self._model
        failure.request_id = failure.request_id or exchange.request_id
        failure.remedy = failure.remedy or remedy_for(type(failure))
        return failure.with_traceback(None)


class _Exchange:
    """One request and its answer, as far as they have come."""

    __slots__ = ("_patience", "assembly", "body", "request_id", "watchdog")

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.watchdog = Watchdog(first_token=patience.first_token, idle=patience.idle)
        self.body: dict[str, Any] = {}
        self.assembly: Assembly | None = None
        self.request_id: str | None = None

    def begin(self, response: AsyncAPIResponse[Any]) -> Assembly:
        """The server accepted the request and begins to answer.

        Raises:
            MalformedResponse: with something else than a stream of events.
        """
        self.request_id = response.headers.get("x-request-id")
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in {"application/json", "text/html"}:
            raise MalformedResponse(
                f"The server answered a request for a stream with {kind}.", status=response.status_code
            )
        self.assembly = Assembly(provider=_VENDOR, body=self.body)
        return self.assembly

    async def next_piece(self, pieces: AsyncGenerator[bytes, None]) -> bytes | None:
        """What the wire brings next; None at its end, and when a whole answer is followed by trouble.

        Raises:
            StreamBroken: the wire ended before the answer did.
        """
        from httpx2 import TransportError

        whole = self.assembly is not None and self.assembly.whole
        if whole:
            self.watchdog.idle = min(self.watchdog.idle, self._patience.usage)
        try:
            with self.watchdog:
                piece = await anext(pieces, None)
        except (errors.Stalled, TransportError):
            if whole:
                return None
            raise
        self.watchdog.heard()
        if piece is None and not whole:
            raise errors.StreamBroken("The stream ended without saying why the model stopped.")
        return piece


def _refused_parameter(error: APIStatusError, body: dict[str, Any]) -> str | None:
    """The optional parameter of `body` that the server refuses by name, if that is what it says."""
    message = str(error.message)
    if error.status_code not in {400, 422} or classify(400, (), message) is not errors.InvalidRequest:
        return None
    param = re.split(r"[.\[]", error.param or "")[0]
    for name in body.keys() - {"model", "messages", "stream", "tools", "max_completion_tokens"}:
        named = param == name or re.search(rf"\b{re.escape(name)}\b", message) is not None
        if name == "response_format":
            named = named or "json_schema" in message
        if named and (name in {"response_format", "stream_options"} or _UNSUPPORTED.search(message)):
            return name
    return None


def _translated(error: Exception, *, began: bool, secret: SecretStr) -> ProviderError:
    """The SDK's and its transport's errors as leaves of our tree; `began` says that the answer had begun."""
    import httpx2
    import openai

    if isinstance(error, openai.APIStatusError):
        return _refusal(error, secret)
    cause = (error.__cause__ if isinstance(error, openai.APIConnectionError) else None) or error
    table: tuple[tuple[type[Exception], type[ProviderError], str], ...] = (
        (httpx2.PoolTimeout, errors.PoolExhausted, "Every connection is in use"),
        (httpx2.ConnectTimeout, errors.ConnectionFailed, "No connection could be made in time"),
        (
            httpx2.TimeoutException,
            errors.Stalled if began else errors.ProviderTimeout,
            "The server went silent",
        ),
        (httpx2.UnsupportedProtocol, errors.InvalidRequest, "The base URL cannot be used"),
        (httpx2.InvalidURL, errors.InvalidRequest, "The base URL cannot be used"),
        (httpx2.DecodingError, MalformedResponse, "The response cannot be decoded"),
        (httpx2.TooManyRedirects, MalformedResponse, "The server redirects for ever"),
        (httpx2.TransportError, errors.StreamBroken, "The connection broke while the answer came"),
        (httpx2.StreamError, errors.StreamBroken, "The connection was closed while the answer came"),
        (openai.APIResponseValidationError, MalformedResponse, "The response has another form"),
        (Exception, errors.InvalidRequest, "The request could not be sent"),
    )
    leaf, said = next((leaf, said) for kind, leaf, said in table if isinstance(cause, kind))
    if leaf is errors.StreamBroken and not began:
        leaf, said = (
            errors.ConnectionFailed,
            "No connection could be made, or it was closed without an answer",
        )
    detail = redacted(str(cause), secret.get_secret_value())
    return leaf(f"{said}: {type(cause).__name__} {detail}".rstrip() + ".")


def _refusal(error: APIStatusError, secret: SecretStr) -> ProviderError:
    """An HTTP status of 4xx or 5xx."""
    said = cast("object", error.body)
    message = cast("dict[str, Any]", said).get("message") if isinstance(said, dict) else None
    message = str(message or error.message)
    codes = tuple(code for code in (error.code, error.type) if code)
    leaf = classify(error.status_code, codes, message)
    return leaf(
        f"The server answered {error.status_code}: {redacted(message, secret.get_secret_value())}",
        status=error.status_code,
        request_id=error.request_id,
        retry_after=retry_after(error.response.headers),
    )


def open_provider(
    model: str = "",
    *,
    api_key: SecretStr | str | None = None,
    base_url: str | None = None,
    patience: Patience | None = None,
) -> OpenAIProvider:
    """A provider for a model of OpenAI, or of the compatible server at `base_url`.

    What is not given comes from `OPENAI_API_KEY` and `OPENAI_BASE_URL`. Without a model it is
    `gpt-5.4-mini`, or with a base URL the first that the server lists.

    Raises:
        InvalidConfiguration: there is neither a key nor a base URL, or one of them cannot be one.
    """
    base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
    secret = _checked_key(api_key or os.environ.get("OPENAI_API_KEY", ""))
    if base_url is not None:
        if not _is_address(base_url):
            raise InvalidConfiguration(
                f"OPENAI_BASE_URL is {redacted(base_url)!r}, which is no address.",
                remedy="Write for example http://127.0.0.1:8080/v1.",
            )
        secret = secret if secret.get_secret_value() else SecretStr(_NO_KEY)
    elif not secret.get_secret_value():
        raise InvalidConfiguration(
            "There is no key for OpenAI.",
            remedy="Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own.",
        )
    return OpenAIProvider(
        model=model or ("" if base_url else DEFAULT_MODEL), key=secret, base_url=base_url, patience=patience
    )


def _checked_key(key: SecretStr | str) -> SecretStr:
    """The key without the white space that files leave around it.

    Raises:
        InvalidConfiguration: it could not stand in a header.
    """
    text = (key.get_secret_value() if isinstance(key, SecretStr) else key).strip()
    if not (text.isascii() and text.isprintable()):
        raise InvalidConfiguration(
            "The key for OpenAI has characters that no key has.", remedy="Copy OPENAI_API_KEY anew."
        )
    return SecretStr(text)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
