"""Where agents that remember live, as a person configured it: in this process, or on a server."""

from __future__ import annotations

import logging
import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from atlas_mcp.errors import InvalidConfiguration, MissingExtra, RuntimeUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from atlas_mcp.agents.runtime import AgentRuntime
    from atlas_mcp.providers.lending.endpoint import ModelEndpoint
    from atlas_mcp.settings import Settings

__all__ = ["letta_server", "open_agents"]

_log = logging.getLogger(__name__)


def letta_server(settings: Settings) -> tuple[str, str] | None:
    """Address and key of the Letta server that agents live on; None where they live in this process.

    Raises:
        InvalidConfiguration: agents are to live there, and nobody says where that is.
    """
    url = os.environ.get("LETTA_BASE_URL", "").rstrip("/")
    if settings.agents.runtime == "letta" and not url:
        raise InvalidConfiguration(
            '[agents] runtime = "letta", and LETTA_BASE_URL is not set.',
            remedy="Set it to the server's address, such as http://127.0.0.1:8283.",
        )
    if not url or settings.agents.runtime == "in_process":
        return None
    return url, os.environ.get("LETTA_API_KEY", "")


@asynccontextmanager
async def open_agents(
    settings: Settings, endpoint: Callable[[], Awaitable[ModelEndpoint]]
) -> AsyncGenerator[AgentRuntime]:
    """Where agents live: on the Letta server that is configured, else in this process.

    A server that is down is an error, or no hindrance, as `[agents] on_failure` says; which it is, is decided
    here once, since an agent has one memory. `endpoint` opens the address where the server asks our models.

    Raises:
        InvalidConfiguration: no server is named where there has to be one.
        MissingExtra: the client for the server is not installed.
        RuntimeUnavailable: the server is down, or refuses us.
    """
    async with AsyncExitStack() as stack:
        try:
            yield await _opened(settings, endpoint, stack)
        finally:
            await stack.aclose()


async def _opened(
    settings: Settings, endpoint: Callable[[], Awaitable[ModelEndpoint]], stack: AsyncExitStack
) -> AgentRuntime:
    server = letta_server(settings)
    if server is not None:
        from atlas_mcp.agents.letta.runtime import open_runtime

        try:
            runtime = await stack.enter_async_context(open_runtime(settings.home, *server, endpoint=endpoint))
            await runtime.reach()
        except (MissingExtra, RuntimeUnavailable) as error:
            if settings.agents.on_failure == "error":
                raise
            _log.warning("Agents live in this process: %s", error)
        else:
            return runtime
    from atlas_mcp.agents.embedded.runtime import open_runtime as open_here

    return await stack.enter_async_context(open_here(settings.home))
