"""How long what memory does takes, per operation and store: summed up for people, and told of runs.

Whatever is done is measured where it is done and counted twice: by the meter of the memory, for as long as
the process lives, and by the tally of whoever had it done, if somebody keeps one. A tally follows the work
through the tasks that it begins, so that of two runs at once each counts its own. The meter keeps the newest
latencies alone, so that a server of months costs what one of an hour costs; nothing is locked, since
operations begin and end on the event loop.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

__all__ = ["Figures", "Measured", "Meter", "Tally", "Took", "counted_by"]

NEWEST = 512
"""Latencies of an operation that are kept."""

RECORD: Final = "record"
DOCUMENTS: Final = "documents"
EMBEDDER: Final = "embedder"
"""Stores by name, beside the indexes, which have names of their own."""


@dataclass(slots=True)
class Took:
    """What operations of one name on one store took together.

    `items` are the rows, texts or changes that they were about, `hits` how often what was asked for was at
    hand already.
    """

    count: int = 0
    seconds: float = 0.0
    items: int = 0
    hits: int = 0
    errors: int = 0

    def add(self, other: Took) -> None:
        """Count what others took, too."""
        self.count += other.count
        self.seconds += other.seconds
        self.items += other.items
        self.hits += other.hits
        self.errors += other.errors


@dataclass(frozen=True, slots=True)
class Figures:
    """An operation on a store since the process began; the quantiles are of its newest latencies."""

    operation: str
    store: str
    count: int
    errors: int
    items: int
    hits: int
    seconds: float
    items_per_second: float
    p50_ms: float
    p95_ms: float


class Tally:
    """What some work had memory do."""

    def __init__(self) -> None:
        self._took: dict[tuple[str, str], Took] = {}

    def add(self, operation: str, store: str, took: Took) -> None:
        """Count an operation, or several."""
        self._took.setdefault((operation, store), Took()).add(took)

    def take(self) -> list[dict[str, Any]]:
        """Everything counted since it was last taken, as events tell it."""
        took, self._took = self._took, {}
        return [
            {
                "operation": operation, "store": store, "count": each.count,
                "seconds": round(each.seconds, 6), "items": each.items, "hits": each.hits,
                "errors": each.errors,
            }
            for (operation, store), each in sorted(took.items())
        ]  # fmt: skip

    def pour_into(self, other: Tally) -> None:
        """Let another count what this one did, and begin anew."""
        took, self._took = self._took, {}
        for (operation, store), each in took.items():
            other.add(operation, store, each)


_COUNTING: ContextVar[Tally | None] = ContextVar("memory_tally", default=None)


@contextmanager
def counted_by(tally: Tally | None) -> Generator[None]:
    """Let a tally count what memory does for what happens within, and for the tasks begun there."""
    token = _COUNTING.set(tally)
    try:
        yield
    finally:
        _COUNTING.reset(token)


@dataclass(slots=True)
class _Series:
    """What is kept of an operation on a store."""

    took: Took = field(default_factory=Took)
    newest: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))


class Measured:
    """An operation under way: whoever does it may say how many items it is about, and how many were hits.

    One that raises counts as an error. One that is called off came to no end, and counts as nothing.
    """

    __slots__ = ("_meter", "_since", "hits", "items", "operation", "store")

    def __init__(self, meter: Meter, operation: str, store: str) -> None:
        self._meter = meter
        self._since = 0.0
        self.operation = operation
        self.store = store
        self.items = 0
        self.hits = 0

    def __enter__(self) -> Self:
        self._since = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            seconds = perf_counter() - self._since
            self._meter.note(
                self.operation, self.store, Took(1, seconds, self.items, self.hits, int(kind is not None))
            )


class Meter:
    """Measures what a memory does."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], _Series] = {}

    def measured(self, operation: str, store: str) -> Measured:
        """Measure what happens within: what is done, and by which store."""
        return Measured(self, operation, store)

    def note(self, operation: str, store: str, took: Took) -> None:
        """Count one operation, here and for whom it was done."""
        series = self._series.get((operation, store))
        if series is None:
            series = self._series[operation, store] = _Series()
        series.took.add(took)
        series.newest.append(took.seconds)
        if (tally := _COUNTING.get()) is not None:
            tally.add(operation, store, took)

    def figures(self) -> list[Figures]:
        """Every operation that took place, by operation and store."""
        return [
            Figures(
                operation, store, took.count, took.errors, took.items, took.hits, round(took.seconds, 6),
                round(took.items / took.seconds, 1) if took.seconds else 0.0,
                round(1000 * _quantile(each.newest, 0.5), 2), round(1000 * _quantile(each.newest, 0.95), 2),
            )
            for (operation, store), each in sorted(self._series.items())
            if (took := each.took)
        ]  # fmt: skip

    def to_list(self) -> list[dict[str, Any]]:
        """The figures as JSON."""
        return [asdict(each) for each in self.figures()]


def _quantile(values: deque[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
