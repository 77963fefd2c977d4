"""OpenAI, and every server that speaks its chat completions or its Responses, through the official SDK.

This is the only file that imports the SDK, and it does so on the first stream. What the wires say is read in
`chat_completions` and in `responses`; what all vendors share is in `vendor`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast
from urllib.parse import urlsplit

import jiter

from atlas_mcp.errors import MalformedResponse, ModelNotFound
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.vendor import VendorProvider
from atlas_mcp.providers.wires import chat_completions, responses
from atlas_mcp.providers.wires.access import Access, address_of, key_of, keyless, known_of
from atlas_mcp.providers.wires.errors import remedy_for
from atlas_mcp.providers.wires.sse import EventDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Sequence
    from types import ModuleType

    from openai import AsyncOpenAI
    from pydantic import SecretStr

    from atlas_mcp.errors import ProviderError
    from atlas_mcp.messages import JsonObject, Prompt
    from atlas_mcp.providers.meter import Meter
    from atlas_mcp.providers.terms import Patience, Terms
    from atlas_mcp.providers.vendor import Declared
    from atlas_mcp.providers.wires.exchange import Response

__all__ = ["DEFAULT_MODEL", "ChatCompletions", "Responses", "open_provider"]

DEFAULT_MODEL = "gpt-5.4-mini"

_VENDOR = "openai"
_ADDRESS = "https://api.openai.com/v1"  # given, or the SDK would look into the environment
_NO_KEY = "no-key-needed"  # the SDK insists on a key; a server of one's own often has none
_AS_USER = {"bearer_auth": True}  # and not as an administrator, whose key the environment may hold as well
_KEEP_ALIVE_SECONDS = 30.0


class _Account:
    """What both dialects share: the SDK's client, how it sends a request, and the models it may use.

    `known` is what the model can do, as far as anybody said; answers name who gave them as `vendor`.
    """

    path: ClassVar[str]

    def __init__(self, access: Access, known: Capabilities, vendor: str = _VENDOR) -> None:
        self._access = access
        self._known = known
        self.vendor = vendor

    def modules(self) -> tuple[ModuleType, type[Exception]]:
        """The HTTP library under the SDK, and the base class of the SDK's own errors."""
        import httpx2
        from openai import OpenAIError

        return httpx2, OpenAIError

    def open_client(self, patience: Patience) -> AsyncOpenAI:
        """The SDK's client, its retries off; waiting for an answer is the watchdog's business."""
        # The SDK looks whether httpx is loaded, with each answer; half loaded, by another thread for another
        # vendor, it would be taken for whole.
        import httpx  # noqa: F401 - only to be loaded  # pyright: ignore[reportUnusedImport]
        import httpx2
        import openai

        timeout = httpx2.Timeout(connect=patience.connect, pool=patience.pool, write=patience.idle, read=None)
        limits = httpx2.Limits(
            max_connections=1000, max_keepalive_connections=100, keepalive_expiry=_KEEP_ALIVE_SECONDS
        )
        opened = openai.DefaultAioHttpClient if self._access.aiohttp else openai.DefaultAsyncHttpxClient
        client = openai.AsyncOpenAI(
            api_key=self._access.key.get_secret_value() or _NO_KEY,
            base_url=self._access.base_url or _ADDRESS,
            timeout=timeout,
            max_retries=0,
            http_client=opened(timeout=timeout, limits=limits),
        )
        if self._access.apart:
            client.organization = client.project = None
            cast("Any", client)._custom_headers = {}
        return client

    async def close_client(self, client: AsyncOpenAI) -> None:
        """Close its connections."""
        await client.close()

    @asynccontextmanager
    async def ask(self, client: AsyncOpenAI, body: JsonObject) -> AsyncGenerator[Response]:
        """Send the request."""
        http, _ = self.modules()
        # The body goes as it is, which the SDK's typed methods would walk and copy; the answer comes unread,
        # so that whoever reads it watches the clock.
        post: Any = client.post
        with self._access.reaching():
            response = await post(
                self.path, cast_to=http.Response, body=body, stream=True, options={"security": _AS_USER}
            )
            try:
                yield response
            finally:
                await response.aclose()

    def _left_out(self, prompt: Prompt, without: Collection[str]) -> Collection[str]:
        """The parameters that are refused, and those of sampling that the model is known not to take."""
        allowed = self._known.sampling
        return without if allowed is None else {*without, *(prompt.sampling.keys() - allowed)}

    async def models(self, client: AsyncOpenAI) -> list[str]:
        """The names of the models there are."""
        with self._access.reaching():
            response = await client.models.with_raw_response.list()
        try:
            return [str(model["id"]) for model in jiter.from_json(response.content)["data"]]
        except (ValueError, KeyError, TypeError):
            raise MalformedResponse("The server's list of models is not one.") from None

    async def embed(self, client: AsyncOpenAI, model: str, texts: Sequence[str]) -> list[list[float]]:
        """The vector of each text, in their order."""
        with self._access.reaching():
            # As numbers, which every compatible server knows; the SDK would ask for base64.
            response = await client.embeddings.with_raw_response.create(
                input=list(texts), model=model, encoding_format="float"
            )
        try:
            rows = sorted(jiter.from_json(response.content)["data"], key=lambda row: row["index"])
            return [row["embedding"] for row in rows]
        except (ValueError, KeyError, TypeError):
            raise MalformedResponse(
                "The server's answer holds no vectors.", remedy="Check that its base URL has /embeddings."
            ) from None

    async def report(
        self,
        client: AsyncOpenAI,  # noqa: ARG002 - there is nothing to ask
        model: str,  # noqa: ARG002 - there is nothing to ask of it
        known: Capabilities,
    ) -> Capabilities:
        """OpenAI says nothing of what its models can do."""
        return known


