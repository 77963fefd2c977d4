"""A span of a run's trace: one stretch of work, with who did it, what it took and what came of it.

Names, types and attributes are listed in the handbook and are stable. What was said, by whomever, stands in
`inputs`, `outputs` and `texts` alone, so that it can be left out as a whole; attributes hold names, ids and
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, TypeAlias

from ulid import ULID

__all__ = ["Asked", "Attribute", "Moment", "Span", "SpanType", "nanoseconds", "span_id", "trace_id"]

Attribute: TypeAlias = str | int | float | bool


class SpanType(StrEnum):
    """What kind of work a span is, in MLflow's words."""

    WORKFLOW = "WORKFLOW"  # a run of a team
    TASK = "TASK"  # a step of it, or what a team was assigned
    AGENT = "AGENT"  # what one member did
    CHAT_MODEL = "CHAT_MODEL"
    TOOL = "TOOL"
    MEMORY = "MEMORY"
    EVALUATOR = "EVALUATOR"  # the step that checks


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened at one moment of a span; `texts` is what was said of it."""

    name: str
    at_ns: int
    attributes: dict[str, Attribute]
    texts: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Asked:
    """Where the store of runs keeps what a call was asked and gave: the step's `path`, and the `kind`.

    `number` counts the calls of a path; `by` is when the call had ended, ISO 8601 UTC.
    """

    run_id: str
    kind: str
    path: str
    number: int
    by: str


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of work; times in nanoseconds since the epoch, `error` is empty where it went well."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    type: SpanType
    start_ns: int
    end_ns: int
    attributes: dict[str, Attribute]
    moments: tuple[Moment, ...] = ()
    error: str = ""
    """The code of what failed it."""
    cause: str = ""
    """What failed it, in words."""
    inputs: Any = None
    outputs: Any = None
    asked: Asked | None = None


def trace_id(run_id: str) -> str:
    """The trace of a run: its own number, as 32 hexadecimal digits."""
    try:
        return ULID.from_str(run_id.removeprefix("r_")).hex
    except ValueError:
        return blake2b(run_id.encode(), digest_size=16).hexdigest()


def span_id(run_id: str, seq: int, part: str = "") -> str:
    """The span of an event, or of a `part` of it; the same whenever and by whomever the journal is read."""
    return blake2b(f"{run_id}/{seq}{part and f'/{part}'}".encode(), digest_size=8).hexdigest()


def nanoseconds(at: str, seq: int = 0) -> int:
    """A time of the journal; events of one millisecond keep their order by their `seq`."""
    whole = datetime.fromisoformat(at)
    return round(whole.timestamp() * 1_000) * 1_000_000 + min(seq, 999) * 1_000
