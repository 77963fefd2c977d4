"""What a run took before this process took it up, read from its journal."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from atlas_mcp.chunks import Usage
from atlas_mcp.events import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from atlas_mcp.events import Event

__all__ = ["UNLEDGERED", "unledgered", "unledgered_by_path", "unpaid", "worked"]

_AT_WORK = {Kind.RUN_STARTED, Kind.RUN_RESUMED, Kind.RUN_CONTINUED, Kind.QUESTION_ANSWERED}
_AT_REST = {Kind.RUN_PAUSED, Kind.QUESTION_ASKED}

UNLEDGERED = (Kind.MODEL_FAILED, Kind.TOOL_CHARGED)
"""Events that tell of something taken which no answer in the ledger does."""


def worked(events: Sequence[Event]) -> float:
    """Seconds that earlier owners worked on a run; neither pauses, waiting nor the time between count."""
    seconds = 0.0
    since = last = None
    held: set[str] = set()
    for event in events:
        at = datetime.fromisoformat(event.at)
        match event.kind:
            case Kind.QUESTION_ASKED:
                held.add(event.data["id"])
            case Kind.QUESTION_ANSWERED:
                held.discard(event.data["id"])
            case Kind.RUN_PAUSED:
                held.add("")
            case Kind.RUN_RESUMED | Kind.RUN_CONTINUED:
                held.discard("")
            case _:
                pass
        if since is not None and last is not None and event.kind in _AT_WORK | _AT_REST:
            seconds += ((at if event.kind in _AT_REST else last) - since).total_seconds()
            since = None
        if event.kind in _AT_WORK and not held:
            since = at
        last = at
    if since is not None and last is not None:
        seconds += (last - since).total_seconds()
    return seconds


def unledgered(told: Iterable[tuple[str, Mapping[str, Any]]]) -> Usage:
    """What a run took beside the answers in its ledger, by the kinds and data of its events.

    That is what calls took that gave no answer, and the money of tools.
    """
    took = Usage()
    for kind, data in told:
        if kind == Kind.MODEL_FAILED and data.get("usage"):
            took += Usage(**data["usage"])
        elif kind == Kind.TOOL_CHARGED:
            took += Usage(cost_usd=data["cost_usd"])
    return took


def unledgered_by_path(events: Iterable[Event]) -> dict[str, Usage]:
    """The same of each path in a run."""
    took: defaultdict[str, Usage] = defaultdict(Usage)
    for event in events:
        if event.kind in UNLEDGERED:
            took[event.span_id] += unledgered([(event.kind, event.data)])
    return dict(took)


def unpaid(events: Iterable[Event]) -> str:
    """The limit for which a tool was not paid, in words; empty where each was."""
    limits = [event.data.get("limit", "") for event in events if event.kind is Kind.TOOL_REFUSED]
    return next((limit for limit in reversed(limits) if limit), "")
