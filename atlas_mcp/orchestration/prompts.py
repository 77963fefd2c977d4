"""What supervisors and workers are told, and the shape of what they give back.

The persona says who somebody is; this says what is wanted now. Nothing here is specific to a vendor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.orchestration.team_file import TEAM_WORKER, misfit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.orchestration.team import Team

__all__ = [
    "compose_text", "plan_problems", "plan_schema", "plan_text", "review_text", "revise_text",
]  # fmt: skip

_PLAN = """\
Break this into at most {most} assignments that together answer it. Few good ones beat many: one is enough
for a simple question. Each goal is a question in itself, for one worker, who sees nothing but the goal. A
worker may get several assignments."""

_TEAMS = """\
A worker whose name begins with `team:` is a whole team. Send only those that the task needs: who asks a
question needs no writers. One that works on what others make comes after them (`after`), and is handed all
of it."""

_REVIEW = """\
Below is what was found. Is it enough to do what is asked? If it is, give no assignments and say why. If it
is not, give at most {most} further assignments, each for what is really missing and may be found by asking
otherwise."""

_DRAFTS = """\
Their drafts are below too. Take what is good, leave out what repeats, and make one whole of it, in one
voice."""

_REVISE = """\
Your last draft is among the drafts. It was not good enough. Mend what is named here, and leave the rest as
it is:"""

_COMPOSE = """\
Below are your workers' findings: verbatim quotes with ids. Compose from them and from nothing else. Each
claim says what its findings say, in plain words, and names their ids. The answer comes first, to the
point, each sentence followed by the ids it rests on, such as [f2]. Name where findings disagree, and what
the question asks that they do not answer."""

_INPUT: dict[str, Any] = {
    "type": "array",
    "maxItems": 8,
    "x-atlas-fill": "none",
    "description": "What else a team is told, by the names of its inputs; usually nothing.",
    "items": {
        "type": "object",
        "required": ["name", "value"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "maxLength": 64},
            "value": {"type": "string", "maxLength": 2000},
        },
    },
}


def plan_schema(team: Team, *, least: int = 1, workers: Sequence[str] = ()) -> dict[str, Any]:
    """The shape of a plan: assignments for this team's workers, or those named; at least so many."""
    tasks = {name: team.task_of(name).value for name in workers or team.workers}
    assignment: dict[str, Any] = {
        "type": "object",
        "required": ["id", "worker", "goal", "after"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "pattern": "^a[0-9]+$"},
            "worker": {
                "type": "string",
                "enum": list(tasks),
                "x-atlas-fill": "select",
                "x-atlas-tasks": tasks,
            },
            "goal": {
                "type": "string",
                "minLength": 1,
                "maxLength": 600,
                "x-atlas-fill": "quote",
                "description": "One question that this worker can answer alone, complete in itself.",
            },
            "after": {
                "type": "array",
                "x-atlas-fill": "select",
                "items": {"type": "string", "pattern": "^a[0-9]+$"},
                "description": "Ids of assignments whose results this one needs first; usually none.",
            },
        },
    }
    if team.teams:
        assignment["properties"]["input"] = _INPUT
    return {
        "type": "object",
        "required": ["assignments"],
        "additionalProperties": False,
        "properties": {
            "assignments": {
                "type": "array",
                "minItems": least,
                "maxItems": team.max_assignments,
                "x-atlas-fill": "rank",
                "items": assignment,
            },
            "reason": {"type": ["string", "null"], "maxLength": 600, "x-atlas-fill": "none"},
        },
    }


def plan_text(
    team: Team, given: Mapping[str, Any], tried: Sequence[str], failed: Sequence[str] = (), *,
    workers: Sequence[str] = (),
) -> str:  # fmt: skip
    """Ask for a plan; `tried` are goals of earlier rounds, which found too little, `failed` says why.

    `workers` are those who may be sent, all of the team by default.
    """
    lines = [_asked(given), _workers(team, workers), _PLAN.format(most=team.max_assignments)]
    if team.teams:
        lines.append(_TEAMS)
    if tried:
        goals = "\n".join(f"- {goal}" for goal in tried)
        lines.append(f"These found too little; ask otherwise.\nAlready tried:\n{goals}")
    if failed:
        lines.append("These failed:\n" + "\n".join(f"- {reason}" for reason in failed))
    return "\n\n".join(lines)


def review_text(
    team: Team, given: Mapping[str, Any], goals: Sequence[str], gaps: Sequence[str], *,
    workers: Sequence[str] = (),
) -> str:  # fmt: skip
    """Ask whether what was found is enough."""
    tried = "\n".join(f"- {goal}" for goal in goals)
    lines = [
        _asked(given),
        _workers(team, workers),
        _REVIEW.format(most=team.max_assignments),
        f"Already tried:\n{tried}",
        "Your workers could not answer:\n" + "\n".join(f"- {gap}" for gap in gaps),
    ]
    return "\n\n".join(lines)


def compose_text(given: Mapping[str, Any], gaps: Sequence[str], *, drafts: bool = False) -> str:
    """Ask the supervisor to compose from the findings, and from what workers made of them."""
    lines = [_asked(given), _COMPOSE]
    if drafts:
        lines.append(_DRAFTS)
    if gaps:
        lines.append("Your workers could not answer:\n" + "\n".join(f"- {gap}" for gap in gaps))
    return "\n\n".join(lines)


def revise_text(asked: str, reasons: Sequence[str]) -> str:
    """Ask the supervisor to compose anew where its draft was not good enough."""
    faults = "\n".join(f"- {reason}" for reason in reasons)
    return f"{asked}\n\n{_REVISE}\n{faults}"


def plan_problems(team: Team, value: Mapping[str, Any]) -> list[str]:
    """What to tell a supervisor whose plan gives a team what it does not take."""
    problems: list[str] = []
    for number, assignment in enumerate(value["assignments"]):
        child = team.teams.get(assignment["worker"].removeprefix(TEAM_WORKER))
        for given in assignment.get("input") or ():
            field = child.input.get(given["name"]) if child else None
            place = f"$.assignments[{number}].input"
            if field is None:
                takes = ", ".join(child.input) if child else "nothing"
                problems.append(
                    f"{place}: {assignment['worker']} takes no {given['name']!r}; it takes {takes}."
                )
            elif wrong := misfit(field, field.read(given["value"])):
                problems.append(f"{place}: {given['name']} {wrong}.")
    return problems


def _workers(team: Team, workers: Sequence[str]) -> str:
    lines: list[str] = []
    for name in workers or team.workers:
        lines.append(f"- {name}: {team.describe(name)}")
        child = team.teams.get(name.removeprefix(TEAM_WORKER))
        fields = list(child.input.items())[1:] if child else []
        lines += [
            f"  - input {key}: {field.description}"
            for key, field in fields if not field.handed and field.format != "file_name"
        ]  # fmt: skip
    return "Your workers:\n" + "\n".join(lines)


def _asked(given: Mapping[str, Any]) -> str:
    return "\n".join(f"{name.capitalize()}: {value}" for name, value in given.items())
