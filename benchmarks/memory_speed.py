"""How fast memory is at 1,000, 10,000 and 100,000 memories, beside others. `make bench-memory-speed`.

All sides are given the same made-up memories and the same vectors, which cost next to nothing, so that what
is measured is the memory and no model. Each is measured in a process of its own, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from benchmarks.environments import ROOT, environment, tell, versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["main"]

Figures: TypeAlias = dict[str, Any]

OURS = "memories:atlas"
BESIDE = ROOT / ".cache" / "bench-memory" / "bin" / "python"
NODE = ROOT / ".cache" / "bench-node" / "node_modules" / "@modelcontextprotocol" / "server-memory"
COUNTS = (1_000, 10_000, 100_000)
LONG = 1_800
"""Seconds after which a side is given up."""
AIMS = {10_000: 10.0, 100_000: 60.0}
"""Milliseconds that ATLAS's recall may take at the 95th percentile."""
ADD_AIM = 1.0


@dataclass(frozen=True)
class Side:
    """A memory: `where` in `sides` it is, who interprets it, and up to how many memories it is measured."""

    name: str
    where: str
    python: str
    packages: tuple[str, ...] = ()
    most: int = COUNTS[-1]


SIDES = (
    Side("ATLAS", OURS, sys.executable),
    Side("Chroma, embedded", "memory_peers:chroma", str(BESIDE), ("chromadb",)),
    Side("mem0, infer=False", "memory_peers:mem0", str(BESIDE), ("mem0ai", "qdrant-client"), 10_000),
    Side("MCP server-memory", "memory_peers:server_memory", sys.executable),
)
KEYS = {
    "add": "add one", "add_embedding": "with a model", "bulk_ms": "bulk", "recall": "recall",
    "recall kind": "of a kind", "recall since": "since", "recall source": "of a source",
    "recall team": "of a team", "open": "open", "mb": "MB", "disk": "disk",
}  # fmt: skip
_HEAD = """\
Milliseconds, median / 95th percentile: adding one memory (and with the sentence model), adding many (each),
recall of the best 8 and narrowed by kind, time, source and team; opening and the first recall; MB resident at
most, and on disk. ATLAS recalls by words, meaning and names; Chroma and mem0 by vectors; server-memory by a
part of a word, and gives all that hold it. mem0 adds one by one, and is measured up to 10,000. Graphiti is
left out, as it asks a model for each memory.
"""


def measured(side: Side, count: int, queries: int) -> Figures:
    """One side at one number of memories, in a process of its own; or why there is no figure."""
    if count > side.most:
        return {}
    command = [side.python, "-m", "benchmarks.one_memory", side.where, str(count), "--queries", str(queries)]
    with tempfile.TemporaryDirectory() as home:
        told = environment("" if side.where == OURS else home)
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=told, capture_output=True, text=True, check=True, timeout=LONG
            )
        except FileNotFoundError:
            return {"failed": "not installed; `make bench-memory-speed` installs it"}
        except subprocess.TimeoutExpired:
            return {"failed": f"not done after {LONG} seconds"}
        except subprocess.CalledProcessError as error:
            lines = error.stderr.strip().splitlines()
            return {"failed": lines[-1] if lines else "it ended early"}
    return json.loads(done.stdout.splitlines()[-1])


def least(several: Sequence[Figures]) -> Figures:
    """The least of each figure of several rounds, or why there is none."""
    if failed := next((each for each in several if "failed" in each), None):
        return failed
    return {key: min(each[key] for each in several) for key in several[0]} if several else {}


def table(count: int, found: dict[str, Figures]) -> str:
    """A line a figure, a column a side, with how many times as much as ATLAS it takes."""
    ours = found.get("ATLAS", {})
    lines = [f"{count:,} memories", " " * 15 + "".join(f"{name:>26}" for name in found)]
    for key, name in KEYS.items():
        cells = [_cell(figures.get(key), ours.get(key)) for figures in found.values()]
        if any(cells):
            lines.append(f"  {name:<13}" + "".join(f"{cell:>26}" for cell in cells))
    lines += [f"  {name}: {figures['failed']}" for name, figures in found.items() if "failed" in figures]
    return "\n".join(lines) + "\n\n"


def _cell(figure: Any, ours: Any) -> str:
    if figure is None:
        return ""
    said = " / ".join(f"{each:g}" for each in _listed(figure))
    if not ours or figure is ours:
        return said
    return f"{said} (x{_listed(figure)[0] / _listed(ours)[0]:.1f})"


def _listed(figure: Any) -> list[float]:
    return cast("list[float]", figure) if isinstance(figure, list) else [float(figure)]


def aims(everything: dict[int, dict[str, Figures]]) -> str:
    """What is aimed at, and what it came to."""
    lines: list[str] = []
    for count, found in everything.items():
        ours = found.get("ATLAS", {})
        if "add" in ours:
            lines.append(f"add one at {count:,}: {ours['add'][0]:g} ms, aimed at {ADD_AIM:g}")
        if "recall" in ours and count in AIMS:
            lines.append(f"recall p95 at {count:,}: {ours['recall'][1]:g} ms, aimed at {AIMS[count]:g}")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, then print tables, or everything as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_speed", description=__doc__)
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--only", default="", help="sides whose name has this in it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    sides = [side for side in SIDES if options.only.lower() in side.name.lower()]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    everything: dict[int, dict[str, Figures]] = {}
    for count in map(int, options.counts.split(",")):
        rounds: dict[str, list[Figures]] = {side.name: [] for side in sides}
        for _ in range(options.rounds):
            for side in sides:
                tell(f"{side.name} at {count:,}")
                rounds[side.name].append(measured(side, count, options.queries))
        everything[count] = {name: least(several) for name, several in rounds.items()}
        tell("")
        if not options.json:
            sys.stdout.write(table(count, everything[count]))
            sys.stdout.flush()
    if options.json:
        sys.stdout.write(json.dumps(everything, indent=2) + "\n")
        return
    told = ", ".join(versions(BESIDE, side.packages) for side in sides if side.packages)
    sys.stdout.write(f"{_HEAD}{told}{_node()}.\nLoad {load:.1f} before, on {os.cpu_count()} cores.\n")
    sys.stdout.write(aims(everything))


def _node() -> str:
    package: Path = NODE / "package.json"
    return f", server-memory {json.loads(package.read_text('utf-8'))['version']}" if package.exists() else ""


if __name__ == "__main__":
    main(sys.argv[1:])
