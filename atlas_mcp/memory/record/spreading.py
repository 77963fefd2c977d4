"""Memories by the names in them, and by the names beside those: the answer of the record in SQLite.

What is followed and how it is weighed is said by `graph.Spread`. The links come from the table, all names of
a step at once; whether a memory may be read and fits is looked up on its owner's shelf.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from atlas_mcp.memory.record.graph import EXACT, Spread, commonness

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from atlas_mcp.memory.record.record import Name
    from atlas_mcp.memory.record.shelf import Shelf
    from atlas_mcp.text.entities import Entity

__all__ = ["mentioning"]

# CROSS JOIN keeps the order in which the tables are gone through. The memories of a name come as one text,
# since a row of Python for each link takes several times as long.
HOLDERS = """
SELECT each.key AS at, (
  SELECT group_concat(item_id) FROM mention WHERE node_id = node.id AND item_kind = 'memory'
) AS held
FROM json_each(?) AS owner CROSS JOIN json_each(?) AS each CROSS JOIN node
ON node.scope = owner.value
  AND node.key = json_extract(each.value, '$[1]') AND node.label = json_extract(each.value, '$[0]')
"""
BESIDE = """
SELECT item_id, node.label, node.key FROM json_each(?) AS each
CROSS JOIN mention ON item_kind = 'memory' AND item_id = each.value CROSS JOIN node ON node.id = node_id
"""


def mentioning(
    connection: sqlite3.Connection,
    entities: Iterable[Entity],
    shelves: Sequence[tuple[Shelf, npt.NDArray[np.bool_]]],
    *,
    depth: int,
    most: int,
) -> dict[int, float]:
    """Number and weight of the memories that names lead to within `depth` steps, the heaviest first.

    `shelves` are those of a scope, each with which of its memories may be read and fit.
    """
    owners = json.dumps([shelf.owner for shelf, _ in shelves])
    met = [np.zeros(shelf.count, np.bool_) for shelf, _ in shelves]
    numbers: dict[str, int] = {}
    spread = Spread(entities, depth=depth, most=most)
    while spread.going_on:
        names = list(spread.names)
        at, held = _holders(connection, owners, names)
        found: dict[str, float] = {}
        said = np.array([spread.names[name] for name in names])
        weights = _weights(at, held, shelves, said, spread.limit)
        for which, ((shelf, _), weight) in enumerate(zip(shelves, weights, strict=True)):
            weight[met[which]] = 0
            met[which] |= weight > 0
            places = _heaviest(weight, spread.enough)
            ids: list[bytes] = shelf.ids[places].tolist()
            found |= {key.decode(): by for key, by in zip(ids, weight[places].tolist(), strict=True)}
            numbers |= {
                key.decode(): number for key, number in zip(ids, shelf.numbers[places].tolist(), strict=True)
            }
        spread.reach(found)
        if spread.followed:
            spread.beside(_beside(connection, {numbers[each]: by for each, by in spread.followed.items()}))
    return {numbers[memory_id]: weight for memory_id, weight in spread.answer().items()}


def _holders(
    connection: sqlite3.Connection, owners: str, names: Sequence[Name]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The links of names: which of them, and the number of a memory that holds it."""
    rows = [row for row in connection.execute(HOLDERS, (owners, json.dumps(names))) if row["held"]]
    many = [row["held"].count(",") + 1 for row in rows]
    at = np.repeat(np.array([row["at"] for row in rows], np.int64), many)
    return at, np.fromstring(",".join(row["held"] for row in rows), np.int64, sep=",")


def _weights(
    at: npt.NDArray[np.int64],
    held: npt.NDArray[np.int64],
    shelves: Sequence[tuple[Shelf, npt.NDArray[np.bool_]]],
    names: npt.NDArray[np.float64],
    limit: int | None,
) -> list[npt.NDArray[np.float64]]:
    """What all names together give each memory of each shelf; a name too common gives nothing."""
    standing: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    holders = np.zeros(len(names), np.int64)
    for shelf, fits in shelves:
        places, here = shelf.standing(held)
        here[here] = fits[places[here]]
        standing.append((places[here], at[here]))
        holders += np.bincount(at[here], minlength=len(names))
    shares = names / np.array([commonness(int(many)) for many in holders])
    if limit is not None:
        shares[holders > limit] = 0
    return [
        np.bincount(places, shares[of], minlength=shelf.count).astype(np.float64)
        for (places, of), (shelf, _) in zip(standing, shelves, strict=True)
    ]


def _heaviest(weights: npt.NDArray[np.float64], enough: int) -> npt.NDArray[np.int64]:
    """Places of the heaviest, with all that are as heavy as the last of them."""
    rounded = np.round(weights, EXACT)
    places = np.flatnonzero(weights > 0)
    if len(places) > enough:
        least = np.partition(rounded[places], -enough)[-enough]
        places = places[rounded[places] >= least]
    return places


def _beside(connection: sqlite3.Connection, followed: dict[int, float]) -> Iterator[tuple[Name, float]]:
    for row in connection.execute(BESIDE, (json.dumps(list(followed)),)):
        yield (row["label"], row["key"]), followed[row["item_id"]]
