"""Which turns were taken: a ledger of our own, since no runtime's server promises to take a turn once.

A turn is begun, noted while it is under way, and finished; a finished one is given again to whoever asks by
the same id. What the models of a turn under way have answered whole is kept too, so that a turn that has to
be taken again does not pay for it twice. It knows no runtime: what is noted is up to whoever takes the turn.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from atlas_mcp.agents.runtime import NeedsTools, TurnEnded
from atlas_mcp.chunks import Reply, TextDelta, Usage
from atlas_mcp.errors import InvalidInput
from atlas_mcp.messages import ToolCall

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

    from pydantic import TypeAdapter

    from atlas_mcp.agents.runtime import Turn, TurnStep
    from atlas_mcp.database import Database

__all__ = ["TURNS", "Given", "KnownTurn", "TurnLedger", "TurnRecord"]

TURNS = """
CREATE TABLE turn (
    agent TEXT NOT NULL,
    thread TEXT NOT NULL,
    id TEXT NOT NULL,
    asked TEXT NOT NULL,
    begun_at REAL NOT NULL,
    noted TEXT NOT NULL DEFAULT '{}',
    given TEXT,
    PRIMARY KEY (agent, thread, id)
) WITHOUT ROWID;
CREATE TABLE turn_answer (
    agent TEXT NOT NULL,
    thread TEXT NOT NULL,
    turn TEXT NOT NULL,
    prompt TEXT NOT NULL,
    reply TEXT NOT NULL,
    PRIMARY KEY (agent, thread, turn, prompt)
) WITHOUT ROWID;
CREATE TABLE turn_lock (
    agent TEXT NOT NULL,
    thread TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (agent, thread)
) WITHOUT ROWID;
"""
"""The tables of the ledger, and of the locks in `locks`; a migration of `agents.db`."""

_ONE = "agent = ? AND thread = ? AND id = ?"
_ANSWERS = "agent = ? AND thread = ? AND turn = ?"


@dataclass(frozen=True, slots=True)
class Given:
    """What a finished turn gave: how it ended, and the calls whose results it awaits, if any."""

    ended: TurnEnded
    needs: NeedsTools | None = None

    def steps(self, *, said: bool) -> Iterator[TurnStep]:
        """What is left to tell of it: its text in one piece unless it was `said` already, then its end."""
        if self.ended.text and not said:
            yield TextDelta(self.ended.text)
        if self.needs is not None:
            if not said:
                yield from self.needs.calls
            yield self.needs
        yield self.ended


@dataclass(frozen=True, slots=True)
class KnownTurn:
    """A turn that was begun before: when (seconds since the epoch), what was noted, and what it gave."""

    begun_at: float
    noted: dict[str, Any]
    given: Given | None


@cache
def _replies() -> TypeAdapter[Reply]:
    from pydantic import TypeAdapter

    return TypeAdapter(Reply)


class TurnLedger:
    """The turns of every agent whose data folder this is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def turn(self, agent: str, thread: str, turn: Turn) -> TurnRecord:
        """The record of one turn; nothing is written yet."""
        return TurnRecord(self._database, (agent, thread, turn.id), _asked(turn))

    async def unfinished(self, agent: str, thread: str) -> dict[str, dict[str, Any]]:
        """What was noted of each turn of a thread that was begun and not finished, by its id."""

        def read(connection: sqlite3.Connection) -> list[sqlite3.Row]:
            return connection.execute(
                "SELECT id, noted FROM turn WHERE agent = ? AND thread = ? AND given IS NULL"
                " ORDER BY begun_at",
                (agent, thread),
            ).fetchall()

        return {row["id"]: json.loads(row["noted"]) for row in await self._database.read(read)}

    async def forget_agent(self, agent: str) -> None:
        """Forget every turn of an agent that is no more."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM turn WHERE agent = ?", (agent,))
            connection.execute("DELETE FROM turn_answer WHERE agent = ?", (agent,))

        await self._database.write(write)


class TurnRecord:
    """One turn in the ledger."""

    def __init__(self, database: Database, key: tuple[str, str, str], asked: str) -> None:
        self._database = database
        self._key = key
        self._asked = asked

    async def begin(self) -> KnownTurn | None:
        """Write down that the turn begins; a turn that was begun before is given, and left as it is.

        Raises:
            InvalidInput: the id names a turn that took in something else.
        """

        def write(connection: sqlite3.Connection) -> sqlite3.Row | None:
            row = connection.execute(f"SELECT * FROM turn WHERE {_ONE}", self._key).fetchone()  # noqa: S608 - constant
            if row is None:
                connection.execute(
                    "INSERT INTO turn (agent, thread, id, asked, begun_at) VALUES (?, ?, ?, ?, ?)",
                    (*self._key, self._asked, time.time()),
                )
            return row

        row = await self._database.write(write)
        if row is None:
            return None
        if row["asked"] != self._asked:
            raise InvalidInput(
                f"Turn {self._key[2]!r} of this thread took in something else.",
                remedy="Give every turn an id of its own.",
            )
        given = None if row["given"] is None else _read(json.loads(row["given"]))
        return KnownTurn(row["begun_at"], json.loads(row["noted"]), given)

    async def note(self, noted: Mapping[str, Any]) -> None:
        """Write down how far the turn is, in place of what was noted before; made of JSON types."""
        text = json.dumps(noted)
        await self._database.write(
            lambda connection: connection.execute(
                f"UPDATE turn SET noted = ? WHERE {_ONE}",  # noqa: S608 - constant
                (text, *self._key),
            )
        )

    async def finish(self, given: Given) -> None:
        """Write down what the turn gave; what its models answered is not needed any more."""
        text = json.dumps(asdict(given))

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(f"UPDATE turn SET given = ? WHERE {_ONE}", (text, *self._key))  # noqa: S608 - constant
            connection.execute(f"DELETE FROM turn_answer WHERE {_ANSWERS}", self._key)  # noqa: S608 - constant

        await self._database.write(write)

    async def forget(self) -> None:
        """The turn was not taken: it may be begun anew. What its models answered stays known."""
        await self._database.write(
            lambda connection: connection.execute(f"DELETE FROM turn WHERE {_ONE}", self._key)  # noqa: S608 - constant
        )

    async def answered(self, prompt: str) -> Reply | None:
        """What a model answered to the prompt of that hash, within this turn, if it did."""

        def read(connection: sqlite3.Connection) -> sqlite3.Row | None:
            found = f"SELECT reply FROM turn_answer WHERE {_ANSWERS} AND prompt = ?"  # noqa: S608 - constant
            return connection.execute(found, (*self._key, prompt)).fetchone()

        row = await self._database.read(read)
        return None if row is None else _replies().validate_json(row["reply"])

    async def answers(self) -> list[Reply]:
        """What models answered within this turn until now."""

        def read(connection: sqlite3.Connection) -> list[sqlite3.Row]:
            found = f"SELECT reply FROM turn_answer WHERE {_ANSWERS}"  # noqa: S608 - constant
            return connection.execute(found, self._key).fetchall()

        return [_replies().validate_json(row["reply"]) for row in await self._database.read(read)]

    async def keep_answer(self, prompt: str, reply: Reply) -> None:
        """Keep a whole answer of a model until the turn is finished."""
        text = _replies().dump_json(reply).decode()
        await self._database.write(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO turn_answer VALUES (?, ?, ?, ?, ?)",
                (*self._key, prompt, text),
            )
        )


def _read(plain: dict[str, Any]) -> Given:
    """What a turn gave, from JSON."""
    ended, needs = plain["ended"], plain["needs"]
    calls = None if needs is None else tuple(ToolCall(**call) for call in needs["calls"])
    return Given(
        TurnEnded(**(ended | {"usage": Usage(**ended["usage"])})),
        None if calls is None else NeedsTools(calls),
    )


def _asked(turn: Turn) -> str:
    """SHA-256 of what a turn takes in."""
    taken: Any = turn.input if isinstance(turn.input, str) else [asdict(result) for result in turn.input]
    told = json.dumps([taken, asdict(turn.material)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
