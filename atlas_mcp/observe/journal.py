"""The spine: events are appended here first, and every reader, in this process or another, is a cursor on it.

Rows are only ever added. The journal knows runs by their id alone.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from itertools import takewhile
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

from atlas_mcp.errors import IncompatibleStore
from atlas_mcp.events import VERSION, Event, Kind
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    from atlas_mcp.database import Database

__all__ = ["SCHEMA", "Journal", "insert_event", "now", "read_events"]

SCHEMA = """
CREATE TABLE event (
    run_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    v INTEGER NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    span_id TEXT NOT NULL,
    parent_run_id TEXT,
    data TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;
"""

POLL_SECONDS = 0.1
"""How often a reader looks for what another process wrote."""

LOOK_SECONDS = 1.0
"""How often a reader asks whether anybody writes still."""

AT_ONCE = 1_000
"""Events that a follower reads at once."""


def now() -> str:
    """The present as ISO 8601 UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Journal:
    """The journal of every run in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Weak, so that a run is forgotten with its last reader.
        self._written: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    async def append(
        self,
        run_id: str,
        kind: Kind,
        *,
        actor: str,
        span_id: str = "",
        parent_run_id: str | None = None,
        data: Mapping[str, Any] | None = None,
        guard: Callable[[sqlite3.Connection], None] | None = None,
    ) -> Event:
        """Write one event and give it its `seq`; it is committed when this returns.

        `guard` is called in the same transaction and may refuse the write by raising.
        """
        written = dict(data or {})

        def insert(connection: sqlite3.Connection) -> Event:
            if guard is not None:
                guard(connection)
            return insert_event(
                connection,
                run_id,
                kind,
                actor=actor,
                span_id=span_id,
                parent_run_id=parent_run_id,
                data=written,
            )

        event = await self._database.write(insert)
        self.wake(run_id)
        return event

    def wake(self, run_id: str) -> None:
        """Tell this process's readers of a run that something was written."""
        if (waiting := self._written.pop(run_id, None)) is not None:
            waiting.set()

    async def read(self, run_id: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        """The events of a run with a `seq` above `after`, in order; all, or the first `limit`.

        Raises:
            IncompatibleStore: a newer version of ATLAS wrote them.
        """
        rows = await self._database.read(lambda connection: _rows(connection, run_id, after, limit))
        return [_event(row) for row in rows]

    async def last_at(self, run_id: str) -> str | None:
        """When the last event of a run was written, ISO 8601 UTC; None before the first."""
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT at FROM event WHERE run_id = ? ORDER BY seq DESC LIMIT 1", (run_id,)
            ).fetchone()
        )
        return None if row is None else row["at"]

    async def ids(self, beginning: str, *, most: int) -> list[str]:
        """The first runs whose ids begin so, in order, at most so many; runs that work for others, too."""

        def look(connection: sqlite3.Connection) -> list[str]:
            found: list[str] = []
            after = beginning
            while len(found) < most:
                comparison = ">" if found else ">="
                run_id = _next_id(connection, comparison, after)
                if run_id is None or not run_id.startswith(beginning):
                    break
                found.append(run_id)
                after = run_id
            return found

        return await self._database.read(look) if beginning else []

    async def short_ids(self, run_ids: Sequence[str], *, least: int) -> list[str]:
        """The shortest beginnings of ids, of `least` characters or more, that fit no other run."""

        def look(connection: sqlite3.Connection) -> list[str]:
            return [_short_id(connection, run_id, least) for run_id in run_ids]

        return await self._database.read(look)

    async def follow(
        self, run_id: str, *, after: int = 0, abandoned: Callable[[], Awaitable[bool]] | None = None
    ) -> AsyncGenerator[Event]:
        """The events of a run as they are written, past ones first, until the run has ended.

        `abandoned` is asked now and then in silence, and ends it where nobody writes any more.
        """
        if after and await self._ended(run_id, after):
            return
        looked = monotonic()
        last = False
        while True:
            written = self._written.setdefault(run_id, asyncio.Event())
            events = await self.read(run_id, after=after, limit=AT_ONCE)
            for event in events:
                after = event.seq
                yield event
                if event.kind is Kind.RUN_FINISHED:
                    return
            # What this process wrote since has woken us; only what is more than one reading is read on.
            if len(events) == AT_ONCE or (events and last):
                continue
            if last:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await written.wait()
            if abandoned is not None and monotonic() - looked > LOOK_SECONDS:
                # What was written before it was left is read still.
                last = await abandoned()
                looked = monotonic()

    async def _ended(self, run_id: str, by: int) -> bool:
        """Whether the last event of a run is among the first `by`."""
        return await self._database.read(
            lambda connection: (
                connection.execute(
                    "SELECT 1 FROM event WHERE run_id = ? AND seq <= ? AND kind = ?",
                    (run_id, by, Kind.RUN_FINISHED),
                ).fetchone()
                is not None
            )
        )


