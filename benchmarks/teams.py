"""A run of a team beside the same team in other frameworks: CPU, wall and prompts of a run. `make bench`.

A supervisor plans, three workers work at once, the supervisor composes: five streamed calls of 500 tokens to
a fake server in a process of its own. What is said is what ATLAS says to its research team, and each side
sends it as its own shape has it. Every side is measured in processes of its own, in rounds in which each has
its turn, so that a busy machine is busy for all. The least figure of all rounds counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.environments import CREWAI, PEERS, ROOT, environment, tell, versions
from benchmarks.sides.teams import atlas
from benchmarks.sides.teamwork import Teamwork
from tests.fakes.model_server import FakeModels

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = ["main"]

Figures: TypeAlias = dict[str, Any]

DOCUMENTS = str(ROOT / "docs" / "handbook")
TOKENS = 500
_OURS = Path(sys.executable)
_LONG = 900
"""Seconds after which a side is given up."""
_AIM = 1.0


@dataclass(frozen=True)
class Side:
    """A framework: `where` in `sides` it is, who interprets it, the packages whose versions are told."""

    name: str
    where: str
    python: Path
    packages: tuple[str, ...]


PLAIN = Side("asyncio and the SDK", "teams:bare", _OURS, ("openai",))
ATLAS = Side("ATLAS, everything on", "teams:atlas", _OURS, ("openai", "langgraph"))
SIDES = (
    PLAIN,
    Side("the same, with peers' SDK", "teams:bare", PEERS, ("openai",)),
    ATLAS,
    Side("ATLAS, and embeddings", "teams:atlas_by_meaning", _OURS, ("openai", "langgraph")),
    Side("OpenAI Agents SDK", "team_peers:agents_sdk", PEERS, ("openai-agents", "openai")),
    Side("Pydantic AI", "team_peers:pydantic_ai", PEERS, ("pydantic-ai-slim", "openai")),
    Side(
        "langgraph-supervisor", "team_peers:langgraph_supervisor", PEERS,
        ("langgraph-supervisor", "langgraph", "langchain-openai", "openai"),
    ),
    Side("CrewAI", "team_peers:crewai", CREWAI, ("crewai", "openai")),
)  # fmt: skip


def measured(sides: Sequence[Side], rounds: int, runs: int) -> list[Figures]:
    """The least of each figure of each side, or why there is none."""
    found: dict[Side, list[Figures]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder, _server() as url:
        bodies = Path(folder) / "bodies.json"
        bodies.write_text(json.dumps(asyncio.run(_recorded())), "utf-8")
        given = [url, DOCUMENTS, str(bodies), "--runs", str(runs)]
        for turn in range(rounds):
            for side in sides:
                if not any("failed" in each for each in found[side]):
                    tell(f"round {turn + 1} of {rounds}: {side.name}")
                    found[side].append(_measured(side, given, folder))
    tell("")
    return [_least(side, several) for side, several in found.items()]


async def _recorded() -> list[Figures]:
    """The request bodies of one run of the research team, in order: plan, three workers, composition."""
    async with FakeModels(tokens=TOKENS) as server:
        async with atlas(Teamwork(server.url, DOCUMENTS, [])) as run:
            await run()
        return server.requests


@contextmanager
def _server() -> Generator[str]:
    """The server in a process of its own; gives its base URL."""
    command = [sys.executable, "-m", "benchmarks.team_server", "--tokens", str(TOKENS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def _measured(side: Side, given: Sequence[str], home: str) -> Figures:
    """One round of one side in a fresh process."""
    if not side.python.exists():
        return {"failed": "not installed; `make bench` installs it"}
    command = [str(side.python), "-m", "benchmarks.one_team", side.where, *given]
    told = environment("" if side.python == _OURS else home)
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=told, capture_output=True, text=True, check=True, timeout=_LONG
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {_LONG} seconds"}
    except subprocess.CalledProcessError as error:
        return {"failed": error.stderr.strip().splitlines()[-1] if error.stderr.strip() else "it ended early"}
    return json.loads(done.stdout.splitlines()[-1])


def _least(side: Side, several: list[Figures]) -> Figures:
    row: Figures = {"name": side.name, "versions": versions(side.python, side.packages)}
    failed = [each for each in several if "failed" in each]
    if failed:
        return row | failed[0]
    return row | {key: min(each[key] for each in several) for key in several[0]} | {"rounds": several}


_HEAD = """\
A supervisor and three workers, five streamed calls of {tokens} tokens: milliseconds of CPU a run, the least
of {rounds} rounds, and how many times (x) as much as asyncio with OpenAI's SDK; milliseconds until it is done
and KB of requests. Imports in seconds of CPU, until the first answer; memory in MB at the end.
Load {load} before, {load_after} after, on {cores} cores.

"""
_ROW = "  {:<27} {:>8} {:>6} {:>10} {:>6} {:>8} {:>10} {:>7} {:>7} {:>5}  {}\n"


def table(found: Figures) -> str:
    """A line a side, with how many times as much as the plain one it takes."""
    sides: list[Figures] = found["sides"]
    plain = next((side for side in sides if side["name"] == PLAIN.name and "cpu_1" in side), None)
    told = _HEAD.format(**found)
    told += _ROW.format(
        "", "CPU", "x", "16 at once", "x", "wall", "16 at once", "prompts", "import", "MB", ""
    )
    for side in sides:
        if "failed" in side:
            told += f"  {side['name']:<27} {side['failed']}\n"
            continue
        ratios = [f"{side[key] / plain[key]:.2f}" if plain else "" for key in ("cpu_1", "cpu_16")]
        told += _ROW.format(
            side["name"], side["cpu_1"], ratios[0], side["cpu_16"], ratios[1], side["wall_1"],
            side["wall_16"], side["prompt_kb"], side["import_s"], side["mb_end"], side["versions"],
        )  # fmt: skip
    return f"{told}  Aimed at: {ATLAS.name}, at most {_AIM:.2f} of {PLAIN.name}.\n\n"


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, then print a table, or everything as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks teams", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=32, help="for each figure of each round")
    parser.add_argument("--only", default="", help="sides whose name has this in it, beside the plain one")
    parser.add_argument("--json", action="store_true", help="everything, machine readable")
    options = parser.parse_args(arguments)
    wished = options.only.lower()
    sides = [side for side in SIDES if side is PLAIN or wished in side.name.lower()]
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    everything: Figures = {
        "tokens": TOKENS, "rounds": options.rounds, "runs": options.runs, "cores": os.cpu_count(),
        "load": load, "sides": measured(sides, options.rounds, options.runs),
        "load_after": None if load is None else round(os.getloadavg()[0], 1),
    }  # fmt: skip
    sys.stdout.write(json.dumps(everything, indent=2) + "\n" if options.json else table(everything))
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
