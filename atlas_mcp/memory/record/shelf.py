"""One owner's memories as arrays, for exact nearest vectors and for filters over all of them at once.

A shelf is never older than the database: it reads what changed since, by the owner's change number, within
the transaction of whoever asks. It grows in place, so that one more memory costs one more row.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from atlas_mcp.memory.documents import documents
from atlas_mcp.memory.record import removals

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from atlas_mcp.memory.record.record import Filters
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["Shelf"]

FIRST_ROWS = 64
PORTION = 2_000
MOMENT = "M8[us]"
MOMENT_LENGTH = 26
"""Characters of a moment without its time zone, which is UTC."""
ID = "S40"
CHANGED = "SELECT number FROM memory WHERE scope = ? AND changed > ?"
ROWS = """
SELECT memory.number, memory.id, team, kind, valid_from, ifnull(valid_to, '9999') AS valid_to,
  closed_at IS NOT NULL AS closed, recorded_at,
  length(words) - length(replace(words, ' ', '')) + 1 AS length, model, data
FROM json_each(?) AS each CROSS JOIN memory ON memory.number = each.value
LEFT JOIN memory_vector ON memory_vector.number = memory.number
"""
COLUMNS: dict[str, Any] = {
    "numbers": np.int64, "ids": ID, "teams": np.int32, "kinds": np.int8, "valid_from": MOMENT,
    "valid_to": MOMENT, "recorded": MOMENT, "closed": np.bool_, "gone": np.bool_, "lengths": np.int32,
    "embedded": np.bool_,
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
        self._fits: tuple[object, npt.NDArray[np.bool_]] | None = None

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """The number of each memory, ascending."""
        return self._columns["numbers"][: self.count]

    @property
    def ids(self) -> npt.NDArray[np.bytes_]:
        """The id of each memory."""
        return self._columns["ids"][: self.count]

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """How many indexed words each memory has."""
        return self._columns["lengths"][: self.count]

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
        return float(self.lengths.mean()) if self.count else 1.0

    def refresh(self, connection: sqlite3.Connection, model: str | None) -> None:
        """Read what changed since the last time; vectors of another model than this do not count."""
        change = documents.change_number(connection, f"memory {self.owner}")
        if change == self.change:
            return
        gone = removals.since(connection, self.owner, self.change) if self.change else []
        if gone is None:
            self._begin_anew()
        # Numbers first, from the index, since rows with their vectors are too much to be sorted.
        changed = [row[0] for row in connection.execute(CHANGED, (self.owner, self.change))]
        changed.sort()
        new = len(changed) - bisect_right(changed, int(self.numbers[-1:].sum()))
        self._make_room(self.count + new)
        for start in range(0, len(changed), PORTION):
            portion = json.dumps(changed[start : start + PORTION])
            self._put(connection.execute(ROWS, (portion,)).fetchall(), model)
        for number in gone or ():
            if (place := self.place(number)) is not None:
                self._columns["gone"][place] = True
                self._vectors[place] = 0
        self.change = change

    def _begin_anew(self) -> None:
        """Hold nothing: so much went that not all of it is known by number."""
        self.count = 0
        self.change = 0
        self._columns["gone"][:] = False

    def place(self, number: int) -> int | None:
        """Where a memory stands, or None."""
        at = int(np.searchsorted(self.numbers, number))
        return at if at < self.count and self.numbers[at] == number else None

    def places(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where those of the memories stand that are here."""
        at, inside = self.standing(numbers)
        return at[inside]

    def standing(self, numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The place of each memory, and whether it is here; the place of one that is not means nothing."""
        at = np.minimum(np.searchsorted(self.numbers, numbers), max(self.count - 1, 0))
        inside = self._columns["numbers"][at] == numbers if self.count else np.zeros(len(at), np.bool_)
        return at, inside

    def fitting(self, filters: Filters, team: str | None) -> npt.NDArray[np.bool_]:
        """Which memories a filter lets through, for a team or (None) for a person who sees all teams'.

        Not to be written to: the arms of one search share it.
        """
        asked = (filters, team, self.change)
        if self._fits is None or self._fits[0] != asked:
            self._fits = (asked, self._fitting(filters, team))
        return self._fits[1]

    def readable(self, places: npt.NDArray[np.int64] | slice, team: str | None) -> npt.NDArray[np.bool_]:
        """Which of the memories at some places are there for a team, or for a person (None)."""
        there: npt.NDArray[np.bool_] = ~self._columns["gone"][places]
        if team is not None:
            teams = self._columns["teams"][places]
            there &= (teams == NO_TEAM) | (teams == self._teams.get(team, -1))
        return there

    def _fitting(self, filters: Filters, team: str | None) -> npt.NDArray[np.bool_]:
        part = {name: column[: self.count] for name, column in self._columns.items()}
        fits = self.readable(slice(self.count), team)
        if filters.at is not None:
            at = _moment(filters.at)
            fits &= (part["valid_from"] <= at) & (at < part["valid_to"])
        elif not filters.closed:
            fits &= ~part["closed"]
        if filters.kinds:
            fits &= np.isin(part["kinds"], [KINDS.index(kind) for kind in filters.kinds])
        if filters.since is not None:
            fits &= part["recorded"] >= _moment(filters.since)
        if filters.until is not None:
            fits &= part["recorded"] < _moment(filters.until)
        return fits

    def _put(self, rows: Sequence[sqlite3.Row], model: str | None) -> None:
        """Take rows, in the order of their numbers."""
        # Whoever writes does so alone, so that a new memory's number is above all that were ever read.
        listed: tuple[Sequence[Any], ...] = tuple(zip(*rows, strict=True))
        numbers, ids, teams, kinds, since, until, closed, recorded, lengths, models, blobs = listed
        asked = np.array(numbers, np.int64)
        places, known = self.standing(asked)
        new = int((~known).sum())
        places[~known] = np.arange(self.count, self.count + new)
        self.count += new
        size = 4 * self.dimensions
        sound = [
            blob is not None and len(blob) == size and of == model
            for blob, of in zip(blobs, models, strict=True)
        ]
        values: dict[str, Any] = {
            "numbers": asked, "ids": ids, "teams": [self._team(team) for team in teams],
            "kinds": [KINDS.index(kind) for kind in kinds], "valid_from": _moments(since),
            "valid_to": _moments(until), "recorded": _moments(recorded), "closed": closed, "lengths": lengths,
            "embedded": sound,
        }  # fmt: skip
        for name, value in values.items():
            self._columns[name][places] = np.array(value, COLUMNS[name])
        nothing = bytes(size)
        data = b"".join(blob if fine else nothing for blob, fine in zip(blobs, sound, strict=True))
        self._vectors[places] = np.frombuffer(data, "<f4").reshape(len(rows), self.dimensions)

    def _team(self, name: str | None) -> int:
        return self._teams.setdefault(name, len(self._teams))

    def _make_room(self, count: int) -> None:
        if count <= len(self._vectors):
            return
        more = max(count - len(self._vectors), len(self._vectors) // 4)
        self._columns = {
            name: np.concatenate([column, np.zeros(more, column.dtype)])
            for name, column in self._columns.items()
        }
        self._vectors = np.concatenate([self._vectors, np.zeros((more, self.dimensions), np.float32)])


def _moment(said: str) -> np.datetime64:
    return np.datetime64(said[:MOMENT_LENGTH], "us")


def _moments(said: Sequence[str]) -> npt.NDArray[np.datetime64]:
    return np.array([each[:MOMENT_LENGTH] for each in said], MOMENT)
