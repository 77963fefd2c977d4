"""A server on the loopback, and providers that speak to it: Claude, and OpenAI's, one that soon gives up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.providers import anthropic
from tests.fakes.model_server import FakeModels
from tests.providers.asking import CLAUDE, IMPATIENCE, KEY, PATIENCE, Route

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.providers.vendor import VendorProvider


@pytest.fixture
async def server() -> AsyncGenerator[FakeModels, None]:
    async with FakeModels(tokens=20) as running:
        yield running


@pytest.fixture(params=Route, ids=str)
def route(request: pytest.FixtureRequest) -> Route:
    return request.param


@pytest.fixture
async def provider(server: FakeModels, route: Route) -> AsyncGenerator[VendorProvider, None]:
    opened = route.open(server.url, patience=PATIENCE)
    yield opened
    await opened.aclose()


@pytest.fixture
async def hasty(server: FakeModels, route: Route) -> AsyncGenerator[VendorProvider, None]:
    opened = route.open(server.url, patience=IMPATIENCE)
    yield opened
    await opened.aclose()


@pytest.fixture(params=["httpx2", "aiohttp"])
async def claude(server: FakeModels, request: pytest.FixtureRequest) -> AsyncGenerator[VendorProvider, None]:
    aiohttp = request.param == "aiohttp"
    opened = anthropic.open_provider(
        CLAUDE, api_key=KEY, base_url=server.root, patience=PATIENCE, aiohttp=aiohttp
    )
    yield opened
    await opened.aclose()
