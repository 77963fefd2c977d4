"""What a run recalled and learned, in words: its events name memories by ids, as words may be forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import AtlasError
from atlas_mcp.events import Kind
from atlas_mcp.observe.older import completed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.app import Atlas
    from atlas_mcp.events import Event

__all__ = ["in_words"]


async def in_words(atlas: Atlas, events: Sequence[Event]) -> list[Event]:
    """The events, those of what was recalled or kept with its text as far as it is remembered still.

    A run can be shown though its memory cannot be opened.
    """
    events = [completed(event) for event in events]
    ids = list(dict.fromkeys(name for event in events for name in _ids(event)))
    if not ids:
        return events
    try:
        found = await (await atlas.memory()).get_memories(ids, scope=atlas.memories.scope)
    except AtlasError:
        return events
    texts = {each.id: each.text for each in found}

    def told(data: Mapping[str, Any]) -> dict[str, Any]:
        return {**data, "text": texts[data["id"]]} if data["id"] in texts else {**data}

    def closed(data: Mapping[str, Any]) -> dict[str, str]:
        return {each: texts[each] for each in data["closes"] if each in texts}

    return [
        replace(event, data={**told(event.data), "closed": closed(event.data)})
        if event.kind is Kind.LEARNING_KEPT
        else replace(event, data={**event.data, "items": [told(each) for each in event.data["items"]]})
        if event.kind is Kind.MEMORY_RECALLED
        else event
        for event in events
    ]  # fmt: skip


def _ids(event: Event) -> list[str]:
    """The memories that an event names, also those that it closes."""
    closes = event.data["closes"] if event.kind is Kind.LEARNING_KEPT else ()
    return [*(each["id"] for each in _named(event)), *closes]


def _named(event: Event) -> Sequence[Mapping[str, Any]]:
    """What an event names of memory."""
    if event.kind is Kind.MEMORY_RECALLED:
        return event.data["items"]
    return [event.data] if event.kind is Kind.LEARNING_KEPT else ()
