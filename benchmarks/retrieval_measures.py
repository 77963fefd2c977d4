"""Measures of retrieval: recall, reciprocal rank, and how sure a difference between two systems is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Asked", "Ranking", "bootstrap", "recall", "reciprocal", "table"]

Ranking: TypeAlias = "list[str]"
"""What a system found for one question, the best first."""

Figures: TypeAlias = npt.NDArray[np.float64]
REPEATS = 5_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, what holds its answer, its class, and the conversation it is of."""

    text: str
    evidence: frozenset[str]
    kind: str
    about: str


def recall(asked: Sequence[Asked], found: Sequence[Ranking], k: int) -> Figures:
    """Of each question, the share of its evidence among the first `k`."""
    return np.array([
        len(question.evidence & set(ranking[:k])) / len(question.evidence)
        for question, ranking in zip(asked, found, strict=True)
    ])  # fmt: skip


def reciprocal(asked: Sequence[Asked], found: Sequence[Ranking], most: int = 20) -> Figures:
    """Of each question, 1 over the rank of the first that holds evidence; 0 where none of `most` does."""
    return np.array([
        next((1 / rank for rank, item in enumerate(ranking[:most], 1) if item in question.evidence), 0.0)
        for question, ranking in zip(asked, found, strict=True)
    ])  # fmt: skip


def bootstrap(ours: Figures, theirs: Figures, groups: Sequence[str]) -> tuple[float, float, float]:
    """The mean difference of two systems on the same questions, and its 95 % interval.

    Conversations are drawn first, then questions within each, since those of one conversation are alike.
    """
    difference = ours - theirs
    members: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    stretches: list[npt.NDArray[np.int64]] = [np.array(places) for places in members.values()]
    chance = np.random.default_rng(1)
    means = np.empty(REPEATS)
    for repeat in range(REPEATS):
        drawn = [stretches[int(at)] for at in chance.integers(len(stretches), size=len(stretches))]
        taken = np.concatenate([own[chance.integers(len(own), size=len(own))] for own in drawn])
        means[repeat] = difference[taken].mean()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as text, its first column to the left and the others to the right."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = [
        "  ".join(cell.rjust(width) if at else cell.ljust(width) for at, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in (head, *rows))
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
