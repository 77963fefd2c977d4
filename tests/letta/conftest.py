"""The runtime on a real Letta server, which `make letta` installs and starts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.letta.runtime import open_runtime
from atlas_mcp.providers.lending.endpoint import open_endpoint
from tests.letta.server import here

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.agents.letta.runtime import LettaRuntime
    from atlas_mcp.providers.lending.endpoint import ModelEndpoint


@asynccontextmanager
async def letta(home: Path, url: str) -> AsyncGenerator[LettaRuntime]:
    """The runtime on a server, whose models answer through an endpoint of this process."""
    async with open_endpoint() as endpoint:

        async def opened() -> ModelEndpoint:
            return endpoint

        async with open_runtime(home, url, endpoint=opened) as runtime:
            yield runtime


@pytest.fixture
async def runtime(home: Path) -> AsyncGenerator[LettaRuntime]:
    async with letta(home, here().url) as opened:
        yield opened
