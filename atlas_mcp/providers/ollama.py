"""Ollama, on this machine or elsewhere, through the official SDK.

This is the only file that imports the SDK, and it does so on the first stream. What the wire says is read in
`ollama_chat`, what a server says of its models in `ollama_model`; what all vendors share is in `vendor`.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import jiter

from atlas_mcp import errors
from atlas_mcp.providers.terms import LOADING_SECONDS, Patience
from atlas_mcp.providers.vendor import VendorProvider
from atlas_mcp.providers.wires.access import Access, address_of, key_of, known_of
from atlas_mcp.providers.wires.errors import classify
from atlas_mcp.providers.wires.ndjson import LineDecoder
from atlas_mcp.providers.wires.ollama_chat import OllamaAssembly, prompt_tokens_of, request_body
from atlas_mcp.providers.wires.ollama_model import OllamaModel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Sequence
    from types import ModuleType

    from httpx import URL
    from httpx import AsyncClient as HttpClient
    from httpx import Response as HttpResponse
    from ollama import AsyncClient
    from pydantic import SecretStr

    from atlas_mcp.messages import JsonObject, Prompt
    from atlas_mcp.providers.capabilities import Capabilities
    from atlas_mcp.providers.meter import Meter
    from atlas_mcp.providers.terms import Terms
    from atlas_mcp.providers.vendor import Declared
    from atlas_mcp.providers.wires.exchange import Response

__all__ = ["OllamaChat", "open_provider"]

_VENDOR = "ollama"
_DEFAULT = "http://127.0.0.1:11434"
_DEFAULT_PORT = 11434
_LATEST = ":latest"
_KEEP_ALIVE_SECONDS = 30.0

_REFUSED = 400


class OllamaChat:
    """The dialect of Ollama's chat, for one model; answers name who gave them as `vendor`."""

    def __init__(self, access: Access, vendor: str = _VENDOR) -> None:
        self.vendor = vendor
        self._access = access
        self._model = OllamaModel()
        self._chat: URL

    def modules(self) -> tuple[ModuleType, type[Exception]]:
        """The HTTP library under the SDK, and the base class of the SDK's own errors."""
        import httpx
        from ollama import ResponseError

        return httpx, ResponseError

    def open_client(self, patience: Patience) -> AsyncClient:
        """The SDK's client, with limits of ours; waiting for an answer is the watchdog's business."""
        import httpx

        try:
            import ollama
        except httpx.InvalidURL as error:  # it opens a client of its own while it is imported
            raise ValueError(str(error)) from None
        key = self._access.key.get_secret_value()
        client = ollama.AsyncClient(
            self._access.base_url,
            headers={"authorization": f"Bearer {key}"} if key else None,
            timeout=httpx.Timeout(
                connect=patience.connect, pool=patience.pool, write=patience.idle, read=None
            ),
            limits=httpx.Limits(
                max_connections=1000, max_keepalive_connections=100, keepalive_expiry=_KEEP_ALIVE_SECONDS
            ),
        )
        http = _http(client)
        if not key:  # the SDK takes that of ollama.com from the environment, whatever the server
            http.headers.pop("authorization", None)
        # A whole address need not be put together anew for each request.
        self._chat = http.build_request("POST", "/api/chat").url
        return client

    async def close_client(self, client: AsyncClient) -> None:
        """Close its connections."""
        await client.close()

    def body(self, prompt: Prompt, model: str, terms: Terms, without: Collection[str]) -> JsonObject:
        """The request, with a context that has room for the prompt and its answer."""
        if self._model.reasons is False:
            without = {*without, "think"}
        body = request_body(prompt, model, vendor=self.vendor, without=without, streaming=terms.streaming)
        options: JsonObject = body.setdefault("options", {})
        if "num_ctx" not in options:
            context = self._model.context_for(prompt_tokens_of(body), prompt.max_output_tokens)
            if context is not None:
                options["num_ctx"] = context
        return body

    @asynccontextmanager
    async def ask(self, client: AsyncClient, body: JsonObject) -> AsyncGenerator[Response]:
        """Send the request; once more, with a larger context, where the prompt did not fit after all."""
        for again in (False, True):
            async with _http(client).stream("POST", self._chat, json=body) as response:
                if response.status_code < _REFUSED:
                    yield cast("Response", response)
                    return
                await response.aread()
                if again or not self._widened(body, response):
                    response.raise_for_status()

    def _widened(self, body: JsonObject, refusal: HttpResponse) -> bool:
        if classify(refusal.status_code, (), refusal.text) is not errors.ContextTooLong:
            return False
        larger = self._model.larger_than(body["options"].get("num_ctx", 0))
        if larger is not None:
            body["options"]["num_ctx"] = larger
        return larger is not None

    def reading(self, body: JsonObject, prompt: Prompt, meter: Meter) -> tuple[LineDecoder, OllamaAssembly]:
        """What makes lines of bytes, and chunks of lines."""
        return LineDecoder(), OllamaAssembly(provider=self.vendor, prompt=prompt, body=body, meter=meter)

    async def models(self, client: AsyncClient) -> list[str]:
        """The names of the models there are, those that can chat first."""
        said = await _asked(client, "GET", "/api/tags")
        try:
            models: list[JsonObject] = said["models"]
            models.sort(key=lambda model: "completion" not in (model.get("capabilities") or ["completion"]))
            return [str(model["model"]).removesuffix(_LATEST) for model in models]
        except (KeyError, TypeError, AttributeError):
            raise errors.MalformedResponse("The server's list of models is not one.") from None

    async def embed(self, client: AsyncClient, model: str, texts: Sequence[str]) -> list[list[float]]:
        """The vector of each text, in their order; a text that is too long for the model is cut there."""
        said = await _asked(client, "POST", "/api/embed", {"model": model, "input": list(texts)})
        rows = said.get("embeddings")
        if not isinstance(rows, list):
            raise errors.MalformedResponse("The server's answer holds no vectors.")
        return cast("list[list[float]]", rows)

    async def report(self, client: AsyncClient, model: str, known: Capabilities) -> Capabilities:
        """What the server says that the model can do; nothing new where it does not say."""
        import httpx

        try:
            said = await _asked(client, "POST", "/api/show", {"model": model})
        except httpx.HTTPStatusError:
            return known
        return self._model.introduce(said, known)


