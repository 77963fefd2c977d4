"""What agents that remember are reminded of before each task: preferences and procedures that hold now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.agents.standing import StandingItem
from atlas_mcp.learning import LearningKind
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.orchestration.remembering import recalls, scope_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.memory.record.record import Stored
    from atlas_mcp.orchestration.store import RunRow
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.settings import MemorySettings

__all__ = ["standing_items"]

MOST = 50
"""Memories that an agent is reminded of, at most."""

PORTION = 500

_KINDS = frozenset({LearningKind.PREFERENCE, LearningKind.PROCEDURE})


async def standing_items(
    memory: Callable[[], Awaitable[Memory]], settings: MemorySettings, row: RunRow, team: Team
) -> list[StandingItem]:
    """At most 50 memories, the best score and then the newest first; none for a run that does without."""
    if not recalls(row, team, settings):
        return []
    opened, scope, filters = await memory(), scope_of(row, settings), Filters(kinds=_KINDS, at=now())
    best: list[Stored] = []
    after = 0
    while True:
        found = await opened.memories(scope, filters, after=after, most=PORTION)
        best = sorted((*best, *found), key=lambda each: (-each.score, -each.number))[:MOST]
        if len(found) < PORTION:
            return [StandingItem(each.id, each.text, each.recorded_at) for each in best]
        after = found[-1].number
