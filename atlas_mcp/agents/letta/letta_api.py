"""The Letta server's API: opened, and its failures told in our words; the only file that imports its client.

It speaks to the server of `letta` 0.16, which `letta-client` 1 is for. Reads are repeated, since nothing
comes of them; nothing else ever is.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import httpx

from atlas_mcp import errors
from atlas_mcp.errors import (
    AgentRuntimeError,
    AtlasError,
    InvalidConfiguration,
    InvalidInput,
    MissingExtra,
    RuntimeUnavailable,
    UnknownAgent,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from letta_client import AsyncLetta

__all__ = ["LettaApi", "LettaEvent", "open_api"]

SECONDS = 60.0
"""How long the server may take to answer a request that asks no model."""
SILENCE_SECONDS = 90.0
"""How long a turn's stream may be silent: the server gives a sign of life every 20 seconds."""
CONNECT_SECONDS = 5.0
RETRIES = 2
_NOT_FOUND = 404

LettaEvent = Any
"""An event of a stream or a stored message: told apart by its `message_type`."""

_MODEL_ERRORS: dict[str, type[errors.ProviderError]] = {
    "llm_timeout": errors.ProviderTimeout,
    "llm_rate_limit": errors.RateLimited,
    "llm_authentication": errors.Authentication,
    "llm_bad_request": errors.InvalidRequest,
    "llm_empty_response": errors.MalformedResponse,
    "llm_insufficient_credits": errors.QuotaExceeded,
    "llm_error": errors.ServerFailed,
}


def open_api(url: str, key: str) -> LettaApi:
    """The server at an address; nothing is asked of it yet.

    Raises:
        MissingExtra: the client is not installed.
    """
    try:
        from letta_client import AsyncLetta
    except ImportError:
        raise MissingExtra(
            "Agents on a Letta server need its client, which is not installed.",
            remedy="In the checkout of ATLAS: uv tool install '.[letta]'",
        ) from None
    timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS)
    # A key that is empty would make the client look for another in the environment.
    return LettaApi(AsyncLetta(base_url=url, api_key=key or "none", max_retries=0, timeout=timeout), url)


class LettaApi:
    """One server: `act` changes something and is tried once, `read` is repeated where nobody answered."""

    def __init__(self, client: AsyncLetta, url: str) -> None:
        self.act = client
        self.read = client.with_options(max_retries=RETRIES)
        self.url = url

    async def version(self) -> str:
        """The server's version.

        Raises:
            RuntimeUnavailable: nobody answers, or it is no Letta server.
        """
        with self.told():
            said = await self.read.get("/v1/health/", cast_to=cast("Any", object))
        if not isinstance(said, dict) or "version" not in said:
            raise RuntimeUnavailable(f"What answers at {self.url} is no Letta server.", remedy=_REMEDY)
        return str(cast("dict[str, Any]", said)["version"])

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A request for which the client has no method; GET is repeated, nothing else is."""
        with self.told():
            if method == "GET":
                return await self.read.get(path, cast_to=cast("Any", object))
            verb = {"POST": self.act.post, "PATCH": self.act.patch, "DELETE": self.act.delete}[method]
            return await verb(path, body=body, cast_to=cast("Any", object))

    async def events(self, conversation: str, request: dict[str, Any]) -> AsyncGenerator[LettaEvent, None]:
        """Take one leg of a turn in a conversation; its events as they come.

        Raises:
            RuntimeUnavailable: the server cannot be reached, or went away in the middle.
            AtlasError: it refused, or the turn failed on it.
        """
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        create = cast("Any", self.act.conversations.messages.create)
        with self.told():
            stream = await create(
                conversation, streaming=True, stream_tokens=True, include_pings=True, timeout=timeout,
                **request,
            )  # fmt: skip
            async with stream:
                async for event in stream:
                    yield event

    @contextmanager
    def told(self) -> Generator[None]:
        """Failures of the server and of the way to it, in our words."""
        import letta_client

        try:
            yield
        except (letta_client.APIConnectionError, httpx.TransportError) as error:
            raise self._unreachable(error) from error
        except letta_client.APIStatusError as error:
            raise self._refused(error.status_code, cast("Any", error.body)) from error
        except letta_client.APIError as error:
            raise AgentRuntimeError(f"The Letta server at {self.url} said: {error.message}") from error

    def _unreachable(self, error: Exception) -> RuntimeUnavailable:
        silent = isinstance(error, httpx.TimeoutException) or "Timeout" in type(error).__name__
        did = "does not answer" if silent else "cannot be reached"
        return RuntimeUnavailable(f"The Letta server at {self.url} {did}.", remedy=_REMEDY)

    def _refused(self, status: int, body: Any) -> AtlasError:
        """Why the server refused, or what failed on it."""
        detail, kind = _said(body)
        if status in {401, 403}:
            return RuntimeUnavailable(
                f"The Letta server at {self.url} refuses us: {detail}",
                remedy="Set LETTA_API_KEY to the server's password.",
            )
        if unfit := _unfit(status, detail):
            return unfit
        if status in {404, 422} and ("agent" in detail.casefold() or "conversation" in detail.casefold()):
            return UnknownAgent(f"The Letta server at {self.url} knows no such agent: {detail}")
        if kind in _MODEL_ERRORS:
            return _MODEL_ERRORS[kind](f"The model of the Letta server failed: {detail}", provider="letta")
        return AgentRuntimeError(f"The Letta server at {self.url} failed: {detail}")

    async def aclose(self) -> None:
        """Close its connections."""
        await self.act.close()


_REMEDY = 'Start the server, correct LETTA_BASE_URL, or set [agents] runtime = "in_process".'


def _unfit(status: int, detail: str) -> AtlasError | None:
    """The error of a request that does not fit what is there; None for any other."""
    if "waiting for approval" in detail:
        return InvalidInput(
            "The thread awaits the results of the tools that its last turn called.",
            remedy="Send them as the next input.",
        )
    if "tool call ID" in detail or "No tool call is currently awaiting" in detail:
        return InvalidInput(f"Those are not the results that the thread awaits: {detail}")
    if status == _NOT_FOUND and "Handle" in detail:
        return InvalidConfiguration(
            f"The Letta server knows no such model: {detail}",
            remedy="Leave the model out to be answered by ATLAS's own, or name one that it lists.",
        )
    return None


def _said(body: Any) -> tuple[str, str]:
    """What an error's body says, and its kind where it has one."""
    if not isinstance(body, dict):
        return (str(body) if body else "nothing was said"), ""
    fields = cast("dict[str, Any]", body)
    inner = fields.get("error")
    said = cast("dict[str, Any]", inner) if isinstance(inner, dict) else fields
    detail = said.get("detail") or said.get("message") or fields
    return str(detail), str(said.get("error_type") or said.get("type") or "")
