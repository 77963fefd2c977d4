"""Memories by their words: which share any with a query, and how much that says (BM25).

The text index tells where the rarer words of a query stand, as the common ones would match half of all and
decide nothing; the score is then exact over all words. Measured among 100,000 memories: its own ranking of
matches took 10 ms, an OR over common words 40 ms, the places of words alone 1 ms.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from atlas_mcp.memory.record.shelf import Shelf

__all__ = ["Wanted", "of_others", "scores", "wanted"]

Numbers: TypeAlias = npt.NDArray[np.int64]

QUERY_TERMS = 64
ENOUGH = 10_000
"""Rows that the words of a query may match together before the commoner ones are left out."""

# BM25's usual constants (Robertson and Zaragoza, 2009).
SATURATION = 1.2
LENGTH_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Wanted:
    """The words of a query: how much each says, and for the rarer ones where they stand, and how often.

    `held` is how many memories of anybody hold each.
    """

    rarity: Mapping[str, float]
    held: Mapping[str, int]
    places: Mapping[str, tuple[Numbers, Numbers]]

    @property
    def frequent(self) -> dict[str, float]:
        """The words too common to be looked up."""
        return {term: weight for term, weight in self.rarity.items() if term not in self.places}

    def scores(self, shelf: Shelf, usual: float) -> npt.NDArray[np.float64]:
        """BM25 of each memory of a shelf, by the rarer words; `usual` is how many words one has."""
        found = np.zeros(shelf.count)
        for term, (numbers, counts) in self.places.items():
            at, here = shelf.standing(numbers)
            at, often = at[here], counts[here]
            norm = _norm(shelf.lengths[at], usual)
            found[at] += self.rarity[term] * often * (SATURATION + 1) / (often + norm)
        return found


def wanted(connection: sqlite3.Connection, query: str) -> Wanted:
    """Look up the stems of a query, each once, at most 64."""
    terms = list(dict.fromkeys(stems(query)))[:QUERY_TERMS]
    everyone = connection.execute("SELECT ifnull(max(number), 0) AS most FROM memory").fetchone()["most"]
    held = _holders(connection, terms)
    rarity = {term: math.log1p((max(everyone - many, 0) + 0.5) / (many + 0.5)) for term, many in held.items()}
    places: dict[str, tuple[Numbers, Numbers]] = {}
    rows = 0
    for term, many in sorted(held.items(), key=lambda each: each[1]):
        if places and rows + many > ENOUGH:
            break
        places[term] = _places(connection, term)
        rows += many
    return Wanted(rarity, held, places)


def scores(
    connection: sqlite3.Connection, common: Mapping[str, float], numbers: Sequence[int], usual: float
) -> dict[int, float]:
    """What the common words of a query add to the BM25 of some memories."""
    found: dict[int, float] = {}
    for row in connection.execute(
        "SELECT number, words FROM memory WHERE number IN (SELECT value FROM json_each(?))",
        (json.dumps(list(numbers)),),
    ):
        words: list[str] = row["words"].split()
        norm = float(_norm(len(words), usual))
        often = {term: words.count(term) for term in common}
        found[row["number"]] = sum(
            common[term] * many * (SATURATION + 1) / (many + norm) for term, many in often.items()
        )
    return found


def of_others(
    connection: sqlite3.Connection, asked: Wanted, shelf: Shelf, fits: npt.NDArray[np.bool_], usual: float
) -> npt.NDArray[np.float64]:
    """What words add that are common with others only: they may well tell this owner's memories apart."""
    added = np.zeros(shelf.count)
    foreign = {term: says for term, says in asked.frequent.items() if asked.held[term] > shelf.count}
    if foreign and shelf.count <= ENOUGH:
        found = scores(connection, foreign, shelf.numbers[fits].tolist(), usual)
        added[shelf.places(np.array(list(found), np.int64))] = list(found.values())
    return added


def _norm(length: npt.ArrayLike, usual: float) -> npt.NDArray[np.float64]:
    return SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * np.asarray(length, np.float64) / max(usual, 1))


def _holders(connection: sqlite3.Connection, terms: Sequence[str]) -> dict[str, int]:
    """How many memories hold each word; words that none holds are left out."""
    rows = connection.execute(
        "SELECT term, doc FROM memory_word WHERE term IN (SELECT value FROM json_each(?))",
        (json.dumps(list(terms)),),
    )
    return {row["term"]: row["doc"] for row in rows}


def _places(connection: sqlite3.Connection, term: str) -> tuple[Numbers, Numbers]:
    """The memories that hold a word, in order, and how often each does."""
    # As one text, since a row of Python for each place takes four times as long.
    listed = connection.execute(
        "SELECT group_concat(doc) AS docs FROM memory_place WHERE term = ? AND col = 'words'", (term,)
    ).fetchone()["docs"]
    places = np.fromstring(listed or "", np.int64, sep=",")
    return np.unique(places, return_counts=True)
