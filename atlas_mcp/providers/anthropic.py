"""Anthropic, and every server that speaks its Messages API, through the official SDK.

This is the only file that imports the SDK, and it does so on the first stream. What the wire says is written
and read in `messages_request` and `messages_answer`; what all vendors share is in `vendor`.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import jiter

from atlas_mcp.errors import MalformedResponse, ModelNotFound
from atlas_mcp.providers.vendor import VendorProvider
from atlas_mcp.providers.wires.access import Access, address_of, key_of, keyless, known_of
from atlas_mcp.providers.wires.messages_answer import MessagesAssembly
from atlas_mcp.providers.wires.messages_model import corrected, lacking
from atlas_mcp.providers.wires.messages_refusals import refused
from atlas_mcp.providers.wires.messages_request import cites_natively, request_body
from atlas_mcp.providers.wires.sse import EventDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection
    from types import ModuleType

    from anthropic import AsyncAnthropic
    from pydantic import SecretStr

    from atlas_mcp.errors import ProviderError
    from atlas_mcp.messages import JsonObject, Prompt
    from atlas_mcp.providers.capabilities import Capabilities
    from atlas_mcp.providers.meter import Meter
    from atlas_mcp.providers.terms import Patience, Terms
    from atlas_mcp.providers.vendor import Declared
    from atlas_mcp.providers.wires.exchange import Response

__all__ = ["DEFAULT_MODEL", "Messages", "open_provider"]

DEFAULT_MODEL = "claude-sonnet-5-5"

_VENDOR = "anthropic"
_ADDRESS = "https://api.anthropic.com"  # given, or the SDK would look into the environment
_NO_KEY = "no-key-needed"  # the SDK insists on a key; a server of one's own often has none
_KEEP_ALIVE_SECONDS = 30.0
_NOT_FOUND = 404
_REMEDIES: dict[type[ProviderError], str] = {
    MalformedResponse: "Check that the base URL is that of a Messages API, without /v1 at its end.",
    ModelNotFound: "Check the model's name and the base URL, which stands without /v1 at its end.",
}
_logger = logging.getLogger(__name__)


class Messages:
    """The dialect of the Messages API.

    `known` is what the model can do, as far as anybody said; answers name who gave them as `vendor`.
    """

    def __init__(self, access: Access, known: Capabilities, vendor: str = _VENDOR) -> None:
        self.vendor = vendor
        self._access = access
        self._known = known
        self._lacking: set[str] = set()
        self._unset: set[str] = set()

    def modules(self) -> tuple[ModuleType, type[Exception]]:
        """The HTTP library under the SDK, and the base class of the SDK's own errors."""
        import httpx2
        from anthropic import AnthropicError

        return httpx2, AnthropicError

    def open_client(self, patience: Patience) -> AsyncAnthropic:
        """The SDK's client, its retries and spans off; waiting for an answer is the watchdog's business."""
        import anthropic
        import httpx2

        timeout = httpx2.Timeout(connect=patience.connect, pool=patience.pool, write=patience.idle, read=None)
        limits = httpx2.Limits(
            max_connections=1000, max_keepalive_connections=100, keepalive_expiry=_KEEP_ALIVE_SECONDS
        )
        opened = anthropic.DefaultAioHttpClient if self._access.aiohttp else anthropic.DefaultAsyncHttpxClient
        client = anthropic.AsyncAnthropic(
            api_key=self._access.key.get_secret_value() or _NO_KEY,
            base_url=self._access.base_url or _ADDRESS,
            timeout=timeout,
            max_retries=0,
            open_telemetry=False,
            http_client=opened(timeout=timeout, limits=limits),
        )
        if self._access.apart:
            cast("Any", client)._custom_headers = {}
        return client

    async def close_client(self, client: AsyncAnthropic) -> None:
        """Close its connections."""
        await client.close()

    def body(self, prompt: Prompt, model: str, terms: Terms, without: Collection[str]) -> JsonObject:
        """The request."""
        body = request_body(
            prompt,
            model,
            vendor=self.vendor,
            known=self._known,
            without=self._lacking.union(without),
            streaming=terms.streaming,
        )
        if unset := prompt.sampling.keys() - body.keys() - self._unset.union(without):
            self._unset |= unset
            _logger.info(
                "%s:%s takes no %s; going on without", self.vendor, model, " and no ".join(sorted(unset))
            )
        return body

    @asynccontextmanager
    async def ask(self, client: AsyncAnthropic, body: JsonObject) -> AsyncGenerator[Response]:
        """Send the request."""
        http, _ = self.modules()
        # The body goes as it is, which the SDK's typed methods would walk and copy; the answer comes unread,
        # so that whoever reads it watches the clock.
        post: Any = client.post
        with self._access.reaching():
            response = await post("/v1/messages", cast_to=http.Response, body=body, stream=True)
            try:
                yield response
            finally:
                await response.aclose()

    def reading(
        self, body: JsonObject, prompt: Prompt, meter: Meter
    ) -> tuple[EventDecoder, MessagesAssembly]:
        """What makes events of bytes, and chunks of events."""
        model = body["model"]
        native = cites_natively(prompt, model, self._known)
        return EventDecoder(), MessagesAssembly(
            provider=self.vendor, model=model, prompt=prompt, meter=meter, native=native
        )

    async def models(self, client: AsyncAnthropic) -> list[str]:
        """The names of the models there are, the usual one first."""
        response = await client.models.with_raw_response.list(limit=1000)
        listed = _object(await response.read())
        try:
            names = [str(model["id"]) for model in listed["data"]]
        except (KeyError, TypeError):
            raise MalformedResponse("The server's list of models is not one.") from None
        return sorted(names, key=lambda name: name != DEFAULT_MODEL)

    async def report(self, client: AsyncAnthropic, model: str, known: Capabilities) -> Capabilities:
        """What the API says that the model can do; what it says of its parameters is kept in mind."""
        from anthropic import NotFoundError

        try:
            response = await client.models.with_raw_response.retrieve(model)
        except NotFoundError:
            return known  # a gateway does not have to know
        about = _object(await response.read())
        self._lacking = set(lacking(about))
        self._known = corrected(known, about)
        if (lifecycle := about.get("lifecycle", "active")) != "active":
            ends = about.get("retires_at")
            _logger.warning("%s:%s is %s; it ends on %s", self.vendor, model, lifecycle, ends)
        return self._known


