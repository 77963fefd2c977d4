"""The JSON Schemas of what tools take and give.

They are kept small: a client sends them to its model in every conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.orchestration.envelope import envelope_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.orchestration.team import InputField, Team

__all__ = [
    "ANY_RUN",
    "INGEST",
    "INGESTED",
    "INGESTED_COUNTS",
    "LISTED",
    "LONGEST_WAIT",
    "MOST_LISTED",
    "OPTIONS",
    "RESULT_WAIT",
    "RUNS",
    "RUN_ANSWER",
    "RUN_CONTROL",
    "RUN_LIST",
    "RUN_RESULT",
    "object_schema",
    "run_team_parameters",
    "team_parameters",
]

LONGEST_WAIT = 50.0
"""Seconds that any call waits at most; common hosts drop calls after 60."""

RESULT_WAIT = 45.0
"""Seconds that `run_result` waits unless told otherwise."""

LISTED = 20
"""Runs that `run_list` gives unless told otherwise."""

MOST_LISTED = 100

_RUN_ID = {"type": "string", "description": "Such as r_01J…"}


def object_schema(required: Sequence[str], **properties: dict[str, Any]) -> dict[str, Any]:
    """An object of these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _wait(default: float) -> dict[str, Any]:
    told = f"Seconds to wait, at most {LONGEST_WAIT:g} (default {default:g}); the work goes on all the same."
    return {"type": "number", "minimum": 0, "description": told}


def _options(wait: float) -> dict[str, dict[str, Any]]:
    """What every team takes beside its own input."""
    return {
        "documents": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Paths of files or folders, or texts, to work from; else what was ingested.",
        },
        "wait_seconds": _wait(wait),
        "fresh": {"type": "boolean", "description": "Start anew even if the same request is at work."},
        "budget": {
            "type": "object",
            "properties": {
                name: {"type": kind, "exclusiveMinimum": 0}
                for name, kind in
                (("seconds", "number"), ("tokens", "integer"), ("cost_usd", "number"), ("calls", "integer"))
            },
            "additionalProperties": False,
            "description": "Limits other than the team's own.",
        },
        "priority": {"type": "string", "enum": ["low", "normal", "high"]},
    }  # fmt: skip


OPTIONS = frozenset(_options(0))
"""The names of what every team takes beside its own input."""


def team_parameters(team: Team) -> dict[str, Any]:
    """What a team's tool takes: the team's input, then what every team takes."""
    fields = {name: _field(field) for name, field in team.input.items()}
    required = [name for name, field in team.input.items() if field.required and field.default is None]
    return object_schema(required, **(fields | _options(team.wait_seconds)))


def _field(field: InputField) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": field.type, "description": field.description}
    if field.enum:
        schema["enum"] = list(field.enum)
    if field.default is not None:
        schema["default"] = field.default
    return schema


def run_team_parameters(teams: Sequence[str]) -> dict[str, Any]:
    """What `run_team` takes."""
    return object_schema(
        ["team", "input"],
        team={"type": "string", "description": f"One of {', '.join(teams)}."},
        input={"type": "object", "description": 'The team\'s own input, such as {"question": "…"}.'},
        **_options(RESULT_WAIT),
    )


RUN_RESULT = object_schema(["run_id"], run_id=_RUN_ID, wait_seconds=_wait(RESULT_WAIT))

RUN_LIST = object_schema(
    [],
    limit={
        "type": "integer",
        "minimum": 1,
        "description": f"At most {MOST_LISTED} (default {LISTED}), as far as they fit.",
    },
    team={"type": "string", "description": "Only this team's."},
)

RUN_CONTROL = object_schema(
    ["run_id", "action"],
    run_id=_RUN_ID,
    action={"type": "string", "enum": ["pause", "resume", "cancel"]},
    reason={"type": "string", "description": "Why; kept with the run."},
    changed_team={
        "type": "boolean",
        "description": "Resume an interrupted run with its team as it is now, where its folder changed.",
    },
)

RUN_ANSWER = object_schema(
    ["run_id", "answer"],
    run_id=_RUN_ID,
    answer={"type": "object", "description": "What the person said, as the question's schema shapes it."},
    question_id={"type": "string", "description": "Which question, where the run asks several."},
    wait_seconds=_wait(RESULT_WAIT),
)

INGEST = object_schema(
    ["documents"],
    documents={
        "type": "array",
        "minItems": 1,
        "items": {"type": "string"},
        "description": "Paths of files or folders inside the allowed folders, or texts, such as"
        " ['/home/me/notes.md'].",
    },
)

ANY_RUN = envelope_schema({"type": "object"})
"""The envelope of a run of any team."""

RUNS = object_schema(
    ["runs"],
    runs={
        "type": "array",
        "items": object_schema(
            ["run_id", "team", "title", "state"],
            **{
                name: {"type": "string"}
                for name in ("run_id", "team", "title", "state", "created_at", "updated_at")
            },
            partial={"type": "boolean"},
        ),
    },
)

INGESTED_COUNTS = ("added", "updated", "unchanged", "removed")
"""What `ingest` counts of the documents it was given."""

INGESTED = object_schema(
    [*INGESTED_COUNTS, "skipped"],
    **{name: {"type": "integer"} for name in INGESTED_COUNTS},
    skipped={
        "type": "array",
        "items": object_schema(["uri", "reason"], uri={"type": "string"}, reason={"type": "string"}),
    },
    skipped_in_all={"type": "integer", "description": "How many, where not all fit into `skipped`."},
    without_vectors={"type": "string", "description": "Why some of it is found by words alone."},
)
