"""Scripts of a research team that answers from the two documents, and how tests wait for its run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.app import Atlas
    from atlas_mcp.events import Kind

QUESTION = "When do spring tides come, and who publishes the tide table?"
SPRING = "Spring tides come at new moon and at full moon, when sun and moon pull together."
TABLE = "A harbour master must publish the tide table every month."

PLAN = """
[[reply]]
when = { intent = "plan" }
json = { assignments = [
  { id = "a1", worker = "documents", goal = "When do spring tides come?", after = [] },
  { id = "a2", worker = "documents", goal = "Who publishes the tide table?", after = [] },
] }
"""


def gather(goal: str, quote: str, *, more: str = "") -> str:
    finding = f'{{ passage = "p1", quote = "{quote}" }}'
    return f"""
[[reply]]
when = {{ intent = "gather", contains = "Your goal: {goal}" }}
json = {{ findings = [{finding}], gaps = [] }}
{more}
"""


COMPOSE = f"""
[[reply]]
when = {{ intent = "compose" }}
json = {{ answer = "{SPRING} [f1] {TABLE} [f2]", claims = [
  {{ text = "Spring tides come at new moon and full moon.", finding_ids = ["f1"] }},
  {{ text = "A harbour master publishes the tide table.", finding_ids = ["f2"] }},
], disagreements = [], open_questions = [], confidence = 0.9 }}
"""

SCRIPT = PLAN + gather("When do spring tides", SPRING) + gather("Who publishes", TABLE) + COMPOSE


async def finished(atlas: Atlas, documents: Path, **wishes: Any) -> dict[str, Any]:
    run = await atlas.start("research", question=QUESTION, documents=[str(documents)], **wishes)
    return await run.envelope(wait_seconds=30)


async def seen(atlas: Atlas, run_id: str, kind: Kind, *, actor: str = "") -> None:
    """Wait until an event of a kind was written."""
    async with asyncio.timeout(20):
        async for event in atlas.watch(run_id):
            if event.kind is kind and actor in {"", event.actor}:
                return
    raise AssertionError(f"the run ended without {kind}")
