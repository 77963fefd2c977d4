"""What can be read of memory: how much is kept, one memory whole, what is known about something."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import AtlasError, InvalidInput
from atlas_mcp.observe.sentences import shortened
from atlas_mcp.surface.memory_schemas import TOKENS, WANTED
from atlas_mcp.surface.memory_text import answer, linked, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastmcp import FastMCP

    from atlas_mcp.memory.person import PersonMemory
    from atlas_mcp.surface.opening import Opening

__all__ = ["add_memory", "memory_ids"]

NEWEST = 20
"""Memories that `atlas://memory` shows."""

SHOWN = 200
"""Characters of each."""

JSON = "application/json"


def add_memory(server: FastMCP, opening: Opening, refused: Callable[[AtlasError], Exception]) -> None:
    """Give a server the resources of memory; `refused` makes errors what the protocol has for them."""

    @server.resource("atlas://memory", name="memory", description="How much is kept, and the newest.",
                     mime_type=JSON)  # fmt: skip
    async def memory() -> str:
        try:
            return _json(await _overview(opening))
        except AtlasError as error:
            raise refused(error) from None

    @server.resource(
        "atlas://memory{?about,start,end,deep}", name="what is remembered about something", mime_type=JSON,
        description="About a question; or from the name `start` to the name `end`, the chain of memories"
        " between them, through `deep` at most; or what `start` alone leads to.",
    )  # fmt: skip
    async def about(about: str = "", start: str = "", end: str = "", deep: str = "") -> str:
        try:
            memories = (await opening.atlas()).memories
            if start or end or deep:
                return _json(await _connected(memories, start, end, deep))
            told = answer(await memories.recall(about, k=WANTED), TOKENS)
            await memories.used(told.shown)
        except AtlasError as error:
            raise refused(error) from None
        return _json(told.structured)

    @server.resource("atlas://memory/{memory_id}", name="memory, whole", mime_type=JSON)
    async def one(memory_id: str) -> str:
        try:
            (stored,) = await (await opening.atlas()).memories.get([memory_id])
        except AtlasError as error:
            raise refused(error) from None
        return _json(whole(stored))


async def _connected(memories: PersonMemory, start: str, end: str, deep: str) -> dict[str, Any]:
    """How two names hang together, or what one leads to."""
    if not start or (deep and not (deep.isdecimal() and len(deep) == 1)):
        raise InvalidInput(
            "It is not said from which name." if not start else f"{deep[:40]!r} is no number of steps.",
            remedy="Read atlas://memory?start=NAME&end=NAME, and deep=3 if you like.",
        )
    steps = {"deep": int(deep)} if deep else {}
    if not end:
        told = answer(await memories.around(start, k=WANTED, **steps), TOKENS)
        await memories.used(told.shown)
        return told.structured
    chain = await memories.chain(start, end, **steps)
    await memories.used([each.id for each in chain.memories] if chain else [])
    return linked(chain, TOKENS)


async def memory_ids(opening: Opening, begun: str, most: int) -> list[str]:
    """Ids of the newest memories that begin so."""
    return [each.id for each in await (await opening.atlas()).memories.newest(most=most, begun=begun)]


async def _overview(opening: Opening) -> dict[str, Any]:
    atlas = await opening.atlas()
    kept = asdict(await atlas.memories.inventory())
    newest = await atlas.memories.newest(most=NEWEST)
    meter = (await atlas.memory()).meter
    return {
        **kept,
        "operations": meter.to_list(),
        "newest": [
            {
                "id": each.id,
                "kind": each.kind.value,
                "text": shortened(each.text, SHOWN),
                "recorded_at": each.recorded_at,
            }
            for each in newest
        ],
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
