"""A process that remembers and one that reads what others have remembered, each until it is killed.

    python -m tests.soak.remembering write NAME PLACE
    python -m tests.soak.remembering read NAME PLACE

What a writer does is decided by its name and the number of the write alone, and each write is noted in its
journal once it has been acknowledged; started again, it goes on behind the last that is noted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from atlas_mcp.learning import Evidence, Learning, LearningKind
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.memory.scope import Scope
from atlas_mcp.settings import MemorySettings
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from atlas_mcp.memory.memory import Memory

__all__ = ["EMBEDDER", "SCOPE", "Place", "Said", "Written", "journal", "said"]

EMBEDDER = WordEmbedder()
SCOPE = Scope("soak")
CLOSES, FORGETS = 0.06, 0.04
"""The share of writes that close an earlier memory, and of those that forget one."""
OLD = 200
"""A memory is closed or forgotten no sooner than so many writes later, so that what is fresh can be read."""
FRESH = 50
MOST_LINE = 80
_WORDS = (
    "harbour river tide crane ledger permit barge pilot mooring cargo signal anchor ferry lantern bridge"
    " canal sluice depot ballast winch customs berth dredger quay"
).split()
_NAMES = ("Anna Kovacs", "Bob Marsh", "Port of Varna", "Delta Shipping", "Ruse", "Carla Nunez", "Lock Nine")


@dataclass(frozen=True, slots=True)
class Place:
    """Where it takes place: the data folder, the folder of journals, the settings; and how many writes."""

    home: str
    journals: str
    settings: dict[str, Any]
    writes: int

    @property
    def stop(self) -> Path:
        """The file that ends the readers."""
        return Path(self.journals, "stop")

    def written(self) -> list[Path]:
        """The journals."""
        return sorted(Path(self.journals).glob("*.journal"))

    def memory(self) -> Any:
        """The memory, opened."""
        return open_memory(Path(self.home), EMBEDDER, MemorySettings(**self.settings))


@dataclass(frozen=True, slots=True)
class Said:
    """A write as it is meant: what to remember, or an earlier write whose memory is closed or forgotten."""

    number: int
    text: str
    closes: int | None = None
    forgets: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A write that was acknowledged: its number, and the id of what it remembered or forgot."""

    number: int
    id: str


def token(name: str, number: int) -> str:
    """A word that one memory alone has."""
    return f"{name}x{number}"


def said(name: str, number: int) -> Said:
    """The write of a number."""
    draw = Random(f"{name} {number}")  # noqa: S311 - what is drawn has to be the same again
    words = " ".join(draw.choices(_WORDS, k=12))
    text = f"{token(name, number)}: {draw.choice(_NAMES)} notes that {words}."
    chance, earlier = draw.random(), draw.randrange(max(number - OLD, 1))
    if number < 2 * OLD or chance >= CLOSES + FORGETS:
        return Said(number, text)
    return Said(number, text, closes=earlier) if chance < CLOSES else Said(number, "", forgets=earlier)


def journal(path: Path) -> list[Written]:
    """The writes noted in a journal; a last line that was cut off is none."""
    return _written_in(path.read_bytes()) if path.exists() else []


