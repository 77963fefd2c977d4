"""How well a scope's passages match a query by words: BM25 that also counts words that stand close by.

The rarest words of a query are looked up first, until so many places were read that more would take long;
what is left then is so common that it tells little. Scripts without
spaces are compared by pairs of characters.
"""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from atlas_mcp.text.ranking import bm25, lexical_scores, rarity, spread
from atlas_mcp.text.words import STOP_WORDS, UNSPACED, words

if TYPE_CHECKING:
    from collections.abc import Collection as Several

    import numpy.typing as npt

    from atlas_mcp.memory.documents.collection import Collection
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["WORD", "by_words"]

WORD = re.compile(r"\w+")
QUERY_WORDS = 64
PLACES = 10_000
"""How many places of words are read for a query, at most; but those of the rarest word are always."""
HEADING = 0.5
LENGTH_SHARE = 0.2
"""How much a long passage loses; passages are of like size, and a short message is not better for it."""
PAIRED = 500

HOLDERS = "SELECT doc FROM passage_word WHERE term = ?"
HELD = "SELECT group_concat(2 * doc + (col = 'heading')) FROM passage_place WHERE term = ?"
BY_PAIR = """
SELECT passage.id, passage.text FROM passage JOIN document ON document.id = document_id
WHERE scope = ? AND instr(lower(passage.text), ?) LIMIT ?
"""


def by_words(
    connection: sqlite3.Connection, known: Collection, query: str, scope: str, names: Several[str]
) -> FloatArray:
    """A score for every passage of the scope, 0 where no word of the query stands in or near it.

    `names` are words by which a speaker is meant: they do not count in messages, where everybody calls the
    other by name.
    """
    if UNSPACED.search(query):
        return _by_pairs(connection, known, query, scope)
    every = WORD.findall(query.casefold())
    wanted = [word for word in dict.fromkeys(every) if word not in STOP_WORDS] or list(dict.fromkeys(every))
    called = {stem for name in names for stem in stems(name)}
    terms = dict.fromkeys(stem for word in wanted[:QUERY_WORDS] for stem in stems(word))
    holders: dict[str, int] = {}
    for term in terms:
        if row := connection.execute(HOLDERS, (term,)).fetchone():
            holders[term] = row[0]
    scores = np.zeros(len(known), np.float32)
    usual = float(known.lengths.mean()) if len(known) else 1.0
    read = 0
    for term in sorted(holders, key=lambda term: holders[term]):
        read += holders[term]
        if read > PLACES and scores.any():
            break
        places, counts = _held(connection, known, term)
        if term in called:
            told = ~known.said[places]
            places, counts = places[told], counts[told]
        if len(places):
            worth = bm25(counts, known.lengths[places], usual, rarity(len(places), len(known)), LENGTH_SHARE)
            scores += spread(places, worth, known.groups, known.near_words)
    return scores


@lru_cache(maxsize=10_000)
def stems(word: str) -> tuple[str, ...]:
    """A word as the text index writes it; it may take it for several, or for none."""
    index = _stemmer()
    index.execute("INSERT INTO word (text) VALUES (?)", (word,))
    found = index.execute("SELECT term FROM place ORDER BY offset").fetchall()
    index.execute("DELETE FROM word")
    return tuple(row[0] for row in found)


@lru_cache(maxsize=1)
def _stemmer() -> sqlite3.Connection:
    """An empty index like that of passages, in memory, only to ask it for the stems of words."""
    index = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    index.executescript(
        "CREATE VIRTUAL TABLE word USING fts5 (text, tokenize = 'porter unicode61');"
        "CREATE VIRTUAL TABLE place USING fts5vocab (word, instance);"
    )
    return index


def _held(
    connection: sqlite3.Connection, known: Collection, term: str
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Where a term stands in the scope, ascending, and how often; a heading counts for less than the text."""
    (listed,) = connection.execute(HELD, (term,)).fetchone()
    if not listed:
        return np.empty(0, np.intp), np.empty(0, np.float32)
    found = np.fromstring(listed, np.int64, sep=",")
    ids, which = np.unique(found >> 1, return_inverse=True)
    counts = np.bincount(which, np.where(found & 1, HEADING, 1.0)).astype(np.float32)
    places = np.searchsorted(known.ids, ids)
    ours = places < len(known)
    ours[ours] = known.ids[places[ours]] == ids[ours]
    return places[ours], counts[ours]


def _by_pairs(connection: sqlite3.Connection, known: Collection, query: str, scope: str) -> FloatArray:
    """The text index takes a run of such a script for one word, so the passages are read."""
    pairs = [word for word in dict.fromkeys(words(query)) if word not in STOP_WORDS][:QUERY_WORDS]
    texts: dict[int, str] = {}
    for pair in pairs:
        texts.update((row["id"], row["text"]) for row in connection.execute(BY_PAIR, (scope, pair, PAIRED)))
    scores = np.zeros(len(known), np.float32)
    places = np.searchsorted(known.ids, np.fromiter(texts, np.int64, len(texts)))
    scores[places] = lexical_scores(query, list(texts.values()))
    return scores