def _object(data: bytes) -> JsonObject:
    try:
        said: Any = jiter.from_json(data)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise MalformedResponse("What the server says of its models is no JSON object.")
    return cast("JsonObject", said)


def open_provider(
    model: str = "",
    *,
    api_key: SecretStr | str | None = None,
    base_url: str | None = None,
    patience: Patience | None = None,
    capabilities: Capabilities | None = None,
    declared: Declared | None = None,
    called: str = "",
    place: str = "",
    aiohttp: bool = False,
) -> VendorProvider:
    """A provider for a model of Anthropic, or of the compatible server at `base_url`.

    What is not given comes from `ANTHROPIC_API_KEY` and `ANTHROPIC_BASE_URL`; without a model it is
    `claude-sonnet-5-5`. Where both are given, no other header that the SDK finds in the environment is sent;
    `place` is where in the settings they stand. `aiohttp` takes that transport.

    Raises:
        InvalidConfiguration: there is neither a key nor a base URL, or one of them cannot be one.
        MissingExtra: aiohttp is wished for and not installed.
    """
    key = key_of("Anthropic", "ANTHROPIC_API_KEY", api_key, place=place)
    address = address_of("ANTHROPIC_BASE_URL", base_url, example="http://127.0.0.1:8080", place=place)
    if not address and not key.get_secret_value():
        raise keyless("Anthropic", place, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
    apart = api_key is not None and base_url is not None
    access = Access(key, address or None, aiohttp=aiohttp, apart=apart)
    model = model or DEFAULT_MODEL
    known = known_of(model, capabilities, declared)
    return VendorProvider(
        Messages(access, known, called or _VENDOR),
        model=model,
        key=key,
        capabilities=known,
        address=access.shown,
        patience=patience,
        declared=declared,
        remedies=_REMEDIES,
        refusals=refused,
    )
