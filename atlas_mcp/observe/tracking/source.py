"""What the journal holds for whoever sends it on: read, made into spans and redacted in a thread of its own.

It has its own connection, so that no run waits for it, and the event loop gets finished spans only.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, cast

from atlas_mcp.errors import IncompatibleStore
from atlas_mcp.events import Kind
from atlas_mcp.observe.journal import read_events
from atlas_mcp.observe.older import completed
from atlas_mcp.observe.tracking.measures import AgentMeasures, measured, measured_agents
from atlas_mcp.observe.tracking.spans import Asked, Moment, Span
from atlas_mcp.observe.tracking.tracing import Trace
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

    from atlas_mcp.database import Database
    from atlas_mcp.events import Event

__all__ = ["Records", "RunFacts", "Source", "Told", "Underway"]

AHEAD = 256
"""Spans of one trace that may wait to be sent before no more of it is read."""

LAST_WORDS_SECONDS = 10.0
"""How long after the end of a run those that worked for it are waited for."""

AT_ONCE = 100
"""Events of one run that are read at once."""

LONGEST = 16_000
"""Characters of one text that leave the process; the rest is left out, and said to be."""

SHORT = 1_000
"""Characters of a text beside what went in and out."""

_AROUND = 4
"""Characters that JSON takes around a value."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run as its store knows it; times are ISO 8601 UTC."""

    run_id: str
    parent_run_id: str
    user: str
    team: str
    team_version: str
    state: str
    partial: bool
    created_at: str
    updated_at: str


class Records(Protocol):
    """The store of runs, read on a connection of the reader's."""

    def roots(self, connection: sqlite3.Connection, after: str) -> list[str]:
        """Runs that work for no other and whose ids come after `after`, in order."""
        ...

    def facts(self, connection: sqlite3.Connection, run_id: str) -> RunFacts | None:
        """A run as it stands; None where it was forgotten."""
        ...

    def below(self, connection: sqlite3.Connection, run_id: str) -> list[str]:
        """The runs that work for a run, and those that work for them."""
        ...

    def talkative(self, connection: sqlite3.Connection) -> list[str]:
        """Runs that have ended and of which what was said to them is still kept."""
        ...

    def said(self, connection: sqlite3.Connection, asked: Asked) -> tuple[Any, Any]:
        """What went into a call and came out of it, where that is kept."""
        ...


@dataclass(slots=True)
class Told:
    """A run that has ended, with what it measured and what its members did; `children` worked for it."""

    facts: RunFacts
    trace_id: str
    figures: dict[str, float]
    agents: dict[str, AgentMeasures]
    question: str
    provider: str
    error: dict[str, Any] | None
    alerts: tuple[str, ...]
    reasons: str
    """Why its last check measured less than all of something, in words."""
    project: str = ""
    children: list[Told] = field(default_factory=list["Told"])


@dataclass(slots=True)
class Underway:
    """How far one trace was read, and what of it waits to be sent."""

    root: str
    trace: Trace
    project: str = ""
    read: dict[str, int] = field(default_factory=dict[str, int])
    sent: dict[str, int] = field(default_factory=dict[str, int])
    pending: deque[tuple[str, int, Span]] = field(default_factory=deque[tuple[str, int, Span]])
    left_alone: bool = False
    """Whether it is not for us to tell: it was forgotten, or a newer version wrote it."""
    more: bool = False
    """Whether there is more to read than was read."""

    over_since: float | None = None
    """When it was first seen that the run had ended, by `monotonic`."""

    @property
    def all_sent(self) -> bool:
        """Whether the run has ended, with what worked for it, and nothing of it waits."""
        if not self.trace.over or self.more or self.pending:
            return False
        if not self.trace.at_work:
            return True
        # Whoever worked for it ended with it; of one that died before, nobody will write that.
        self.over_since = self.over_since or monotonic()
        return monotonic() - self.over_since > LAST_WORDS_SECONDS


