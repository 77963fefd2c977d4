"""Passages found by words and by meaning at once, with the reason why each was found.

Dense scores are exact cosines over all vectors of a scope, each vector leaning a little on its neighbours in
the document; lexical ones are BM25 over a passage, the edges of its neighbours, its heading and title. They
are fused by value. Without an embedder, or where vectors are missing still, words alone decide.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atlas_mcp.memory import documents as tables
from atlas_mcp.messages import Passage, Source
from atlas_mcp.text.ranking import FloatArray, diversify, fuse, lexical_scores, smooth
from atlas_mcp.text.verbatim import fold
from atlas_mcp.text.words import STOP_WORDS, UNSPACED, words

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from atlas_mcp.database import Database
    from atlas_mcp.text.embedding import Embedder

__all__ = ["Search"]

WORD = re.compile(r"\w+")
LEXICAL_MOST = 500
QUERY_WORDS = 64
CANDIDATES = 4
# A passage that shares no word with the query and lies farther from it than this has nothing to do with it.
LEAST_MEANING = 0.2
DIVERSITY = 0.85
MOST_SCOPES = 16

# EXISTS, not IN: the planner would look up every passage of the scope in the index, a hundred times slower.
BM25 = """
SELECT rowid AS id, -bm25(passage_text, 1.0, 0.35, 0.35, 0.5) AS score
FROM passage_text WHERE passage_text MATCH :match AND EXISTS (
  SELECT 1 FROM passage JOIN document ON document.id = document_id
  WHERE passage.id = passage_text.rowid AND scope = :scope
    AND (:documents IS NULL OR document_id IN (SELECT value FROM json_each(:documents))))
ORDER BY score DESC LIMIT :most
"""
BY_PAIR = """
SELECT passage.id, passage.text FROM passage JOIN document ON document.id = document_id
WHERE scope = :scope AND instr(lower(passage.text), :pair)
  AND (:documents IS NULL OR document_id IN (SELECT value FROM json_each(:documents)))
LIMIT :most
"""
FOUND = """
SELECT passage.id, passage.text, start, page, heading, sha256, uri, title, retrieved_at
FROM passage JOIN document ON document.id = document_id
WHERE scope = ? AND passage.id IN (SELECT value FROM json_each(?))
"""


@dataclass(frozen=True, slots=True)
class _Scope:
    """All passages of a scope at one change: ids, documents, unit vectors (0 where not embedded yet)."""

    change: int
    ids: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int64]
    vectors: FloatArray | None = None
    smoothed: FloatArray | None = None
    embedded: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    query: str
    vector: FloatArray | None
    scope: str
    documents: Collection[int] | None
    k: int


class _Hit(NamedTuple):
    """A passage that was found, its place in the scope's arrays, and why."""

    id: int
    place: int
    score: float
    why: str


class Search:
    """Search over a record's passages; what it caches is never older than the database."""

    def __init__(self, database: Database, embedder: Embedder | None) -> None:
        self._database = database
        self._embedder = embedder
        self._scopes: dict[str, _Scope] = {}

    async def search(
        self, query: str, *, scope: str, documents: Collection[int] | None = None, k: int = 12
    ) -> list[Passage]:
        """The `k` best passages of a scope, or of some of its documents (by id), best first.

        Each is also unlike those before it, so that a lower `score` may come before a higher one. `score` is
        0 to 1 and compares within one search only. A query without any word finds nothing.

        :raises IncompatibleStore: the stored vectors were made by another embedding model.
        """
        if k < 1 or not WORD.search(query):
            return []
        vector = None if self._embedder is None else (await self._embedder.embed([query]))[0]
        request = _Request(query, vector, scope, documents, k)
        return await self._database.read(lambda connection: self._search(connection, request))

    def _search(self, connection: sqlite3.Connection, request: _Request) -> list[Passage]:
        known = self._current(connection, request.scope)
        lexical = _lexical(connection, request)
        hits = {hit.id: hit for hit in _hits(known, lexical, request)}
        found = _fetched(connection, request.scope, hits)
        places = [hits[int(passage.id[1:])].place for passage in found]
        vectors = None if known.vectors is None else known.vectors[places]
        scores, texts = [passage.score for passage in found], [passage.text for passage in found]
        return [found[place] for place in diversify(scores, vectors, texts, request.k, DIVERSITY)]

    def _current(self, connection: sqlite3.Connection, scope: str) -> _Scope:
        """The scope's passages and vectors, read again when anyone changed them."""
        change = tables.change_number(connection, scope)
        known = self._scopes.pop(scope, None)
        if known is None or known.change != change:
            if self._embedder is not None:
                tables.check_model(connection, self._embedder.name)
            known = _load(connection, scope, change, self._embedder)
        self._scopes[scope] = known
        if len(self._scopes) > MOST_SCOPES:
            del self._scopes[next(iter(self._scopes))]
        return known


