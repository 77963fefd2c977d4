"""One owner's memories as arrays, for exact nearest vectors and for filters over all of them at once.

A shelf is never older than the database: it reads what changed since, by the owner's change number, within
the transaction of whoever asks. It grows in place, so that one more memory costs one more row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from atlas_mcp.memory import documents

if TYPE_CHECKING:
    import sqlite3

    from atlas_mcp.memory.record import Filters
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["Shelf"]

FIRST_ROWS = 64
MOMENT = "S32"
ENDLESS = b"9999"
SINCE = """
SELECT number, team, kind, valid_from, ifnull(valid_to, '9999') AS valid_to, closed_at IS NOT NULL AS closed,
  recorded_at, length(words) - length(replace(words, ' ', '')) + 1 AS length, model, vector
FROM memory WHERE scope = ? AND changed > ? ORDER BY number
"""
COLUMNS: dict[str, Any] = {
    "numbers": np.int64, "teams": np.int32, "kinds": np.int8, "valid_from": MOMENT, "valid_to": MOMENT,
    "recorded": MOMENT, "closed": np.bool_, "gone": np.bool_, "lengths": np.int32, "embedded": np.bool_,
}  # fmt: skip
KINDS = ("fact", "procedure", "preference", "outcome")
NO_TEAM = 0


class Shelf:
    """All memories of an owner, by place; `count` rows of every array are in use."""

    def __init__(self, owner: str, dimensions: int) -> None:
        self.owner = owner
        self.dimensions = dimensions
        self.count = 0
        self.change = 0
        self._teams: dict[str | None, int] = {None: NO_TEAM}
        self._columns: dict[str, npt.NDArray[Any]] = {
            name: np.zeros(FIRST_ROWS, kind) for name, kind in COLUMNS.items()
        }
        self._vectors: FloatArray = np.zeros((FIRST_ROWS, dimensions), np.float32)

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """The number of each memory, ascending."""
        return self._columns["numbers"][: self.count]

    @property
    def vectors(self) -> FloatArray:
        """The vector of each memory; zeros where there is none."""
        return self._vectors[: self.count]

    @property
    def embedded(self) -> npt.NDArray[np.bool_]:
        """Which memories have a vector."""
        return self._columns["embedded"][: self.count]

    @property
    def usual_length(self) -> float:
        """Indexed words a memory, on average."""
        return float(self._columns["lengths"][: self.count].mean()) if self.count else 1.0

    def refresh(self, connection: sqlite3.Connection, model: str | None) -> None:
        """Read what changed since the last time; vectors of another model than this do not count."""
        change = documents.change_number(connection, f"memory {self.owner}")
        if change == self.change:
            return
        for row in connection.execute(SINCE, (self.owner, self.change)):
            self._put(row, model)
        gone = connection.execute(
            "SELECT number FROM removed WHERE scope = ? AND changed > ?", (self.owner, self.change)
        ).fetchall()
        for row in gone:
            if (place := self.place(row["number"])) is not None:
                self._columns["gone"][place] = True
                self._vectors[place] = 0
        self.change = change

    def place(self, number: int) -> int | None:
        """Where a memory stands, or None."""
        at = int(np.searchsorted(self.numbers, number))
        return at if at < self.count and self.numbers[at] == number else None

    def places(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where those of the memories stand that are here."""
        at = np.searchsorted(self.numbers, numbers)
        inside = at < self.count
        inside[inside] = self.numbers[at[inside]] == numbers[inside]
        return at[inside]

    def fitting(self, filters: Filters, team: str | None) -> npt.NDArray[np.bool_]:
        """Which memories a filter lets through, for a team or (None) for a person who sees all teams'."""
        part = {name: column[: self.count] for name, column in self._columns.items()}
        fits: npt.NDArray[np.bool_] = ~part["gone"]
        if team is not None:
            fits &= (part["teams"] == NO_TEAM) | (part["teams"] == self._teams.get(team, -1))
        if filters.at is not None:
            at = filters.at.encode()
            fits &= (part["valid_from"] <= at) & (at < part["valid_to"])
        elif not filters.closed:
            fits &= ~part["closed"]
        if filters.kinds:
            fits &= np.isin(part["kinds"], [KINDS.index(kind) for kind in filters.kinds])
        if filters.since is not None:
            fits &= part["recorded"] >= filters.since.encode()
        if filters.until is not None:
            fits &= part["recorded"] < filters.until.encode()
        return fits

    def _put(self, row: sqlite3.Row, model: str | None) -> None:
        place = self.place(row["number"])
        if place is None:
            place = self._new_place(row["number"])
        columns = self._columns
        columns["numbers"][place] = row["number"]
        columns["teams"][place] = self._teams.setdefault(row["team"], len(self._teams))
        columns["kinds"][place] = KINDS.index(row["kind"])
        columns["valid_from"][place] = row["valid_from"].encode()
        columns["valid_to"][place] = row["valid_to"].encode()
        columns["recorded"][place] = row["recorded_at"].encode()
        columns["closed"][place] = row["closed"]
        columns["lengths"][place] = row["length"]
        blob: bytes = row["vector"] or b""
        embedded = bool(blob) and row["model"] == model and len(blob) == 4 * self.dimensions
        columns["embedded"][place] = embedded
        self._vectors[place] = np.frombuffer(blob, "<f4") if embedded else 0

    def _new_place(self, number: int) -> int:
        if self.count == len(self._vectors):
            self._columns = {
                name: np.concatenate([column, np.zeros_like(column)])
                for name, column in self._columns.items()
            }
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
        self.count += 1
        # Whoever writes does so alone, so that a new memory's number is above all that were ever read.
        self._columns["numbers"][self.count - 1] = number
        return self.count - 1
