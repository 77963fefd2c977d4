"""The tools: one a shipped team, made from its folder; those that steer runs; those of what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.surface.document_tools import ingest
from atlas_mcp.surface.memory_tools import forget, recall, remember
from atlas_mcp.surface.run_tools import run_answer, run_control, run_list, run_result
from atlas_mcp.surface.team_tools import Asking, run_team, team_tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.surface.answers import HandMade
    from atlas_mcp.surface.opening import Opening

__all__ = ["tools"]


def tools(opening: Opening, teams: Mapping[str, Team]) -> list[HandMade]:
    """Every tool, in the order in which clients see them.

    A person's own teams get none: every tool costs in every conversation, and `run_team` runs any team.
    """
    shipped = Catalogue().entries("teams", "team.toml")
    asking = Asking(opening)
    return [
        *(team_tool(asking, teams[name]) for name in shipped),
        run_team(asking, teams),
        run_result(opening),
        run_list(opening),
        run_control(opening),
        run_answer(opening),
        recall(opening),
        remember(opening),
        forget(opening),
        ingest(opening),
    ]
