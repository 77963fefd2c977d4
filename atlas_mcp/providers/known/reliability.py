"""How each member fared lately, by kind of task: what a choice among them rests on.

Observations fade with a half-life, so that what a provider did yesterday weighs less than what it does now.
Waits are kept as fading histograms on a logarithmic scale, from which percentiles are read. A task of which
little is known borrows from the member's record over all tasks. It knows no provider, opens nothing and
reads time from a clock that it is given.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas_mcp.providers.known.track import QUICKER, Outcome, Track

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_mcp.messages import TaskType
    from atlas_mcp.providers.known.allowance import Allowance

__all__ = ["Outcome", "Record", "Reliability", "Track"]

HALF_LIFE = 24 * 3600.0
"""Seconds after which what answers are like counts half; whether tries are answered, four times as fast. In
simulated weeks half and twice as long hardly differ; with much less one forgets faster than one learns."""

_BORROWED = 3.0
"""How many observations the record over all other tasks counts for within that of one task."""
_DOUBT = 1.0
"""So many answered tries are assumed of everyone, so that one failure does not condemn a member."""

_FORGOTTEN = 1e-3
"""Less than this of an observation is nothing."""
_ENOUGH = 3.0
"""So many answers show how long a task takes; before, the answers to all tasks do."""

_IDLE_SECONDS = 60.0
_BUSY_SECONDS = 1.0
"""How long a record is good for while nothing was observed, and while little was beside what it rests on."""
_STALE_SHARE = 32
"""Little is one part in so many."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a member for a task; None is unknown.

    `calls`, `answers` and `rated` are how many tries, answers and ratings it rests on, faded, of this task
    alone; everything else borrows from other tasks while little is known of this one. `success` is the share
    of tries that were answered, `failures` how many were not, by code. `seconds` and `first_token` are
    medians (and 95th percentiles) of the wait for a whole answer and for its beginning, `lost_seconds` is how
    long a try that failed took. `answer_tokens` and `cost_usd` are of an answer, `quality` is from 0 to 5.
    """

    calls: float = 0.0
    answers: float = 0.0
    success: float = 1.0
    failures: Mapping[str, float] = field(default_factory=dict[str, float])
    seconds: float | None = None
    seconds_p95: float | None = None
    first_token: float | None = None
    first_token_p95: float | None = None
    tokens_per_second: float | None = None
    lost_seconds: float | None = None
    answer_tokens: float | None = None
    cost_usd: float | None = None
    quality: float | None = None
    rated: float = 0.0


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
        self._allowances: dict[str, tuple[float, Allowance]] = {}

    def observe(self, member: str, task: TaskType, outcome: Outcome) -> None:
        """Count how a try ended."""
        for track, weight in self._touched(member, task):
            track.add(outcome, weight)

    def heard(self, member: str, task: TaskType, seconds: float) -> None:
        """Count the wait for the first token, as soon as it came."""
        for track, weight in self._touched(member, task):
            track.first_token.add(seconds, weight)

    def paced(self, member: str, task: TaskType, tokens_per_second: float) -> None:
        """Count how fast an answer flows, while it does."""
        for track, weight in self._touched(member, task):
            track.speed.add(tokens_per_second, weight)

    def rate(self, member: str, task: TaskType, quality: float) -> None:
        """Count how good an answer was, from 0 to 5."""
        for track, weight in self._touched(member, task):
            track.rate(quality, weight)

    def allowed(self, member: str, allowance: Allowance, *, ago: float = 0.0) -> None:
        """Keep what a member's vendor said last, `ago` seconds before, that its rate limits leave.

        For this process alone. A long answer that ends after a short one was often begun before it.
        """
        now, kept = self._clock(), self._allowances.get(member)
        # What was told in the future was told before the clock was set back.
        if kept is None or not now - ago < kept[0] <= now:
            self._allowances[member] = now - ago, allowance

    def allowance(self, member: str) -> tuple[float, Allowance] | None:
        """How many seconds ago a member's vendor said what its rate limits leave, and what it said."""
        if (told := self._allowances.get(member)) is None:
            return None
        return max(0.0, self._clock() - told[0]), told[1]

    def least_left(self, within: float) -> dict[str, int]:
        """The least `requests_left` and `tokens_left` that any vendor said within so many seconds."""
        since = self._clock() - within
        lately = [allowance for at, allowance in self._allowances.values() if at >= since]
        left: dict[str, int] = {}
        for name in ("requests_left", "tokens_left"):
            if said := [value for each in lately if (value := getattr(each, name)) is not None]:
                left[name] = min(said)
        return left

    def record(self, member: str, task: TaskType | None = None) -> Record:
        """What is known of a member for a task, or over all of them."""
        now = self._clock()
        name = "" if task is None else task.value
        kept = self._records.get(member, {}).get(name)
        if kept is not None and kept.holds(now):
            return kept.record
        record = self._made(member, name, now)
        self._records.setdefault(member, {})[name] = _Kept(record, now)
        return record

    def _made(self, member: str, task: str, now: float) -> Record:
        every, own = self._tracks.get((member, "")), self._tracks.get((member, task))
        if every is None:
            return Record()
        if own is None:
            own = Track(now)
        return _summary(own, every, own.faded(now, self._half_life), every.faded(now, self._half_life))

    def restore(self, tracks: Mapping[tuple[str, str], Track]) -> None:
        """Take the place of what is known by what was stored, together with what was observed since."""
        self._records.clear()
        for key, track in tracks.items():
            if fresh := self._fresh.get(key):
                track.merge(fresh, self._half_life)
            self._tracks[key] = track

    def take(self) -> dict[tuple[str, str], Track]:
        """What was observed since the last call, by member and task (an empty task is all of them).

        Merging it into what is stored gives what one would know who had observed everything.
        """
        fresh, self._fresh = self._fresh, {}
        return fresh

    @property
    def half_life(self) -> float:
        """Seconds after which an observation counts half."""
        return self._half_life

    @property
    def members(self) -> tuple[str, ...]:
        """Every member of which something is known, sorted."""
        return tuple(sorted({member for member, _ in self._tracks}))

    def _touched(self, member: str, task: TaskType) -> list[tuple[Track, float]]:
        """The tracks that an observation goes into, and how much it weighs in each."""
        now = self._clock()
        for kept in self._records.get(member, {}).values():
            kept.observed += 1
        touched: list[tuple[Track, float]] = []
        for tracks in (self._tracks, self._fresh):
            for key in ((member, ""), (member, task.value)):
                track = tracks.get(key)
                if track is None:
                    tracks[key] = track = Track(now)
                touched.append((track, track.weight(now, self._half_life)))
        return touched


