"""How long what memory does takes, per operation: told to whoever listens, and summed up for people.

It keeps the newest latencies alone, so that a server of months costs what one of an hour costs.
"""

from __future__ import annotations

from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Meter", "Operation", "Summary"]

NEWEST = 512


@dataclass(slots=True)
class Operation:
    """Something memory did: its name, how long it took, how many items it was about, whether it went well."""

    name: str
    seconds: float = 0.0
    items: int = 0
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Summary:
    """An operation since the process began: how often, how often in vain, and its newest latencies in ms."""

    times: int
    failed: int
    items: int
    p50_ms: float
    p95_ms: float


class Meter:
    """Times operations; whoever is in `listeners` is told each as it ends."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Operation], None]] = []
        self._newest: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=NEWEST))
        self._times: defaultdict[str, int] = defaultdict(int)
        self._failed: defaultdict[str, int] = defaultdict(int)
        self._items: defaultdict[str, int] = defaultdict(int)

    @contextmanager
    def timed(self, name: str) -> Generator[Operation]:
        """Time what happens within; it may say how many items it was about."""
        operation = Operation(name)
        since = perf_counter()
        try:
            yield operation
        except BaseException:
            operation.ok = False
            raise
        finally:
            operation.seconds = perf_counter() - since
            self._note(operation)

    def summary(self) -> dict[str, Summary]:
        """Every operation that took place, by name."""
        return {
            name: Summary(
                self._times[name], self._failed[name], self._items[name],
                round(1000 * _quantile(newest, 0.5), 2), round(1000 * _quantile(newest, 0.95), 2),
            )
            for name, newest in sorted(self._newest.items())
        }  # fmt: skip

    def _note(self, operation: Operation) -> None:
        self._newest[operation.name].append(operation.seconds)
        self._times[operation.name] += 1
        self._failed[operation.name] += not operation.ok
        self._items[operation.name] += operation.items
        for listener in self.listeners:
            listener(operation)


def _quantile(values: deque[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
