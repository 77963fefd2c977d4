"""Tools for runs that were started before, by whatever client: wait for one, list, steer, answer one."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from fastmcp.tools.base import ToolResult
from mcp_types import TextContent, ToolAnnotations

from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import shortened
from atlas_mcp.orchestration.store import RunState
from atlas_mcp.surface import schemas
from atlas_mcp.surface.answers import fitting, hand_made, lending, shown
from atlas_mcp.surface.elicitation import handed_in
from atlas_mcp.surface.team_tools import reads, watched

if TYPE_CHECKING:
    from atlas_mcp.app import Atlas
    from atlas_mcp.orchestration.store import RunRow
    from atlas_mcp.surface.answers import HandMade
    from atlas_mcp.surface.opening import Opening

__all__ = ["SETTLE_SECONDS", "run_answer", "run_control", "run_list", "run_result", "summary"]

SETTLE_SECONDS = 2.0
"""Seconds that `run_control` waits for a run to have done as it was told."""


def run_result(opening: Opening) -> HandMade:
    """The tool that waits for a run."""

    async def act(arguments: dict[str, Any]) -> ToolResult:
        atlas = await opening.atlas()
        row = await atlas.get(arguments["run_id"])
        _, problem = await handed_in(atlas)
        if row.final or row.state is RunState.INTERRUPTED:
            return shown(await atlas.result(row.run_id))
        wait = arguments.get("wait_seconds", schemas.RESULT_WAIT)
        with lending(atlas):
            return await watched(atlas, row.run_id, wait, problem=problem)

    return hand_made(
        act,
        name="run_result",
        description="Waits for a run and gives its result, or where it stands; for any run, at any time.",
        parameters=schemas.RUN_RESULT,
        output_schema=schemas.ANY_RUN,
        annotations=reads("Result of a run"),
    )


def run_list(opening: Opening) -> HandMade:
    """The tool that lists runs."""

    async def act(arguments: dict[str, Any]) -> ToolResult:
        atlas = await opening.atlas()
        limit = min(arguments.get("limit", schemas.LISTED), schemas.MOST_LISTED)
        rows = await atlas.list(limit=limit, team=arguments.get("team"))
        runs = fitting([summary(row) for row in rows])
        text = "\n".join(f"{run['run_id']} {run['team']}, {run['state']}: {run['title']}" for run in runs)
        return ToolResult(
            content=[TextContent(text=text or "There are no runs yet.")], structured_content={"runs": runs}
        )

    return hand_made(
        act,
        name="run_list",
        description="The person's runs, newest first.",
        parameters=schemas.RUN_LIST,
        output_schema=schemas.RUNS,
        annotations=reads("Runs"),
    )


def run_control(opening: Opening) -> HandMade:
    """The tool that pauses, resumes and cancels."""

    async def act(arguments: dict[str, Any]) -> ToolResult:
        atlas = await opening.atlas()
        run_id, action = arguments["run_id"], arguments["action"]
        past = await atlas.events(run_id)
        changed = arguments.get("changed_team", False)
        await atlas.control(run_id, action, reason=arguments.get("reason", ""), changed_team=changed)
        await _settled(atlas, run_id, action, past[-1].seq if past else 0)
        return shown(await atlas.result(run_id))

    return hand_made(
        act,
        name="run_control",
        description="Pauses, resumes or cancels a run. A cancelled run stays readable and cannot go on.",
        parameters=schemas.RUN_CONTROL,
        output_schema=schemas.ANY_RUN,
        annotations=ToolAnnotations(
            title="Control a run",
            read_only_hint=False,
            destructive_hint=True,
            idempotent_hint=False,
            open_world_hint=False,
        ),
    )


def run_answer(opening: Opening) -> HandMade:
    """The tool that hands in what a person says to a run's question."""

    async def act(arguments: dict[str, Any]) -> ToolResult:
        atlas = await opening.atlas()
        run_id, question_id = arguments["run_id"], arguments.get("question_id")
        answered, problem = await handed_in(atlas)
        with lending(atlas):
            if not answered:
                await atlas.answer(run_id, arguments["answer"], question_id=question_id)
            wait = arguments.get("wait_seconds", schemas.RESULT_WAIT)
            return await watched(atlas, run_id, wait, problem=problem)

    return hand_made(
        act,
        name="run_answer",
        description="Hands in a person's answer to what a waiting run asks, then waits for its result.",
        parameters=schemas.RUN_ANSWER,
        output_schema=schemas.ANY_RUN,
        annotations=ToolAnnotations(
            title="Answer a run",
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=False,
            open_world_hint=False,
        ),
    )


_SIGNS = {
    "pause": {Kind.RUN_PAUSED},
    "resume": {Kind.RUN_CONTINUED, Kind.RUN_RESUMED},
    "cancel": {Kind.RUN_FINISHED},
}
"""The events by which a run shows that it did as it was told."""


async def _settled(atlas: Atlas, run_id: str, action: str, after: int) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_SECONDS), aclosing(atlas.watch(run_id, after=after)) as events:
            async for event in events:
                if event.kind in _SIGNS[action]:
                    return


def summary(row: RunRow) -> dict[str, Any]:
    """A run as one entry of a list."""
    return {
        "run_id": row.run_id,
        "team": row.team,
        "title": shortened(str(next(iter(row.input.values()), ""))),
        "state": row.state.value,
        "partial": row.partial,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
