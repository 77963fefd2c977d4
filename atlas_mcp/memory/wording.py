"""Memories by their words: which share any with a query, and how much that says (BM25).

The text index finds candidates by the rarest words of a query, as the common ones would match half of all and
decide nothing; the score is then exact over all words. Measured: an OR over common words took 40 ms among
100,000 memories.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING

from atlas_mcp.memory.memories import owner_token
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

__all__ = ["matches", "query_terms", "scores"]

QUERY_TERMS = 64
ENOUGH = 10_000
"""Rows that the words of a query may match together before the commoner ones are left out."""

# BM25's usual constants (Robertson and Zaragoza, 2009).
SATURATION = 1.2
LENGTH_SHARE = 0.75


def query_terms(query: str) -> list[str]:
    """The stems of a query, each once, at most 64."""
    return list(dict.fromkeys(stems(query)))[:QUERY_TERMS]


def matches(
    connection: sqlite3.Connection, terms: Sequence[str], owners: Sequence[str], most: int
) -> list[int]:
    """Numbers of the memories of these owners that match the query's rarest words best."""
    chosen: list[str] = []
    rows = 0
    for term, held in sorted(_holders(connection, terms).items(), key=lambda each: each[1]):
        if chosen and rows + held > ENOUGH:
            break
        chosen.append(term)
        rows += held
    if not chosen:
        return []
    whose = " OR ".join(f'"{owner_token(owner)}"' for owner in owners)
    words = " OR ".join(f'"{term}"' for term in chosen)
    found = connection.execute(
        "SELECT rowid FROM memory_text WHERE memory_text MATCH ?"
        " ORDER BY bm25(memory_text, 1.0, 0.0) LIMIT ?",
        (f"owner : ({whose}) AND words : ({words})", most),
    )
    return [row["rowid"] for row in found]


def scores(
    connection: sqlite3.Connection, terms: Sequence[str], numbers: Sequence[int], usual: float
) -> dict[int, float]:
    """BM25 of memories, best first; `usual` is how many words one has on average."""
    everyone = connection.execute("SELECT ifnull(max(number), 0) AS most FROM memory").fetchone()["most"]
    rarity = {
        term: math.log1p((max(everyone - held, 0) + 0.5) / (held + 0.5))
        for term, held in _holders(connection, terms).items()
    }
    found: dict[int, float] = {}
    for row in connection.execute(
        "SELECT number, words FROM memory WHERE number IN (SELECT value FROM json_each(?))",
        (json.dumps(list(numbers)),),
    ):
        words: str = row["words"]
        bag = Counter(words.split())
        norm = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * bag.total() / max(usual, 1))
        score = sum(
            weight * bag[term] * (SATURATION + 1) / (bag[term] + norm)
            for term, weight in rarity.items()
            if term in bag
        )
        if score > 0:
            found[row["number"]] = score
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def _holders(connection: sqlite3.Connection, terms: Sequence[str]) -> dict[str, int]:
    """How many memories hold each word; words that none holds are left out."""
    rows = connection.execute(
        "SELECT term, doc FROM memory_word WHERE term IN (SELECT value FROM json_each(?))",
        (json.dumps(list(terms)),),
    )
    return {row["term"]: row["doc"] for row in rows}
