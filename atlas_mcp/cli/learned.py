"""What a run recalled and learned, in words: its events name memories by ids, as words may be forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import AtlasError
from atlas_mcp.events import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.app import Atlas
    from atlas_mcp.events import Event

__all__ = ["in_words"]


async def in_words(atlas: Atlas, events: Sequence[Event]) -> list[Event]:
    """The events, those of what was recalled or kept with its text as far as it is remembered still.

    A run can be shown though its memory cannot be opened.
    """
    ids = list(dict.fromkeys(each["id"] for event in events for each in _named(event)))
    if not ids:
        return list(events)
    try:
        found = await (await atlas.memory()).get_memories(ids, scope=atlas.memories.scope)
    except AtlasError:
        return list(events)
    texts = {each.id: each.text for each in found}

    def told(data: Mapping[str, Any]) -> dict[str, Any]:
        return {**data, "text": texts[data["id"]]} if data["id"] in texts else {**data}

    return [
        replace(event, data=told(event.data)) if event.kind is Kind.LEARNING_KEPT
        else replace(event, data={**event.data, "items": [told(each) for each in event.data["items"]]})
        if event.kind is Kind.MEMORY_RECALLED
        else event
        for event in events
    ]  # fmt: skip


def _named(event: Event) -> Sequence[Mapping[str, Any]]:
    """What an event names of memory."""
    if event.kind is Kind.MEMORY_RECALLED:
        return event.data["items"]
    return [event.data] if event.kind is Kind.LEARNING_KEPT else ()