@dataclass(slots=True)
class _Kept:
    """A record that was made `at`, and how much was observed since."""

    record: Record
    at: float
    observed: int = 0

    def holds(self, now: float) -> bool:
        if not self.observed:
            return now - self.at < _IDLE_SECONDS
        return now - self.at < _BUSY_SECONDS and self.observed * _STALE_SHARE <= self.record.calls


def _summary(own: Track, every: Track, own_faded: float, every_faded: float) -> Record:
    """A task's record, in which the record over all other tasks counts for a few observations.

    What stands in a track counts for so much now as it has faded since.
    """
    mine, all_ = own_faded, every_faded
    my_tries, all_tries = mine**QUICKER, all_**QUICKER
    calls, answered, failures = my_tries * own.tries, my_tries * own.answered, my_tries * own.failures
    others = max(0.0, all_tries * every.tries - calls)
    others_answered = max(0.0, all_tries * every.answered - answered)
    usual = (others_answered + _DOUBT) / (others + _DOUBT)
    borrowed = min(_BORROWED, others) + _DOUBT
    answers = mine * own.answers
    near = own if answers >= _ENOUGH else every
    seconds, seconds_p95 = near.seconds.quantiles(0.5, 0.95)
    first_token, first_token_p95 = near.first_token.quantiles(0.5, 0.95)
    (speed,) = near.speed.quantiles(0.5)
    return Record(
        calls=calls,
        answers=answers,
        success=(answered + borrowed * usual) / (calls + borrowed),
        failures={c: my_tries * count for c, count in own.failed.items() if my_tries * count > _FORGOTTEN},
        seconds=seconds,
        seconds_p95=seconds_p95,
        first_token=first_token,
        first_token_p95=first_token_p95,
        tokens_per_second=speed,
        lost_seconds=_mean(my_tries * own.lost, failures, all_tries * every.lost, all_tries * every.failures),
        answer_tokens=_mean(mine * own.tokens, answers, all_ * every.tokens, all_ * every.answers),
        cost_usd=_mean(mine * own.cost, mine * own.priced, all_ * every.cost, all_ * every.priced),
        quality=_mean(mine * own.quality, mine * own.rated, all_ * every.quality, all_ * every.rated),
        rated=mine * own.rated,
    )


def _mean(own: float, of: float, every: float, of_every: float) -> float | None:
    """A mean over one task, in which the mean over all others counts for a few observations."""
    others = of_every - of
    if others < _FORGOTTEN:
        return own / of if of > 0.0 else None
    borrowed = min(_BORROWED, others)
    return (own + borrowed * (every - own) / others) / (of + borrowed)
