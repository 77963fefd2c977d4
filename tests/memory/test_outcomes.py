"""How a question last went is remembered; that it failed once takes nothing of it away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.learning import LearningKind
from atlas_mcp.memory.record.record import Filters
from tests.memory.test_capture import ME, capture, remembering, told

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.memory.memory import Memory


async def test_a_failure_leaves_what_went_well_and_the_next_success_closes_the_failure(
    tmp_path: Path,
) -> None:
    async def outcomes(memory: Memory) -> list[str]:
        listed = await memory.record.listing(ME, Filters(kinds=frozenset({LearningKind.OUTCOME})))
        return [each.text.partition("the research team ")[2].split()[0] for each in listed]

    async with remembering(tmp_path) as memory:
        await capture(told(tmp_path), memory, ME)
        broke: dict[str, Any] = {"output": {}, "rating": None, "partial": True}
        for number, why in enumerate(("No worker succeeded: no JSON.", "No worker succeeded: no quote.")):
            await capture(told(tmp_path, run=f"r_2{number}", failure=why, **broke), memory, ME)
            assert await outcomes(memory) == ["answered", "failed"], "one failure, the latest"
        again = await capture(told(tmp_path, run="r_3", at="2026-11-30T12:00:00Z"), memory, ME)
        assert await outcomes(memory) == ["answered"]
    assert len(again.closed) == 2, "how it went well before, and how it failed"
