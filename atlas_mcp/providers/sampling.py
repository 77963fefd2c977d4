"""The model of an MCP client, asked by way of sampling: the client chooses it and pays for it.

The client may show, change or decline what is asked. The protocol deprecates sampling since 2026-07-28, and
from that version on a server cannot ask; so this works with clients of the protocols before, while a request
of theirs is open. There is no stream: an answer comes in one piece, and what it took is an estimate.
Therefore it is an edge: a group skips it while no client is there that can do all that a prompt asks for, and
never has it as its last resort. By itself it answers without tools, where none must be called.

This is the only file below the surface that imports the MCP SDK, and it does so with the first question. What
is asked and answered is written and read in `sampling_chat`; `sampling_sessions` knows who can be asked.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp import errors
from atlas_mcp.providers.capabilities import Capabilities
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.provider import Health, ProviderInfo
from atlas_mcp.providers.sampling_chat import answer_chunks, request_params
from atlas_mcp.providers.sampling_sessions import REMEDY, SamplingSessions
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Patience, Policy, Terms
from atlas_mcp.providers.watchdog import Watchdog
from atlas_mcp.providers.wires.errors import redacted, remedy_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from mcp.server.session import ServerSession

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.errors import ProviderError
    from atlas_mcp.messages import JsonObject, Prompt
    from atlas_mcp.providers.sampling_sessions import Loan

__all__ = ["SamplingProvider", "open_provider"]

_logger = logging.getLogger(__name__)

_VENDOR = "sampling"
MOST_TOKENS = 8_192
"""The limit of an answer where the prompt sets none; the protocol insists on one."""

PATIENCE = Patience(first_token=300.0)
"""A person may look at each question before the client asks its model."""

_DECLINED = -1


class SamplingProvider:
    """Answers prompts by whichever client lends its model; `model` is a hint to it, such as `sonnet`."""

    def __init__(self, model: str, sessions: SamplingSessions, capabilities: Capabilities) -> None:
        self._sessions = sessions
        self._closed = False
        name = f"{_VENDOR}:{model}" if model else _VENDOR
        self._info = ProviderInfo(name, _VENDOR, model, capabilities=capabilities)

    @property
    def info(self) -> ProviderInfo:
        """Who answers; which model it was, each answer says."""
        return self._info

    def attends(self, prompt: Prompt) -> bool:
        """Whether a client is there that could be asked, and whose model has tools if the prompt has."""
        return bool(self._sessions.there(calls=bool(prompt.tools)))

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        """The answer to a prompt, not yet begun."""
        meter = Meter(prompt)
        return Stream(self._chunks(prompt, terms, meter), meter=meter)

    async def check(self) -> Health:
        """Whether a client is there that lends its model."""
        if self._sessions.there():
            return Health(answers=True, seconds=0.0, says="a client is there that lends its model")
        says = "no client is there that lends its model"
        return Health(answers=False, seconds=0.0, says=says, remedy=REMEDY)

    async def aclose(self) -> None:
        """Further streams fail."""
        self._closed = True

    async def _chunks(self, prompt: Prompt, terms: Terms, meter: Meter) -> AsyncGenerator[Chunk, None]:
        try:
            if self._closed:
                raise errors.Unavailable("The provider was closed.")
            loan = await self._sessions.borrow(calls=bool(prompt.tools), wait=_wait(terms))
            if prompt.tools and prompt.tool_choice != "auto" and not loan.calls:
                # Another client may; so this is not to be learned as what the model cannot do.
                raise errors.Unsupported("The client lends its model without functions.", remedy=REMEDY)
            wait = terms.patience(PATIENCE)
            limit = Watchdog(first_token=wait.first_token, idle=wait.idle, deadline=terms.deadline)
            with closing(limit), limit:
                result = await _asked(loan, self._params(prompt, terms, loan))
            meter.began = True
            chunks = answer_chunks(result, provider=_VENDOR, prompt=prompt, meter=meter)
        except errors.ProviderError as failure:
            failure.provider, failure.model = _VENDOR, self._info.model
            failure.remedy = failure.remedy or remedy_for(type(failure))
            raise
        for chunk in chunks:
            yield chunk

    def _params(self, prompt: Prompt, terms: Terms, loan: Loan) -> JsonObject:
        """What is asked; an answer in one piece is limited beforehand to what may still be spent."""
        most = prompt.max_output_tokens or MOST_TOKENS
        left = terms.budget.left(closing=terms.closing)[0] if terms.budget is not None else None
        return request_params(
            prompt,
            model=self._info.model,
            most_tokens=most if left is None else max(1, min(most, left)),
            calls=loan.calls,
        )


def _wait(terms: Terms) -> float:
    """How long a client may be waited for."""
    wait = (terms.policy or Policy()).wait
    if terms.deadline is None:
        return wait
    return max(0.0, min(wait, terms.deadline - asyncio.get_running_loop().time()))


async def _asked(loan: Loan, params: JsonObject) -> JsonObject:
    """The client's answer.

    Raises:
        ProviderError: it declined, failed, left, or answered with something else.
    """
    from mcp.shared.exceptions import MCPError
    from mcp.shared.message import ServerMessageMetadata
    from mcp_types import CreateMessageRequest, CreateMessageResult, CreateMessageResultWithTools
    from pydantic import ValidationError

    session = cast("ServerSession", loan.session)
    kind: Any = CreateMessageResultWithTools if "tools" in params else CreateMessageResult
    request = CreateMessageRequest.model_validate({"method": "sampling/createMessage", "params": params})
    try:
        # On the way of the client's own request: over HTTP there may be no other.
        result = await session.send_request(
            request, kind, metadata=ServerMessageMetadata(related_request_id=loan.request_id)
        )
    except MCPError as error:
        raise _explained(error.code, error.message) from None
    except ValidationError:
        raise errors.MalformedResponse("The client's answer is not what the protocol says.") from None
    except TimeoutError:
        raise errors.ConnectionFailed("The client does not take what is sent to it.") from None
    return result.model_dump(mode="json", by_alias=True)


def _explained(code: int, message: str) -> ProviderError:
    """A client's error as a leaf of our tree."""
    from mcp_types import (
        CONNECTION_CLOSED,
        INVALID_PARAMS,
        INVALID_REQUEST,
        METHOD_NOT_FOUND,
        REQUEST_TIMEOUT,
    )

    table: dict[int, tuple[type[ProviderError], str]] = {
        # A person's no is the answer; it is not for somebody else to give another.
        _DECLINED: (errors.ContentRefused, "Allow it in the client, or configure a model."),
        CONNECTION_CLOSED: (errors.ConnectionFailed, "Ask again from a client that is connected."),
        REQUEST_TIMEOUT: (errors.ProviderTimeout, ""),
        INVALID_REQUEST: (errors.Unavailable, REMEDY),
        METHOD_NOT_FOUND: (errors.Unavailable, REMEDY),
        INVALID_PARAMS: (errors.InvalidRequest, ""),
    }
    leaf, remedy = table.get(code, (errors.ServerFailed, ""))
    return leaf(f"The client did not answer: {redacted(message)}", remedy=remedy)


def open_provider(
    model: str = "", *, sessions: SamplingSessions | None = None, capabilities: Capabilities | None = None
) -> SamplingProvider:
    """A provider over the clients that lend their models in `sessions`; `model` is a hint to them."""
    _logger.warning(
        "MCP sampling is deprecated since 2026-07-28; clients will stop offering it, so configure a model"
    )
    return SamplingProvider(model, sessions or SamplingSessions(), capabilities or Capabilities())
