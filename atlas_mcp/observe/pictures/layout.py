"""Where the boxes of a picture stand, layer below layer, and how its lines run without crossing a box.

Each box stands below all that lead to it. A line that passes layers has a place of its own in each of them,
as a box has. Places are ordered so that lines cross little, and moved so that they run straight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Laid", "Route", "lay_out"]

Size: TypeAlias = "tuple[float, float]"
Point: TypeAlias = "tuple[float, float]"
Edge: TypeAlias = "tuple[str, str]"

MARGIN = 24.0
BESIDE = 28.0
"""Between two boxes of a layer."""
BETWEEN = 40.0
"""Between two layers at least; more where lines run far to the side."""
_MOST_BETWEEN = 84.0
_LEAN = 0.1
_PASSING = 14.0
"""The width that a line takes where it passes a layer."""
_SWEEPS = 6
_STRAIGHT = 8.0
"""How much more than a box a passing line wants to run straight."""


@dataclass(frozen=True, slots=True)
class Route:
    """A line from the foot of one box to the head of another, of an odd number of stretches.

    Within a layer it runs straight down, between two it may bend: `points` are where it leaves its box and
    that one's layer, the head and the foot of each layer that it passes, and where it arrives.
    """

    edge: Edge
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Laid:
    """A picture's size, the middle of each box's head, and the lines."""

    width: float
    height: float
    places: Mapping[str, Point]
    routes: Sequence[Route]


def lay_out(sizes: Mapping[str, Size], edges: Iterable[Edge]) -> Laid:
    """Place boxes of these sizes; an edge that leads back to where it came from is left out."""
    names = list(sizes)
    known = list(dict.fromkeys(edge for edge in edges if set(edge) <= sizes.keys()))
    ranks, kept = _ranked(names, known)
    grid = _Grid(names, sizes, ranks, kept)
    grid.order()
    grid.spread()
    grid.straighten()
    return grid.laid(sizes, kept)


def _ranked(names: list[str], edges: list[Edge]) -> tuple[dict[str, int], list[Edge]]:
    """The layer of each box, and the edges that lead downwards."""
    ranks: dict[str, int] = {}
    waiting = dict.fromkeys(names)
    above = {name: {upper for upper, lower in edges if lower == name and upper != name} for name in names}
    while waiting:
        free = (name for name in waiting if not above[name] & waiting.keys())
        # In a circle the first goes first.
        name = next(free, next(iter(waiting)))
        ranks[name] = max((ranks[upper] + 1 for upper in above[name] if upper in ranks), default=0)
        del waiting[name]
    return ranks, [(upper, lower) for upper, lower in edges if ranks[upper] < ranks[lower]]


class _Grid:
    """Boxes and passages of lines, by number, in layers; `xs` are their middles."""

    def __init__(
        self, names: list[str], sizes: Mapping[str, Size], ranks: Mapping[str, int], edges: list[Edge]
    ) -> None:
        self.numbers = {name: number for number, name in enumerate(names)}
        self.widths = [sizes[name][0] for name in names]
        self.layers: list[list[int]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
        self.links: list[list[tuple[int, float]]] = [[] for _ in names]
        """Of each place those it is joined to in the layers beside its own, and how firmly."""
        self.ranks = [ranks[name] for name in names]
        self.chains: list[list[int]] = []
        self._boxes = len(names)
        for name in names:
            self.layers[ranks[name]].append(self.numbers[name])
        for upper, lower in edges:
            self._join(self.numbers[upper], self.numbers[lower])
        self.xs = [0.0] * len(self.widths)

    def _join(self, upper: int, lower: int) -> None:
        chain = [upper]
        for rank in range(self.ranks[upper] + 1, self.ranks[lower]):
            chain.append(len(self.widths))
            self.widths.append(_PASSING)
            self.ranks.append(rank)
            self.links.append([])
            self.layers[rank].append(chain[-1])
        chain.append(lower)
        for one, other in pairwise(chain):
            passing = (one >= self._boxes) + (other >= self._boxes)
            firmly = (1.0, 2.0, _STRAIGHT)[passing]
            self.links[one].append((other, firmly))
            self.links[other].append((one, firmly))
        self.chains.append(chain)

    def order(self) -> None:
        """Order each layer by where what it is joined to stands, from above and from below in turn."""
        best = (self._crossings(), [*map(list, self.layers)])
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            beside = -1 if down else 1
            order = range(1, len(self.layers)) if down else range(len(self.layers) - 2, -1, -1)
            for rank in order:
                self._sort(rank, rank + beside)
            best = min(best, (self._crossings(), [*map(list, self.layers)]), key=lambda each: each[0])
        self.layers = best[1]

    def _sort(self, rank: int, other: int) -> None:
        there = {number: place for place, number in enumerate(self.layers[other])}
        here = {number: place for place, number in enumerate(self.layers[rank])}

        def wished(number: int) -> float:
            joined = [there[each] for each, _ in self.links[number] if each in there]
            return sum(joined) / len(joined) if joined else float(here[number])

        self.layers[rank].sort(key=wished)

    def _crossings(self) -> int:
        """How often lines cross, between all layers."""
        count = 0
        for rank, layer in enumerate(self.layers[:-1]):
            below = {number: place for place, number in enumerate(self.layers[rank + 1])}
            ends = [
                sorted(below[each] for each, _ in self.links[number] if each in below) for number in layer
            ]
            seen: list[int] = []
            for each in ends:
                count += sum(1 for end in each for before in seen if before > end)
                seen += each
        return count

    def spread(self) -> None:
        """Move places to the middle of what they are joined to, in the order and distance of their layer."""
        for layer in self.layers:
            self._place(layer, dict.fromkeys(layer, 0.0))
        ranks = range(len(self.layers))
        for sweep in range(2 * _SWEEPS):
            for rank in ranks if sweep % 2 == 0 else reversed(ranks):
                last = sweep >= 2 * _SWEEPS - 2
                beside = {rank - 1, rank + 1} if last else {rank - 1 if sweep % 2 == 0 else rank + 1}
                self._place(
                    self.layers[rank], {each: self._wished(each, beside) for each in self.layers[rank]}
                )

    def straighten(self) -> None:
        """Stand those that only follow one another straight below each other, wherever there is room."""
        follows: dict[int, int] = {}
        for number, links in enumerate(self.links):
            below = [each for each, _ in links if self.ranks[each] > self.ranks[number]]
            if len(below) == 1 and self._above(below[0]) == [number]:
                follows[number] = below[0]
        rows: list[list[int]] = []
        for first in sorted(follows.keys() - set(follows.values())):
            rows.append([first])
            while rows[-1][-1] in follows:
                rows[-1].append(follows[rows[-1][-1]])
        for _ in range(_SWEEPS):
            for row in rows:
                self._straighten(row)

    def _above(self, number: int) -> list[int]:
        return [each for each, _ in self.links[number] if self.ranks[each] < self.ranks[number]]

    def _straighten(self, row: list[int]) -> None:
        rooms = [self._room(number) for number in row]
        least, most = max(left for left, _ in rooms), min(right for _, right in rooms)
        if least > most:
            return
        outside = [self.xs[each] for number in (row[0], row[-1]) for each, _ in self.links[number]
                   if each not in row]  # fmt: skip
        wished = sum(outside) / len(outside) if outside else self.xs[row[0]]
        for number in row:
            self.xs[number] = min(max(wished, least), most)

    def _room(self, number: int) -> tuple[float, float]:
        """How far a place may move to either side without pressing those beside it."""
        layer = self.layers[self.ranks[number]]
        place = layer.index(number)
        left, right = layer[:place][-1:], layer[place + 1 :][:1]

        def apart(other: int) -> float:
            return (self.widths[number] + self.widths[other]) / 2 + BESIDE

        return (
            self.xs[left[0]] + apart(left[0]) if left else -math.inf,
            self.xs[right[0]] - apart(right[0]) if right else math.inf,
        )

    def _wished(self, number: int, beside: set[int]) -> float:
        joined = [(each, firmly) for each, firmly in self.links[number] if self.ranks[each] in beside]
        weight = sum(firmly for _, firmly in joined)
        return sum(self.xs[each] * firmly for each, firmly in joined) / weight if joined else self.xs[number]

    def _place(self, layer: list[int], wished: Mapping[int, float]) -> None:
        """As near to where each is wished as order and distance allow: those that press stand together."""
        offset, offsets = 0.0, list[float]()
        for before, number in zip([None, *layer], layer, strict=False):
            if before is not None:
                offset += (self.widths[before] + self.widths[number]) / 2 + BESIDE
            offsets.append(offset)
        blocks: list[tuple[float, int]] = []
        for number, apart in zip(layer, offsets, strict=True):
            blocks.append((wished[number] - apart, 1))
            while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
                (late, more), (early, many) = blocks.pop(), blocks.pop()
                blocks.append(((early * many + late * more) / (many + more), many + more))
        starts = (start for start, many in blocks for _ in range(many))
        for number, apart, start in zip(layer, offsets, starts, strict=True):
            self.xs[number] = start + apart

    def laid(self, sizes: Mapping[str, Size], edges: list[Edge]) -> Laid:
        """Everything where it stands, from the top left corner on."""
        lefts = [x - width / 2 for x, width in zip(self.xs, self.widths, strict=True)]
        rights = [x + width / 2 for x, width in zip(self.xs, self.widths, strict=True)]
        shift = MARGIN - min(lefts, default=0.0)
        xs = [x + shift for x in self.xs]
        heads, feet = self._heights(sizes)
        names = list(sizes)
        places = {name: (xs[number], heads[self.ranks[number]]) for name, number in self.numbers.items()}
        routes: list[Route] = []
        for edge, chain in zip(edges, self.chains, strict=True):
            upper, *passed, lower = chain
            rank = self.ranks[upper]
            points = [(xs[upper], heads[rank] + sizes[names[upper]][1]), (xs[upper], feet[rank])]
            for number in passed:
                rank = self.ranks[number]
                points += [(xs[number], heads[rank]), (xs[number], feet[rank])]
            routes.append(Route(edge, (*points, (xs[lower], heads[self.ranks[lower]]))))
        height = (feet[-1] if feet else 0.0) + MARGIN
        return Laid(max(rights, default=0.0) + shift + MARGIN, height, places, routes)

    def _heights(self, sizes: Mapping[str, Size]) -> tuple[list[float], list[float]]:
        """Where each layer begins and ends."""
        tall = [0.0] * len(self.layers)
        for name, number in self.numbers.items():
            tall[self.ranks[number]] = max(tall[self.ranks[number]], sizes[name][1])
        heads, feet, y = list[float](), list[float](), MARGIN
        for rank, height in enumerate(tall):
            heads.append(y)
            feet.append(y + height)
            sideways = max(
                (
                    abs(self.xs[number] - self.xs[each])
                    for number in self.layers[rank]
                    for each, _ in self.links[number]
                    if self.ranks[each] == rank + 1
                ),
                default=0.0,
            )
            y += height + min(_MOST_BETWEEN, BETWEEN + _LEAN * sideways)
        return heads, feet
