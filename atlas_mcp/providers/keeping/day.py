"""What one user may spend in a day, over all runs and all processes that share a data folder.

A day is one of UTC, so that processes agree when it ends, and vendors' own accounts can be compared with it.
What is spent here is written down as it is settled; what others spent is read when it begins and every few
seconds. So several processes together may go beyond the limit by what they spend within these seconds.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from atlas_mcp.chunks import Usage
from atlas_mcp.providers.budget import Budget
from atlas_mcp.providers.keeping.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from atlas_mcp.database import Database
    from atlas_mcp.providers.budget import Limit

__all__ = ["HELD_BACK", "REMEDY", "SCHEMA", "Day", "taken_today"]

SCHEMA = """
CREATE TABLE spending (
    user TEXT NOT NULL,
    day TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    usd REAL NOT NULL,
    unpriced_tokens INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (user, day)
) WITHOUT ROWID;
"""

HELD_BACK = 0.05
"""The share that is kept for the turns in which runs hand back what there is."""

_REFRESH_SECONDS = 3.0
REMEDY = "Raise day_usd or day_tokens under [budget] in atlas.toml, or go on after midnight UTC."


@dataclass(slots=True)
class _Sum:
    """What was spent: `usd` where the price was known, at `unpriced` tokens it was not."""

    input: int = 0
    output: int = 0
    usd: float = 0.0
    unpriced: int = 0
    calls: int = 0

    def count(self, usage: Usage) -> None:
        self.input += usage.input_tokens
        self.output += usage.output_tokens
        self.calls += usage.calls
        if usage.cost_usd is None:
            self.unpriced += usage.tokens
        else:
            self.usd += usage.cost_usd

    def add(self, other: _Sum) -> None:
        self.input += other.input
        self.output += other.output
        self.usd += other.usd
        self.unpriced += other.unpriced
        self.calls += other.calls


class Day:
    """The budget of today, which begins anew at midnight; `budget` is what runs are children of.

    `clock` gives seconds since the epoch.
    """

    def __init__(
        self, database: Database, user: str, limit: Limit, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._user = user
        self._clock = clock
        self._today = self._date()
        self._counted = _Sum()
        self._unwritten: dict[str, _Sum] = {}
        self._writing = asyncio.Lock()
        self._upkeep: Upkeep | None = None
        self.budget = Budget(limit, name="day", held_back=HELD_BACK, remedy=REMEDY)
        self.budget.on_spent = self._spent_here

    @property
    def spent(self) -> Usage:
        """What was spent today, by everybody as far as is known here; its cost is None if some is unknown."""
        counted = self._counted
        cost = None if counted.unpriced else counted.usd
        return Usage(counted.input, counted.output, cost_usd=cost, calls=counted.calls)

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[Day]:
        """Share the account with others, from entry, when what they spent is read, to exit."""
        with suppress(sqlite3.Error):  # the next time will tell
            await self.sync()
        async with Upkeep(self.sync, every=_REFRESH_SECONDS, what="What was spent today") as upkeep:
            self._upkeep = upkeep
            try:
                yield self
            finally:
                self._upkeep = None

    async def sync(self) -> None:
        """Write down what was spent here, and take in what others spent.

        Raises:
            sqlite3.Error: the database cannot be written to; nothing is lost, it is written the next time.
        """
        async with self._writing:
            self._begin_anew()
            today, taken = self._today, self._unwritten
            self._unwritten = {}
            try:
                access = self._database.write if taken else self._database.read
                total = await access(lambda connection: self._exchange(connection, today, taken))
            except sqlite3.Error:
                for day, spent in taken.items():
                    self._unwritten.setdefault(day, _Sum()).add(spent)
                raise
            if self._today == today:
                total.add(self._unwritten.get(today, _Sum()))
                self._recount(total)

    def _exchange(self, connection: sqlite3.Connection, today: str, taken: dict[str, _Sum]) -> _Sum:
        """Add what was spent; gives what was spent today in all."""
        connection.executemany(
            "INSERT INTO spending VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " input_tokens = input_tokens + excluded.input_tokens,"
            " output_tokens = output_tokens + excluded.output_tokens,"
            " usd = usd + excluded.usd,"
            " unpriced_tokens = unpriced_tokens + excluded.unpriced_tokens,"
            " calls = calls + excluded.calls",
            [(self._user, day, *astuple(spent)) for day, spent in taken.items()],
        )
        return _sum_of(connection, self._user, today)

    def _spent_here(self, usage: Usage) -> None:
        self._begin_anew()
        self._counted.count(usage)
        self._unwritten.setdefault(self._today, _Sum()).count(usage)
        if self._upkeep is not None:
            self._upkeep.hasten()

    def _begin_anew(self) -> None:
        """Forget what was spent, if it was on another day; calls under way stay reserved."""
        today = self._date()
        if today != self._today:
            self._today = today
            self._recount(_Sum())

    def _recount(self, total: _Sum) -> None:
        """Have the budget count so much in all, and what is reserved."""
        counted, self._counted = self._counted, total
        tokens = total.input + total.output - counted.input - counted.output
        self.budget.move(tokens, total.usd - counted.usd, total.calls - counted.calls)
        self.budget.blind = total.unpriced > 0

    def _date(self) -> str:
        return _day_of(self._clock())


def _day_of(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def taken_today(connection: sqlite3.Connection, user: str) -> tuple[int, float]:
    """Tokens and dollars that count against what a user may spend today, for whoever only looks.

    Raises:
        sqlite3.Error: the database cannot be read.
    """
    spent = _sum_of(connection, user, _day_of(time.time()))
    return spent.input + spent.output, spent.usd


def _sum_of(connection: sqlite3.Connection, user: str, day: str) -> _Sum:
    row = connection.execute(
        "SELECT input_tokens, output_tokens, usd, unpriced_tokens, calls FROM spending"
        " WHERE user = ? AND day = ?",
        (user, day),
    ).fetchone()
    return _Sum() if row is None else _Sum(*row)
