"""How well the librarian tells a true sentence from a falsified one: rates by kind, and a table of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from atlas_mcp.quality.statements import Statement, statements
from atlas_mcp.text.support import lexical_support
from tests.quality.falsified import FALSE, Pair, auc

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EARLIER", "Sight", "seen", "table"]

EARLIER: Final = {
    ("wrong source", 0): "AUC 1.00", ("wrong source", 30): "AUC 1.00", ("wrong source", 50): "AUC 0.98",
    ("wrong source", 70): "AUC 0.93", ("invented half", 0): "AUC 1.00", ("invented half", 30): "AUC 0.96",
    ("invented half", 50): "AUC 0.78", ("invented half", 70): "AUC 0.53", ("number invented", 0): "seen 100%",
    ("number from beside", 0): "seen 83%", ("negation added", 0): "seen 100%",
}  # fmt: skip
"""What the bare measures gave on 752 sentences of 129 README files, whole files as sources: lexical support
for the first two kinds, numbers and words of negation for the others."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Of `pairs` pairs of a kind: how they rank, and what share is told to have a fault."""

    kind: str
    percent: int
    pairs: int
    support_auc: float
    value_auc: float
    seen: float
    false_alarms: float


def seen(pairs: Iterable[Pair]) -> list[Sight]:
    """What is seen of the pairs, by kind and by how much was reworded."""

    def order(pair: Pair) -> tuple[int, int]:
        return FALSE.index(pair.kind), pair.percent

    return [_sight(list(alike)) for _, alike in groupby(sorted(pairs, key=order), key=order)]


def table(rows: Iterable[Sight]) -> str:
    """The rows as text, each beside what was measured earlier."""
    head = f"{'falsified by':<20}{'reworded':>9}{'pairs':>7}{'AUC words':>11}{'AUC value':>11}"
    lines = [
        f"{head}{'seen':>7}{'false alarms':>14}   earlier",
        *(
            f"{row.kind:<20}{row.percent:>8}%{row.pairs:>7}{row.support_auc:>11.2f}{row.value_auc:>11.2f}"
            f"{row.seen:>7.0%}{row.false_alarms:>14.0%}   {EARLIER.get((row.kind, row.percent), '')}"
            for row in rows
        ),
    ]
    return "\n".join(line.rstrip() for line in lines)


def _sight(pairs: list[Pair]) -> Sight:
    true = [_judged(pair.true, pair.quote) for pair in pairs]
    false = [_judged(pair.false, pair.false_quote) for pair in pairs]
    return Sight(
        pairs[0].kind, pairs[0].percent, len(pairs),
        auc(
            [lexical_support(pair.true, [pair.quote]) for pair in pairs],
            [lexical_support(pair.false, [pair.false_quote]) for pair in pairs],
        ),
        auc([each.value for each in true], [each.value for each in false]),
        sum(map(_faulty, false)) / len(pairs),
        sum(map(_faulty, true)) / len(pairs),
    )  # fmt: skip


def _judged(text: str, quote: str) -> Statement:
    (statement,) = statements([{"text": text, "finding_ids": ["f1"]}], "", {"f1": quote}, set())
    return statement


def _faulty(statement: Statement) -> bool:
    return any(found.problem for found in statement.found.values())