def _http(client: AsyncClient) -> HttpClient:
    """The HTTP client that the SDK opened, with its address, headers and pool.

    It is private to the SDK. The SDK's own methods, though, drop the headers of a refusal (so when to come
    back) and let transport errors and bad JSON through as they are.
    """
    http: HttpClient = cast("Any", client)._client
    return http


async def _asked(client: AsyncClient, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
    """The JSON object that the server answers with."""
    response = await _http(client).request(method, path, json=body)
    response.raise_for_status()
    try:
        said: Any = jiter.from_json(response.content)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise errors.MalformedResponse(f"The server's answer to {path} is not a JSON object.")
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
) -> VendorProvider:
    """A provider for a model of the Ollama server at `base_url`, by default that of this machine.

    What is not given comes from `OLLAMA_HOST` (`host`, `host:port` or a URL) and `OLLAMA_API_KEY`. Without a
    model it is the first that the server lists. `place` is where in the settings they stand. Unless
    `patience` says otherwise, an answer may take five minutes to begin, because the server may have to load
    the model. There is no choice of transport: the SDK has but one.

    Raises:
        InvalidConfiguration: the key or the address cannot be one.
    """
    key = key_of("Ollama", "OLLAMA_API_KEY", api_key, place=place)
    address = _complete(os.environ.get("OLLAMA_HOST", "") if base_url is None else base_url)
    access = Access(key, address_of("OLLAMA_HOST", address, example=_DEFAULT, place=place))
    model = model.removesuffix(_LATEST)
    return VendorProvider(
        OllamaChat(access, called or _VENDOR),
        model=model,
        key=key,
        capabilities=known_of(model, capabilities, declared),
        address=access.shown,
        patience=patience or Patience(first_token=LOADING_SECONDS),
        inquires=True,
        declared=declared,
        remedies=_remedies(place),
    )


def _remedies(place: str) -> dict[type[errors.ProviderError], str]:
    """What to do about failures; what to set is in the environment, or at a place in the settings."""
    key, address = (f"{place} key_env", f"{place} base_url") if place else ("OLLAMA_API_KEY", "OLLAMA_HOST")
    return {
        errors.Authentication: f"Set {key}, or sign that server in with `ollama signin`.",
        errors.ConnectionFailed: f"Start it with `ollama serve`, or set {address} to where it runs.",
        errors.MalformedResponse: f"Check that {address} is the address of an Ollama server.",
        errors.ModelNotFound: f"Pull it with `ollama pull {{model}}`, or check {address}.",
        errors.Unsupported: "Use a model that can: `ollama show {model}` says what this one can do.",
    }


def _complete(host: str) -> str:
    """An address as a person writes it, with what they left out as the SDK would put it in.

    It is not left to the SDK, which would have to be imported to say where prompts go.
    """
    host = host.strip()
    if "://" in host:
        return host
    try:
        parts = urlsplit(f"http://{host}")
        port = parts.port or _DEFAULT_PORT
    except ValueError:
        return host
    name = parts.hostname or "127.0.0.1"
    return f"http://{f'[{name}]' if ':' in name else name}:{port}{parts.path.rstrip('/')}"
