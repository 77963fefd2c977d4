"""The figures of several runs, and of those that work for them, read on from the journal as it grows.

Each event is read once, however often one looks. It is read in small portions, so that no event loop waits.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from atlas_mcp.observe.figures import Figures

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from atlas_mcp.observe.journal import Journal

__all__ = ["Readings"]

PORTION = 200
"""Events that are read, and folded, at once."""


class Readings:
    """Figures by run, as far as the journal was read."""

    def __init__(self, journal: Journal) -> None:
        self.figures: dict[str, Figures] = {}
        self._journal = journal

    async def read_on(self, run_ids: Iterable[str]) -> None:
        """Read what was written since, of these runs and of all that work for them.

        Raises:
            IncompatibleStore: a newer version of ATLAS wrote it.
        """
        waiting, seen = list(run_ids), set[str]()
        while waiting:
            run_id = waiting.pop()
            if run_id not in seen:
                seen.add(run_id)
                waiting += (await self._read_run(run_id)).children

    async def _read_run(self, run_id: str) -> Figures:
        figures = self.figures.get(run_id)
        if figures is None:
            figures = self.figures[run_id] = Figures(run_id)
        while not figures.over:
            events = await self._journal.read(run_id, after=figures.seq, limit=PORTION)
            for event in events:
                # A version that told less may have written it: the rest counts all the same.
                with suppress(KeyError, TypeError, ValueError):
                    figures.hear(event)
            if len(events) < PORTION:
                break
        return figures

    def with_children(self, run_id: str) -> Iterator[Figures]:
        """A run's figures, and those of all that work for it; nothing of one that was not read."""
        if (figures := self.figures.get(run_id)) is not None:
            yield figures
            for child in figures.children:
                yield from self.with_children(child)

    def keep(self, run_ids: Collection[str]) -> None:
        """Forget every run but these and those that work for them."""
        kept = {each.run_id for run_id in run_ids for each in self.with_children(run_id)}
        self.figures = {run_id: each for run_id, each in self.figures.items() if run_id in kept}
