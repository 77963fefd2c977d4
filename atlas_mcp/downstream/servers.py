"""Every downstream server of one data folder: which there are, what they offer, and the calls of their tools.

A server is started when a call, or the first look at what it offers, needs it; what it offers is read from
its pins from then on, so that neither a run nor a prompt waits for a server that it does not use. It knows
neither teams nor runs: who may call what is the toolbox's affair.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from time import perf_counter
from typing import TYPE_CHECKING, Any

from atlas_mcp.database import open_database
from atlas_mcp.downstream.entries import load_entries
from atlas_mcp.downstream.launch import prepared, ready
from atlas_mcp.downstream.notices import Notices
from atlas_mcp.downstream.pace import Pace
from atlas_mcp.downstream.paths import free_path, within
from atlas_mcp.downstream.payment import Payment
from atlas_mcp.downstream.private import refuse_private
from atlas_mcp.downstream.store import MIGRATIONS, Call, Standing, Store
from atlas_mcp.errors import (
    AtlasError,
    DownstreamFailed,
    NotConfigured,
    ToolFailed,
    ToolRefused,
    UnknownServer,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
    from pathlib import Path

    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.downstream.connection import Connection, State
    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.launch import Places
    from atlas_mcp.downstream.leash import Leash
    from atlas_mcp.downstream.notices import Notice
    from atlas_mcp.downstream.payment import Pay
    from atlas_mcp.downstream.said import Offer, Said
    from atlas_mcp.downstream.store import Pin

__all__ = ["Offered", "Servers", "open_servers", "reads"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool that may be used, and the entry of its server."""

    entry: Entry
    offer: Offer

    @property
    def address(self) -> str:
        """`server/tool`, as grants name it."""
        return f"{self.entry.name}/{self.offer.name}"

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return reads(self.entry, self.offer)


def reads(entry: Entry, offer: Offer) -> bool:
    """Whether a tool changes nothing: by the entry's word, else by the server's own."""
    if entry.read_only is None:
        return offer.reads
    return any(fnmatchcase(offer.name, each) for each in entry.read_only)