class Source:
    """The journal and the store of runs, as those who send them on see them."""

    def __init__(self, database: Database, records: Records, *, content: bool) -> None:
        self._database = database
        self._records = records
        self._content = content

    async def roots(self, after: str) -> list[str]:
        """The runs whose ids come after `after`."""
        return await self._database.read(lambda connection: self._records.roots(connection, after))

    async def underway(self, root: str, sent: dict[str, int]) -> Underway | None:
        """A trace from where it was `sent` to; None where its run was forgotten."""

        def read(connection: sqlite3.Connection) -> Underway | None:
            facts = self._records.facts(connection, root)
            if facts is None:
                return None
            first = read_events(connection, root, limit=1)
            project = str(first[0].data.get("project", "")) if first else ""
            trace = Trace(root, user=facts.user, project=project)
            return Underway(root, trace, project, sent=dict(sent))

        return await self._database.read(read)

    async def read_on(self, underway: Underway) -> None:
        """Read on in a trace, a piece of each of its runs."""
        await self._database.read(lambda connection: self._read_on(connection, underway))

    async def talkative(self, roots: Collection[str]) -> list[list[str]]:
        """Those of some runs, each with all that worked for it, of which what was said is still kept."""
        return await self._database.read(
            lambda connection: [
                [root, *self._records.below(connection, root)]
                for root in self._records.talkative(connection) if root in roots
            ]
        )  # fmt: skip

    def _read_on(self, connection: sqlite3.Connection, underway: Underway) -> None:
        """The whole first, so that what works for it is known before its own events come."""
        if self._records.facts(connection, underway.root) is None:
            underway.left_alone = True
            return
        underway.more = False
        runs, seen = [underway.root], set[str]()
        try:
            while runs:
                for run_id in runs:
                    self._read_run(connection, underway, run_id)
                seen.update(runs)
                runs = sorted(underway.trace.children - seen)
        except IncompatibleStore as error:
            # A newer version wrote it, and will tell of it.
            underway.left_alone = True
            log.info("run %s is told of by a newer version: %s", underway.root, error)

    def _read_run(self, connection: sqlite3.Connection, underway: Underway, run_id: str) -> None:
        after, sent = underway.read.get(run_id, 0), underway.sent.get(run_id, 0)
        if len(underway.pending) >= AHEAD:
            underway.more = True
            return
        events = read_events(connection, run_id, after=after, limit=AT_ONCE)
        underway.more = underway.more or len(events) == AT_ONCE
        for event in events:
            try:
                spans = underway.trace.take(completed(event))
            except (KeyError, TypeError, ValueError) as error:
                # An older version wrote it otherwise: what else there is is told.
                log.info("an event of run %s is not understood: %s %s", run_id, event.kind, error)
                spans = []
            for span in spans:
                if event.seq > sent:
                    underway.pending.append((run_id, event.seq, self._filled(connection, span)))
            underway.read[run_id] = event.seq

    def _filled(self, connection: sqlite3.Connection, span: Span) -> Span:
        """A span with what went in and out, as far as it may leave."""
        if not self._content:
            moments = tuple(replace(each, texts={}) for each in span.moments)
            return replace(span, inputs=None, outputs=None, cause="", moments=moments)
        inputs, outputs = span.inputs, span.outputs
        if span.asked is not None:
            went_in, came_out = self._records.said(connection, span.asked)
            inputs = inputs if went_in is None else went_in
            outputs = outputs if came_out is None else came_out
        return replace(
            span, inputs=_capped(redacted(inputs)), outputs=_capped(redacted(outputs)),
            cause=_short(span.cause), moments=tuple(_trimmed(each) for each in span.moments),
        )  # fmt: skip

    async def told(self, root: str, trace: Trace) -> Told | None:
        """The run with all that worked for it, measured; None where it was forgotten."""

        def read(connection: sqlite3.Connection) -> Told | None:
            every = {each: self._told(connection, each, trace.id) for each in (root, *sorted(trace.children))}
            for each in every.values():
                if each is not None and (parent := every.get(each.facts.parent_run_id)) is not None:
                    parent.children.append(each)
            return every[root]

        return await self._database.read(read)

    def _told(self, connection: sqlite3.Connection, run_id: str, trace_id: str) -> Told | None:
        facts = self._records.facts(connection, run_id)
        if facts is None:
            return None
        events = [completed(event) for event in read_events(connection, run_id)]
        ends = [event.data for event in events if event.kind is Kind.RUN_FINISHED]
        question = _question(events) if self._content else ""
        return Told(
            facts, trace_id, *_measures(events), question,
            provider=next((e.data["provider"] for e in events if e.kind is Kind.RUN_STARTED), ""),
            error=ends[-1]["error"] if ends else None,
            alerts=tuple(dict.fromkeys(e.data["alert"] for e in events if e.kind is Kind.ALERT_RAISED)),
            reasons=_reasons(events) if self._content else "",
            project=str(events[0].data.get("project", "")) if events else "",
        )  # fmt: skip


def _measures(events: Sequence[Event]) -> tuple[dict[str, float], dict[str, AgentMeasures]]:
    """What was measured; nothing where an older version wrote what cannot be added up."""
    try:
        return measured(events), measured_agents(events)
    except (KeyError, TypeError, ValueError) as error:
        log.info("run %s cannot be measured: %s", events[0].run_id, error)
        return {}, {}


def _question(events: Sequence[Event]) -> str:
    return _short(str(next(iter(events[0].data["input"].values()), ""))) if events else ""


def _reasons(events: Iterable[Event]) -> str:
    checks = [event.data for event in events if event.kind is Kind.CHECK_FINISHED]
    parts = cast("list[dict[str, Any]]", checks[-1].get("parts") or []) if checks else []
    return _short("; ".join(str(reason) for part in parts for reason in part.get("reasons") or ()))


def _capped(value: Any, most: int = LONGEST) -> Any:
    """A JSON value of at most so many characters; a text that is too long keeps both ends, the rest goes."""
    left = most

    def cut(inner: Any) -> Any:
        nonlocal left
        match inner:
            case str():
                kept = inner if len(inner) <= left else _cut(inner, max(left, 0))
                left -= len(kept)
                return kept
            case dict():
                kept_of: dict[str, Any] = {}
                for key, each in cast("dict[str, Any]", inner).items():
                    if left <= 0:
                        break
                    left -= len(key) + _AROUND
                    kept_of[key] = cut(each)
                return kept_of
            case list() | tuple():
                several: list[Any] = []
                for each in cast("list[Any]", inner):
                    if left <= 0:
                        break
                    left -= _AROUND
                    several.append(cut(each))
                return several
            case _:
                left -= _AROUND
                return inner

    return cut(value)


def _cut(text: str, most: int) -> str:
    half = most // 2
    end = text[len(text) - half :] if half else ""
    return f"{text[:half]} [… {len(text) - 2 * half:,} characters …] {end}"


def _short(text: str) -> str:
    return text if len(text) <= SHORT else _cut(text, SHORT)


def _trimmed(moment: Moment) -> Moment:
    return replace(moment, texts={key: _short(value) for key, value in moment.texts.items()})
