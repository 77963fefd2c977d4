"""Events of a journal that an older version wrote: what they lack is said to be unknown, and nothing breaks.

Whoever tells of events completes them first. A number that was not written is None rather than 0, since 0
would be told as if it had been measured.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from atlas_mcp.events import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.events import Event

__all__ = ["completed"]

Data: TypeAlias = "Mapping[str, Any]"

_ERROR = {"code": "unknown", "message": "the journal does not say why", "remedy": ""}
_MODEL = "a model"
_TOOL = "a tool"
_UNSAID = "the journal does not say why"
_BEGAN = {"team": "", "provider": "a provider", "language_model": True}
_DONE_BY = {"assignment": "?", "worker": "somebody"}

_KEYS: dict[Kind, dict[str, Any]] = {
    Kind.RUN_QUEUED: {"team": "", "team_version": "", "input": {}},
    Kind.RUN_STARTED: _BEGAN,
    Kind.RUN_RESUMED: _BEGAN,
    Kind.RUN_FINISHED: {"state": "ended", "partial": False, "seconds": None, "usage": {}, "error": None},
    Kind.CONTROL_RECEIVED: {"verb": "do something", "reason": ""},
    Kind.QUESTION_ASKED: {"id": "", "kind": "question", "text": "a question", "schema": {}},
    Kind.QUESTION_ANSWERED: {"id": "", "answer": {}, "by": "a person"},
    Kind.STEP_STARTED: {"step": "step"},
    Kind.STEP_FINISHED: {"step": "step", "seconds": None},
    Kind.DOCUMENTS_READ: {"label": "", "done": 0, "total": 0},
    Kind.DOCUMENT_SKIPPED: {"uri": "a document", "reason": _UNSAID},
    Kind.PLAN_MADE: {"round": 1, "assignments": [], "reason": None},
    Kind.WORK_STARTED: {**_DONE_BY, "goal": ""},
    Kind.WORK_FINISHED: {**_DONE_BY, "findings": None, "drafts": None, "dropped": 0, "seconds": None},
    Kind.WORK_FAILED: {**_DONE_BY, "error": _ERROR},
    Kind.CHILD_STARTED: {"assignment": "?", "team": "a team", "run": ""},
    Kind.RECOVERY_TRIED: {
        "assignment": "?", "attempt": 1, "way": "in another way", "reason": "", "error": _ERROR,
    },
    Kind.ESCALATED: {"level": "level above", "reason": _UNSAID, "failures": None},
    Kind.REVIEW_MADE: {"round": 1, "enough": None, "reason": None, "gaps": 0},
    Kind.REVISION_STARTED: {"revision": 1, "score": None, "reasons": []},
    Kind.VERSION_KEPT: {"revision": 0, "score": None, "gate": "", "better": None},
    Kind.TASK_DETECTED: {"task": "a task", "reason": "", "confidence": None, "complexity": ""},
    Kind.CONTEXT_FITTED: {"before": None, "after": None, "condensed": [], "left_out": []},
    Kind.MODEL_STARTED: {"intent": "", "provider": _MODEL, "call": 0},
    Kind.MODEL_CHOSEN: {"group": "", "member": _MODEL, "reason": "", "others": [], "call": 0},
    Kind.MODEL_SWITCHED: {
        "left": _MODEL, "joined": "another", "reason": _UNSAID, "way": "", "failure": "", "call": 0,
    },
    Kind.MODEL_FINISHED: {"provider": _MODEL, "call": 0, "usage": {}, "seconds": None, "stopped": "end"},
    Kind.MODEL_FAILED: {"provider": _MODEL, "call": 0, "usage": {}, "error": _ERROR},
    Kind.TOOL_STARTED: {"tool": _TOOL, "arguments": {}},
    Kind.TOOL_FINISHED: {"tool": _TOOL, "seconds": None, "passages": None, "error": None},
    Kind.TOOL_CHARGED: {"tool": _TOOL, "cost_usd": 0.0},
    Kind.TOOL_REFUSED: {"tool": _TOOL, "arguments": {}, "reason": _UNSAID},
    Kind.SERVER_NOTED: {"server": "a server", "what": "odd", "text": ""},
    Kind.RESULT_SUSPECTED: {"tool": _TOOL, "uri": None, "found": [], "left_out": None},
    Kind.OUTPUT_REPAIRED: {"attempt": 1, "problems": []},
    Kind.CHECK_FINISHED: {"claims": None, "quotes": None, "unsupported": 0, "score": None},
    Kind.MEMORY_RECALLED: {"query": "", "items": [], "left_out": [], "seconds": None},
    Kind.MEMORY_FAILED: {"step": "answer", "error": _ERROR},
    Kind.LEARNING_KEPT: {"id": "", "kind": "learning", "score": None, "new": True, "closes": []},
    Kind.LEARNING_DROPPED: {"kind": "something", "reason": _UNSAID},
    Kind.ALERT_RAISED: {"alert": "", "measured": None, "threshold": None, "text": "something is unusual"},
}  # fmt: skip
"""What each kind of event has, and what stands for it where it is not there."""

_WITHIN: dict[tuple[Kind, str], dict[str, Any]] = {
    (Kind.PLAN_MADE, "assignments"): {"worker": "somebody", "goal": "", "after": []},
    (Kind.RESULT_SUSPECTED, "found"): {"name": "reads like an instruction to a model", "quote": ""},
    (Kind.MEMORY_RECALLED, "items"): {"id": ""},
    (Kind.MEMORY_RECALLED, "left_out"): {"reason": ""},
}
"""The same of what stands in lists."""


def completed(event: Event) -> Event:
    """The event with every key that its kind has; itself, where it lacks none."""
    lacking = {key: value for key, value in _KEYS.get(event.kind, {}).items() if key not in event.data}
    more = {**lacking, **_guessed(event, lacking), **_nested(event)}
    return replace(event, data={**event.data, **more}) if more else event


def _guessed(event: Event, lacking: Data) -> dict[str, Any]:
    """What another part of the event says too: `documents#a2` who does which assignment."""
    data = event.data
    more: dict[str, Any] = {}
    worker, _, identity = event.actor.partition("#")
    path = event.span_id.removeprefix("work/") if event.span_id.startswith("work/") else ""
    if "assignment" in lacking and (found := identity or path.partition("/")[0].partition("~")[0]):
        more["assignment"] = found
    if "worker" in lacking and worker:
        more["worker"] = worker
    if event.kind is Kind.STEP_STARTED and "label" not in data:
        more["label"] = str(data.get("step", "step"))
    if event.kind is Kind.MODEL_FINISHED and "model" not in data:
        more["model"] = str(data.get("provider", _MODEL))
    return more


def _nested(event: Event) -> dict[str, Any]:
    """What stands within the event and lacks something."""
    more: dict[str, Any] = {}
    for key, value in event.data.items():
        if key == "error" and isinstance(value, dict):
            error = cast("dict[str, Any]", value)
            if not _ERROR.keys() <= error.keys():
                more[key] = {**_ERROR, **error}
        elif (each := _WITHIN.get((event.kind, key))) and isinstance(value, list):
            more |= _listed(event.kind, key, each, cast("list[Any]", value))
    return more


def _listed(kind: Kind, key: str, entry: Data, values: list[Any]) -> dict[str, Any]:
    numbered = kind is Kind.PLAN_MADE
    whole = {*entry, *(("id",) if numbered else ())}
    if all(not isinstance(each, dict) or whole <= each.keys() for each in values):
        return {}
    return {
        key: [
            {**({"id": f"a{number}"} if numbered else {}), **entry, **each}
            if isinstance(each, dict)
            else each
            for number, each in enumerate(values, 1)
        ]
    }
