"""How far the librarian tells true sentences from falsified ones, beside what was measured earlier."""

from __future__ import annotations

import sys

from tests.quality.falsified import pairs, split
from tests.quality.sight import seen, table

__all__ = ["main"]


def main() -> None:
    """Print the figures for the documents that no limit was found on."""
    limits, measured = split()
    made = list(pairs(measured))
    distinct = sum(not pair.percent for pair in made)
    sys.stdout.write(
        f"{distinct} falsified sentences, each told in four degrees of rewording ({len(made)} pairs), of"
        f" {len(measured)} documents;\nlimits were found on {len(limits)} others. AUC words is of lexical"
        " support alone, AUC value of all measures together.\n\n"
        f"{table(seen(made))}\n"
    )
