"""What tools answer: a run as readable text beside its envelope, and errors as sentences."""

from __future__ import annotations

import json
import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from anyio import BrokenResourceError, ClosedResourceError
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_context
from fastmcp.tools import Tool
from fastmcp.tools.base import ToolResult
from mcp_types import ResourceLink, TextContent
from pydantic import PrivateAttr

from atlas_mcp.errors import AtlasError, InvalidInput
from atlas_mcp.orchestration.envelope import LARGEST
from atlas_mcp.orchestration.store import RunState
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from mcp_types import ContentBlock

    from atlas_mcp.app import Atlas
    from atlas_mcp.surface.progress import Report

__all__ = ["HandMade", "fitting", "hand_made", "lending", "reporter", "shown"]

log = logging.getLogger(__name__)

LINKS_SINCE = "2025-06-18"
"""The protocol version that brought links to resources."""

_TYPES = {
    "array": "a list", "integer": "a whole number", "number": "a number", "string": "a text",
    "boolean": "true or false", "object": "an object",
}  # fmt: skip

Act: TypeAlias = "Callable[[dict[str, Any]], Awaitable[ToolResult]]"
"""What a tool does with its arguments."""


class HandMade(Tool):
    """A tool whose schemas are written by hand, and that is called with arguments that fit them."""

    _act: Act = PrivateAttr()

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Answer one call; the server outlives whatever happens in it."""
        try:
            self._refuse_misfits(arguments)
            return await self._act(arguments)
        except AtlasError as error:
            raise ToolError(str(error), log_level=logging.DEBUG) from error
        except Exception as error:
            # The one place where what nobody foresaw becomes an answer instead of a dead connection.
            log.exception("%s failed", self.name)
            raise ToolError("ATLAS itself failed; its log says more.", log_level=logging.DEBUG) from error

    def _refuse_misfits(self, arguments: dict[str, Any]) -> None:
        if problems := misfits(self.parameters, arguments):
            required, known = self.parameters["required"], self.parameters["properties"]
            names = [name if name in required else f"[{name}]" for name in known]
            remedy = f"It takes {', '.join(names)}."
            missing = [name for name in required if name not in arguments]
            wrong = missing[0] if missing else re.split(r"[.:\[]", problems[0].removeprefix("$."))[0]
            shape = known.get(wrong, {})
            if (says := shape.get("description")) and (kind := _TYPES.get(shape.get("type"))):
                remedy += f" {wrong} is {kind}: {says}"
            said = f"{missing[0]} is missing" if missing else problems[0].removeprefix("$: ")
            raise InvalidInput(f"{self.name}: {said}.", remedy=remedy)


def hand_made(act: Act, **described: Any) -> HandMade:
    """A tool that does `act`."""
    tool = HandMade(**described)
    tool._act = act
    return tool


def reporter() -> Report:
    """Sends progress to the client of the current call, if it asked for any, for as long as it listens."""
    context = get_context()

    async def report(count: int, said: str) -> None:
        with suppress(BrokenResourceError, ClosedResourceError):
            await context.report_progress(count, None, said)

    return report


def lending(atlas: Atlas) -> AbstractContextManager[None]:
    """While inside, runs may ask the model of the current call's client, if it offers that."""
    context = get_context()
    return atlas.providers.sampling.lent(context.session, context.request_id)


def fitting(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many entries from the first on as a result can show: clients cut or hide what is longer."""
    room = LARGEST - 500  # for what stands around them
    for count, entry in enumerate(entries):
        room -= len(json.dumps(entry, ensure_ascii=False).encode()) + 2
        if room < 0:
            return entries[:count]
    return entries


def shown(envelope: dict[str, Any]) -> ToolResult:
    """A run's envelope, with a text that a person reads; an error where the run failed."""
    content: list[ContentBlock] = [TextContent(text=_readable(envelope))]
    if envelope["output"] is not None and _knows_links():
        link = ResourceLink(
            name=f"Report of {envelope['run_id']}", uri=envelope["report_uri"], mime_type="text/markdown"
        )
        content.append(link)
    return ToolResult(
        content=content, structured_content=envelope, is_error=envelope["state"] == RunState.FAILED
    )


def _knows_links() -> bool:
    """Whether the client's protocol has links; an older client refuses a part that it does not know."""
    request = get_context().request_context
    return request is not None and request.protocol_version >= LINKS_SINCE


def _readable(envelope: dict[str, Any]) -> str:
    run_id, state, output = envelope["run_id"], envelope["state"], envelope["output"]
    if state == RunState.FAILED:
        error = envelope["error"]
        return f"Run {run_id} failed. {error['message']} {error.get('remedy', '')}".strip()
    if output is not None:
        return output.get("report") or f"Run {run_id} is {state}; its output is in the structured content."
    asked = f"It asks: {envelope['question']['text']} " if "question" in envelope else ""
    return f"Run {run_id} is {state}. {asked}{envelope.get('next', '')}".strip()
