"""Memories as teams would have them, made up: sentences whose words and names are as unequal as in life.

Words follow Zipf's law among the small words of English, names follow it too, and vectors of 384 numbers lie
in clusters, as those of sentence models do. The same number gives the same memory in every process.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DIMENSIONS", "KINDS", "MODEL", "TEAMS", "Made", "made", "query", "vectors_of"]

FloatArray: TypeAlias = npt.NDArray[np.float32]

DIMENSIONS = 384
MODEL = "made-up-384"
KINDS = ("fact", "procedure", "preference", "outcome")
TEAMS = ("research", "analysis", "writing", "rating")
SOURCES = 500
"""Documents that memories rest on."""

WORDS = 20_000
NAMES = 3_000
CLUSTERS = 300
NEAR = 0.75
"""How near to its cluster's centre a vector lies: cosines within a cluster are about its square."""

_SMALL = ("the", "of", "to", "and", "in", "a", "is", "for", "with", "on", "at", "was", "that", "by", "before")
_BEGINS = (
    "b",
    "br",
    "c",
    "d",
    "f",
    "gr",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "w",
)
_MIDDLES = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
_ENDS = ("", "", "", "n", "r", "l", "nd", "ck", "m", "th")
_ASKED = frozenset((*_SMALL, "what"))
_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
_MORE = 4096
"""Vectors that, two at a time, make the noise of one."""


@dataclass(frozen=True, slots=True)
class Made:
    """A memory: what it says, of which kind it is, since when it is so, whose it is, what it rests on."""

    text: str
    kind: str
    since: str
    team: str | None
    source: str

    @property
    def seconds(self) -> float:
        """Since when it is so, in seconds since 1970."""
        return datetime.fromisoformat(self.since).timestamp()


def made(number: int) -> Made:
    """The memory of a number."""
    draw = _drawn(number)
    team = draw.choice(TEAMS) if draw.random() < 0.3 else None
    since = _FIRST_DAY + timedelta(minutes=number % 500_000)
    return Made(
        _sentence(draw, number), draw.choice(KINDS), since.isoformat(timespec="microseconds"), team,
        f"file:///notes/{draw.randrange(SOURCES)}.md",
    )  # fmt: skip


def query(number: int, among: int) -> str:
    """A question with a few words and often a name of one of so many memories."""
    draw = _drawn(f"query {number}")
    words = made(draw.randrange(among)).text.split()[1:-2]
    told = [word for word in words if word not in _SMALL and word.islower()]
    named = [word for word in words if not word.islower()]
    asked = draw.sample(told, min(4, len(told))) or ["thing"]
    who = f" {named[0]}" if named and draw.random() < 0.6 else ""
    return f"what was the {asked[0]} of{who} {' '.join(asked[1:])}?"


def vectors_of(texts: Sequence[str]) -> FloatArray:
    """The unit vectors of texts, n x 384; a text lies in the cluster of its first telling word."""
    said = [text.casefold() for text in texts]
    first = [next((word for word in text.split() if word not in _ASKED), text) for text in said]
    centres, noise = _spread()
    cluster = [zlib.crc32(word.encode()) % CLUSTERS for word in first]
    one = np.array([zlib.crc32(text.encode()) for text in said], np.int64)
    mixed = noise[one % _MORE] + noise[(one // _MORE) % _MORE]
    found = NEAR * centres[cluster] + (1 - NEAR**2) ** 0.5 * mixed / np.linalg.norm(
        mixed, axis=1, keepdims=True
    )
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def _sentence(draw: Random, number: int) -> str:
    """10 to 25 words with names among them, and the number, so that no two sentences are the same."""
    words = draw.randint(10, 25)
    telling = draw.choices(_words(), cum_weights=_shares(WORDS), k=words)
    said = [draw.choice(_SMALL) if draw.random() < 0.4 else word for word in telling]
    for name in draw.choices(_names(), cum_weights=_shares(NAMES), k=draw.randint(0, 3)):
        said[draw.randrange(1, words)] = name
    return f"{said[0].capitalize()} {' '.join(said[1:])} (note {number})."


@cache
def _shares(many: int) -> list[float]:
    """Zipf's law as Mandelbrot has it, summed up: the commonest word stands in about every fifteenth text."""
    return list(accumulate(1 / (rank + 20) for rank in range(many)))


@cache
def _words() -> tuple[str, ...]:
    draw = _drawn("words")
    found: dict[str, None] = {}
    while len(found) < WORDS:
        found["".join(_syllable(draw) for _ in range(draw.choice((2, 2, 3))))] = None
    return tuple(found)


@cache
def _names() -> tuple[str, ...]:
    draw = _drawn("names")
    found: dict[str, None] = {}
    while len(found) < NAMES:
        parts = draw.choice((1, 1, 2))
        found[" ".join((_syllable(draw) + _syllable(draw)).capitalize() + "o" for _ in range(parts))] = None
    return tuple(found)


@cache
def _spread() -> tuple[FloatArray, FloatArray]:
    """The centres of clusters, and what is mixed into them: unit vectors."""
    draw = np.random.default_rng(3)
    every = draw.standard_normal((CLUSTERS + _MORE, DIMENSIONS), np.float32)
    every /= np.linalg.norm(every, axis=1, keepdims=True)
    return every[:CLUSTERS], every[CLUSTERS:]


def _syllable(draw: Random) -> str:
    return draw.choice(_BEGINS) + draw.choice(_MIDDLES) + draw.choice(_ENDS)


def _drawn(seed: int | str) -> Random:
    return Random(seed)  # noqa: S311 - what is drawn has to be the same again
