"""Whether the record and its indexes agree: ids, digests, and whether what is held is also found.

Counts hide losses, so each item is compared, and each vector and node is looked for. Everything stays in use
meanwhile: what differs at first sight is looked at again while nobody feeds the index, and what it merely has
not heard yet is no difference. An index is mended by telling it the record's state; the record mends itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from atlas_mcp.errors import IndexUnavailable
from atlas_mcp.memory.indexes.feeding import Feeder, fed_alone
from atlas_mcp.memory.indexes.index import digest
from atlas_mcp.memory.metering import RECORD, Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from atlas_mcp.memory.indexes.index import Index
    from atlas_mcp.memory.record.record import Indexed, Record

__all__ = ["RECORD", "Consistency", "Difference", "OnStep", "StoreCheck", "check"]

PORTION = 500
MOST_WAITING = 100_000

What: TypeAlias = "Literal['missing', 'changed', 'unknown', 'lost', 'wrong', 'unavailable']"

OnStep: TypeAlias = "Callable[[str, int, int], None]"
"""Told of which store how many items were looked at, and of how many."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be: which item (empty for a store as a whole), and what of it.

    `missing`: the index does not hold it. `changed`: it holds another state. `unknown`: the record does not
    know it. `lost`: it is held and not found. `wrong`: within the record. `unavailable`: nothing can be said.
    """

    item: str
    what: What
    detail: str = ""

    def __str__(self) -> str:
        said = {
            "missing": "is missing from it",
            "changed": "is held in another state",
            "unknown": "is held, and the record does not know it",
            "lost": "is held, and not found by its own vector or names",
        }.get(self.what, self.detail)
        return f"{self.item}: {said}" if self.item else said


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """How a store was found: the share of its items that are right, 0 to 1; all that is not; how many items.

    `waiting` is how many changes it has not heard yet, which is no fault.
    """

    score: float
    differences: tuple[Difference, ...] = ()
    items: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Consistency:
    """All stores by name, the record among them; `score` is the least of theirs, `mended` how many items."""

    score: float
    stores: dict[str, StoreCheck] = field(default_factory=dict[str, StoreCheck])
    mended: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON."""
        stores = {
            name: {
                "score": store.score, "items": store.items, "waiting": store.waiting,
                "differences": [str(each) for each in store.differences],
            }
            for name, store in self.stores.items()
        }  # fmt: skip
        return {"score": self.score, "stores": stores, "mended": self.mended}


async def check(
    record: Record, indexes: Sequence[Index], *, mend: bool = False, on_progress: OnStep | None = None,
    meter: Meter | None = None,
) -> Consistency:  # fmt: skip
    """Look at the record and every index, and mend what differs if asked; gives what is so afterwards.

    An index that cannot be reached has score 0 and says why. What cannot be mended stays among the
    differences.
    """
    told, meter, does = on_progress or _nobody, meter or Meter(), "mend" if mend else "check"
    of = int((await record.counts())["memories"])
    stores: dict[str, StoreCheck] = {}
    mended = 0
    with meter.measured(does, RECORD) as operation:
        if mend:
            mended += await record.mend()
        wrong = await record.check()
        operation.items = of
    stores[RECORD] = _scored([Difference("", "wrong", line) for line in wrong], of)
    told(RECORD, of, of)
    for index in indexes:
        try:
            with meter.measured(does, index.name) as operation:
                stores[index.name], count = await _Check(record, index, of, told).run(mend=mend)
                operation.items = stores[index.name].items
            mended += count
        except IndexUnavailable as error:
            stores[index.name] = StoreCheck(0.0, (Difference("", "unavailable", str(error)),))
    return Consistency(min(store.score for store in stores.values()), stores, mended)


