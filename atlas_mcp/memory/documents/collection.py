"""One scope's passages as arrays: where each stands, who said it and when, and its vector.

A collection is never older than the database: it reads what changed within the transaction of whoever asks.
A document that changes gets new passages with higher ids, as none is ever rewritten; so what is new is read,
what is gone is taken out, and the rest stays as it is.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from atlas_mcp.memory.documents import documents as tables
from atlas_mcp.text.entities import key_of
from atlas_mcp.text.ranking import lean_norms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from atlas_mcp.text.ranking import FloatArray

__all__ = ["NEAR_MEANING", "NEAR_WORDS", "Collection", "day_of"]

# What a passage takes over from neighbours 1, 2, … away: of their words' scores (the largest counts) and of
# their vectors (added up). Messages are short, and say what they are about by what was said around them.
NEAR_WORDS = {True: (0.7, 0.49, 0.34, 0.24), False: (0.35, 0.0, 0.0, 0.0)}
NEAR_MEANING = {True: (0.5, 0.25), False: (0.25, 0.0)}
NOBODY = ""
COLUMNS: dict[str, Any] = {
    "ids": np.int64, "documents": np.int64, "groups": np.int64, "said": np.bool_, "speakers": np.int32,
    "days": np.int32, "lengths": np.float32, "embedded": np.bool_,
}  # fmt: skip
DOCUMENTS = """
SELECT document.id AS id, min(passage.id) AS first, count(*) AS passages
FROM document JOIN passage ON document_id = document.id WHERE scope = ? GROUP BY document.id
"""
ROWS = """
SELECT passage.id, document_id, by, ifnull(at, '') AS at, ifnull(modified, '') AS modified, heading,
  length(passage.text) AS length, data
