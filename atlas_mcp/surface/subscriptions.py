"""Subscriptions to resources, in both eras of the protocol.

Until 2025-11-25 a session subscribes (`resources/subscribe`) and is told beside its requests; since
2026-07-28 a client listens (`subscriptions/listen`), and the answer to that request is the stream of what it
asked for. FastMCP serves neither, so three methods are added to the server that it wraps.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Any

from fastmcp.exceptions import FastMCPError, to_mcp_error
from fastmcp.server.middleware import Middleware
from mcp import MCPError
from mcp.server.subscriptions import ListenHandler, ResourceUpdated
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)

from atlas_mcp.errors import AtlasError, InvalidInput
from atlas_mcp.surface.watching import Watching

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from fastmcp import FastMCP
    from mcp.server.connection import Connection
    from mcp.server.context import ServerRequestContext
    from mcp.server.subscriptions import ServerEvent
    from mcp_types import ServerCapabilities, SubscriptionsListenResult

    from atlas_mcp.surface.opening import Opening

__all__ = ["MOST_HELD", "MOST_STREAMS", "FixedLists", "Subscriptions"]

MOST_HELD = 100
"""Resources that one session, or one stream, may subscribe to."""

MOST_STREAMS = 100
"""Streams that are listened to at once."""

_KEPT = "atlas_mcp.subscriptions"
"""Under which name a session's subscriptions are kept with its connection."""


class Subscriptions:
    """Who wants to hear of which resource; made once a server, at work while it runs.

    `refused` makes errors what the protocol has for them.
    """

    def __init__(self, opening: Opening, refused: Callable[[AtlasError], Exception]) -> None:
        self._opening = opening
        self._refused = refused
        self._bus = _Bus()
        self._listener = ListenHandler(self._bus, max_subscriptions=MOST_STREAMS)

    def serve(self, server: FastMCP) -> None:
        """Have a server answer the methods of both eras."""
        self._watching = Watching(self._opening, _reader(server), self._bus.tell)
        wrapped = server._mcp_server
        wrapped.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        wrapped.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
        wrapped.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """While inside, resources may be watched; nothing is after it."""
        try:
            yield
        finally:
            self._listener.close()
            await self._watching.close()

    async def _hold(self, uri: str) -> Callable[[], None]:
        try:
            return await self._watching.hold(uri)
        except AtlasError as error:
            raise to_mcp_error(self._refused(error)) from None

    async def _subscribe(
        self, context: ServerRequestContext[Any, Any], params: SubscribeRequestParams
    ) -> EmptyResult:
        # The session of a request lives no longer than that; what lasts is the connection below it.
        connection = context.session._connection
        session: _Session | None = connection.state.get(_KEPT)
        if session is None:
            connection.state[_KEPT] = session = _Session(connection, self._bus)
            connection.exit_stack.push_async_callback(session.close)
        if not session.has(params.uri) and not (
            not session.full and session.add(params.uri, await self._hold(params.uri))
        ):
            raise _too_many("This session")
        return EmptyResult()

    async def _unsubscribe(
        self, context: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams
    ) -> EmptyResult:
        session: _Session | None = context.session._connection.state.get(_KEPT)
        if session is not None:
            session.remove(params.uri)
        return EmptyResult()

    async def _listen(
        self, context: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        uris = list(dict.fromkeys(params.notifications.resource_subscriptions or ()))
        if len(uris) > MOST_HELD:
            raise _too_many("This stream")
        with ExitStack() as held:
            for uri in uris:
                held.callback(await self._hold(uri))
            # What is acknowledged is what can happen: no list of ours changes while a server runs.
            honoured = SubscriptionFilter(resource_subscriptions=uris or None)
            return await self._listener(context, params.model_copy(update={"notifications": honoured}))


class FixedLists(Middleware):
    """Says that no list changes while the server runs; the libraries promise the contrary unasked."""

    async def on_initialize(self, context: Any, call_next: Any) -> Any:
        """The answer to a handshake."""
        return _with_fixed_lists(await call_next(context))

    async def on_discover(self, context: Any, call_next: Any) -> Any:
        """The answer to a probe."""
        return _with_fixed_lists(await call_next(context))


def _with_fixed_lists(result: Any) -> Any:
    capabilities: ServerCapabilities | None = getattr(result, "capabilities", None)
    if capabilities is not None:
        for offered in (capabilities.prompts, capabilities.resources, capabilities.tools):
            if offered is not None:
                offered.list_changed = False
    return result


class _Bus:
    """Hands each change to everybody who listens."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[ServerEvent], None]] = {}

    async def publish(self, event: ServerEvent) -> None:
        """As the library wishes it; nobody here waits."""
        for listener in tuple(self._listeners.values()):
            listener(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Listen until what is given back is called."""
        token = object()
        self._listeners[token] = listener

        def leave() -> None:
            self._listeners.pop(token, None)

        return leave

    def tell(self, uri: str) -> None:
        """A resource changed."""
        for listener in tuple(self._listeners.values()):
            listener(ResourceUpdated(uri))


class _Session:
    """What one session of the legacy era subscribed to; told by a task of its own, so that none waits."""

    def __init__(self, connection: Connection, bus: _Bus) -> None:
        self._connection = connection
        self._held: dict[str, Callable[[], None]] = {}
        self._due: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._closed = False
        self._leave = bus.subscribe(self._hear)
        self._telling = asyncio.create_task(self._tell(), name="tell a session", context=Context())

    @property
    def full(self) -> bool:
        return len(self._held) >= MOST_HELD

    def has(self, uri: str) -> bool:
        return uri in self._held

    def add(self, uri: str, release: Callable[[], None]) -> bool:
        """Tell of a resource, unless it is or the session ended meanwhile; False where it is too many."""
        wanted = not self._closed and uri not in self._held
        if wanted and not self.full:
            self._held[uri] = release
            return True
        release()
        return not wanted

    def remove(self, uri: str) -> None:
        self._due.pop(uri, None)
        if release := self._held.pop(uri, None):
            release()

    async def close(self) -> None:
        self._closed = True
        self._leave()
        for uri in tuple(self._held):
            self.remove(uri)
        self._telling.cancel()
        await asyncio.wait({self._telling})

    def _hear(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri in self._held:
            self._due[event.uri] = None
            self._wake.set()

    async def _tell(self) -> None:
        while await self._wake.wait():
            self._wake.clear()
            while self._due:
                uri = next(iter(self._due))
                del self._due[uri]
                await self._connection.send_resource_updated(uri)


def _reader(server: FastMCP) -> Callable[[str], Any]:
    """What reads a resource as a client would, without leaving an error in the log each time."""

    async def read(uri: str) -> str:
        try:
            if resource := await server.get_resource(uri):
                return str(await resource.read())
            template = await server.get_resource_template(uri)
            if template and (parts := template.matches(uri)) is not None:
                return str(await template.read(parts))
        except (FastMCPError, MCPError) as error:
            raise InvalidInput(str(error)) from None
        raise InvalidInput(
            f"There is no resource {uri[:200]!r}.", remedy="resources/list names what can be read."
        )

    return read


def _too_many(who: str) -> MCPError:
    return MCPError(
        INVALID_PARAMS,
        f"{who} may subscribe to {MOST_HELD} resources."
        " Unsubscribe from some; atlas://runs tells of every run.",
    )
