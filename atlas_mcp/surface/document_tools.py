"""The tool that takes documents in for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastmcp.tools.base import ToolResult
from mcp_types import TextContent, ToolAnnotations

from atlas_mcp.observe.sentences import counted
from atlas_mcp.surface import schemas
from atlas_mcp.surface.answers import fitting, hand_made, reporter
from atlas_mcp.surface.progress import Teller

if TYPE_CHECKING:
    from atlas_mcp.memory.documents.knowledge import Ingested
    from atlas_mcp.surface.answers import HandMade
    from atlas_mcp.surface.opening import Opening

__all__ = ["ingest"]


def ingest(opening: Opening) -> HandMade:
    """The tool that takes in files, folders and texts."""

    async def act(arguments: dict[str, Any]) -> ToolResult:
        atlas = await opening.atlas()
        teller = Teller(reporter())
        async with teller.telling(dict):
            done = await atlas.ingest(
                arguments["documents"],
                on_progress=lambda progress: teller.fold(f"documents: {progress}"),
            )
        return _told(done)

    return hand_made(
        act,
        name="ingest",
        description="Takes documents in for good: runs that name no documents answer from them.",
        parameters=schemas.INGEST,
        output_schema=schemas.INGESTED,
        annotations=ToolAnnotations(
            title="Take in documents",
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=False,
        ),
    )


def _told(done: Ingested) -> ToolResult:
    counts = {name: len(getattr(done, name)) for name in schemas.INGESTED_COUNTS}
    skipped = fitting([{"uri": uri, "reason": reason} for uri, reason in done.skipped])
    unnamed = len(done.skipped) - len(skipped)
    lines = [f"{counted(len(done.document_ids), 'document')} can be searched now."]
    lines += [f"{count} {name}" for name, count in counts.items() if count]
    lines += [f"skipped {each['uri']}: {each['reason']}" for each in skipped]
    lines += [f"skipped {unnamed:,} more"] if unnamed else []
    lines += [f"found by words alone: {done.without_vectors}"] if done.without_vectors else []
    missing = {"without_vectors": done.without_vectors} if done.without_vectors else {}
    return ToolResult(
        content=[TextContent(text="\n".join(lines))],
        structured_content={**counts, "skipped": skipped, "skipped_in_all": len(done.skipped), **missing},
    )