class ChatCompletions(_Account):
    """The dialect of chat completions, which nearly every server speaks."""

    path = "/chat/completions"

    def body(self, prompt: Prompt, model: str, terms: Terms, without: Collection[str]) -> JsonObject:
        """The request."""
        without = self._left_out(prompt, without)
        return chat_completions.request_body(prompt, model, without=without, streaming=terms.streaming)

    def reading(
        self, body: JsonObject, prompt: Prompt, meter: Meter
    ) -> tuple[EventDecoder, chat_completions.ChatAssembly]:
        """What makes events of bytes, and chunks of events."""
        assembly = chat_completions.ChatAssembly(
            provider=self.vendor, model=body["model"], prompt=prompt, meter=meter
        )
        return EventDecoder(), assembly


class Responses(_Account):
    """The dialect of the Responses API: reasoning can be read, and is sent back between tool calls."""

    path = "/responses"

    def body(self, prompt: Prompt, model: str, terms: Terms, without: Collection[str]) -> JsonObject:
        """The request."""
        without = self._left_out(prompt, without)
        return responses.request_body(
            prompt, model, vendor=self.vendor, without=without, streaming=terms.streaming
        )

    def reading(
        self, body: JsonObject, prompt: Prompt, meter: Meter
    ) -> tuple[EventDecoder, responses.ResponsesAssembly]:
        """What makes events of bytes, and chunks of events."""
        assembly = responses.ResponsesAssembly(
            provider=self.vendor, model=body["model"], prompt=prompt, meter=meter
        )
        return EventDecoder(), assembly


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
    api: Literal["auto", "chat", "responses"] = "auto",
) -> VendorProvider:
    """A provider for a model of OpenAI, or of the compatible server at `base_url`.

    What is not given comes from `OPENAI_API_KEY` and `OPENAI_BASE_URL`. Without a model it is
    `gpt-5.4-mini`, or with a base URL the first that the server lists. `aiohttp` takes that transport. An
    empty key or base URL is none, whatever the environment has; and where both are given, nothing else that
    the SDK finds in the environment is sent either. `place` is where in the settings they stand.

    `api` says by which of OpenAI's two wires it is asked. Responses gives more where a model reasons:
    summaries of what it thinks, and its thinking sealed, so that it need not think the same again after each
    tool call. Chat completions is what compatible servers speak, and costs a model that does not reason
    nothing. So `auto` is `responses` for a model of OpenAI's own that is known to reason at least moderately,
    and `chat` for any other model and for every base URL.

    Raises:
        InvalidConfiguration: there is neither a key nor a base URL, or one of them cannot be one.
        MissingExtra: aiohttp is wished for and not installed.
    """
    key = key_of("OpenAI", "OPENAI_API_KEY", api_key, place=place)
    address = address_of("OPENAI_BASE_URL", base_url, example="http://127.0.0.1:8080/v1", place=place)
    if not address and not key.get_secret_value():
        raise keyless("OpenAI", place, "OPENAI_API_KEY", "OPENAI_BASE_URL")
    apart = api_key is not None and base_url is not None
    access = Access(key, address or None, aiohttp=aiohttp, apart=apart)
    model = model or ("" if address else DEFAULT_MODEL)
    known = known_of(model, capabilities, declared)
    if api == "auto":
        reasons = (known.strength(Capability.REASONING) or Strength.NONE) >= Strength.MODERATE
        api = "responses" if reasons and not address else "chat"
    return VendorProvider(
        (Responses if api == "responses" else ChatCompletions)(access, known, called or _VENDOR),
        model=model,
        key=key,
        capabilities=known,
        address=access.shown,
        # OpenAI itself knows this limit by its newer name only, most compatible servers by the older.
        refused=() if address else ("max_tokens",),
        patience=patience,
        declared=declared,
        remedies=_remedies_at(address),
    )


def _remedies_at(address: str) -> dict[type[ProviderError], str]:
    """What else to do where nothing is found at an address that has no path."""
    if not address or urlsplit(address).path.strip("/"):
        return {}
    hint = "A base URL of this kind usually ends in /v1."
    return {leaf: f"{remedy_for(leaf)} {hint}" for leaf in (ModelNotFound, MalformedResponse)}