@dataclass(slots=True)
class _Known:
    """What is known of one server while this process lives."""

    connection: Connection
    pace: Pace
    checked: Sequence[Offer] | None = None
    listing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Servers:
    """The downstream servers; made by `open_servers`."""

    def __init__(
        self, entries: Mapping[str, Entry], wrong: Mapping[str, AtlasError], places: Places, store: Store,
        leash: Leash,
    ) -> None:  # fmt: skip
        self.entries = entries
        self.wrong = wrong
        self.store = store
        self._places = places
        self._leash = leash
        self._known: dict[str, _Known] = {}
        self._notices = Notices()

    def entry(self, name: str) -> Entry:
        """The entry of a server.

        Raises:
            UnknownServer: there is none of that name.
            InvalidConfiguration: its file is wrong.
        """
        if name in self.entries:
            return self.entries[name]
        if name in self.wrong:
            raise self.wrong[name].with_traceback(None)
        raise UnknownServer(
            f"There is no server {name[:80]!r}.", remedy=f"There are {', '.join(self.entries) or 'none'}."
        )

    def why_not(self, name: str) -> NotConfigured | None:
        """What a server lacks to be used; None if it can be."""
        try:
            prepared(self.entries[name], self._places)
        except NotConfigured as error:
            return error
        return None

    def usable(self, patterns: Iterable[str]) -> tuple[str, ...]:
        """The servers that patterns of `server/tool` name and that can be used, by name."""
        wanted = {each.partition("/")[0] for each in patterns if "/" in each}
        named = (name for name in self.entries if any(fnmatchcase(name, each) for each in wanted))
        return tuple(name for name in named if self.why_not(name) is None)

    async def offered(self, server: str) -> tuple[Offered, ...]:
        """The tools of a server that may be used, by name; it is started where it was never listed.

        Raises:
            UnknownServer: there is none of that name.
            NotConfigured: it lacks what it needs.
            DownstreamFailed: it did not start.
        """
        entry = self.entry(server)
        if why := self.why_not(server):
            raise why
        known = self._of(entry)
        async with known.listing:
            pins = await self.store.pins(server, entry.identity)
            if not pins:
                await self._check(entry, known)
                pins = await self.store.pins(server, entry.identity)
        return tuple(Offered(entry, pin.offer) for pin in pins if self._is_on(entry, pin))

    async def pins(self, server: str, *, ask: bool = False) -> list[Pin]:
        """Every allowed tool of a server as it is pinned; `ask` lists them anew first.

        Raises:
            UnknownServer, NotConfigured, DownstreamFailed: as for `offered`.
        """
        entry = self.entry(server)
        if ask:
            known = self._of(entry)
            async with known.listing:
                await self._check(entry, known, anew=True)
        pins = await self.store.pins(server, entry.identity)
        return [pin for pin in pins if _is_allowed(entry, pin.offer.name)]

    async def approve(self, server: str, seen: Mapping[str, str]) -> list[str]:
        """Let tools be used as a person saw them: `seen` names each with the hash of what was shown.

        Raises:
            UnknownServer: there is none of that name.
            InvalidInput: one of them is not any more what was seen; none is let in then.
        """
        return await self.store.approve(server, self.entry(server).identity, seen)

    async def free_path(self, name: str, owner: str) -> str:
        """A path for a new file in the folder that documents are written to; nothing there is overwritten.

        Nobody but `owner` is given it, in this process or another, before the store ends the promise.

        Raises:
            NotConfigured: there is no such folder, and it cannot be made.
        """
        try:
            return await free_path(self.store, self._places.output, name, owner)
        except OSError as error:
            raise NotConfigured(
                f"Nothing can be written to {self._places.output}: {error.strerror or error}.",
                remedy="Name another folder in atlas.toml, in two lines:\n[servers]\noutput = '/a/folder'",
            ) from None

    async def call(
        self, address: str, arguments: dict[str, Any], *, agent: str = "", run_id: str = "",
        pay: Pay | None = None,
    ) -> Said:  # fmt: skip
        """What `server/tool` says; a tool that only reads may be answered from what it said lately.

        A call that is sent and costs money is paid by `pay`, which may refuse it.

        Raises:
            ToolRefused: the tool is off, or is not offered any more.
            ToolFailed: it gave no result; says why.
            NotConfigured, UnknownServer: its server cannot be used.
        """
        server, _, tool = address.partition("/")
        entry = self.entry(server)
        since = perf_counter()
        try:
            said, cached = await self._said(entry, tool, arguments, pay)
        except AtlasError as error:
            await self._record(entry, tool, agent, run_id, since, failure=error.code)
            raise
        said = replace(said, cost_usd=_cost(entry, tool, said, cached=cached))
        failure = "tool_error" if said.error else ""
        await self._record(entry, tool, agent, run_id, since, said=said, cached=cached, failure=failure)
        return said

    async def _said(
        self, entry: Entry, tool: str, arguments: dict[str, Any], pay: Pay | None
    ) -> tuple[Said, bool]:
        known = self._of(entry)
        pin = await self._pin_of(entry, tool)
        if entry.web:
            refuse_private(arguments)
        arguments = within(entry, arguments, self._places, reads=reads(entry, pin.offer))
        lasting = entry.cache_seconds if reads(entry, pin.offer) else 0.0
        key = _key(entry, tool, arguments)
        if lasting and (kept := await self.store.cached(key)) is not None:
            return kept, True
        price = entry.price(tool)
        async with pay() if pay and price else nullcontext(Payment()) as payment:
            said = await self._sent(entry, known, tool, arguments)
            if not said.error:
                payment.usd = price or 0.0
        if lasting and not said.error:
            await self.store.cache(key, said, lasting)
        return said, False

    async def _sent(self, entry: Entry, known: _Known, tool: str, arguments: dict[str, Any]) -> Said:
        await known.pace.wait()
        if (offers := await self._live_offers(entry, known)) is not known.checked:
            async with known.listing:
                await self._check(entry, known)
            await self._pin_of(entry, tool)
        if all(each.name != tool for each in offers):
            raise ToolRefused(
                f"{entry.shown_title} does not offer {tool} any more.", remedy="Use another tool."
            )
        try:
            return await known.connection.call(tool, arguments)
        except DownstreamFailed as error:
            self._notices.add("failed", entry.name, str(error))
            raise
        finally:
            self._take_faults(entry, known)

    async def _live_offers(self, entry: Entry, known: _Known, *, anew: bool = False) -> Sequence[Offer]:
        before = known.connection.state.starts
        try:
            offers = await known.connection.offers(anew=anew)
        except ToolFailed as error:
            self._notices.add("failed", entry.name, str(error))
            await self.store.note_start(entry.name, error.message)
            raise
        if known.connection.state.starts != before:
            await self.store.note_start(entry.name)
        self._tell_start(entry, known, before, len(offers))
        return offers

    async def _pin_of(self, entry: Entry, tool: str) -> Pin:
        """The pin of a tool that is on.

        Raises:
            ToolRefused: it is off, or not there.
        """
        pins = {pin.offer.name: pin for pin in await self.store.pins(entry.name, entry.identity)}
        if not pins:
            await self.offered(entry.name)
            pins = {pin.offer.name: pin for pin in await self.store.pins(entry.name, entry.identity)}
        pin = pins.get(tool)
        if pin is None or not _is_allowed(entry, tool):
            raise ToolRefused(
                f"{entry.shown_title} has no tool {tool[:80]!r} for us.", remedy="Use another tool."
            )
        if pin.standing is not Standing.ON:
            raise ToolRefused(
                f"{entry.name}/{tool} is off: {pin.reason}.",
                remedy=f"A person may look at it and let it in: atlas-mcp servers approve {entry.name}",
            )
        return pin

    async def _check(self, entry: Entry, known: _Known, *, anew: bool = False) -> None:
        """Look at what the server offers, pin what is new, and tell what changed."""
        offers = await self._live_offers(entry, known, anew=anew)
        allowed = [each for each in offers if _is_allowed(entry, each.name)]
        for pin in await self.store.pin(entry.name, entry.identity, allowed, _suspect):
            log.warning("%s/%s is off: %s", entry.name, pin.offer.name, pin.reason)
            self._notices.add("changed", entry.name, f"{entry.name}/{pin.offer.name} is off: {pin.reason}")
        known.checked = offers

    def _is_on(self, entry: Entry, pin: Pin) -> bool:
        return pin.standing is Standing.ON and _is_allowed(entry, pin.offer.name)

    async def _record(
        self, entry: Entry, tool: str, agent: str, run_id: str, since: float, *, said: Said | None = None,
        cached: bool = False, failure: str = "",
    ) -> None:  # fmt: skip
        await self.store.record(
            Call(
                entry.name, tool, agent, run_id, round(perf_counter() - since, 4), failure,
                said.size if said else 0, cached, said.cost_usd if said else None,
            )
        )  # fmt: skip

    def _of(self, entry: Entry) -> _Known:
        if entry.name not in self._known:
            from atlas_mcp.downstream.connection import Connection

            connection = Connection(entry, lambda: ready(entry, self._places), self._leash)
            self._known[entry.name] = _Known(connection, Pace(entry))
        return self._known[entry.name]

    def _tell_start(self, entry: Entry, known: _Known, before: int, tools: int) -> None:
        state = known.connection.state
        if state.starts != before:
            text = f"{state.server or entry.name}, protocol {state.protocol}, {tools} tools"
            self._notices.add("started", entry.name, text)

    def _take_faults(self, entry: Entry, known: _Known) -> None:
        for fault in known.connection.state.faults:
            self._notices.add("odd", entry.name, fault)

    @property
    def noticed(self) -> int:
        """How many notices there were until now; `notices` takes it as `after`."""
        return self._notices.count

    def notices(self, servers: Iterable[str], *, after: int = 0) -> list[Notice]:
        """What is to be known of servers, after so many notices, in order."""
        return self._notices.of(servers, after=after)

    def state(self, name: str) -> State | None:
        """How the connection to a server stands; None where there was none."""
        known = self._known.get(name)
        return known.connection.state if known else None

    async def aclose(self) -> None:
        """Leave every server; those of ours are ended."""
        await asyncio.gather(*(known.connection.aclose() for known in self._known.values()))
        await self._leash.aclose()


