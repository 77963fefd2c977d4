"""Two processes remember, are killed again and again, and others read meanwhile: what is lost, stale or torn.

    python -m tests.soak.memory_crash --writes 12000 --kills 60 --indexes chroma,neo4j

Each writer notes in a journal of its own what was acknowledged, before it goes on. It is killed with SIGKILL
at random moments, its start included, and started again. In the end everything that was acknowledged has to
be there as it was left, the database sound, and every index in agreement with it, at the latest once mended.
The graph is kept by the Neo4j that `make -C tests/neo4j fetched` fetches, or with `--graph arcadedb` by
ArcadeDB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from atlas_mcp.memory.record.record import Filters
from tests.memory.graph.bolt import BoltServer, free_port
from tests.neo4j import server as neo4j
from tests.soak.endings import say
from tests.soak.remembering import SCOPE, Place, journal, said

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager

    from atlas_mcp.memory.memory import Memory

Process: TypeAlias = subprocess.Popen[str]
Figures: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]
WRITERS = ("w", "v")
READERS = ("r1", "r2")
EARLY = 0.25
"""The share of kills that come while a writer starts."""
STARTING = 2.5
"""Seconds within which those come."""
LOOK = 0.005
TOLD = 10
"""After so many kills it is said how far it came."""
PATIENCE = 900.0
"""Seconds within which the indexes must have heard everything."""
_GONE = "gone"


class Killer:
    """Writers, killed at moments that nobody chose, and started again."""

    def __init__(self, place: Place, kills: int, chance: Random) -> None:
        self._place = place
        self._chance = chance
        early = round(kills * EARLY)
        moments = sorted(chance.sample(range(1, place.writes), k=kills - early))
        self._due: dict[str, list[int]] = {
            name: [each for at, each in enumerate(moments) if at % 2 == turn]
            for turn, name in enumerate(WRITERS)
        }
        self._early = early
        self.kills = 0
        self.processes = {name: self._started(name) for name in WRITERS}

    def run(self) -> None:
        """Until all is written."""
        while any(process.poll() is None for process in self.processes.values()):
            for name, process in self.processes.items():
                if (code := process.poll()) is not None:
                    assert code == 0, f"the writer {name} ended with {code}"
                elif self._due[name] and self._noted(name) >= self._due[name][0]:
                    del self._due[name][0]
                    time.sleep(self._chance.uniform(0, 0.03))
                    self._kill(name)
            time.sleep(LOOK)

    def _kill(self, name: str) -> None:
        self._kill_once(name)
        last = not any(self._due.values())
        while self._early and (last or self._chance.random() < EARLY):
            self._early -= 1
            time.sleep(self._chance.uniform(0, STARTING))
            self._kill_once(name)

    def _kill_once(self, name: str) -> None:
        process = self.processes[name]
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.kills += 1
            self.processes[name] = self._started(name)
            if self.kills % TOLD == 0:
                say(f"  {self.kills} kills, {sum(map(self._noted, WRITERS)):,} writes")

    def _started(self, name: str) -> Process:
        return started("write", name, self._place)

    def _noted(self, name: str) -> int:
        path = Path(self._place.journals, f"{name}.journal")
        try:
            with path.open("rb") as file:
                file.seek(max(path.stat().st_size - 200, 0))
                lines = file.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return 0
        return json.loads(lines[-1])["number"] if lines else 0


def started(what: str, name: str, place: Place) -> Process:
    """A writer or a reader in a process of its own."""
    command = [sys.executable, "-m", "tests.soak.remembering", what, name, json.dumps(asdict(place))]
    out = subprocess.PIPE if what == "read" else None
    return subprocess.Popen(command, cwd=ROOT, stdout=out, text=True)


def expected(place: Place) -> dict[str, str]:
    """What the journals say became of each memory: the id that closed it, gone, or nothing."""
    states: dict[str, str] = {}
    for name in WRITERS:
        writes = journal(Path(place.journals, f"{name}.journal"))
        ids = {each.number: each.id for each in writes}
        for each in writes:
            wish = said(name, each.number)
            if wish.forgets is not None:
                states[each.id] = _GONE
                continue
            states[each.id] = ""
            if wish.closes is not None and states[ids[wish.closes]] == "":
                states[ids[wish.closes]] = each.id
    return states


async def verdict(place: Place) -> Figures:
    """What the record and its indexes hold, beside what the journals say."""
    states = expected(place)
    async with place.memory() as memory:
        stored = {each.id: each for each in await _all(memory)}
        there = {memory_id for memory_id, state in states.items() if state != _GONE}
        sound = await memory.database.read(_integrity)
        figures: Figures = {
            "acknowledged": len(states), "stored": len(stored), "lost": len(there - stored.keys()),
            "back again": len(stored.keys() & (states.keys() - there)),
            "never acknowledged": len(stored.keys() - states.keys()),
            "closed wrongly": sum(
                (stored[each].superseded_by or "") != states[each] for each in there & stored.keys()
            ),
            "integrity": sound, "record": await memory.record.check(),
        }  # fmt: skip
        return figures | await _agreement(memory)


async def _agreement(memory: Memory) -> Figures:
    """Whether the indexes agree with the record once they have heard everything, and once they are mended."""
    figures: Figures = {"not heard when all ended": (await memory.record.counts())["behind"]}
    say(f"  to be heard by indexes: {figures['not heard when all ended']}")
    began = time.perf_counter()
    while waiting := (await memory.feeder.feed()).waiting:
        if time.perf_counter() - began > PATIENCE:
            break
    figures |= {"feeding, s": round(time.perf_counter() - began, 1), "waiting": waiting}
    say(f"  fed in {figures['feeding, s']} s, waiting: {waiting}")
    began = time.perf_counter()
    found = await memory.check()
    figures["checking, s"] = round(time.perf_counter() - began, 1)
    figures["consistency before mending"] = _shown(found)
    if found.score < 1:
        figures["mended"] = (await memory.check(mend=True)).mended
        found = await memory.check()
    figures["consistency"] = found.score
    return figures


def _integrity(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("PRAGMA integrity_check")]


def _shown(found: Any) -> dict[str, Any]:
    return {
        name: store.score
        if store.score == 1
        else [store.score, [str(each) for each in store.differences[:3]]]
        for name, store in found.stores.items()
    }


async def _all(memory: Memory) -> list[Any]:
    found: list[Any] = []
    while portion := await memory.memories(
        SCOPE, Filters(closed=True), after=found[-1].number if found else 0, most=2_000
    ):
        found += portion
    return found


@contextmanager
def arcadedb(folder: str) -> Generator[BoltServer]:
    """ArcadeDB with its Bolt server, for the graph."""
    if find_spec("arcadedb_embedded") is None:
        raise SystemExit("arcadedb-embedded is not installed, so that there is no graph to be tested.")
    port, password = free_port(), secrets.token_hex(8)
    script = str(ROOT / "tests" / "memory" / "graph" / "arcadedb_server.py")
    command = (sys.executable, script, folder, str(port), password)
    server = BoltServer(command, folder, port, "root", password)
    server.start()
    try:
        yield server
    finally:
        server.stop()


GRAPHS: Final[Mapping[str, Callable[[str], AbstractContextManager[BoltServer]]]] = {
    "neo4j": neo4j.running,
    "arcadedb": arcadedb,
}


def enter(stack: ExitStack, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Settings of the memory for the indexes that are asked for; their server runs until the stack ends."""
    settings: dict[str, Any] = {}
    if "chroma" in options.indexes:
        settings |= {"chroma": "embedded", "chroma_from": 0}
    if "neo4j" in options.indexes:
        graph = folder / "graph"
        graph.mkdir()
        server = stack.enter_context(GRAPHS[options.graph](str(graph)))
        settings["neo4j"] = server.url
        os.environ |= {"NEO4J_USERNAME": server.username, "NEO4J_PASSWORD": server.password}
    return settings


