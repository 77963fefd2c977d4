"""What a person should know of servers while this process lives: what started, failed, changed, was odd."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Notice", "Notices"]

MOST = 200
"""Notices that are kept of a server; older ones are dropped."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about a server that a person should know: `kind` is `started`, `failed`, `changed`, `odd`."""

    kind: str
    server: str
    text: str


class Notices:
    """The notices of every server, in one order."""

    def __init__(self) -> None:
        self.count = 0
        self._of: defaultdict[str, deque[tuple[int, Notice]]] = defaultdict(
            lambda: deque[tuple[int, Notice]](maxlen=MOST)
        )

    def add(self, kind: str, server: str, text: str) -> None:
        """Note something; what was odd is noted once."""
        notice = Notice(kind, server, text)
        if kind == "odd" and any(notice == each for _, each in self._of[server]):
            return
        self.count += 1
        self._of[server].append((self.count, notice))

    def of(self, servers: Iterable[str], *, after: int = 0) -> list[Notice]:
        """The notices of servers, in order, after so many of all."""
        there = [each for name in servers for each in self._of.get(name, ()) if each[0] > after]
        return [notice for _, notice in sorted(there, key=lambda each: each[0])]
