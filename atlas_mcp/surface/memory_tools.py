"""The tools of memory: what is remembered is found again, added to, and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastmcp.tools.base import ToolResult
from mcp_types import TextContent, ToolAnnotations

from atlas_mcp.errors import InvalidInput
from atlas_mcp.memory.person import Note
from atlas_mcp.surface import memory_schemas as schemas
from atlas_mcp.surface.answers import hand_made
from atlas_mcp.surface.memory_receipts import kept_json, receipt_json, receipt_text
from atlas_mcp.surface.memory_text import answer, fenced, in_code
from atlas_mcp.surface.team_tools import reads

if TYPE_CHECKING:
    from atlas_mcp.memory.person import Kept
    from atlas_mcp.surface.answers import HandMade
    from atlas_mcp.surface.opening import Opening

__all__ = ["forget", "recall", "remember"]


def recall(opening: Opening) -> HandMade:
    """The tool that finds what is remembered."""

    async def act(arguments: dict[str, Any]) -> ToolResult:
        memories = (await opening.atlas()).memories
        found = await memories.recall(
            arguments["query"], k=arguments.get("k", schemas.WANTED), kinds=arguments.get("kinds", ()),
            since=arguments.get("since", ""), until=arguments.get("until", ""), at=arguments.get("at", ""),
        )  # fmt: skip
        told = answer(found, arguments.get("tokens", schemas.TOKENS))
        await memories.used(told.shown)
        return ToolResult(content=[TextContent(text=told.text)], structured_content=told.structured)

    return hand_made(
        act,
        name="recall",
        description="Finds what is remembered of earlier work and conversations, and passages of documents"
        " that were taken in. Each says why it was found, how old it is and what it rests on.",
        parameters=schemas.RECALL,
        output_schema=schemas.FOUND,
        annotations=reads("Recall"),
    )


def remember(opening: Opening) -> HandMade:
    """The tool that keeps one thing."""

    async def act(arguments: dict[str, Any]) -> ToolResult:
        memories = (await opening.atlas()).memories
        given: dict[str, Any] = {**arguments, "supersedes": tuple(arguments.get("supersedes", ()))}
        return _kept(await memories.remember(Note(**given)))

    return hand_made(
        act,
        name="remember",
        description="Keeps one fact, procedure, preference or outcome for later conversations and runs. What"
        " another memory says already, or the opposite of, is not kept twice: the answer names that one.",
        parameters=schemas.REMEMBER,
        output_schema=schemas.KEPT,
        annotations=ToolAnnotations(
            title="Remember",
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=False,
        ),
    )


def forget(opening: Opening) -> HandMade:
    """The tool that deletes memories, or a document."""

    async def act(arguments: dict[str, Any]) -> ToolResult:
        memories = (await opening.atlas()).memories
        ids, document = arguments.get("ids", []), arguments.get("document", "")
        if bool(ids) == bool(document):
            raise InvalidInput(
                "Nothing is named to forget." if not ids else "Memories and a document are named at once.",
                remedy="Give either ids, such as ['m_01J…'], or the uri of one document.",
            )
        wishes = {name: arguments.get(name, False) for name in ("derived", "dry_run")}
        if ids:
            receipt = await memories.forget(ids, **wishes)
        else:
            receipt = await memories.forget_document(document, **wishes)
        return ToolResult(
            content=[TextContent(text=receipt_text(receipt, dry_run=wishes["dry_run"]))],
            structured_content=receipt_json(receipt, dry_run=wishes["dry_run"]),
        )

    return hand_made(
        act,
        name="forget",
        description="Deletes memories, or a document that was taken in, for good, and says what went and what"
        " rests on it. Use remember with supersedes where something merely changed.",
        parameters=schemas.FORGET,
        output_schema=schemas.FORGOTTEN,
        annotations=ToolAnnotations(
            title="Forget",
            read_only_hint=False,
            destructive_hint=True,
            idempotent_hint=True,
            open_world_hint=False,
        ),
    )


def _kept(kept: Kept) -> ToolResult:
    told = kept_json(kept)
    if kept.state == "close":
        told["next"] = "remember with supersedes to take its place, with anyway to keep both, or leave it."
        says = {"same": "says the same", "opposite": "says otherwise"}
        lines = [
            f"{each.stored.id} {says[each.how]} ({in_code(each.reason)}):\n{fenced(each.stored.text)}"
            for each in kept.relatives
        ]
        text = "\n".join(["Not kept, as it is close to what is remembered.", *lines, f"Call {told['next']}"])
    else:
        closed = f" {', '.join(kept.superseded)} no longer holds." if kept.superseded else ""
        text = f"{'Remembered' if kept.state == 'new' else 'Known already'} as {kept.id}.{closed}"
    return ToolResult(content=[TextContent(text=text)], structured_content=told)
