"""One live MCP server: opened and closed by its one owner task, when first needed, and again if it dies.

Whoever calls gets an answer, or an error that says what happened, within the time limit. Everything that
the SDK or a server can raise ends here.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
from mcp import Client, MCPError
from mcp_types import (
    CallToolResult,
    Implementation,
    ToolListChangedNotification,
)

from atlas_mcp.downstream.http_streams import http_streams
from atlas_mcp.downstream.launch import Launch
from atlas_mcp.downstream.reasons import is_gone, last_words, server_name, why
from atlas_mcp.downstream.remedies import keys_to_look_at, way_on
from atlas_mcp.downstream.said import Offer, Said, offer_of, said_of
from atlas_mcp.downstream.stdio import Pipe, stdio_streams
from atlas_mcp.errors import DownstreamFailed, ToolFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from mcp_types import Tool

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.launch import Address
    from atlas_mcp.downstream.leash import Leash

__all__ = ["Connection", "State"]

log = logging.getLogger(__name__)

MOST_PAGES = 50
MOST_TOOLS = 1_000
CLOSE_SECONDS = 8.0
"""How long a server may take to be left; its processes are ended well before."""
SILENCES = 2
"""So many calls in a row without an answer, and it is started anew."""
LAST_LINES = 10
"""So many of what a program wrote on stderr are shown."""
LONGEST_REST = 60.0
"""Seconds between tries to start what does not start, at most."""
FAILURES = (
    MCPError, OSError, ValueError, RuntimeError, LookupError, httpx2.HTTPError, httpx2.InvalidURL,
    httpx2.StreamError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream,
    ExceptionGroup,
)  # fmt: skip
"""What the SDK raises where a server, or the way to it, fails."""


@dataclass(frozen=True, slots=True)
class State:
    """How a connection stands: `idle`, `ready` or `failed`; `failure` says why, `faults` what was odd."""

    name: str
    failure: str = ""
    starts: int = 0
    protocol: str = ""
    server: str = ""
    faults: tuple[str, ...] = ()
    pipe: Pipe | None = field(default=None, repr=False, compare=False)

    @property
    def stderr(self) -> tuple[str, ...]:
        """What a program wrote there last, line by line, before it ended too; without secrets."""
        return tuple(self.pipe.heard[-LAST_LINES:]) if self.pipe else ()


@dataclass(slots=True)
class _Live:
    """An open session, and what it offered."""

    client: Client
    offers: tuple[Offer, ...]
    pipe: Pipe | None
    stale: bool = False
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    used: float = field(default_factory=monotonic)
    calls: int = 0
    silences: int = 0

    @contextmanager
    def in_use(self) -> Generator[None]:
        """Count a call while it is under way; one that is in use is not idle."""
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1
            self.used = monotonic()


class Connection:
    """One server; `prepare` says how it is reached now, and raises NotConfigured where it cannot be."""

    def __init__(self, entry: Entry, prepare: Callable[[], Launch | Address], leash: Leash) -> None:
        self._entry = entry
        self._prepare = prepare
        self._leash = leash
        self._owner: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[_Live] | None = None
        self._places = asyncio.Semaphore(entry.limits.at_once)
        self._failure = ""
        self._failures = 0
        self._failed_at = 0.0
        self._starts = 0
        self._greeting = ("", "")
        self._pipe: Pipe | None = None
        self._faults: dict[str, None] = {}

    @property
    def state(self) -> State:
        """How it stands now."""
        live = self._live()
        name = "ready" if live else "failed" if self._failure else "idle"
        odd = live.pipe.odd if live and live.pipe else ()
        faults = dict.fromkeys([*self._faults, *odd])
        return State(name, self._failure, self._starts, *self._greeting, tuple(faults), self._pipe)

    async def offers(self, *, anew: bool = False) -> tuple[Offer, ...]:
        """What the server offers, listed `anew` or where it said that it changed; it is started if need be.

        Raises:
            NotConfigured: it lacks what it needs.
            DownstreamFailed: it did not start, or gave no list.
        """
        live = await self._started()
        if live.stale or anew:
            try:
                async with asyncio.timeout(self._entry.limits.start_seconds):
                    live.offers, live.stale = await self._list(live.client), False
            except (TimeoutError, *FAILURES) as error:
                raise self._failed(why(error, live.pipe, self._entry.url)) from None
        return live.offers

    async def call(self, tool: str, arguments: dict[str, Any], seconds: float | None = None) -> Said:
        """What a tool says, within so many seconds (default: the entry's limit).

        Raises:
            NotConfigured: the server lacks what it needs.
            DownstreamFailed: it did not start, went away, or gave no answer.
            ToolFailed: it refused the call, or asked for what is not given to servers.
        """
        limit = seconds or self._entry.limits.seconds
        live: _Live | None = None
        try:
            async with asyncio.timeout(limit), self._places:
                live = await self._started()
                with live.in_use():
                    result = await self._asked(live, tool, arguments)
        except TimeoutError:
            raise self._silent(tool, limit, live) from None
        live.silences, self._failures = 0, 0
        return said_of(result)

    async def _asked(self, live: _Live, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        try:
            return await live.client.call_tool(tool, arguments)
        except FAILURES as error:
            if live.pipe is None or not live.pipe.ended.is_set():
                if gone := is_gone(error, live.pipe):
                    live.leave.set()
                raise self._refused(tool, error, live, gone=gone) from None
            said = live.pipe.fault or f"it ended during {tool}. {last_words(live.pipe)}".strip()
            raise self._failed(said) from None

    def _refused(self, tool: str, error: BaseException, live: _Live, *, gone: bool) -> ToolFailed:
        title = self._entry.shown_title
        said = why(error, live.pipe, self._entry.url)
        if gone:
            return DownstreamFailed(
                f"{title} went away during {tool}: {said}", remedy="Call again, or do without."
            )
        remedy = "Change the arguments, or do without."
        if keys := keys_to_look_at(self._entry, said):
            remedy = f"Do without, and tell whoever runs ATLAS to look at {keys}."
        return ToolFailed(f"{title} refused {tool}: {said}", remedy=remedy)

    def _silent(self, tool: str, limit: float, live: _Live | None) -> DownstreamFailed:
        if live is not None:
            live.silences += 1
            if live.silences >= SILENCES:
                self._note(f"{SILENCES} calls in a row had no answer; it was started anew")
                live.leave.set()
        return DownstreamFailed(
            f"{self._entry.shown_title} gave no answer to {tool} within {limit:g} s.",
            remedy="Ask for less, or do without.",
        )

    def _live(self) -> _Live | None:
        ready = self._ready
        if ready is None or not ready.done() or ready.cancelled() or ready.exception():
            return None
        live = ready.result()
        ended = live.leave.is_set() or (live.pipe is not None and live.pipe.ended.is_set())
        return None if ended or self._owner is None or self._owner.done() else live

    async def _started(self) -> _Live:
        """The open session, opened by this call or by one beside it.

        Raises:
            NotConfigured: the server lacks what it needs.
            DownstreamFailed: it did not start, or failed lately and rests.
        """
        if (live := self._live()) is not None:
            return live
        if self._ready is None or self._ready.done():
            self._rest()
            how = self._prepare()
            before, self._ready = self._owner, asyncio.get_running_loop().create_future()
            self._owner = asyncio.create_task(
                self._own(how, self._ready, before), name=f"downstream {self._entry.name}"
            )
        return await asyncio.shield(self._ready)

    def _rest(self) -> None:
        # Once may be chance; from then on it rests, each time twice as long.
        rest = min(LONGEST_REST, 2.0 ** (self._failures - 2)) if self._failures > 1 else 0.0
        left = self._failed_at + rest - monotonic()
        if left > 0:
            raise DownstreamFailed(
                f"{self._entry.shown_title} failed lately: {self._failure}",
                remedy=f"It is tried again in {left:.0f} s. Do without it until then.",
            )

    async def _own(
        self, how: Launch | Address, ready: asyncio.Future[_Live], before: asyncio.Task[None] | None
    ) -> None:
        """Hold one session from its opening to its end."""
        if before is not None and not before.done():
            await asyncio.wait({before})
        pipe = self._pipe = Pipe() if isinstance(how, Launch) else None
        try:
            async with AsyncExitStack() as stack:
                live = await self._opened(how, pipe, stack)
                self._failure = ""
                self._starts += 1
                ready.set_result(live)
                await self._until_left(live)
        except (TimeoutError, *FAILURES) as error:
            said = why(error, pipe, self._entry.url)
            if not ready.done():
                ready.set_exception(self._failed(said))
                ready.exception()  # Known now, whether or not anybody still waits for it.
            else:
                log.info("%s: %s", self._entry.name, said)
        finally:
            if not ready.done():
                ready.cancel()
            if pipe is not None:
                self._faults.update(dict.fromkeys((*pipe.odd, pipe.fault) if pipe.fault else pipe.odd))

    async def _opened(self, how: Launch | Address, pipe: Pipe | None, stack: AsyncExitStack) -> _Live:
        live: _Live | None = None

        async def hear(message: object) -> None:
            if isinstance(message, ToolListChangedNotification) and live is not None:
                live.stale = True

        try:
            async with asyncio.timeout(self._entry.limits.start_seconds):
                client = await stack.enter_async_context(
                    Client(
                        self._transport(how, pipe), cache=None, message_handler=hear,
                        client_info=Implementation(name="atlas-mcp", version=version("atlas-mcp")),
                    )
                )  # fmt: skip
                self._greeting = (client.protocol_version, server_name(client.server_info))
                live = _Live(client, await self._list(client), pipe)
        except TimeoutError:
            raise TimeoutError(f"it did not start within {self._entry.limits.start_seconds:g} s") from None
        return live

    def _transport(self, how: Launch | Address, pipe: Pipe | None) -> Any:
        most = int(self._entry.limits.megabytes * 1e6)
        if isinstance(how, Launch):
            assert pipe is not None  # noqa: S101 - it was made for it
            return stdio_streams(how, pipe, self._leash, most_bytes=most)
        return http_streams(how, most_bytes=most)

    async def _list(self, client: Client) -> tuple[Offer, ...]:
        tools: dict[str, Tool] = {}
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor, cache_mode="bypass")
            for tool in page.tools:
                tools.setdefault(tool.name, tool)
            cursor = page.next_cursor
            if cursor is None or len(tools) > MOST_TOOLS:
                break
        if cursor is not None or len(tools) > MOST_TOOLS:
            self._note(
                f"it lists more than {MOST_TOOLS:,} tools, or {MOST_PAGES} pages; the rest is left out"
            )
        # Looking at a thousand schemas takes its time.
        offers = await asyncio.to_thread(lambda: [*map(offer_of, list(tools.values())[:MOST_TOOLS])])
        for offer, wrong in offers:
            if wrong:
                self._note(f"it takes anything for {offer.name[:60]!r}, whose schema {wrong}")
        return tuple(offer for offer, _ in offers)

    async def _until_left(self, live: _Live) -> None:
        """Return when it is to be left: told so, gone by itself, or idle for long."""
        ends: list[asyncio.Future[Any]] = [asyncio.ensure_future(live.leave.wait())]
        if live.pipe is not None:
            ends.append(asyncio.ensure_future(live.pipe.ended.wait()))
        try:
            while True:
                idle = None
                if live.pipe is not None:
                    idle = max(0.05, live.used + self._entry.limits.idle_seconds - monotonic())
                done, _ = await asyncio.wait(ends, timeout=idle, return_when=asyncio.FIRST_COMPLETED)
                rested = monotonic() - live.used >= self._entry.limits.idle_seconds
                if done or (rested and not live.calls):
                    live.leave.set()
                    return
        finally:
            for each in ends:
                each.cancel()

    def _failed(self, said: str) -> DownstreamFailed:
        self._failure, self._failed_at = said, monotonic()
        self._failures += 1
        return DownstreamFailed(f"{self._entry.shown_title} failed: {said}", remedy=way_on(self._entry, said))

    def _note(self, fault: str) -> None:
        self._faults[fault] = None

    async def aclose(self) -> None:
        """Leave the server, and end it if it is ours."""
        owner = self._owner
        if owner is None:
            return
        if self._ready is not None and self._ready.done():
            if (live := self._live()) is not None:
                live.leave.set()
            # What is ending by itself is not disturbed at it.
            await asyncio.wait({owner}, timeout=CLOSE_SECONDS)
        if not owner.done():
            owner.cancel()
            await asyncio.wait({owner}, timeout=CLOSE_SECONDS)
        with suppress(asyncio.CancelledError):
            if owner.done() and (error := owner.exception()):
                log.warning("%s was not left in order: %r", self._entry.name, error)