def _hits(known: _Scope, lexical: dict[int, float], request: _Request) -> list[_Hit]:
    """The best passages by the fused score, some more than are wanted."""
    by_words = np.zeros(len(known.ids), np.float32)
    found = np.fromiter(lexical, np.int64, len(lexical))
    by_words[np.isin(known.ids, found)] = [
        lexical[passage_id] for passage_id in np.intersect1d(found, known.ids)
    ]
    by_meaning = np.zeros_like(by_words)
    if request.vector is not None and known.smoothed is not None:
        by_meaning = known.smoothed @ request.vector
    candidate = (by_words > 0) | (by_meaning >= LEAST_MEANING)
    if request.documents is not None:
        candidate &= np.isin(known.documents, list(request.documents))
    places = np.flatnonzero(candidate)
    by_words, by_meaning = by_words[places], by_meaning[places]
    scores = fuse(by_meaning, by_words, 0.5 if by_meaning.any() else 0)
    by_words /= by_words.max(initial=0) or 1
    if known.embedded is not None:
        scores = np.where(known.embedded[places], scores, by_words)
    return [
        _Hit(
            int(known.ids[places[at]]),
            int(places[at]),
            float(scores[at]),
            _why(float(by_words[at]), float(by_meaning[at])),
        )
        for at in np.argsort(-scores, kind="stable")[: CANDIDATES * request.k]
    ]


def _load(connection: sqlite3.Connection, scope: str, change: int, embedder: Embedder | None) -> _Scope:
    rows = connection.execute(
        "SELECT passage.id, document_id, data"
        " FROM passage JOIN document ON document.id = document_id"
        " LEFT JOIN vector ON passage_id = passage.id AND model = ? WHERE scope = ? ORDER BY passage.id",
        (embedder.name if embedder else None, scope),
    ).fetchall()
    ids = np.array([row["id"] for row in rows], np.int64)
    owners = np.array([row["document_id"] for row in rows], np.int64)
    if embedder is None or not any(row["data"] for row in rows):
        return _Scope(change, ids, owners)
    nothing = bytes(4 * embedder.dimensions)
    data = b"".join(row["data"] or nothing for row in rows)
    vectors = (
        np.frombuffer(data, "<f4").reshape(len(rows), embedder.dimensions).astype(np.float32, copy=False)
    )
    smoothed = np.empty_like(vectors)
    # Passages of one document have ids in a row, as they are written together.
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        smoothed[start:end] = smooth(vectors[start:end])
    embedded = np.array([row["data"] is not None for row in rows])
    return _Scope(change, ids, owners, vectors, smoothed, embedded)


def _lexical(connection: sqlite3.Connection, request: _Request) -> dict[int, float]:
    """BM25 by passage id; scripts without spaces by pairs of characters in the text itself."""
    documents = None if request.documents is None else json.dumps(list(request.documents))
    where = {"scope": request.scope, "documents": documents, "most": LEXICAL_MOST}
    if UNSPACED.search(request.query):
        return _by_pairs(connection, request.query, where)
    every = WORD.findall(request.query.casefold())
    terms = [word for word in every if word not in STOP_WORDS] or every
    match = " OR ".join(f'"{term}"' for term in list(dict.fromkeys(terms))[:QUERY_WORDS])
    return {row["id"]: row["score"] for row in connection.execute(BM25, {**where, "match": match})}


def _by_pairs(connection: sqlite3.Connection, query: str, where: dict[str, Any]) -> dict[int, float]:
    """The text index takes a run of such a script for one word, so the passages are read."""
    pairs = [word for word in dict.fromkeys(words(query)) if word not in STOP_WORDS][:QUERY_WORDS]
    texts: dict[int, str] = {}
    for pair in pairs:
        rows = connection.execute(BY_PAIR, {**where, "pair": pair})
        texts.update((row["id"], row["text"]) for row in rows)
    scores = lexical_scores(query, list(texts.values()))
    return {passage_id: float(score) for passage_id, score in zip(texts, scores, strict=True) if score > 0}


def _fetched(connection: sqlite3.Connection, scope: str, hits: dict[int, _Hit]) -> list[Passage]:
    """The passages of `hits`, in their order, each text once."""
    rows = {row["id"]: row for row in connection.execute(FOUND, (scope, json.dumps(list(hits))))}
    found: dict[str, Passage] = {}
    for hit in hits.values():
        row = rows[hit.id]
        passage = Passage(
            id=f"p{hit.id}",
            source=Source(row["sha256"], row["uri"], row["title"], row["retrieved_at"]),
            text=row["text"],
            start=row["start"],
            page=row["page"],
            heading=row["heading"],
            score=round(hit.score, 4),
            why=hit.why,
        )
        found.setdefault(fold(passage.text), passage)
    return list(found.values())


def _why(by_words: float, by_meaning: float) -> str:
    parts = [("words", by_words), ("meaning", by_meaning)]
    return ", ".join(f"{name} {value:.2f}" for name, value in parts if value > 0)
