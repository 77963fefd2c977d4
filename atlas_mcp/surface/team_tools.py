"""Tools that start runs, and the watching that a call does.

A call watches a run and does not own it: when the call is cancelled or its client is gone, the run goes on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mcp_types import ToolAnnotations

from atlas_mcp.orchestration.envelope import envelope_schema
from atlas_mcp.orchestration.team import pick_team
from atlas_mcp.surface import schemas
from atlas_mcp.surface.answers import hand_made, lending, reporter, shown
from atlas_mcp.surface.elicitation import asker, handed_in, wanted
from atlas_mcp.surface.progress import follow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastmcp.tools.base import ToolResult

    from atlas_mcp.app import Atlas, Run
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.surface.answers import HandMade
    from atlas_mcp.surface.opening import Opening

__all__ = ["Asking", "reads", "run_team", "team_tool", "watched"]


class Asking:
    """Starts runs for calls, and watches them for as long as a call may wait."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._starting: set[asyncio.Task[Run]] = set()

    async def ask(self, team: Team, given: dict[str, Any], options: dict[str, Any]) -> ToolResult:
        """Start a run or attach to it, watch it, and answer with where it stands."""
        wait = options.pop("wait_seconds", team.wait_seconds)
        atlas = await self._opening.atlas()
        run_id, problem = await handed_in(atlas)
        with lending(atlas):
            if run_id:
                return await watched(atlas, run_id, wait, problem=problem)
            # A call that is cancelled in the middle of a start must not leave half a run.
            starting = asyncio.create_task(atlas.start(team.name, **options, **given))
            self._starting.add(starting)
            starting.add_done_callback(self._starting.discard)
            run = await asyncio.shield(starting)
            return await watched(atlas, run.id, wait, new=run.new)


async def watched(
    atlas: Atlas, run_id: str, seconds: float, *, new: bool = False, problem: str = ""
) -> ToolResult:
    """Watch a run and report its progress, then answer with its envelope, or with what a person is to say."""
    if not problem:
        wait = min(seconds, schemas.LONGEST_WAIT)
        await follow(atlas, run_id, wait, reporter(), new=new, ask=asker())
    asked = wanted(run_id, await atlas.questions(run_id), problem)
    return asked or shown(await atlas.result(run_id))


def reads(title: str) -> ToolAnnotations:
    """What is true of a tool that changes nothing but ATLAS's own record of runs."""
    return ToolAnnotations(title=title, read_only_hint=True, open_world_hint=False)


def team_tool(asking: Asking, team: Team) -> HandMade:
    """The tool of one team: its folder's description and input, and its output in the run's envelope."""

    async def act(arguments: dict[str, Any]) -> ToolResult:
        options = {name: arguments[name] for name in schemas.OPTIONS & arguments.keys()}
        given = {name: value for name, value in arguments.items() if name not in options}
        return await asking.ask(team, given, options)

    return hand_made(
        act,
        name=team.name,
        description=team.description,
        parameters=schemas.team_parameters(team),
        output_schema=envelope_schema(team.output_schema),
        annotations=reads(team.title),
    )


def run_team(asking: Asking, teams: Mapping[str, Team]) -> HandMade:
    """The tool that runs any team by name."""

    async def act(arguments: dict[str, Any]) -> ToolResult:
        options = {name: arguments[name] for name in schemas.OPTIONS & arguments.keys()}
        return await asking.ask(pick_team(teams, arguments["team"]), arguments["input"], options)

    return hand_made(
        act,
        name="run_team",
        description="Runs any team by name, also a person's own; atlas://teams tells what each takes.",
        parameters=schemas.run_team_parameters(list(teams)),
        output_schema=schemas.ANY_RUN,
        annotations=reads("Run a team"),
    )