def soak(folder: Path, options: argparse.Namespace) -> Figures:
    """One run; gives all that was counted."""
    journals = folder / "journals"
    journals.mkdir()
    with ExitStack() as stack:
        settings = enter(stack, folder, options)
        place = Place(str(folder / "home"), str(journals), settings, options.writes)
        began = time.perf_counter()
        chance = Random(options.seed)  # noqa: S311 - a seed makes the same moments again
        readers = [started("read", name, place) for name in READERS]
        killer = Killer(place, options.kills, chance)
        try:
            killer.run()
        finally:
            place.stop.touch()
            for process in killer.processes.values():
                process.kill()
        took = time.perf_counter() - began
        read = [json.loads(reader.communicate(timeout=120)[0]) for reader in readers]
        return {
            "indexes": options.indexes, "graph": options.graph if "neo4j" in options.indexes else "",
            "writes": len(WRITERS) * options.writes, "kills": killer.kills, "seconds": round(took),
            "readings": sum(each["gets"] + each["recalls"] for each in read), "readers": read,
            **asyncio.run(verdict(place)),
        }  # fmt: skip


def failures(found: Figures) -> list[str]:
    """What must not be."""
    bad = [f"{name}: {found[name]}" for name in ("lost", "back again", "never acknowledged") if found[name]]
    bad += [f"closed wrongly: {found['closed wrongly']}"] if found["closed wrongly"] else []
    bad += [f"integrity: {found['integrity']}"] if found["integrity"] != ["ok"] else []
    bad += [f"record: {found['record'][:5]}"] if found["record"] else []
    bad += [f"consistency: {found['consistency']}"] if found["consistency"] != 1 else []
    bad += [f"not fed in {PATIENCE:.0f} s: {found['waiting']}"] if found["waiting"] else []
    for reader in found["readers"]:
        bad += [f"{what}: {reader[what]}" for what in ("stale", "torn", "failed") if reader[what]]
    return bad


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.memory_crash", description=__doc__)
    parser.add_argument("--writes", type=int, default=12_000, help="of each of the two writers")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--indexes", default="", help="chroma, neo4j, or both with a comma; none by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="an empty folder to work in, which is kept")
    parser.add_argument("--graph", choices=GRAPHS, default="neo4j", help="who keeps the graph")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = soak(folder, options)
    for name, value in found.items():
        say(f"  {name:<28} {value}")
    if bad := failures(found):
        sys.exit("\n".join(bad))
    say("  Nothing lost, stale or torn.")


if __name__ == "__main__":
    main()
