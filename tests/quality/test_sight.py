"""What the librarian sees of falsified sentences, and what it does not.

The sentences are those of this repository's own handbook, decisions and README; nothing else is at hand. The
limits of the measures were found on one half of these documents, and the other half is measured here. The
bounds leave room for what is written in the documents from day to day; `python -m benchmarks support` prints
the figures.
"""

from __future__ import annotations

import sys

import pytest

from tests.quality.falsified import FALSE, REWORDED, pairs, split
from tests.quality.sight import Sight, seen, table


@pytest.fixture(scope="module")
def sights() -> dict[tuple[str, int], Sight]:
    rows = seen(pairs(split()[1]))
    sys.stdout.write(f"\n{table(rows)}\n")  # shown under -s
    return {(row.kind, row.percent): row for row in rows}


def test_no_document_is_in_both_halves() -> None:
    limits, measured = split()
    assert set(limits).isdisjoint(measured)


def test_there_are_pairs_enough_and_some_of_each_kind(sights: dict[tuple[str, int], Sight]) -> None:
    assert sights.keys() == {(kind, percent) for kind in FALSE for percent in REWORDED}
    assert sum(row.pairs for row in sights.values() if not row.percent) >= 500


@pytest.mark.parametrize("percent", REWORDED)
def test_a_wrong_source_is_told_however_much_is_reworded(
    sights: dict[tuple[str, int], Sight], percent: int
) -> None:
    row = sights["wrong source", percent]
    assert min(row.support_auc, row.value_auc) > 0.95
    assert row.seen > 0.85


@pytest.mark.parametrize(("percent", "least"), [(0, 0.97), (30, 0.95), (50, 0.9), (70, 0.75)])
def test_an_invented_half_ranks_below_the_truth_the_less_clearly_the_more_is_reworded(
    sights: dict[tuple[str, int], Sight], percent: int, least: float
) -> None:
    assert sights["invented half", percent].support_auc > least
    assert sights["invented half", percent].value_auc > 0.75


def test_an_invented_half_beside_a_verbatim_one_is_mostly_not_called_a_fault(
    sights: dict[tuple[str, int], Sight],
) -> None:
    assert sights["invented half", 0].seen < 0.4


@pytest.mark.parametrize("percent", REWORDED)
def test_an_invented_number_is_always_seen(sights: dict[tuple[str, int], Sight], percent: int) -> None:
    assert sights["number invented", percent].seen == 1


def test_a_number_that_stands_beside_in_the_quote_is_mostly_not_seen(
    sights: dict[tuple[str, int], Sight],
) -> None:
    assert sights["number from beside", 0].seen < 0.3


@pytest.mark.parametrize(("kind", "least"), [("negation added", 0.85), ("negation taken away", 0.6)])
def test_a_changed_negation_is_seen_where_the_words_are_kept(
    sights: dict[tuple[str, int], Sight], kind: str, least: float
) -> None:
    assert sights[kind, 0].seen > least
    assert sights[kind, 0].value_auc > 0.8


@pytest.mark.parametrize("kind", ["negation added", "negation taken away"])
def test_a_changed_negation_among_other_words_is_mostly_not_seen(
    sights: dict[tuple[str, int], Sight], kind: str
) -> None:
    assert sights[kind, 50].seen < 0.6


@pytest.mark.parametrize(("percent", "most"), [(0, 0.02), (30, 0.05), (50, 0.1)])
def test_a_true_sentence_is_seldom_called_false_until_most_of_it_is_reworded(
    sights: dict[tuple[str, int], Sight], percent: int, most: float
) -> None:
    assert sights["wrong source", percent].false_alarms < most
