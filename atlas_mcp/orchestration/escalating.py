"""Where a step's own attempts end: the supervisor is told, then a person; each level is an event."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from atlas_mcp.events import Kind
from atlas_mcp.orchestration.asking import failure_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.orchestration.context import RunContext

__all__ = ["escalated", "tries_again"]


async def escalated(
    context: RunContext, level: Literal["supervisor", "person"], failures: Sequence[dict[str, Any]]
) -> None:
    """Note that failures go to a level above; without failures there is nothing to note."""
    if failures:
        codes = Counter(failure["code"] for failure in failures)
        reason = ", ".join(f"{code} ({times})" for code, times in codes.most_common())
        await context.emit(
            Kind.ESCALATED, context.team.name, "review", level=level, reason=reason, failures=len(failures)
        )


async def tries_again(context: RunContext, number: int, failure: dict[str, Any]) -> bool:
    """Ask a person, who may mend something meanwhile, whether to plan once more.

    `number`, of what failed until now, makes each time that they are asked a question of its own.
    """
    answer = await context.ask_person(failure_question(number, failure))
    return answer["decision"] == "again"
