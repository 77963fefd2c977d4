"""The runs of this data folder: who asked what of which team, where each stands, and what came of it.

One row a run, in the database that also holds journal, ledger, leases, controls and checkpoints, so that what
must be true together is written together.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ulid import ULID

from atlas_mcp.errors import UnknownRun
from atlas_mcp.events import Kind
from atlas_mcp.observe.journal import SCHEMA as JOURNAL_SCHEMA
from atlas_mcp.observe.journal import insert_event, now
from atlas_mcp.orchestration.asking import SCHEMA as QUESTION_SCHEMA
from atlas_mcp.orchestration.control import SCHEMA as CONTROL_SCHEMA
from atlas_mcp.orchestration.control import Verb
from atlas_mcp.orchestration.lease import SCHEMA as LEASE_SCHEMA
from atlas_mcp.orchestration.lease import Lease, assert_held
from atlas_mcp.orchestration.leavings import clear_checkpoints, let_go, talkative, unsay
from atlas_mcp.orchestration.ledger import ASKED, spent_until_now
from atlas_mcp.orchestration.ledger import SCHEMA as LEDGER_SCHEMA
from atlas_mcp.providers.keeping.store import SCHEMA as PROVIDER_SCHEMA
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from atlas_mcp.database import Database

__all__ = ["ALIVE", "FINAL", "MIGRATIONS", "RunRow", "RunState", "RunStore", "new_run_id"]

SCHEMA = """
CREATE TABLE run (
    run_id TEXT PRIMARY KEY,
    parent_run_id TEXT,
    user TEXT NOT NULL,
    team TEXT NOT NULL,
    team_version TEXT NOT NULL,
    input TEXT NOT NULL,
    options TEXT NOT NULL,
    sameness TEXT NOT NULL,
    state TEXT NOT NULL,
    partial INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    output TEXT,
    error TEXT,
    usage TEXT
) WITHOUT ROWID;
CREATE INDEX run_by_user ON run (user, run_id DESC);
CREATE INDEX run_unfinished ON run (sameness) WHERE state NOT IN ('done', 'failed', 'cancelled');
"""

CHILDREN = "CREATE INDEX run_by_parent ON run (parent_run_id) WHERE parent_run_id IS NOT NULL;"

MIGRATIONS = (
    SCHEMA + JOURNAL_SCHEMA + LEDGER_SCHEMA + LEASE_SCHEMA + CONTROL_SCHEMA, PROVIDER_SCHEMA, CHILDREN,
    QUESTION_SCHEMA, ASKED,
)  # fmt: skip
"""The schema of `runs.db`, oldest first; LangGraph's checkpointer adds its own tables."""


class RunState(StrEnum):
    """Where a run stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({RunState.DONE, RunState.FAILED, RunState.CANCELLED})
ALIVE = frozenset({RunState.QUEUED, RunState.RUNNING, RunState.WAITING, RunState.PAUSED})


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as it is stored; times are ISO 8601 UTC."""

    run_id: str
    user: str
    team: str
    team_version: str
    input: dict[str, Any]
    options: dict[str, Any]
    state: RunState
    partial: bool
    created_at: str
    updated_at: str
    output: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    parent_run_id: str | None = None

    @property
    def final(self) -> bool:
        """Whether the run has ended for good."""
        return self.state in FINAL


def new_run_id() -> str:
    """A fresh id; later ids sort after earlier ones."""
    return f"r_{ULID()}"


