"""What telling a tracking server costs a run: nothing told, told, and told to one that never answers.

The same shape as the benchmark of teams: five streamed calls of 500 tokens to a fake server. The tracking
server is a real MLflow in a process of its own, which `make mlflow` installs; without it that side is left
out. Beside it the same calls with nothing around them, and under MLflow's own automatic tracing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.environments import ROOT, environment, tell
from benchmarks.teams import DOCUMENTS, _recorded, _server
from tests.mlflow.server import PROGRAM, running

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = ["main"]

MLFLOW = PROGRAM.with_name("python")
_ATLAS, _PLAIN, _AUTO = "teams:atlas", "teams:bare", "autolog:bare"


@contextmanager
def _black_hole() -> Generator[str]:
    """An address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []

        def hold() -> None:
            try:
                while True:
                    held.append(listening.accept()[0])
            except OSError:
                return

        threading.Thread(target=hold, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def measured(rounds: int, runs: int, at_once: int) -> dict[str, list[dict[str, Any]]]:
    """The figures of each round of each side."""
    found: dict[str, list[dict[str, Any]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        _server() as url,
        _black_hole() as hole,
        running(Path(folder) / "mlflow") as tracking,
    ):
        bodies = Path(folder) / "bodies.json"
        bodies.write_text(json.dumps(asyncio.run(_recorded())), "utf-8")
        given = [url, DOCUMENTS, str(bodies), "--runs", str(runs), "--at-once", str(at_once)]
        sides: dict[str, tuple[Path, list[str]]] = {
            "ATLAS, nothing told": (Path(sys.executable), [_ATLAS]),
            "ATLAS, told to MLflow": (Path(sys.executable), [_ATLAS, "--tracking", tracking.url]),
            "ATLAS, a black hole": (Path(sys.executable), [_ATLAS, "--tracking", hole, "--hole"]),
            "OpenAI's SDK": (MLFLOW, [_PLAIN]),
            "the same, mlflow.openai.autolog": (MLFLOW, [_AUTO, "--tracking", tracking.url]),
        }
        for turn in range(rounds):
            for name, (python, (side, *more)) in sides.items():
                tell(f"round {turn + 1} of {rounds}: {name}")
                command = [str(python), "-m", "benchmarks.one_telling", side, *given, *more]
                told = environment() | {"OTEL_SDK_DISABLED": "false"}
                done = subprocess.run(
                    command, cwd=ROOT, env=told, capture_output=True, text=True, check=False
                )
                if done.returncode:
                    sys.stderr.write(f"{name}: {done.stderr[-600:]}\n")
                    continue
                found.setdefault(name, []).append(json.loads(done.stdout.splitlines()[-1]))
    tell("")
    return found


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, then print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks telling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=32)
    parser.add_argument("--at-once", type=int, default=4)
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    found = measured(options.rounds, options.runs, options.at_once)
    sys.stdout.write(
        f"{options.runs} runs, {options.at_once} at once, the middle of {options.rounds} rounds; load"
        f" {load:.1f}. CPU, wall and lateness (99th) in ms a run, closing in s.\n\n"
    )
    plain = {"ATLAS": "ATLAS, nothing told", "OpenA": "OpenAI's SDK", "the s": "OpenAI's SDK"}
    for name, rows in found.items():
        figures = {key: median(row[key] for row in rows) for key in rows[0]}
        beside = {key: median(row[key] for row in found[plain[name[:5]]]) for key in rows[0]}
        ratios = f"CPU x{figures['cpu'] / beside['cpu']:.2f}, wall x{figures['wall'] / beside['wall']:.2f}"
        sys.stdout.write(
            f"  {name:<32} CPU {figures['cpu']:7.1f}  wall {figures['wall']:7.1f}"
            f"  late {figures['late_99']:6.2f}  closing {figures['closing']:5.2f}  {ratios}\n"
        )
    sys.stdout.write("  Aimed at: told, at most 1.10 of nothing told.\n\n")


if __name__ == "__main__":
    main(sys.argv[1:])
