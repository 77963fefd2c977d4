"""What was observed of one member at one kind of task: sums and histograms that fade with time.

Observations are only ever added up and fade by their age alone, so that what two processes observed apart and
merge later is what one would have observed. It knows no clock; whoever keeps it says when it was.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["QUICKER", "Histogram", "Outcome", "Track"]

_LEAST, _RATIO, _BUCKETS = 0.01, 1.5, 32
_LOG_RATIO = math.log(_RATIO)
_BOUNDS = (0.0, *(_LEAST * _RATIO**power for power in range(_BUCKETS)))
"""Where the buckets of a histogram begin and end."""

_SUMS = ("tokens", "cost", "priced", "quality", "rated")
_QUICK_SUMS = ("answered", "lost")
_HISTOGRAMS = ("seconds", "first_token", "speed")

QUICKER = 4.0
"""Whether tries are answered fades so many times as fast as what answers are like: an outage ends within
hours, and is not held against a member for days."""

_NOTHING = 1e-9
"""A histogram of less than this is empty."""
_JUST_BELOW = 1.0 - 1e-9
"""Where a share ends between two buckets, the last digits of their sums do not decide for the upper one."""
_RENEWED = 8.0
"""Half-lives after which a track is brought up to the present, so that numbers stay in bounds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended: `failure` is a code, empty where it was answered.

    `seconds` is how long it took, to its end or until it failed; `tokens` are those of the answer, `cost_usd`
    None where the price is unknown.
    """

    failure: str = ""
    seconds: float = 0.0
    tokens_per_second: float | None = None
    cost_usd: float | None = None
    tokens: int = 0


class Histogram:
    """Weighed counts of positive numbers, in buckets each half as wide again as the one before."""

    __slots__ = ("counts",)

    def __init__(self, counts: list[float] | None = None) -> None:
        self.counts = counts or [0.0] * _BUCKETS

    def add(self, value: float, weight: float = 1.0) -> None:
        """Count a value."""
        place = int(math.log(value / _LEAST) / _LOG_RATIO) + 1 if value > _LEAST else 0
        self.counts[min(place, _BUCKETS - 1)] += weight

    def merge(self, other: Histogram, weight: float = 1.0) -> None:
        """Add another's counts."""
        self.counts = [mine + weight * theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]

    def scale(self, factor: float) -> None:
        """Let every count weigh so much."""
        self.counts = [factor * count for count in self.counts]

    def quantiles(self, *shares: float) -> list[float | None]:
        """The values below which such shares (above 0, at most 1) lie, to within a bucket; None if empty."""
        up_to = list(accumulate(self.counts))
        total = up_to[-1]
        if total < _NOTHING:
            return [None for _ in shares]
        found: list[float | None] = []
        for share in shares:
            wanted = share * total * _JUST_BELOW
            place = bisect_left(up_to, wanted)
            count = self.counts[place]
            within = (wanted - up_to[place] + count) / count
            found.append(_BOUNDS[place] + (_BOUNDS[place + 1] - _BOUNDS[place]) * within)
        return found


class Track:
    """The observations, each as it weighed at `at`.

    One that was made later counts for more than one, by as much as it will have faded less; so nothing has to
    be done to a track while time passes.
    """

    __slots__ = (
        "answered", "at", "cost", "failed", "first_token", "lost", "priced", "quality", "rated", "seconds",
        "speed", "tokens",
    )  # fmt: skip

    def __init__(self, at: float) -> None:
        self.at = at
        self.answered = 0.0
        self.failed: dict[str, float] = {}
        self.lost = 0.0
        self.seconds = Histogram()
        self.first_token = Histogram()
        self.speed = Histogram()
        self.tokens = 0.0
        self.cost = self.priced = 0.0
        self.quality = self.rated = 0.0

    def weight(self, now: float, half_life: float) -> float:
        """For how much something counts that is observed now, even if the clock was set back."""
        return self._weight(max(now, self.at), half_life)

    def faded(self, now: float, half_life: float) -> float:
        """What is left now of something that stands in the track as 1."""
        return 0.5 ** (max(0.0, now - self.at) / half_life)

    def add(self, outcome: Outcome, weight: float) -> None:
        """Count how a try ended."""
        quick = weight**QUICKER
        if outcome.failure:
            self.failed[outcome.failure] = self.failed.get(outcome.failure, 0.0) + quick
            self.lost += quick * outcome.seconds
        else:
            self.answered += quick
            self.tokens += weight * outcome.tokens
            self.seconds.add(outcome.seconds, weight)
            if outcome.tokens_per_second:
                self.speed.add(outcome.tokens_per_second, weight)
        if outcome.cost_usd is not None:
            self.cost += weight * outcome.cost_usd
            self.priced += weight

    def rate(self, quality: float, weight: float) -> None:
        """Count how good an answer was."""
        self.quality += weight * quality
        self.rated += weight

    def merge(self, other: Track, half_life: float) -> None:
        """Add another's observations, each by its age."""
        weight = self._weight(other.at, half_life)
        quick = weight**QUICKER
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + weight * getattr(other, name))
        for name in _QUICK_SUMS:
            setattr(self, name, getattr(self, name) + quick * getattr(other, name))
        for name in _HISTOGRAMS:
            getattr(self, name).merge(getattr(other, name), weight)
        for code, count in other.failed.items():
            self.failed[code] = self.failed.get(code, 0.0) + quick * count

    @property
    def tries(self) -> float:
        """How many tries ended, however they did."""
        return self.answered + self.failures

    @property
    def answers(self) -> float:
        """How many tries were answered, faded as what they were like is."""
        return sum(self.seconds.counts)

    @property
    def failures(self) -> float:
        """How many tries failed."""
        return sum(self.failed.values())

    def to_dict(self) -> dict[str, Any]:
        """The track as JSON."""
        return {
            "at": self.at,
            **{name: getattr(self, name) for name in (*_SUMS, *_QUICK_SUMS)},
            "failed": self.failed,
            **{name: getattr(self, name).counts for name in _HISTOGRAMS},
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Track:
        """The track that `to_dict` gave."""
        track = cls(kept["at"])
        for name in (*_SUMS, *_QUICK_SUMS):
            setattr(track, name, kept[name])
        for name in _HISTOGRAMS:
            setattr(track, name, Histogram(list(kept[name])))
        track.failed = dict(kept["failed"])
        return track

    def _weight(self, at: float, half_life: float) -> float:
        ages = (at - self.at) / half_life
        if ages > _RENEWED:
            self._renew(at, 0.5**ages)
            return 1.0
        return 2.0**ages

    def _renew(self, now: float, factor: float) -> None:
        """Bring everything to `now`."""
        self.at = now
        quick = factor**QUICKER
        for name in _SUMS:
            setattr(self, name, getattr(self, name) * factor)
        for name in _QUICK_SUMS:
            setattr(self, name, getattr(self, name) * quick)
        for name in _HISTOGRAMS:
            getattr(self, name).scale(factor)
        self.failed = {code: count * quick for code, count in self.failed.items()}
