"""What a run's steps know of one another: its state, and what a step adds to it. JSON types only."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypeAlias, TypedDict

__all__ = ["Result", "State", "Update", "Work", "is_partial"]

Result: TypeAlias = dict[str, Any]
"""What came of an assignment; see `trades.trade`."""


def _joined(known: dict[str, Result], new: dict[str, Result]) -> dict[str, Result]:
    return known | new


class State(TypedDict):
    """A run's state between steps; JSON types only. `results` maps assignment ids to what came of them.

    `memory` is what was recalled before the plan; see `remembering`. `best` is the best version until now,
    with what it was rated; `revision` counts from 0. `partial` says that not all was found or used,
    `undelivered` that a file that was wished for was not made.
    """

    library: NotRequired[dict[str, Any]]
    memory: NotRequired[dict[str, Any]]
    round: int
    assignments: list[dict[str, Any]]
    results: Annotated[dict[str, Result], _joined]
    draft: NotRequired[dict[str, Any]]
    output: NotRequired[dict[str, Any]]
    partial: NotRequired[bool]
    undelivered: NotRequired[bool]
    best: NotRequired[dict[str, Any]]
    rated: NotRequired[dict[str, Any]]
    revision: NotRequired[int]


class Update(TypedDict, total=False):
    """What one step adds to the state."""

    library: dict[str, Any]
    memory: dict[str, Any]
    round: int
    assignments: list[dict[str, Any]]
    results: dict[str, Result]
    draft: dict[str, Any]
    output: dict[str, Any]
    partial: bool
    undelivered: bool
    best: dict[str, Any]
    rated: dict[str, Any]
    revision: int


def is_partial(state: State) -> bool:
    """Whether a run that ended so gave less than it was asked for."""
    return state.get("partial", False) or state.get("undelivered", False)


class Work(TypedDict):
    """What one worker is sent: its assignment, and what came of those that it comes after, by id."""

    assignment: dict[str, Any]
    before: dict[str, Result]
