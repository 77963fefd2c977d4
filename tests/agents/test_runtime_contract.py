"""The in-process runtime does what every place where agents live has to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.embedded.runtime import open_runtime
from tests.agents.runtime_contract import RuntimeContract
from tests.agents.runtime_place import Place, Watched

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


async def scripted(script: str) -> Watched:
    return Watched(script)


class TestEmbedded(RuntimeContract):
    @pytest.fixture
    async def place(self, home: Path) -> AsyncGenerator[Place]:
        async with open_runtime(home) as runtime:
            yield Place(runtime, scripted)
