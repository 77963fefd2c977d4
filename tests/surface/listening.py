"""A client that hears which resources changed, in either era of the protocol."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from fastmcp import Client
from mcp.client.subscriptions import ResourceUpdated, listen
from mcp_types import (
    EmptyResult,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.surface.caller import Dial

__all__ = ["Listener", "watchers", "watching"]


def watchers() -> list[str]:
    """What this process watches, and the sessions that it tells."""
    return sorted(task.get_name() for task in watching())


def watching() -> set[asyncio.Task[Any]]:
    """The tasks behind that."""
    return {task for task in asyncio.all_tasks() if task.get_name().startswith(("watch ", "tell "))}


class Listener:
    """One connection; `heard` holds the resources that changed, in order."""

    def __init__(self, dial: Dial, mode: str) -> None:
        transport = dial()._client.transport
        self._client: Client[Any] = Client(transport, mode=mode, message_handler=self._on_message)
        self._stack = AsyncExitStack()
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def modern(self) -> bool:
        return (self._client.session.protocol_version or "") >= "2026-07-28"

    @asynccontextmanager
    async def subscribed(self, *uris: str) -> AsyncGenerator[None]:
        """While inside, changes of these are heard."""
        if self.modern:
            async with listen(self._client.session, resource_subscriptions=uris) as stream:
                assert stream.honored.resource_subscriptions == list(uris)
                hearing = asyncio.create_task(self._hear(stream))
                try:
                    yield
                finally:
                    hearing.cancel()
                    await asyncio.wait({hearing})
            return
        for uri in uris:
            await self.subscribe(uri)
        yield
        for uri in uris:
            request = UnsubscribeRequest(params=UnsubscribeRequestParams(uri=uri))
            await self._client.session.send_request(request, EmptyResult)

    async def subscribe(self, uri: str) -> None:
        """Subscribe as a session of the legacy era does."""
        request = SubscribeRequest(params=SubscribeRequestParams(uri=uri))
        await self._client.session.send_request(request, EmptyResult)

    async def until(self, uri: str) -> list[str]:
        """What is heard until this one is, itself last."""
        heard: list[str] = []
        async with asyncio.timeout(30):
            while not heard or heard[-1] != uri:
                heard.append(await self.heard.get())
        return heard

    async def _hear(self, stream: Any) -> None:
        async for event in stream:
            assert isinstance(event, ResourceUpdated)
            self.heard.put_nowait(event.uri)

    async def _on_message(self, message: Any) -> None:
        # In the modern era the stream is read, and the client tells of it here as well.
        if isinstance(message, ResourceUpdatedNotification) and not self.modern:
            self.heard.put_nowait(message.params.uri)
