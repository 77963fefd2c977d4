"""A plan made sound: numbered on from earlier ones, each assignment after those whose work it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.messages import TaskType
from atlas_mcp.orchestration.trades.known import trade_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.orchestration.team import Team

__all__ = ["tidy_plan"]


def tidy_plan(
    assignments: Sequence[Mapping[str, Any]],
    team: Team,
    earlier: Sequence[Mapping[str, Any]] = (),
    *,
    handed: bool = False,
) -> list[dict[str, Any]]:
    """The first assignments with a goal, as many as the team allows, each after those that it names.

    One that works on what others find, and names nobody, comes after all who find for it: those of the plan,
    else those of earlier rounds, unless it was `handed` material.
    """
    kept = [given for given in assignments if given["goal"].strip()][: team.max_assignments]
    kept.sort(key=lambda given: _needs_material(team, given["worker"]) and not given["after"])
    kept = _in_order(kept)
    number = _highest(earlier)
    names = {given["id"]: f"a{number + place}" for place, given in enumerate(kept, start=1)}
    made: list[dict[str, Any]] = []
    for given in kept:
        done = {assignment["id"] for assignment in made}
        after = {names[other] for other in given["after"] if other in names} & done
        # A supervisor numbers each plan from the start, so that its own come before those of earlier rounds.
        after |= set(given["after"]) & ({each["id"] for each in earlier} - names.keys())
        if not after and _needs_material(team, given["worker"]):
            there = _feeding(team, given["worker"], made) or (
                [] if handed else _feeding(team, given["worker"], earlier)
            )
            after = set(there)
        assignment: dict[str, Any] = {
            "id": names[given["id"]] if len(names) == len(kept) else f"a{number + len(made) + 1}",
            "worker": given["worker"],
            "goal": given["goal"].strip(),
            "after": sorted(after, key=_place),
        }
        if given.get("input"):
            assignment["input"] = list(given["input"])
        made.append(assignment)
    return made


def _in_order(assignments: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The assignments, each behind those of them that it comes after; of a circle the first goes first."""
    waiting = list(assignments)
    ordered: list[Mapping[str, Any]] = []
    while waiting:
        ids = {each["id"] for each in waiting}
        free = (each for each in waiting if not (ids - {each["id"]}) & set(each["after"]))
        ordered.append(next(free, waiting[0]))
        waiting = [each for each in waiting if each is not ordered[-1]]
    return ordered


def _highest(assignments: Sequence[Mapping[str, Any]]) -> int:
    return max((_place(each["id"]) for each in assignments), default=0)


def _place(identity: str) -> int:
    return int(identity[1:])


def _needs_material(team: Team, worker: str) -> bool:
    return worker in team.workers and (
        team.task_of(worker) is TaskType.RATING or trade_of(team.task_of(worker)).needs_material
    )


def _feeding(team: Team, worker: str, assignments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those of the assignments whose work a worker goes on from: another kind than its own."""
    own = team.task_of(worker)
    return [
        each["id"] for each in assignments
        if each["worker"] in team.workers and team.task_of(each["worker"]) is not own
        and team.task_of(each["worker"]) is not TaskType.RATING
    ]  # fmt: skip
