"""What happens during a run, in the order in which it was written to the run's journal.

The kinds are a closed list: a reader that meets one it does not know was written for an older version. Token
chunks are not events; they are folded into one `model.finished` when the message ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["VERSION", "Event", "Kind"]

VERSION = 1
"""Version of the event envelope, its field `v`."""


class Kind(StrEnum):
    """Everything an event can tell; the comment lists the keys of its data."""

    RUN_QUEUED = "run.queued"  # team, team_version, input; session, project
    RUN_STARTED = "run.started"  # team, provider, language_model
    RUN_RESUMED = "run.resumed"  # team, provider, language_model
    RUN_PAUSED = "run.paused"  # reason
    RUN_CONTINUED = "run.continued"  # reason
    RUN_INTERRUPTED = "run.interrupted"  # reason
    RUN_FINISHED = "run.finished"  # state, partial, seconds, usage, error; limit
    CONTROL_RECEIVED = "control.received"  # verb, reason
    QUESTION_ASKED = "question.asked"  # id, kind, text, schema
    QUESTION_ANSWERED = "question.answered"  # id, answer, by
    STEP_STARTED = "step.started"  # step, label
    STEP_FINISHED = (
        "step.finished"  # step, seconds, what the step counted; lost and problem of a file not made
    )
    DOCUMENTS_READ = "documents.read"  # label, done, total
    DOCUMENT_SKIPPED = "document.skipped"  # uri, reason
    PLAN_MADE = "plan.made"  # round, assignments, reason; revision
    WORK_STARTED = "work.started"  # assignment, worker, goal
    WORK_FINISHED = "work.finished"  # assignment, worker, findings, drafts, dropped, seconds; see `working`
    WORK_FAILED = "work.failed"  # assignment, worker, error
    CHILD_STARTED = "child.started"  # assignment, team, run
    RECOVERY_TRIED = "recovery.tried"  # assignment, attempt, way, reason, error
    ESCALATED = "escalated"  # level, reason, failures
    REVIEW_MADE = "review.made"  # round, enough, reason, gaps
    REVISION_STARTED = "revision.started"  # revision, score, minimum, reasons
    VERSION_KEPT = "version.kept"  # revision, score, gate, better
    TASK_DETECTED = "task.detected"  # task, reason, confidence, complexity
    CONTEXT_FITTED = "context.fitted"  # before, after, seconds, condensed, left_out, call
    MODEL_STARTED = "model.started"  # intent, provider, call, task, complexity, persona, level
    MODEL_CHOSEN = "model.chosen"  # group, member, reason, task, others, call
    MODEL_SWITCHED = "model.switched"  # left, joined, reason, way, failure, call
    MODEL_FINISHED = "model.finished"  # provider, model, call, usage, seconds, first_token, stopped; replayed
    MODEL_FAILED = "model.failed"  # provider, call, usage, error
    TOOL_STARTED = "tool.started"  # tool, arguments
    TOOL_FINISHED = "tool.finished"  # tool, seconds, passages, error
    TOOL_CHARGED = "tool.charged"  # tool, cost_usd: of a call under way, where its server takes money for it
    TOOL_REFUSED = "tool.refused"  # tool, arguments, reason; limit of a budget
    SERVER_NOTED = "server.noted"  # server, what (started, failed, changed, odd), text
    RESULT_SUSPECTED = "result.suspected"  # tool, uri, found [{name, quote}], left_out
    OUTPUT_REPAIRED = "output.repaired"  # attempt, problems
    CHECK_FINISHED = "check.finished"  # claims, quotes, unsupported, problems, score, parts
    MEMORY_RECALLED = "memory.recalled"  # query, task, items, tokens, left_out, seconds; see `remembering`
    MEMORY_FAILED = "memory.failed"  # step (recall, learn), error
    MEMORY_MEASURED = "memory.measured"  # operations [operation, store, count, seconds, items, hits, errors]
    LEARNING_KEPT = "learning.kept"  # id, kind, score, evidence, new, closes
    ALERT_RAISED = "alert.raised"  # alert (slow, cost, quality, errors), measured, threshold, text
    LEARNING_DROPPED = "learning.dropped"  # kind, score, cause, reason; text


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `seq` orders a run's events, `at` is ISO 8601 UTC, `actor` who did it.

    `span_id` is the path of the step it belongs to; `data` holds JSON values only, secrets already redacted.
    """

    run_id: str
    seq: int
    at: str
    kind: Kind
    actor: str
    span_id: str
    data: dict[str, Any]
    parent_run_id: str | None = None
    v: int = VERSION