@asynccontextmanager
async def open_servers(home: Path, catalogue: Catalogue, places: Places) -> AsyncGenerator[Servers]:
    """The servers of a data folder; nothing is started before it is needed.

    Raises:
        IncompatibleStore: what is kept of them was written by a newer version.
    """
    from atlas_mcp.downstream.leash import Leash

    entries, wrong = await asyncio.to_thread(load_entries, catalogue)
    for name, error in wrong.items():
        log.warning("server %s is left out: %s", name, error)
    async with open_database(home / "servers.db", MIGRATIONS) as database:
        store = Store(database)
        await store.prune()
        servers = Servers(entries, wrong, places, store, Leash())
        try:
            yield servers
        finally:
            await servers.aclose()


def _is_allowed(entry: Entry, tool: str) -> bool:
    return any(fnmatchcase(tool, each) for each in entry.tools)


def _cost(entry: Entry, tool: str, said: Said, *, cached: bool) -> float | None:
    """What a call cost: whether one that failed was charged, nobody says but of those that are free."""
    price = entry.price(tool)
    if price and said.error and not cached:
        return None
    return 0.0 if cached and price is not None else price


def _suspect(offer: Offer) -> str:
    """Why a description is not to be trusted, if it is not: it speaks to a model rather than of a tool."""
    from atlas_mcp.downstream.screening.suspecting import suspicions

    told = f"{offer.title}\n{offer.description}\n{json.dumps(offer.parameters, ensure_ascii=False)}"
    found = suspicions(told, description=True)
    return f"its description {found[0].name}: {found[0].quote[:120]!r}" if found else ""


def _key(entry: Entry, tool: str, arguments: Mapping[str, Any]) -> str:
    told = json.dumps([entry.name, entry.identity, tool, arguments], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