def insert_event(
    connection: sqlite3.Connection,
    run_id: str,
    kind: Kind,
    *,
    actor: str,
    data: dict[str, Any],
    span_id: str = "",
    parent_run_id: str | None = None,
) -> Event:
    """Append an event, secrets taken out, within a transaction that also writes something else."""
    data = redacted(data)
    (seq,) = connection.execute(
        "SELECT coalesce(max(seq), 0) + 1 FROM event WHERE run_id = ?", (run_id,)
    ).fetchone()
    event = Event(run_id, seq, now(), kind, actor, span_id, data, parent_run_id)
    connection.execute(
        "INSERT INTO event (run_id, seq, v, at, kind, actor, span_id, parent_run_id, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run_id, seq, VERSION, event.at, kind.value, actor, span_id, parent_run_id,
            json.dumps(data, ensure_ascii=False, separators=(",", ":")),
        ),
    )  # fmt: skip
    return event


def read_events(
    connection: sqlite3.Connection, run_id: str, *, after: int = 0, limit: int | None = None
) -> list[Event]:
    """The events of a run with a `seq` above `after`, within a transaction; all, or the first `limit`.

    Raises:
        IncompatibleStore: a newer version of ATLAS wrote them.
    """
    return [_event(row) for row in _rows(connection, run_id, after, limit)]


def _next_id(connection: sqlite3.Connection, comparison: Literal["<", ">", ">="], run_id: str) -> str | None:
    """The id that comes next in this direction; each look goes down the index, however long the journal."""
    direction = "DESC" if comparison == "<" else "ASC"
    row = connection.execute(
        f"SELECT run_id FROM event WHERE run_id {comparison} ? ORDER BY run_id {direction} LIMIT 1",  # noqa: S608 - both words are ours
        (run_id,),
    ).fetchone()
    return None if row is None else row["run_id"]


def _short_id(connection: sqlite3.Connection, run_id: str, least: int) -> str:
    beside = (_next_id(connection, "<", run_id), _next_id(connection, ">", run_id))
    alike = max(
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(run_id, each or "", strict=False)))
        for each in beside
    )
    return run_id[: max(least, alike + 1)]


def _rows(connection: sqlite3.Connection, run_id: str, after: int, limit: int | None) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT * FROM event WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?",
        (run_id, after, -1 if limit is None else limit),
    ).fetchall()


def _event(row: sqlite3.Row) -> Event:
    if row["v"] > VERSION:
        raise IncompatibleStore(
            f"Run {row['run_id']} has events of version {row['v']}; this ATLAS knows up to {VERSION}.",
            remedy="Update atlas-mcp.",
        )
    return Event(
        run_id=row["run_id"],
        seq=row["seq"],
        at=row["at"],
        kind=Kind(row["kind"]),
        actor=row["actor"],
        span_id=row["span_id"],
        data=json.loads(row["data"]),
        parent_run_id=row["parent_run_id"],
        v=row["v"],
    )
