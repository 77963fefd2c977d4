"""A server on the loopback, and providers that speak to it: one that waits, one that soon gives up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.providers.openai import open_provider
from tests.fakes.openai_server import FakeOpenAI
from tests.providers.asking import IMPATIENCE, KEY, PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.providers.vendor import VendorProvider


@pytest.fixture
async def server() -> AsyncGenerator[FakeOpenAI, None]:
    async with FakeOpenAI(tokens=20) as running:
        yield running


@pytest.fixture
async def provider(server: FakeOpenAI) -> AsyncGenerator[VendorProvider, None]:
    opened = open_provider("fake-model", api_key=KEY, base_url=server.url, patience=PATIENCE)
    yield opened
    await opened.aclose()


@pytest.fixture
async def hasty(server: FakeOpenAI) -> AsyncGenerator[VendorProvider, None]:
    opened = open_provider("fake-model", api_key=KEY, base_url=server.url, patience=IMPATIENCE)
    yield opened
    await opened.aclose()
