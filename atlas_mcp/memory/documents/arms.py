"""The arms of a search: how far each passage of a scope fits a query by words, meaning, names and time.

Words and meaning lean on what stands or was said close by. Where a query names who spoke, what they said
comes first; where it names a time, what is of that time or speaks of it; where it asks when or how many, what
says a time or a number. The arms are added up by value, since fused ranks lose to words alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from atlas_mcp.memory.documents.collection import day_of
from atlas_mcp.text.entities import akin, entities
from atlas_mcp.text.ranking import lean, minmax
from atlas_mcp.text.times import periods
from atlas_mcp.text.words import STOP_WORDS, words

if TYPE_CHECKING:
    import numpy.typing as npt

    from atlas_mcp.memory.documents.collection import Collection
    from atlas_mcp.text.ranking import FloatArray
    from atlas_mcp.text.times import Period

__all__ = ["Arms", "Cues", "Weighed", "closer", "read_cues", "weigh"]

# A passage that shares no word with the query and lies farther from it than this has nothing to do with it.
LEAST_MEANING = 0.2
OF_THE_TIME = 0.7
"""How well a message fits that was said at a time that is asked for; one that speaks of it fits wholly."""
SHORTEST_NAME = 3

_WHEN = re.compile(
    r"\s*(?:when|how long|(?:in |on )?(?:what|which) (?:date|day|week|month|year))\b", re.IGNORECASE
)
_HOW_MANY = re.compile(r"\s*how (?:many|much|often|long)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\b(?:\d+|two|three|four|five|six|seven|eight|nine|ten|once|twice)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Arms:
    """What each arm counts for; 0 leaves it out.

    `answer` is for passages that say a time or a number where the query asks for one, `substance` for
    messages that say more than a greeting does. `nearby` is how much of what stands close by counts, of what
    usually does.
    """

    words: float = 0.45
    meaning: float = 0.55
    names: float = 0.25
    time: float = 0.35
    answer: float = 0.15
    substance: float = 0.1
    nearby: float = 1.0


@dataclass(frozen=True, slots=True)
class Cues:
    """What a query says of who, when and what kind of answer.

    `named` tells of each speaker whether it is meant, `called` are the words that mean one.
    """

    named: npt.NDArray[np.bool_]
    called: frozenset[str]
    times: tuple[Period, ...]
    when: bool
    how_many: bool

    @property
    def asks_closer(self) -> bool:
        """Whether passages have to be read to know how far they fit."""
        return bool(self.times) or self.when or self.how_many


@dataclass(frozen=True, slots=True)
class Weighed:
    """Every passage by every arm, 0 to 1 each (`cosines` as they are), and all of it added up, 0 to 1."""

    words: FloatArray
    cosines: FloatArray
    names: npt.NDArray[np.bool_]
    time: npt.NDArray[np.bool_]
    score: FloatArray
    candidate: npt.NDArray[np.bool_]
    whole: float


def read_cues(query: str, known: Collection, today: str, allowed: npt.NDArray[np.bool_]) -> Cues:
    """The cues of a query; its times count from today, or from the latest message if none is of them then."""
    keys = [entity.key for entity in entities(query)]
    said = [word for word in words(query) if len(word) >= SHORTEST_NAME and word not in STOP_WORDS]
    named = np.array([_is_named(name, keys, said) for name in known.names])
    meant = [name for name, is_meant in zip(known.names, named, strict=True) if is_meant]
    called = frozenset(word for word in words(query) if any(akin(word, name) for name in meant))
    times = tuple(periods(query, today))
    latest = int(known.days[allowed & known.said].max(initial=0))
    if times and latest and not any((_within(known.days, each) & known.said).any() for each in times):
        times = tuple(periods(query, date.fromordinal(latest).isoformat()))
    return Cues(named, called, times, bool(_WHEN.match(query)), bool(_HOW_MANY.match(query)))


def weigh(
    known: Collection, lexical: FloatArray, vector: FloatArray | None, cues: Cues,
    allowed: npt.NDArray[np.bool_], *, arms: Arms,
) -> Weighed:  # fmt: skip
    """How far each passage that is allowed fits, as far as that is known without reading it.

    `lexical` is each one's score by words, `vector` the query's.
    """
    lexical = lexical * allowed
    lexical /= lexical.max(initial=0) or 1
    names = cues.named[known.speakers] & allowed
    time = np.zeros(len(known), np.bool_)
    for period in cues.times:
        time |= _within(known.days, period) & known.said & allowed
    cosines = np.zeros(len(known), np.float32)
    meaning = cosines
    if vector is not None and len(known.norms):
        cosines = lean(known.vectors @ vector, known.groups, known.near_meaning, known.norms)
        meaning = np.zeros_like(cosines)
        meaning[allowed] = minmax(cosines[allowed])
        # What has no vector yet is judged by its words alone.
        meaning = np.where(known.embedded, meaning, lexical)
    score = (
        arms.words * lexical + arms.meaning * meaning + arms.names * names + arms.time * OF_THE_TIME * time
    )
    whole = arms.words + arms.meaning * bool(meaning.any()) + arms.names * bool(names.any())
    whole += arms.time * bool(cues.times) + arms.answer * (cues.when or cues.how_many)
    if arms.substance and known.said.any():
        score += arms.substance * known.substance
        whole += arms.substance
    candidate = ((lexical > 0) | (cosines >= LEAST_MEANING) | names | time) & allowed
    score = (score / (whole or 1)).astype(np.float32)
    return Weighed(lexical, cosines, names, time, score, candidate, whole or 1)


def closer(cues: Cues, text: str, at: str, *, of_the_time: bool, arms: Arms) -> tuple[float, list[str]]:
    """What reading a passage that was said `at` adds to its score, before that is made 0 to 1; and why."""
    adds, why = 0.0, list[str]()
    told = _times_in(text, at[:10]) if cues.times or cues.when else ()
    spoken = next((time for time in cues.times if any(time.overlaps(other) for other in told)), None)
    if spoken is not None:
        adds += arms.time * (1 - OF_THE_TIME * of_the_time)
    if arms.time and (spoken is not None or of_the_time):
        period = spoken or next(time for time in cues.times if time.holds(at))
        why.append(f"time {1 if spoken else OF_THE_TIME:.2f} ({period})")
    says = [name for name, fits in (
        ("when", cues.when and told), ("how many", cues.how_many and _NUMBER.search(text))
    ) if fits]  # fmt: skip
    if says and arms.answer:
        adds += arms.answer
        why.append(f"answer 1.00 (says {says[0]})")
    return adds, why


@lru_cache(maxsize=5_000)
def _times_in(text: str, day: str) -> tuple[Period, ...]:
    return tuple(periods(text, day))


def _within(days: npt.NDArray[np.int32], period: Period) -> npt.NDArray[np.bool_]:
    return (days >= day_of(period.start)) & (days < day_of(period.end))


def _is_named(speaker: str, keys: list[str], said: list[str]) -> bool:
    """Whether a query's names or words mean a speaker."""
    parts = speaker.split()
    return any(akin(key, speaker) for key in keys if speaker) or any(word in parts for word in said)