class _Check:
    """One index beside the record."""

    def __init__(self, record: Record, index: Index, of: int, told: OnStep) -> None:
        self._record = record
        self._index = index
        self._of = of
        self._told = told
        # What a vector store is not given, it does not miss.
        self._vectors_only = callable(getattr(index, "nearest", None))

    async def run(self, *, mend: bool) -> tuple[StoreCheck, int]:
        """How the index is found, after mending if asked, and how many items were mended."""
        if mend:
            # What it has not heard, or was never filled with, is told it first.
            feeder = Feeder(self._record, [self._index])
            await feeder.feed()
            if waits := feeder.waiting.get(self._index.name):
                raise IndexUnavailable(waits)
        suspects, items = await self._look()
        if not suspects:
            return _scored([], items, await self._waiting()), 0
        async with fed_alone(self._record, self._index.name):
            differences = await self._look_again(suspects)
            waiting = await self._waiting()
            if not mend or not differences:
                return _scored(differences, items, waiting), 0
            await self._mend(differences)
            left = await self._look_again({each.item for each in differences})
        return _scored(left, items, waiting), len(differences) - len(left)

    async def _look(self) -> tuple[set[str], int]:
        """Ids that differ at first sight, and how many items there are on either side."""
        held = await self._index.digests()
        known: set[str] = set()
        suspects: set[str] = set()
        done = 0
        async for items in self._record.every(size=PORTION):
            done += len(items)
            wanted = [item for item in items if self._is_wanted(item)]
            known.update(item.stored.id for item in wanted)
            equal = [item for item in wanted if held.get(item.stored.id) == digest(item)]
            suspects.update(await self._index.lost(equal))
            suspects.update({item.stored.id for item in wanted} - {item.stored.id for item in equal})
            self._told(self._index.name, done, max(self._of, done))
        return suspects | (held.keys() - known), len(known | held.keys())

    async def _look_again(self, suspects: set[str]) -> list[Difference]:
        """What is really wrong of some ids, while nobody feeds the index; what waits to be told is not."""
        held = await self._index.digests()
        waiting = await self._record.pending(self._index.name, most=MOST_WAITING) or ()
        asked = sorted(suspects - {change.item for change in waiting})
        differences: list[Difference] = []
        for start in range(0, len(asked), PORTION):
            ids = asked[start : start + PORTION]
            items = {
                item.stored.id: item for item in await self._record.indexed(ids) if self._is_wanted(item)
            }
            equal = [item for item in items.values() if held.get(item.stored.id) == digest(item)]
            lost = set(await self._index.lost(equal))
            differences += [each for item in ids if (each := _difference(item, items.get(item), held, lost))]
        return differences

    async def _mend(self, differences: Sequence[Difference]) -> None:
        """Tell the index the record's state of what differs; what it does not find it drops first."""
        for start in range(0, len(differences), PORTION):
            part = differences[start : start + PORTION]
            items = await self._record.indexed([each.item for each in part])
            there = {item.stored.id for item in items if self._is_wanted(item)}
            if out := [each.item for each in part if each.what == "lost" or each.item not in there]:
                await self._index.remove(out)
            if items:
                await self._index.put(items)

    async def _waiting(self) -> int:
        return len(await self._record.pending(self._index.name, most=MOST_WAITING) or ())

    def _is_wanted(self, item: Indexed) -> bool:
        return item.vector is not None or not self._vectors_only


def _difference(
    item: str, indexed: Indexed | None, held: dict[str, str], lost: set[str]
) -> Difference | None:
    if indexed is None:
        return Difference(item, "unknown") if item in held else None
    if item not in held:
        return Difference(item, "missing")
    if held[item] != digest(indexed):
        return Difference(item, "changed")
    return Difference(item, "lost") if item in lost else None


def _scored(differences: Sequence[Difference], items: int, waiting: int = 0) -> StoreCheck:
    """The share that is right, which is never 1 where anything is wrong."""
    right = max(0.0, 1 - len(differences) / max(items, 1))
    return StoreCheck(min(right, 0.9999) if differences else 1.0, tuple(differences), items, waiting)


def _nobody(_name: str, _done: int, _of: int) -> None:
    """Hear of progress and say nothing."""