def _fresh(path: Path) -> list[Written]:
    """The last writes of a journal."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - FRESH * MOST_LINE, 0))
        return _written_in(file.read().partition(b"\n")[2])[-FRESH:]


def _written_in(lines: bytes) -> list[Written]:
    return [Written(**json.loads(line)) for line in lines.split(b"\n")[:-1]]


async def write(name: str, place: Place) -> None:
    """Write until all is written, noting each write."""
    path = Path(place.journals, f"{name}.journal")
    done = {each.number: each.id for each in journal(path)}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _cut(path)
    async with place.memory() as memory:
        for number in range(max(done, default=-1) + 1, place.writes):
            done[number] = await _written(memory, name, said(name, number), done)
            os.write(descriptor, json.dumps(asdict(Written(number, done[number]))).encode() + b"\n")
    os.close(descriptor)


async def _written(memory: Memory, name: str, wish: Said, done: dict[int, str]) -> str:
    if wish.forgets is not None:
        await memory.forget_memories([done[wish.forgets]], scope=SCOPE)
        return done[wish.forgets]
    closes = {0: [done[wish.closes]]} if wish.closes is not None else {}
    source = f"file:///{name}/{wish.number % 97}.md"
    learning = Learning(LearningKind.FACT, wish.text, (Evidence("quote", wish.text[:40], source),), 4.5)
    (added,) = await memory.remember([learning], scope=SCOPE, closes=closes)
    return added.id


def _cut(path: Path) -> None:
    """Leave out the part of a line that a kill left."""
    whole = path.read_bytes()
    if (end := whole.rfind(b"\n") + 1) < len(whole):
        os.truncate(path, end)


class Reader:
    """Reads what was just acknowledged, and counts what is not there or not as it was written."""

    def __init__(self, memory: Memory, place: Place) -> None:
        self._memory = memory
        self._place = place
        self.found = {"gets": 0, "recalls": 0, "stale": 0, "torn": 0, "failed": 0}
        self.spent: list[float] = []
        self.told: list[str] = []

    async def run(self, seed: str) -> None:
        draw = Random(seed)  # noqa: S311 - nobody's secret
        while not self._place.stop.exists():
            for path in self._place.written():
                fresh = [each for each in _fresh(path) if said(path.stem, each.number).text]
                for each in draw.sample(fresh, min(4, len(fresh))) + fresh[-1:]:
                    await self._read(path.stem, each)

    async def _read(self, name: str, written: Written) -> None:
        wish = said(name, written.number)
        try:
            began = time.perf_counter()
            stored = await self._memory.get_memories([written.id], scope=SCOPE)
            self.found["gets"] += 1
            recalled = await self._memory.recall(f"What does {token(name, wish.number)} note?", scope=SCOPE)
            self.found["recalls"] += 1
            self.spent.append(time.perf_counter() - began)
            if not stored or written.id not in {each.stored.id for each in recalled}:
                self._tell("stale", f"{name} {written}: get {len(stored)}, recall {len(recalled)}")
            elif (
                stored[0].text != wish.text or not stored[0].evidence or not await self._is_embedded(written)
            ):
                self._tell("torn", f"{name} {written}: {stored[0]}")
            elif wish.closes is not None and not await self._is_closed(name, wish.closes):
                self._tell("torn", f"{name} {written} closes {wish.closes}, which is not closed")
        except Exception:  # noqa: BLE001 - whatever goes wrong for a reader is what is looked for
            self._tell("failed", traceback.format_exc())

    async def _is_embedded(self, written: Written) -> bool:
        """Whether a memory has its vector."""
        (item,) = await self._memory.record.indexed([written.id])
        return item.vector is not None and item.model == EMBEDDER.name

    async def _is_closed(self, name: str, number: int) -> bool:
        """Whether what a write closes is closed; gone is well too, if it was forgotten before."""
        path = Path(self._place.journals, f"{name}.journal")
        aim = next(each.id for each in journal(path) if each.number == number)
        rows = await self._memory.get_memories([aim], scope=SCOPE)
        return all(row.closed_at and row.superseded_by for row in rows)

    def _tell(self, what: str, how: str) -> None:
        self.found[what] += 1
        self.told = [*self.told, f"{what}: {how}"][:5]


async def read(name: str, place: Place) -> None:
    """Read until told to stop; prints what was found as a line of JSON."""
    async with place.memory() as memory:
        reader = Reader(memory, place)
        await reader.run(name)
    spent = sorted(reader.spent) or [0.0]
    figures = {**reader.found, "p95_ms": round(spent[int(len(spent) * 0.95)] * 1e3, 1), "told": reader.told}
    sys.stdout.write(json.dumps(figures) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("write", "read"))
    parser.add_argument("name")
    parser.add_argument("place", help="as JSON")
    options = parser.parse_args()
    does = write if options.what == "write" else read
    asyncio.run(does(options.name, Place(**json.loads(options.place))))


if __name__ == "__main__":
    main()
