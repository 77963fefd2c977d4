"""What can be read: teams; runs with events, reports and pictures; memory; servers; how this one fares."""

from __future__ import annotations

import json
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastmcp.exceptions import ValidationError
from mcp import MCPError
from mcp_types import INTERNAL_ERROR

from atlas_mcp.errors import AtlasError, InvalidInput, UnknownTeam
from atlas_mcp.observe.log import log_file
from atlas_mcp.observe.pictures.mermaid import picture
from atlas_mcp.observe.pictures.svg import picture_svg
from atlas_mcp.orchestration.store import ALIVE
from atlas_mcp.orchestration.team import pick_team
from atlas_mcp.surface.memory_resources import add_memory
from atlas_mcp.surface.run_tools import summary
from atlas_mcp.surface.server_resources import add_servers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from fastmcp import FastMCP

    from atlas_mcp.app import Atlas
    from atlas_mcp.orchestration.store import RunRow
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.surface.opening import Opening

__all__ = ["add_resources", "refused"]

NEWEST = 50
"""Runs that `atlas://runs` shows."""

JSON = "application/json"
MARKDOWN = "text/markdown"
MERMAID = "text/vnd.mermaid"
SVG = "image/svg+xml"


def add_resources(server: FastMCP, opening: Opening, teams: Mapping[str, Team]) -> None:
    """Give a server its resources."""
    _add_teams(server, teams)
    _add_runs(server, opening)
    add_memory(server, opening, refused)
    _add_providers(server, opening)
    add_servers(server, opening, refused)
    _add_health(server, opening, teams)


def _add_teams(server: FastMCP, teams: Mapping[str, Team]) -> None:
    @server.resource("atlas://teams", name="teams", description="Every team and its input.", mime_type=JSON)
    async def every_team() -> str:
        return _json([_team(team) for team in teams.values()])

    @server.resource(
        "atlas://teams/{team}",
        name="team",
        description="A team: members, limits, what it gives.",
        mime_type=JSON,
    )
    async def one_team(team: str) -> str:
        try:
            chosen = pick_team(teams, team)
        except UnknownTeam as error:
            raise refused(error) from None
        return _json(
            _team(chosen)
            | chosen.model_dump(mode="json", include={"rounds", "max_parallel", "budget", "version"})
            | {"output": chosen.output_schema}
        )


def _team(team: Team) -> dict[str, Any]:
    return {
        "name": team.name,
        "description": team.description,
        "input": {name: field.model_dump(exclude_none=True) for name, field in team.input.items()},
        "supervisor": team.supervisor,
        "workers": list(team.workers),
    }


def _add_runs(server: FastMCP, opening: Opening) -> None:
    @server.resource("atlas://runs", name="runs", description="Your runs, newest first.", mime_type=JSON)
    async def runs() -> str:
        atlas = await opening.atlas()
        return _json([summary(row) for row in await atlas.list(limit=NEWEST)])

    def add(path: str, described: str, mime: str, read: Callable[[Atlas, RunRow], Awaitable[str]]) -> None:
        @server.resource(f"atlas://runs/{{run_id}}{path}", name=described, mime_type=mime)
        async def resource(run_id: str) -> str:
            try:
                atlas = await opening.atlas()
                return await read(atlas, await atlas.get(run_id))
            except AtlasError as error:
                raise refused(error) from None

    add("", "run", JSON, _envelope)
    add("/events", "what happened in a run, in order", JSON, _events)
    add("/report", "report of a run, whole", MARKDOWN, _report)
    add("/evidence", "findings, sources and what they do not carry", JSON, _evidence)
    add("/graph", "picture of who did what in a run", MERMAID, _graph)
    add("/graph.svg", "picture of who did what in a run, as SVG", SVG, _drawn_graph)


async def _envelope(atlas: Atlas, row: RunRow) -> str:
    return _json(await atlas.result(row.run_id))


async def _events(atlas: Atlas, row: RunRow) -> str:
    keys = ("seq", "at", "kind", "actor", "span_id", "data")
    return _json([{key: getattr(event, key) for key in keys} for event in await atlas.events(row.run_id)])


async def _report(_atlas: Atlas, row: RunRow) -> str:
    if row.output is None or not row.output.get("report"):
        raise InvalidInput(
            f"Run {row.run_id} ({row.state}) has no report{'' if row.final else ' yet'}.",
            remedy="" if row.final else f'run_result(run_id="{row.run_id}") waits for it.',
        )
    return row.output["report"]


async def _evidence(_atlas: Atlas, row: RunRow) -> str:
    output = row.output or {}
    return _json(
        {
            key: output.get(key, [])
            for key in ("claims", "findings", "sources", "disagreements", "unsupported")
        }
    )


async def _graph(atlas: Atlas, row: RunRow) -> str:
    return picture(await atlas.events(row.run_id))


async def _drawn_graph(atlas: Atlas, row: RunRow) -> str:
    return picture_svg(await atlas.events(row.run_id))


def _add_providers(server: FastMCP, opening: Opening) -> None:
    @server.resource(
        "atlas://providers",
        name="providers",
        description="Who can answer prompts: abilities, prices, reliability, breakers.",
        mime_type=JSON,
    )
    async def providers() -> str:
        try:
            return _json(await (await opening.atlas()).overview())
        except AtlasError as error:
            raise refused(error) from None


def _add_health(server: FastMCP, opening: Opening, teams: Mapping[str, Team]) -> None:
    @server.resource("atlas://health", name="health", description="How this server fares.", mime_type=JSON)
    async def health() -> str:
        told: dict[str, Any] = {
            "version": version("atlas-mcp"),
            "teams": list(teams),
            "home": str(opening.settings.home),
            "log": str(log_file(opening.settings.home)),
        }
        try:
            atlas = await opening.atlas()
            alive = await atlas.list(states=ALIVE, limit=NEWEST)
        except AtlasError as error:
            return _json({"status": "broken", "error": error.to_dict(), **told})
        return _json(
            {"status": "ok", "runs_alive": len(alive), "roots": [str(r) for r in atlas.roots], **told}
        )


def refused(error: AtlasError) -> ValidationError | MCPError:
    """The error as the protocol has it: what is not there is the asker's mistake, all else ours.

    The asker's mistakes are told to the asker, and leave no traceback in the log.
    """
    if isinstance(error, InvalidInput):
        return ValidationError(str(error), log_level=logging.DEBUG)
    return MCPError(INTERNAL_ERROR, str(error))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
