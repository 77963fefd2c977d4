"""A run as those see it who work within it without knowing its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from atlas_mcp.events import Kind
    from atlas_mcp.orchestration.asking import Question
    from atlas_mcp.orchestration.limits import Limits
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["Running"]


class Running(Protocol):
    """What may be told and asked within a run; `approved` are the servers a person let in for all of it."""

    row: RunRow
    approved: set[str]
    limits: Limits

    async def emit(self, kind: Kind, actor: str, span_id: str, /, **data: Any) -> None:
        """Write an event to the run's journal."""
        ...

    async def once(self, path: str, about: str, make: Callable[[], Awaitable[str]]) -> str:
        """A text that is made once in the run, and is the same when its step is walked again."""
        ...

    async def ask_person(self, question: Question) -> dict[str, Any]:
        """What a person answers to a question, waited for however long."""
        ...
