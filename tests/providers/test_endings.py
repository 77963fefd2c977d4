"""However streams end, the sockets, tasks and places in connection pools that they held are free again."""

from __future__ import annotations

import asyncio
import gc
from random import Random

from tests.fakes.model_server import FakeModels
from tests.providers.endings import ENDINGS, house
from tests.providers.vendors import VENDORS

TIMES = 4
"""How often a stream of each wire ends in each way."""


async def test_nothing_is_held_any_more_after_streams_that_ended_in_every_way() -> None:
    async with FakeModels(tokens=20) as server, house(server) as there:
        await there.warm()
        before = there.held()
        assert (before.sockets, before.in_use) == (2 * len(VENDORS), 0)

        async def live_through(name: str, chance: Random) -> None:
            for end in chance.sample(ENDINGS * TIMES, len(ENDINGS) * TIMES):
                await end(there.groups[name], chance)

        gc.disable()  # a stream that is dropped must not wait for the collector
        try:
            await asyncio.gather(*(live_through(name, Random(name)) for name in VENDORS))  # noqa: S311
            await there.rest(before)
        finally:
            gc.enable()
        assert sum(each.client_closed_at is not None for each in server.exchanges) > len(server.exchanges) / 3
        await there.warm()
        assert there.held() == before