def sameness(user: str, team: str, given: dict[str, Any], options: dict[str, Any]) -> str:
    """Equal for calls that ask the same thing of the same team for the same user."""
    text = json.dumps([user, team, given, options], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


_OPEN_CHILDREN = """
WITH RECURSIVE part (run_id) AS (
    VALUES (?) UNION SELECT run.run_id FROM run JOIN part ON run.parent_run_id = part.run_id
)
SELECT run_id, parent_run_id, team FROM run WHERE parent_run_id IN (SELECT run_id FROM part)
AND state NOT IN ('done', 'failed', 'cancelled')
"""


_ENDED_BEFORE = """
WITH RECURSIVE part (run_id) AS (
    SELECT run_id FROM run
    WHERE parent_run_id IS NULL AND updated_at < ? AND state IN ('done', 'failed', 'cancelled')
    UNION SELECT run.run_id FROM run JOIN part ON run.parent_run_id = part.run_id
) SELECT run_id FROM part
"""


class RunStore:
    """Reads and writes the rows of `run`; `keep_said`: what was said to one stays after its end."""

    def __init__(self, database: Database, *, keep_said: bool = False) -> None:
        self._database = database
        self._keep_said = keep_said

    async def begin(
        self, user: str, team: str, version: str, given: dict[str, Any], options: dict[str, Any], *,
        fresh: bool, about: Mapping[str, str] | None = None,
    ) -> tuple[RunRow, bool]:  # fmt: skip
        """Open a run, or find the one alive that asks the same; says which by `True` for a new one.

        A run of an earlier `version` of the team is another question. `about` is told of a new one.
        """
        same = sameness(user, team, given, options)

        def write(connection: sqlite3.Connection) -> tuple[RunRow, bool]:
            if not fresh:
                alive = connection.execute(
                    "SELECT * FROM run WHERE sameness = ? AND state NOT IN ('done', 'failed', 'cancelled')"
                    " AND state <> 'interrupted' AND team_version = ? ORDER BY run_id DESC LIMIT 1",
                    (same, version),
                ).fetchone()
                if alive is not None:
                    return _row(alive), False
            run_id, at = new_run_id(), now()
            connection.execute(
                "INSERT INTO run (run_id, user, team, team_version, input, options, sameness, state,"
                " created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (run_id, user, team, version, _json(given), _json(options), same, RunState.QUEUED, at, at),
            )
            data = {"team": team, "team_version": version, "input": given, **(about or {})}
            insert_event(connection, run_id, Kind.RUN_QUEUED, actor=team, data=data)
            return _row(connection.execute("SELECT * FROM run WHERE run_id = ?", (run_id,)).fetchone()), True

        return await self._database.write(write)

    async def get(self, run_id: str, user: str | None = None) -> RunRow:
        """The run of that id.

        Raises:
            UnknownRun: there is none, or it is another user's.
        """
        row = await self._database.read(
            lambda connection: connection.execute("SELECT * FROM run WHERE run_id = ?", (run_id,)).fetchone()
        )
        if row is None or (user is not None and row["user"] != user):
            raise UnknownRun(
                f"There is no run {run_id!r}.",
                remedy="List your runs with run_list, or with atlas-mcp runs list.",
            )
        return _row(row)

    async def newest(
        self, *, user: str | None = None, states: frozenset[RunState] | None = None, team: str | None = None,
        limit: int = 20,
    ) -> list[RunRow]:  # fmt: skip
        """Runs, newest first, of one user, in some states or of one team where given; no child runs."""
        wishes: list[tuple[str, tuple[object, ...]]] = [("parent_run_id IS NULL", ())]
        if user is not None:
            wishes.append(("user = ?", (user,)))
        if team is not None:
            wishes.append(("team = ?", (team,)))
        if states is not None:
            wishes.append((f"state IN ({', '.join('?' * len(states))})", tuple(states)))
        where = " AND ".join(text for text, _ in wishes)
        values = [value for _, given in wishes for value in given]
        rows = await self._database.read(
            lambda connection: connection.execute(
                f"SELECT * FROM run WHERE {where} ORDER BY run_id DESC LIMIT ?",  # noqa: S608 - no value in it
                (*values, limit),
            ).fetchall()
        )
        return [_row(row) for row in rows]

    async def begin_child(
        self, lease: Lease, parent: RunRow, place: str, *, team: str, version: str, given: dict[str, Any],
        options: dict[str, Any],
    ) -> RunRow:  # fmt: skip
        """Open the run that works for another at a `place` of its plan, or find it.

        Raises:
            LeaseLost: another process owns the parent.
        """
        same = f"{parent.run_id}/{place}"

        def write(connection: sqlite3.Connection) -> RunRow:
            assert_held(connection, lease)
            there = connection.execute(
                "SELECT * FROM run WHERE parent_run_id = ? AND sameness = ?", (parent.run_id, same)
            ).fetchone()
            if there is not None:
                return _row(there)
            run_id, at = new_run_id(), now()
            connection.execute(
                "INSERT INTO run (run_id, parent_run_id, user, team, team_version, input, options, sameness,"
                " state, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run_id, parent.run_id, parent.user, team, version, _json(given), _json(options), same,
                    RunState.QUEUED, at, at,
                ),
            )  # fmt: skip
            insert_event(
                connection, run_id, Kind.RUN_QUEUED, actor=team, parent_run_id=parent.run_id,
                data={"team": team, "team_version": version, "input": given},
            )  # fmt: skip
            return _row(connection.execute("SELECT * FROM run WHERE run_id = ?", (run_id,)).fetchone())

        return await self._database.write(write)

    async def children(self, run_id: str) -> list[RunRow]:
        """The runs that work for another, in the order in which they began."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT * FROM run WHERE parent_run_id = ? ORDER BY run_id", (run_id,)
            ).fetchall()
        )
        return [_row(row) for row in rows]

    async def move(self, lease: Lease, state: RunState, *, run_id: str = "") -> None:
        """Put a run that has not ended, the lease's or its child `run_id`, into a state.

        Raises:
            LeaseLost: another process owns the run.
        """

        def write(connection: sqlite3.Connection) -> None:
            assert_held(connection, lease)
            connection.execute(
                "UPDATE run SET state = ?, updated_at = ? WHERE run_id = ?"
                " AND state NOT IN ('done', 'failed', 'cancelled')",
                (state, now(), run_id or lease.run_id),
            )

        await self._database.write(write)

    async def adopt(self, lease: Lease, version: str, run_id: str = "") -> RunRow:
        """Let a run, or its child, go on with another version of its team, and note that somebody wished so.

        Raises:
            LeaseLost: another process owns the run.
        """
        run_id = run_id or lease.run_id

        def write(connection: sqlite3.Connection) -> RunRow:
            assert_held(connection, lease)
            before = _row(connection.execute("SELECT * FROM run WHERE run_id = ?", (run_id,)).fetchone())
            connection.execute("UPDATE run SET team_version = ? WHERE run_id = ?", (version, run_id))
            reason = f"go on with the changed team: {version[:12]} in place of {before.team_version[:12]}"
            data = {"verb": Verb.RESUME.value, "reason": reason}
            insert_event(connection, run_id, Kind.CONTROL_RECEIVED, actor="person", data=data)
            return replace(before, team_version=version)

        return await self._database.write(write)

    async def finish(
        self, lease: Lease, state: RunState, *, partial: bool, output: dict[str, Any] | None,
        error: dict[str, Any] | None, usage: dict[str, Any], data: dict[str, Any], run_id: str = "",
    ) -> list[str]:  # fmt: skip
        """End a run, the lease's or its child `run_id`: its row and its last event in one transaction.

        What only a run that goes on needs goes in it too, and runs that still work for it are cancelled, so
        that nobody can die in between; gives the ids of those. A run that has ended stays as it is.

        Raises:
            LeaseLost: another process owns the run.
        """
        run_id = run_id or lease.run_id

        def write(connection: sqlite3.Connection) -> list[str]:
            assert_held(connection, lease)
            let_go(connection, run_id, but_said=self._keep_said)
            changed = connection.execute(
                "UPDATE run SET state = ?, partial = ?, output = ?, error = ?, usage = ?, updated_at = ?"
                " WHERE run_id = ? AND state NOT IN ('done', 'failed', 'cancelled')",
                (
                    state, partial, None if output is None else _json(output),
                    None if error is None else _json(redacted(error)), _json(usage), now(), run_id,
                ),
            ).rowcount  # fmt: skip
            if changed:
                team, parent = connection.execute(
                    "SELECT team, parent_run_id FROM run WHERE run_id = ?", (run_id,)
                ).fetchone()
                insert_event(
                    connection, run_id, Kind.RUN_FINISHED, actor=team, parent_run_id=parent, data=data
                )
            return self._cancel_children(connection, run_id)

        return await self._database.write(write)

    def _cancel_children(self, connection: sqlite3.Connection, run_id: str) -> list[str]:
        """Cancel every run that works for one that ends; gives their ids."""
        ended = connection.execute(_OPEN_CHILDREN, (run_id,)).fetchall()
        for row in ended:
            let_go(connection, row["run_id"], but_said=self._keep_said)
            usage = spent_until_now(connection, row["run_id"])
            values = (RunState.CANCELLED, _json(usage), now(), row["run_id"])
            connection.execute("UPDATE run SET state = ?, usage = ?, updated_at = ? WHERE run_id = ?", values)
            told: dict[str, Any] = {"state": "cancelled", "partial": False, "usage": usage, "error": None}
            insert_event(
                connection, row["run_id"], Kind.RUN_FINISHED, actor=row["team"],
                parent_run_id=row["parent_run_id"], data=told,
            )  # fmt: skip
        return [row["run_id"] for row in ended]

    async def unsay(self, run_ids: Sequence[str]) -> None:
        """Forget what was said to ended runs: everybody was told of it who is."""
        await self._database.write(lambda connection: [unsay(connection, each) for each in run_ids])

    async def unsay_before(self, before: str) -> None:
        """Forget what was said to every ended run not touched since `before` (ISO 8601 UTC)."""
        # Each for itself: others write, too.
        for each in await self._database.read(lambda connection: talkative(connection, before)):
            await self.unsay([each])

    async def prune(self, before: str) -> list[str]:
        """Forget every ended run not touched since `before` (ISO 8601 UTC); gives their ids.

        Those that worked for a run go with it, however they ended and whenever. Checkpoints of any ended run
        go too: one that was being written when its run ended came too late.
        """

        def write(connection: sqlite3.Connection) -> list[str]:
            ids = [row["run_id"] for row in connection.execute(_ENDED_BEFORE, (before,))]
            for table in ("event", "ledger", "lease", "control", "question", "run"):
                forget = f"DELETE FROM {table} WHERE run_id = ?"  # noqa: S608 - our own table names
                connection.executemany(forget, [(run_id,) for run_id in ids])
            clear_checkpoints(connection)
            return ids

        return await self._database.write(write)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _row(row: sqlite3.Row) -> RunRow:
    return RunRow(
        run_id=row["run_id"],
        user=row["user"],
        team=row["team"],
        team_version=row["team_version"],
        input=json.loads(row["input"]),
        options=json.loads(row["options"]),
        state=RunState(row["state"]),
        partial=bool(row["partial"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        output=json.loads(row["output"]) if row["output"] else None,
        error=json.loads(row["error"]) if row["error"] else None,
        usage=json.loads(row["usage"]) if row["usage"] else {},
        parent_run_id=row["parent_run_id"],
    )