FROM json_each(?) JOIN document ON document.id = value JOIN passage ON document_id = document.id
LEFT JOIN vector ON passage_id = passage.id AND model = ? ORDER BY passage.id
"""
MISSING = """
SELECT passage_id, data FROM json_each(?) JOIN vector ON passage_id = value WHERE model = ?
"""


def day_of(at: str) -> int:
    """The day of an ISO date or time as a number that grows by one a day; 0 where there is none."""
    try:
        return date.fromisoformat(at[:10]).toordinal()
    except ValueError:
        return 0


class Collection:
    """All passages of a scope by place, ascending by id.

    `nearby` is how much of what `NEAR_WORDS` and `NEAR_MEANING` say counts.
    """

    def __init__(self, dimensions: int, nearby: float = 1.0) -> None:
        self.change = -1
        self._nearby = nearby
        self.names: list[str] = [NOBODY]
        self._columns: dict[str, npt.NDArray[Any]] = {name: np.empty(0, of) for name, of in COLUMNS.items()}
        self._known: dict[int, tuple[int, int]] = {}
        self._vectors: FloatArray = np.zeros((0, dimensions), np.float32)
        self._norms: FloatArray = np.zeros(0, np.float32)
        self._groups = 0
        self._measure()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """The id of each passage."""
        return self._columns["ids"]

    @property
    def documents(self) -> npt.NDArray[np.int64]:
        """The document of each passage."""
        return self._columns["documents"]

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """A number for each stretch that was read or said in one go: a document, a session of a chat."""
        return self._columns["groups"]

    @property
    def said(self) -> npt.NDArray[np.bool_]:
        """Which passages are messages."""
        return self._columns["said"]

    @property
    def speakers(self) -> npt.NDArray[np.int32]:
        """Who said each passage, as a place in `names`."""
        return self._columns["speakers"]

    @property
    def days(self) -> npt.NDArray[np.int32]:
        """The day of each passage, 0 if unknown: when it was said, else when its document was changed."""
        return self._columns["days"]

    @property
    def lengths(self) -> FloatArray:
        """The length of each passage in characters."""
        return self._columns["lengths"]

    @property
    def embedded(self) -> npt.NDArray[np.bool_]:
        """Which passages have a vector."""
        return self._columns["embedded"]

    @property
    def vectors(self) -> FloatArray:
        """The unit vector of each passage, zeros where there is none; no rows where nothing is embedded."""
        return self._vectors[: len(self._norms)]

    @property
    def norms(self) -> FloatArray:
        """The length of each vector with what it takes over from its neighbours."""
        return self._norms

    @property
    def near_words(self) -> FloatArray:
        """What each passage takes over from its neighbours 1, 2, … away (n x reach), of scores by words."""
        return self._near_words

    @property
    def near_meaning(self) -> FloatArray:
        """As `near_words`, of vectors."""
        return self._near_meaning

    @property
    def substance(self) -> FloatArray:
        """How much each message says beside the usual one, 0 to 1; 1 for what is no message."""
        return self._substance

    def refresh(self, connection: sqlite3.Connection, scope: str, model: str | None) -> None:
        """Read what changed since the last time; vectors of another model do not count."""
        change = tables.change_number(connection, scope)
        if change == self.change:
            return
        now = {row["id"]: (row["first"], row["passages"]) for row in connection.execute(DOCUMENTS, (scope,))}
        gone = [document for document, known in self._known.items() if now.get(document) != known]
        new = [document for document, known in now.items() if self._known.get(document) != known]
        if gone:
            self._keep(~np.isin(self.documents, gone))
        first = len(self)
        if model is not None:
            first = self._embed(connection, model)
        if new:
            self._add(connection.execute(ROWS, (json.dumps(new), model)).fetchall())
        self._measure()
        if len(self._vectors):
            self._lean(first)
        self._known, self.change = now, change

    def _measure(self) -> None:
        """Find what hangs on all passages."""
        self._near_words = self._nearby * _near(NEAR_WORDS, self.said)
        self._near_meaning = self._nearby * _near(NEAR_MEANING, self.said)
        usual = float(np.median(self.lengths[self.said])) if self.said.any() else 1.0
        share = np.minimum(self.lengths / max(usual, 1), 1)
        self._substance = np.where(self.said, share, 1).astype(np.float32)

    def _keep(self, kept: npt.NDArray[np.bool_]) -> None:
        """Take out the others; vectors that stand before the first of them need not move."""
        if rows := len(self._norms):
            first = int(np.flatnonzero(~kept)[0])
            rest = self._vectors[first:rows][kept[first:]]
            self._vectors[first : first + len(rest)] = rest
            self._norms = self._norms[kept]
        self._columns = {name: column[kept] for name, column in self._columns.items()}

    def _embed(self, connection: sqlite3.Connection, model: str) -> int:
        """Read vectors that were made since; gives the first place whose group has got one."""
        bare = np.flatnonzero(~self.embedded)
        if not len(bare):
            return len(self)
        rows = connection.execute(MISSING, (json.dumps(self.ids[bare].tolist()), model)).fetchall()
        if not rows:
            return len(self)
        places = np.searchsorted(self.ids, [row["passage_id"] for row in rows])
        self._make_room(len(self))
        self._vectors[places] = np.frombuffer(b"".join(row["data"] for row in rows), "<f4").reshape(
            len(rows), -1
        )
        self.embedded[places] = True
        return int(np.searchsorted(self.groups, self.groups[places.min()]))

    def _add(self, rows: list[sqlite3.Row]) -> None:
        count = len(self)
        speakers = {name: place for place, name in enumerate(self.names)}
        added: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        before: tuple[object, ...] = ()
        for row in rows:
            stretch = (row["document_id"], row["by"] is not None and row["heading"])
            self._groups += stretch != before
            before = stretch
            name = key_of(row["by"] or NOBODY)
            values = (
                row["id"], row["document_id"], self._groups, row["by"] is not None,
                speakers.setdefault(name, len(speakers)), day_of(row["at"] or row["modified"]),
                row["length"], row["data"] is not None,
            )  # fmt: skip
            for column, value in zip(added.values(), values, strict=True):
                column.append(value)
        self.names = list(speakers)
        self._columns = {
            name: np.concatenate([self._columns[name], np.array(added[name], of)])
            for name, of in COLUMNS.items()
        }
        if len(self._vectors) or any(added["embedded"]):
            self._make_room(len(self))
            nothing = bytes(4 * self._vectors.shape[1])
            data = b"".join(row["data"] or nothing for row in rows)
            self._vectors[count : len(self)] = np.frombuffer(data, "<f4").reshape(len(rows), -1)

    def _make_room(self, count: int) -> None:
        """Have a row of vectors for each passage, and some more, so that one more seldom moves them all."""
        if len(self._vectors) < count:
            room = np.zeros((count + count // 4, self._vectors.shape[1]), np.float32)
            room[: len(self._norms)] = self._vectors[: len(self._norms)]
            self._vectors = room

    def _lean(self, first: int) -> None:
        """Find the norms anew from a place on, which begins a group."""
        known = min(first, len(self._norms))
        vectors = self._vectors[known : len(self)]
        new = lean_norms(vectors, self.groups[known:], self.near_meaning[known:])
        self._norms = np.concatenate([self._norms[:known], new])


def _near(of: Mapping[bool, tuple[float, ...]], said: npt.NDArray[np.bool_]) -> FloatArray:
    return np.where(said[:, None], np.array(of[True], np.float32), np.array(of[False], np.float32))
