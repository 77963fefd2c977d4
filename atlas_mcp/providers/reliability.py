"""How each member fared lately, by kind of task: what a choice among them rests on.

Counts decay with a half-life, so that what a provider did yesterday weighs less than what it does now. Waits
are kept as decaying histograms on a logarithmic scale, from which percentiles are read. A task of which
little is known borrows from the member's record over all tasks. It knows no provider, opens nothing and
reads time from a clock that it is given.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_mcp.messages import TaskType

__all__ = ["Outcome", "Record", "Reliability", "Track"]

HALF_LIFE = 6 * 3600.0
"""Seconds after which an observation counts half."""

_LEAST, _RATIO, _BUCKETS = 0.01, 1.5, 32
_LOG_RATIO = math.log(_RATIO)
_BORROWED = 5.0
"""How many observations the record over all tasks counts for within that of one task."""
_FORGOTTEN = 1e-3
_STALE_SECONDS = 1.0
_STALE_SHARE = 32
"""A record that rests on many observations is not made anew for each."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended: `failure` is a code, empty where it was answered; seconds, tokens and dollars."""

    failure: str = ""
    seconds: float = 0.0
    tokens_per_second: float | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a member for a task; `calls` is how much it rests on, decayed. None is unknown."""

    calls: float = 0.0
    success: float = 1.0
    failures: Mapping[str, float] = field(default_factory=dict[str, float])
    seconds: float | None = None
    seconds_p95: float | None = None
    first_token: float | None = None
    first_token_p95: float | None = None
    tokens_per_second: float | None = None
    cost_usd: float | None = None
    quality: float | None = None
    rated: float = 0.0


class Histogram:
    """Decaying counts of positive numbers, in buckets each half as wide again as the one before."""

    __slots__ = ("counts",)

    def __init__(self, counts: list[float] | None = None) -> None:
        self.counts = counts or [0.0] * _BUCKETS

    def add(self, value: float) -> None:
        """Count a value."""
        place = int(math.log(value / _LEAST) / _LOG_RATIO) + 1 if value > _LEAST else 0
        self.counts[min(place, _BUCKETS - 1)] += 1.0

    def scale(self, factor: float) -> None:
        """Let every count weigh less."""
        self.counts = [count * factor for count in self.counts]

    def merge(self, other: Histogram) -> None:
        """Add another's counts."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]

    def quantile(self, share: float) -> float | None:
        """The value below which so large a share lies, to within a bucket; None while there is none."""
        total = sum(self.counts)
        if total <= 0:
            return None
        wanted = share * total
        for place, count in enumerate(self.counts):
            if wanted <= count and count > 0:
                low = _LEAST * _RATIO ** (place - 1) if place else 0.0
                return low + (_LEAST * _RATIO**place - low) * (wanted / count)
            wanted -= count
        return _LEAST * _RATIO ** (_BUCKETS - 1)


