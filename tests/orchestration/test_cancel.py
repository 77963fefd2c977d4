"""From `run_control cancel` in another process's Atlas to the provider's connection closed, seen from its server."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.app import open_atlas
from atlas_mcp.providers.openai import open_provider
from atlas_mcp.settings import MemorySettings, Settings
from tests.fakes.openai_server import FakeOpenAI

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.openai_server import Exchange


async def streaming(server: FakeOpenAI, at_least: int) -> list[Exchange]:
    """The exchanges whose answers are under way, once there are so many."""
    async with asyncio.timeout(20):
        while True:
            under_way = [each for each in server.exchanges if each.sent and each.ended_at is None]
            if len(under_way) >= at_least:
                return under_way
            await asyncio.sleep(0.01)


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, memory=MemorySettings(embeddings=False))


async def test_cancelling_a_run_from_elsewhere_closes_its_providers_connections_within_a_second(
    settings: Settings, documents: Path, record_property: pytest.RecordProperty
) -> None:
    async with FakeOpenAI(tokens=60) as server:
        provider = open_provider("fake-model", base_url=server.url)
        async with (
            open_atlas(settings, roots=[documents], provider=provider) as owner,
            open_atlas(settings, roots=[documents]) as elsewhere,
        ):
            run = await owner.start("research", question="When do spring tides come?", documents=[str(documents)])
            async with asyncio.timeout(20):
                while not server.exchanges or server.exchanges[-1].ended_at is None:
                    await asyncio.sleep(0.01)
            server.seconds = 0.5
            under_way = await streaming(server, 1)
            since = time.perf_counter()
            await elsewhere.control(run.id, "cancel")
            assert (await elsewhere.result(run.id, wait_seconds=5))["state"] == "cancelled"
        closed = [each.client_closed_at for each in under_way]
        await provider.aclose()
    seconds = max(each - since for each in closed if each is not None)
    record_property("cancel_to_close_seconds", round(seconds, 3))
    assert all(each is not None for each in closed)
    assert seconds < 1.0
    assert server.open_connections == 0
