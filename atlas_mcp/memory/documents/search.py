"""Passages found by words, meaning, names and time at once, with the reason why each was found.

What each arm says of a passage is in `arms`; here the best are chosen, read, and made unlike each other.
Without an embedder, or where it is down or vectors are missing still, the other arms decide.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlas_mcp.memory.documents import documents as tables
from atlas_mcp.memory.documents.arms import Arms, Cues, Weighed, closer, read_cues, weigh
from atlas_mcp.memory.documents.collection import Collection, day_of
from atlas_mcp.memory.documents.wording import WORD, by_words
from atlas_mcp.memory.meaning import vector_of
from atlas_mcp.memory.metering import DOCUMENTS, Meter
from atlas_mcp.memory.moments import moment, now
from atlas_mcp.messages import Passage, Source
from atlas_mcp.text.ranking import diversify
from atlas_mcp.text.verbatim import fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection as Several
    from collections.abc import Sequence

    import numpy.typing as npt

    from atlas_mcp.database import Database
    from atlas_mcp.memory.metering import Measured
    from atlas_mcp.text.embedding import Embedder
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["Search"]

CANDIDATES = 4
"""How many times more passages are compared than are wanted."""
CLOSER = 100
"""How many are read where the query asks for a time or a number."""
DIVERSITY = 0.9
MOST_SCOPES = 16

FOUND = """
SELECT passage.id, passage.text, start, page, heading, at, by, modified, sha256, uri, title, retrieved_at
FROM passage JOIN document ON document.id = document_id
WHERE scope = ? AND passage.id IN (SELECT value FROM json_each(?))
ORDER BY passage.id
"""


@dataclass(frozen=True, slots=True)
class _Request:
    query: str
    vector: FloatArray | None
    scope: str
    documents: Several[int] | None
    since: str | None
    until: str | None
    k: int


class Search:
    """Search over a record's passages; what it keeps at hand is never older than the database."""

    def __init__(
        self, database: Database, embedder: Embedder | None, *, arms: Arms | None = None,
        meter: Meter | None = None,
    ) -> None:  # fmt: skip
        self._meter = meter or Meter()
        self._database = database
        self._embedder = embedder
        self._arms = arms or Arms()
        self._scopes: dict[str, Collection] = {}

    async def search(
        self, query: str, *, scope: str, documents: Several[int] | None = None, since: str | None = None,
        until: str | None = None, k: int = 12,
    ) -> list[Passage]:  # fmt: skip
        """The `k` best passages of a scope, or of some of its documents (by id), best first.

        `since` and `until` (ISO dates, the latter not included) leave only what was said or last changed
        between them. Each passage is also unlike those before it, so that a lower `score` may come before a
        higher one. `score` is 0 to 1 and compares within one search only. A query without any word finds
        nothing.

        :raises InvalidInput: `since` or `until` is no date.
        :raises IncompatibleStore: the stored vectors were made by another embedding model.
        """
        if k < 1 or not WORD.search(query):
            return []
        with self._meter.measured("search", DOCUMENTS) as operation:
            vector = await vector_of(self._embedder, query)
            since, until = since and moment(since, "since"), until and moment(until, "until")
            request = _Request(query, vector, scope, documents, since, until, k)
            found = await self._database.read(lambda connection: self._search(connection, request, operation))
            operation.items = len(found)
            return found

    def _search(
        self, connection: sqlite3.Connection, request: _Request, operation: Measured
    ) -> list[Passage]:
        known = self._current(connection, request.scope, operation)
        allowed = _allowed(known, request)
        if not allowed.any():
            return []
        cues = read_cues(request.query, known, now(), allowed)
        lexical = by_words(connection, known, request.query, request.scope, cues.called)
        weighed = weigh(known, lexical, request.vector, cues, allowed, arms=self._arms)
        most = CANDIDATES * request.k
        places = _best(weighed, max(most, CLOSER) if cues.asks_closer else most)
        rows = connection.execute(FOUND, (request.scope, json.dumps(known.ids[places].tolist())))
        found = _told(rows.fetchall(), places, weighed, cues, self._arms)[:most]
        vectors = None
        if len(known.norms):
            vectors = known.vectors[np.searchsorted(known.ids, [int(each.id[1:]) for each in found])]
        scores, texts = [passage.score for passage in found], [passage.text for passage in found]
        return [found[at] for at in diversify(scores, vectors, texts, request.k, DIVERSITY)]

    def _current(self, connection: sqlite3.Connection, scope: str, operation: Measured) -> Collection:
        """The scope's passages and vectors, as they are now; it is a hit if what is at hand is that."""
        known = self._scopes.pop(scope, None)
        embedder = self._embedder
        if known is None:
            known = Collection(embedder.dimensions if embedder else 0, self._arms.nearby)
        if embedder is not None:
            tables.check_model(connection, embedder.name)
        before = known.change
        known.refresh(connection, scope, embedder.name if embedder else None)
        operation.hits = int(known.change == before)
        self._scopes[scope] = known
        if len(self._scopes) > MOST_SCOPES:
            del self._scopes[next(iter(self._scopes))]
        return known


def _allowed(known: Collection, request: _Request) -> npt.NDArray[np.bool_]:
    """Which passages the filters leave."""
    allowed = np.ones(len(known), np.bool_)
    if request.documents is not None:
        allowed &= np.isin(known.documents, list(request.documents))
    if request.since is not None:
        allowed &= known.days >= day_of(request.since)
    if request.until is not None:
        allowed &= (known.days < day_of(request.until)) & (known.days > 0)
    return allowed


def _best(weighed: Weighed, most: int) -> npt.NDArray[np.intp]:
    """The places of the best candidates, best first."""
    places = np.flatnonzero(weighed.candidate)
    if len(places) > most:
        places = np.sort(places[np.argpartition(-weighed.score[places], most)[:most]])
    return places[np.argsort(-weighed.score[places], kind="stable")]


def _told(
    rows: Sequence[sqlite3.Row], places: npt.NDArray[np.intp], weighed: Weighed, cues: Cues, arms: Arms
) -> list[Passage]:
    """The passages at these places, weighed with what their text says, best first, each text once."""
    found: list[Passage] = []
    # Rows are in the order of ids, as places are.
    for row, place in zip(rows, sorted(places.tolist()), strict=True):
        at = row["at"] or row["modified"] or row["retrieved_at"]
        adds, read = closer(cues, row["text"], at, of_the_time=bool(weighed.time[place]), arms=arms)
        passage = Passage(
            id=f"p{row['id']}",
            source=Source(row["sha256"], row["uri"], row["title"], row["retrieved_at"]),
            text=row["text"],
            start=row["start"],
            page=row["page"],
            heading=row["heading"],
            score=round(float(weighed.score[place]) + adds / weighed.whole, 4),
            why=", ".join([*_why(weighed, place, row["by"]), *read]),
        )
        found.append(passage)
    once: dict[str, Passage] = {}
    for passage in sorted(found, key=lambda passage: -passage.score):
        once.setdefault(fold(passage.text), passage)
    return list(once.values())


def _why(weighed: Weighed, place: int, by: str | None) -> list[str]:
    """The arms that found a passage without reading it."""
    arms = [("words", weighed.words[place]), ("meaning", weighed.cosines[place])]
    why = [f"{name} {value:.2f}" for name, value in arms if value > 0]
    return [*why, f"names 1.00 ({by})"] if weighed.names[place] else why
