"""The JSON Schemas of what the tools of memory take and give; small, as each conversation pays for them."""

from __future__ import annotations

from typing import Any

from atlas_mcp.learning import MOST_TEXT, LearningKind
from atlas_mcp.surface.schemas import object_schema

__all__ = [
    "FORGET", "FORGOTTEN", "FOUND", "KEPT", "LEAST_TOKENS", "MOST_TOKENS", "RECALL", "REMEMBER", "TOKENS",
    "WANTED",
]  # fmt: skip

TOKENS = 1_900
"""Tokens of an answer of `recall` unless told otherwise, as they are estimated."""

LEAST_TOKENS = 200
MOST_TOKENS = 8_000

WANTED = 8
"""Memories, and passages, that `recall` looks for unless told otherwise."""

_KIND = {"type": "string", "enum": [kind.value for kind in LearningKind]}
_STRING: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "number"}
_IDS: dict[str, Any] = {"type": "array", "items": _STRING}


def _time(said: str) -> dict[str, Any]:
    return {"type": "string", "description": f"{said} A date such as 2026-03-01, or a time."}


def _ids(said: str) -> dict[str, Any]:
    return {**_IDS, "description": said}


RECALL = object_schema(
    ["query"],
    query={"type": "string", "description": "What you want to know; names and dates help."},
    kinds={"type": "array", "items": _KIND, "description": "Only memories of these kinds."},
    at=_time("What held then instead of now."),
    since=_time("Only what was recorded from then on."),
    until=_time("Only what was recorded before."),
    k={"type": "integer", "minimum": 1, "maximum": 50,
       "description": f"Memories, and passages, at most (default {WANTED})."},
    tokens={"type": "integer", "minimum": LEAST_TOKENS, "maximum": MOST_TOKENS,
            "description": "Length of the answer at most (default under 2,000); under 600 each hit is its id"
            " and beginning."},
)  # fmt: skip

REMEMBER = object_schema(
    ["text"],
    text={
        "type": "string",
        "description": "One thing, in words that stand without this conversation; at most"
        f" {MOST_TEXT:,} characters.",
    },
    kind={**_KIND, "description": "Default fact."},
    valid_from=_time("Since when it is so (default now)."),
    valid_to=_time("When it ends (default never)."),
    shared={"type": "boolean", "description": "For all members of the project, not for this person alone."},
    supersedes=_ids("Ids of memories that it takes the place of; they are closed, not deleted."),
    anyway={"type": "boolean", "description": "Keep it beside memories that say the same or the opposite."},
)

FORGET = object_schema(
    [],
    ids=_ids("Ids of memories, such as m_01J…"),
    document={
        "type": "string",
        "description": "Instead: the uri of an ingested document, as `recall` gives it.",
    },
    derived={"type": "boolean", "description": "Also forget every learning that rests on what goes."},
    dry_run={"type": "boolean", "description": "Only say what would go."},
)

_EVIDENCE = object_schema(["kind"], kind=_STRING, text=_STRING, source=_STRING, score=_NUMBER)
_MEMORY = object_schema(
    ["id", "kind", "text"],
    id=_STRING, kind=_KIND, text=_STRING, cut={"type": "boolean", "description": "The text goes on."},
    about={"type": "string", "description": "Age, origin and evidence in a line."},
    score={"type": "number", "description": "What its evidence earned, 0 to 5."},
    relevance=_NUMBER, why=_STRING, evidence={"type": "array", "items": _EVIDENCE},
    valid_from=_STRING, valid_to=_STRING, superseded_by=_STRING, shared={"type": "boolean"}, team=_STRING,
)  # fmt: skip
_PASSAGE = object_schema(
    ["uri", "title", "text"],
    uri=_STRING, title=_STRING, text=_STRING, cut={"type": "boolean"},
    location=object_schema(
        ["start", "end"], start={"type": "integer"}, end={"type": "integer"}, page={"type": "integer"},
        heading=_STRING,
    ),
    about=_STRING, relevance=_NUMBER, why=_STRING,
)  # fmt: skip

FOUND = object_schema(
    ["memories", "passages", "left_out"],
    memories={"type": "array", "items": _MEMORY},
    passages={"type": "array", "items": _PASSAGE},
    left_out={"type": "integer", "description": "Found, and not shown for want of room."},
    read_more={"type": "string", "description": "Where a memory stands whole."},
)

KEPT = object_schema(
    ["state"],
    state={"type": "string", "enum": ["new", "known", "close"]},
    id=_STRING,
    superseded=_IDS,
    close_to={
        "type": "array",
        "items": object_schema(
            ["id", "how", "reason", "text"],
            id=_STRING, how={"type": "string", "enum": ["same", "opposite"]}, reason=_STRING, text=_STRING,
        ),
    },
    next={"type": "string", "description": "What to call where it was not kept."},
)  # fmt: skip

FORGOTTEN = object_schema(
    ["forgotten", "derived", "derived_forgotten", "unknown", "dry_run"],
    forgotten=_ids("Memories that are gone from the record."),
    would_go=_ids("Of a dry run: memories that would go."),
    document={"type": "string", "description": "The document that is gone, or would go."},
    derived=_ids("Learnings that rest on what went."),
    derived_forgotten={"type": "boolean", "description": "Whether those are gone too."},
    indexes={
        "type": "object",
        "additionalProperties": _STRING,
        "description": "Of each index: done, or pending where it was not reached and hears of it later.",
    },
    unknown=_IDS,
    runs={
        "type": "array",
        "items": _STRING,
        "description": "Runs that learned what went: their results still say it.",
    },
    reminded={
        "type": "boolean",
        "description": "Whether agents with a memory of their own may know it until their next task.",
    },
    dry_run={"type": "boolean", "description": "Nothing was deleted."},
)
