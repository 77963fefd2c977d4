"""From a cancel in another Atlas to the provider's connection closed, seen from the provider's server."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.app import open_atlas
from atlas_mcp.providers.openai import open_provider
from atlas_mcp.settings import MemorySettings, Settings
from tests.fakes.model_server import FakeModels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakes.model_server import Exchange


async def until(true: Callable[[], bool]) -> None:
    """Look every 10 ms whether something has become true."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - the server's state has no event to wait for
            await asyncio.sleep(0.01)


def under_way(server: FakeModels) -> list[Exchange]:
    """The exchanges whose answers are being streamed."""
    return [each for each in server.exchanges if each.sent and each.ended_at is None]


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, memory=MemorySettings(embeddings=False))


async def test_cancelling_a_run_from_elsewhere_closes_its_providers_connections_within_a_second(
    settings: Settings, documents: Path, record_property: Callable[[str, object], None]
) -> None:
    async with FakeModels(tokens=60) as server:
        provider = open_provider("fake-model", base_url=server.url)
        async with (
            open_atlas(settings, roots=[documents], provider=provider) as owner,
            open_atlas(settings, roots=[documents]) as elsewhere,
        ):
            run = await owner.start(
                "research", question="When do spring tides come?", documents=[str(documents)]
            )
            await until(lambda: bool(server.exchanges) and server.exchanges[-1].ended_at is not None)
            server.seconds = 0.5
            await until(lambda: bool(under_way(server)))
            streaming = under_way(server)
            since = time.perf_counter()
            await elsewhere.control(run.id, "cancel")
            assert (await elsewhere.result(run.id, wait_seconds=5))["state"] == "cancelled"
        closed = [each.client_closed_at for each in streaming]
        await provider.aclose()
    seconds = max(each - since for each in closed if each is not None)
    record_property("cancel_to_close_seconds", round(seconds, 3))
    assert all(each is not None for each in closed)
    assert seconds < 1.0
    assert server.open_connections == 0