class Track:
    """One member's observations for one task, decayed to `at`."""

    __slots__ = (
        "answered",
        "at",
        "cost",
        "failed",
        "first_token",
        "priced",
        "quality",
        "rated",
        "seconds",
        "speed",
    )

    def __init__(self, at: float) -> None:
        self.at = at
        self.answered = 0.0
        self.failed: dict[str, float] = {}
        self.seconds = Histogram()
        self.first_token = Histogram()
        self.speed = Histogram()
        self.cost = self.priced = 0.0
        self.quality = self.rated = 0.0

    def decay(self, now: float, half_life: float) -> None:
        """Bring everything to `now`."""
        if now <= self.at:
            return
        factor = 0.5 ** ((now - self.at) / half_life)
        self.at = now
        self.answered *= factor
        self.failed = {
            code: count * factor for code, count in self.failed.items() if count * factor > _FORGOTTEN
        }
        for histogram in (self.seconds, self.first_token, self.speed):
            histogram.scale(factor)
        self.cost, self.priced = self.cost * factor, self.priced * factor
        self.quality, self.rated = self.quality * factor, self.rated * factor

    def add(self, outcome: Outcome) -> None:
        """Count how a try ended."""
        if outcome.failure:
            self.failed[outcome.failure] = self.failed.get(outcome.failure, 0.0) + 1.0
        else:
            self.answered += 1.0
            self.seconds.add(outcome.seconds)
            if outcome.tokens_per_second:
                self.speed.add(outcome.tokens_per_second)
        if outcome.cost_usd is not None:
            self.cost += outcome.cost_usd
            self.priced += 1.0

    def merge(self, other: Track) -> None:
        """Add another's observations, decayed to the same moment."""
        self.answered += other.answered
        for code, count in other.failed.items():
            self.failed[code] = self.failed.get(code, 0.0) + count
        for mine, theirs in zip(self._histograms(), other._histograms(), strict=True):
            mine.merge(theirs)
        self.cost += other.cost
        self.priced += other.priced
        self.quality += other.quality
        self.rated += other.rated

    def _histograms(self) -> tuple[Histogram, ...]:
        return self.seconds, self.first_token, self.speed

    def to_dict(self) -> dict[str, Any]:
        """The track as JSON."""
        return {
            "at": self.at, "answered": self.answered, "failed": self.failed, "cost": self.cost,
            "priced": self.priced, "quality": self.quality, "rated": self.rated,
            "histograms": [histogram.counts for histogram in self._histograms()],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Track:
        """The track that `to_dict` gave."""
        track = cls(kept["at"])
        track.answered, track.failed = kept["answered"], dict(kept["failed"])
        track.cost, track.priced = kept["cost"], kept["priced"]
        track.quality, track.rated = kept["quality"], kept["rated"]
        track.seconds, track.first_token, track.speed = (
            Histogram(list(counts)) for counts in kept["histograms"]
        )
        return track


class Reliability:
    """The records of every member by task.

    `clock` gives seconds since the epoch, since records outlive the process. What was observed since `take`
    was last called is kept apart, for whoever stores it.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, half_life: float = HALF_LIFE) -> None:
        self._clock = clock
        self._half_life = half_life
        self._tracks: dict[tuple[str, str], Track] = {}
        self._fresh: dict[tuple[str, str], Track] = {}
        self._records: dict[str, dict[str, _Kept]] = {}

    def observe(self, member: str, task: TaskType, outcome: Outcome) -> None:
        """Count how a try ended."""
        for track in self._touched(member, task):
            track.add(outcome)

    def heard(self, member: str, task: TaskType, seconds: float) -> None:
        """Count the wait for the first token, as soon as it came."""
        for track in self._touched(member, task):
            track.first_token.add(seconds)

    def paced(self, member: str, task: TaskType, tokens_per_second: float) -> None:
        """Count how fast an answer flows, while it does."""
        for track in self._touched(member, task):
            track.speed.add(tokens_per_second)

    def rate(self, member: str, task: TaskType, quality: float) -> None:
        """Count how good an answer was, from 0 to 5."""
        for track in self._touched(member, task):
            track.quality += quality
            track.rated += 1.0

    def record(self, member: str, task: TaskType) -> Record:
        """What is known of a member for a task."""
        now = self._clock()
        kept = self._records.get(member, {}).get(task.value)
        if kept is not None and kept.holds(now):
            return kept.record
        record = self._made(member, task, now)
        self._records.setdefault(member, {})[task.value] = _Kept(record, now)
        return record

    def _made(self, member: str, task: TaskType, now: float) -> Record:
        every, own = self._tracks.get((member, "")), self._tracks.get((member, task.value))
        if every is None:
            return Record()
        every.decay(now, self._half_life)
        if own is None:
            return _summary(every, every)
        own.decay(now, self._half_life)
        return _summary(own, every)

    def restore(self, tracks: Mapping[tuple[str, str], Track]) -> None:
        """Take the place of what is known by what was stored, together with what was observed since."""
        now = self._clock()
        self._records.clear()
        for key, track in tracks.items():
            track.decay(now, self._half_life)
            if fresh := self._fresh.get(key):
                fresh.decay(now, self._half_life)
                track.merge(fresh)
            self._tracks[key] = track

    def take(self) -> dict[tuple[str, str], Track]:
        """What was observed since the last call, by member and task (an empty task is all of them)."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    @property
    def members(self) -> tuple[str, ...]:
        """Every member of which something is known, sorted."""
        return tuple(sorted({member for member, _ in self._tracks}))

    def _touched(self, member: str, task: TaskType) -> list[Track]:
        now = self._clock()
        for kept in self._records.get(member, {}).values():
            kept.observed += 1
        touched: list[Track] = []
        for tracks in (self._tracks, self._fresh):
            for name in ("", task.value):
                track = tracks.setdefault((member, name), Track(now))
                track.decay(now, self._half_life)
                touched.append(track)
        return touched


@dataclass(slots=True)
class _Kept:
    """A record that was made `at`, and how much was observed since."""

    record: Record
    at: float
    observed: int = 0

    def holds(self, now: float) -> bool:
        return now - self.at < _STALE_SECONDS and self.observed * _STALE_SHARE <= self.record.calls


def _summary(own: Track, every: Track) -> Record:
    """A task's record, in which the record over all tasks counts for a few observations."""
    mine = own.answered + sum(own.failed.values())
    total = every.answered + sum(every.failed.values())
    borrowed = min(_BORROWED, total) if own is not every else 0.0
    prior = every.answered / total if total else 1.0
    answered = own.answered + borrowed * prior
    near = own if own.answered >= 1.0 else every
    priced, rated = (own if own.priced >= 1.0 else every), (own if own.rated >= 1.0 else every)
    return Record(
        calls=mine,
        success=answered / (mine + borrowed) if mine + borrowed else 1.0,
        failures=dict(own.failed),
        seconds=near.seconds.quantile(0.5),
        seconds_p95=near.seconds.quantile(0.95),
        first_token=near.first_token.quantile(0.5),
        first_token_p95=near.first_token.quantile(0.95),
        tokens_per_second=near.speed.quantile(0.5),
        cost_usd=priced.cost / priced.priced if priced.priced else None,
        quality=rated.quality / rated.rated if rated.rated else None,
        rated=rated.rated,
    )
