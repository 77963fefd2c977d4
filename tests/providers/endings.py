"""Every way in which a stream can end, and what must be back where it was afterwards."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest

from atlas_mcp.chunks import TextDelta
from atlas_mcp.errors import Cancelled, ProviderError
from atlas_mcp.providers.breaker import Tripwire
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.provider import Fold, complete
from atlas_mcp.providers.terms import TERMS, Policy, Terms
from tests.fakes.model_server import Turn
from tests.providers.asking import drain, prompt, until
from tests.providers.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from random import Random

    from atlas_mcp.providers.stream import Stream
    from atlas_mcp.providers.vendor import VendorProvider
    from tests.fakes.model_server import Exchange, FakeModels
    from tests.fakes.turn import Ending

READ = 3
"""So many pieces of text are read of an answer before anything happens to it."""
_DEATHS: tuple[Ending, ...] = ("drop", "reset", "eof", "error", "junk")
_STEADY = Policy(crawl=0.0)
"""Nobody is left for being slow, however busy this machine is."""
_ALONE = Terms(policy=Policy(ways=(), crawl=0.0))
"""Nobody takes over from who dies."""

_numbers = count()


class Respondent:
    """How the server answers, as the prompt wishes: whole, unless the model goes silent or dies."""

    def __init__(self) -> None:
        self._died: set[str] = set()

    def __call__(self, exchange: Exchange) -> Turn:
        """The answer to one request."""
        wish = re.search(r"\[(\w+) (always|once \d+)\]", exchange.words)
        if wish is None or wish[2] in self._died:
            return Turn()
        if wish[2] != "always":
            self._died.add(wish[2])
        return Turn(ending=cast("Ending", wish[1]), after=READ)


async def read(stream: Stream) -> None:
    """Read the first pieces of text."""
    left = READ
    while left:
        left -= isinstance(await anext(stream), TextDelta)


async def reading(stream: Stream) -> asyncio.Task[None]:
    """A task that reads, and now waits for what does not come."""
    await read(stream)
    reader = asyncio.create_task(drain(stream, Fold()))
    await asyncio.sleep(0)
    return reader


def silent(group: ProviderGroup) -> Stream:
    """A stream that goes silent after its first pieces."""
    return group.stream(prompt("[stall always]"))


async def read_to_the_end(group: ProviderGroup, chance: Random) -> None:
    await complete(group, prompt(), TERMS)


async def answered_at_once(group: ProviderGroup, chance: Random) -> None:
    await complete(group, prompt())


async def left_half_read(group: ProviderGroup, chance: Random) -> None:
    async with silent(group) as stream:
        await read(stream)


async def closed_while_it_flows(group: ProviderGroup, chance: Random) -> None:
    async with group.stream(prompt()) as stream:
        await read(stream)


async def cancelled_while_it_is_read(group: ProviderGroup, chance: Random) -> None:
    stream = silent(group)
    reader = await reading(stream)
    stream.control.cancel("enough")
    with pytest.raises(Cancelled):
        await reader


async def cancelled_while_nobody_reads(group: ProviderGroup, chance: Random) -> None:
    stream = silent(group)
    await read(stream)
    stream.control.cancel("enough")


async def cancelled_before_it_began(group: ProviderGroup, chance: Random) -> None:
    stream = silent(group)
    stream.control.cancel("never mind")
    with pytest.raises(Cancelled):
        await read(stream)


async def paused_then_cancelled(group: ProviderGroup, chance: Random) -> None:
    stream = silent(group)
    await read(stream)
    stream.control.pause()
    reader = asyncio.create_task(drain(stream, Fold()))
    await asyncio.sleep(0)
    stream.control.cancel("enough")
    with pytest.raises(Cancelled):
        await reader


async def its_reader_cancelled(group: ProviderGroup, chance: Random) -> None:
    reader = await reading(silent(group))
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


async def dropped(group: ProviderGroup, chance: Random) -> None:
    await read(silent(group))


async def read_ahead_then_left(group: ProviderGroup, chance: Random) -> None:
    async with group.stream(prompt()).buffered(2) as stream:
        await read(stream)


async def read_ahead_then_dropped(group: ProviderGroup, chance: Random) -> None:
    await read(silent(group).buffered(2))


async def broken(group: ProviderGroup, chance: Random) -> None:
    with pytest.raises(ProviderError):
        await complete(group, prompt(f"[{chance.choice(_DEATHS)} always]"), _ALONE)


async def broken_and_taken_over(group: ProviderGroup, chance: Random) -> None:
    wish = f"[{chance.choice(_DEATHS)} once {next(_numbers)}]"
    reply = await complete(group, prompt(wish), TERMS)
    assert len(reply.switches) == 1


ENDINGS: tuple[Callable[[ProviderGroup, Random], Awaitable[None]], ...] = (
    read_to_the_end, answered_at_once, left_half_read, closed_while_it_flows, cancelled_while_it_is_read,
    cancelled_while_nobody_reads, cancelled_before_it_began, paused_then_cancelled, its_reader_cancelled,
    dropped, read_ahead_then_left, read_ahead_then_dropped, broken, broken_and_taken_over,
)  # fmt: skip


@dataclass(frozen=True)
class Held:
    """What is scarce and held: sockets at the server, tasks, connections in pools, and those in use."""

    sockets: int
    tasks: int
    pooled: int
    in_use: int


@dataclass(frozen=True)
class House:
    """A server, and for each wire a group of two whose first member speaks it."""

    server: FakeModels
    groups: dict[str, ProviderGroup]

    @property
    def providers(self) -> list[VendorProvider]:
        """Every member of every group."""
        members = (member for group in self.groups.values() for member in group.members)
        return [cast("VendorProvider", member.provider) for member in members]

    def held(self) -> Held:
        """What is held now."""
        pools = [_pool(provider) for provider in self.providers]
        return Held(
            self.server.open_connections,
            len(asyncio.all_tasks()),
            sum(len(pool.connections) for pool in pools),
            sum(len(pool._requests) for pool in pools),
        )

    async def rest(self, before: Held) -> None:
        """Wait until no stream holds anything, and there are no more tasks than before."""
        await until(lambda: (held := self.held()).tasks <= before.tasks and not held.in_use)

    async def warm(self, at_once: int = 1) -> None:
        """Have every member give so many whole answers at once, so that its pool is as full as it gets."""
        for provider in self.providers:
            await asyncio.gather(*(complete(provider, prompt(), TERMS) for _ in range(at_once)))


@asynccontextmanager
async def house(server: FakeModels) -> AsyncGenerator[House, None]:
    """The groups over a server that is running."""
    server.respond = Respondent()
    groups: dict[str, ProviderGroup] = {}
    for number, name in enumerate(names := list(VENDORS)):
        first, second = name, names[(number + 1) % len(names)]
        members = [VENDORS[first](server.root), VENDORS[second](server.root)]
        groups[name] = ProviderGroup(members, name=name, policy=_STEADY, tripwire=Tripwire(trips=False))
    yield House(server, groups)
    for group in groups.values():
        await group.aclose()


def _pool(provider: VendorProvider) -> Any:
    """The connection pool under a vendor's client."""
    return provider._client._client._transport._pool
