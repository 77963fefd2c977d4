"""The Letta runtime does what every place where agents live has to do, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.agents.runtime_contract import RuntimeContract
from tests.agents.runtime_place import Place, Watched

if TYPE_CHECKING:
    from atlas_mcp.agents.letta.runtime import LettaRuntime


async def scripted(script: str) -> Watched:
    return Watched(script)


@pytest.mark.letta
class TestLetta(RuntimeContract):
    @pytest.fixture
    def place(self, runtime: LettaRuntime) -> Place:
        return Place(runtime, scripted)
