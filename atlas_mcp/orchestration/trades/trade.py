"""What every kind of work has in common: a commission becomes a task, and its answer a result.

A result is JSON: `findings`, `gaps` and `dropped` as evidence has them, and `drafts` where something was made
of findings. Results stand by themselves, so that they can be kept, replayed and handed to another team.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.agents.agent import Answered, Task
    from atlas_mcp.messages import Passage
    from atlas_mcp.orchestration.evidence import Evidence
    from atlas_mcp.orchestration.state import Result, Work
    from atlas_mcp.orchestration.team import Team

__all__ = ["Commission", "Delegation", "Trade"]


@dataclass(frozen=True, slots=True)
class Commission:
    """What one worker is given: its goal, what those before it found, and what a first search found.

    `question` is what the team is asked, `given` its whole input. `passages` may be fewer than were found,
    where a larger task failed.
    """

    team: Team
    question: str
    given: Mapping[str, Any]
    goal: str
    before: Evidence
    passages: tuple[Passage, ...] = ()


class Trade(Protocol):
    """One kind of work."""

    @property
    def needs_material(self) -> bool:
        """Whether it works on what others found, and so comes after them."""
        ...

    def task(self, commission: Commission) -> Task:
        """What the worker is asked."""
        ...

    def result(self, commission: Commission, answer: Answered) -> Result:
        """What its answer becomes."""
        ...


class Delegation(Protocol):
    """The work of those who are teams themselves."""

    async def work(self, work: Work, path: str, given: Mapping[str, Any] | None) -> Result:
        """What a team makes of an assignment; `given` is what the run itself was handed.

        Raises:
            NothingToShow: the team failed, with its own reason.
        """
        ...
