"""What ATLAS costs, side by side with the plainest thing that does the same, in one run. `make bench`."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import providers, simulated_week, storm, support
from benchmarks.start_up import start_up
from tests.fakes.model_server import FakeModels

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ROOT / "docs" / "handbook"
ROUNDS = 5
TOKENS = 500
CALLS = 5


def main() -> None:
    """Measure, then print what was measured and the ratios that are aimed at."""
    if sys.argv[1:2] == ["providers"]:  # it has options of its own
        providers.main(sys.argv[2:])
        return
    sys.stdout.write(
        f"On {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.\n\n" if hasattr(os, "getloadavg") else ""
    )
    wished = sys.argv[1:] or ["start", "run", "providers"]
    if "start" in wished:
        start_up()
    if "run" in wished:
        cost_of_a_run()
    if "providers" in wished:
        providers.main()
    if "week" in wished:
        simulated_week.week()
    if "storm" in wished:
        storm.main()
    if "support" in wished:
        support.main()


def cost_of_a_run() -> None:
    """CPU of a run of the research team beside bare asyncio with the SDK streaming the same five calls."""
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies.json"
        bodies.write_text(json.dumps(asyncio.run(recorded())), "utf-8")
        with fake_server() as url:
            sides = {"atlas": str(DOCUMENTS), "bare": str(bodies)}
            for at_once in (1, 16):
                rounds: dict[str, list[dict[str, Any]]] = {"atlas": [], "bare": []}
                for _ in range(ROUNDS):
                    for side, given in sides.items():
                        rounds[side].append(measured(side, url, given, at_once))
                report(at_once, rounds)


def report(at_once: int, rounds: dict[str, list[dict[str, Any]]]) -> None:
    """One line a side, and the ratio of their smallest CPU times."""
    sys.stdout.write(f"A run of five streamed calls of {TOKENS} tokens, {at_once} at once:\n")
    least = {side: min(each["cpu_ms_min"] for each in several) for side, several in rounds.items()}
    for side, several in rounds.items():
        wall = sorted(each["wall_ms_median"] for each in several)[len(several) // 2]
        sys.stdout.write(f"  {side:<6} {least[side]:8.1f} ms CPU a run    {wall:8.1f} ms wall\n")
    sys.stdout.write(f"  ratio  {least['atlas'] / least['bare']:8.2f} (aim: at most 1.30)\n\n")
    sys.stdout.flush()


async def recorded() -> list[dict[str, Any]]:
    """The request bodies of one run of the team, in order: plan, three workers, composition."""
    from benchmarks.team_run import atlas_runs

    async with FakeModels(tokens=TOKENS) as server:

        async def once(run: Any) -> None:
            await run(0)

        await atlas_runs(server.url, str(DOCUMENTS), once)
        assert len(server.requests) == CALLS
        return server.requests


@contextmanager
def fake_server() -> Generator[str]:
    """The fake model server in a process of its own; gives its base URL."""
    server = ROOT / "tests" / "fakes" / "model_server.py"
    command = [sys.executable, str(server), "--port", "0", "--tokens", str(TOKENS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().split()[-1]}/v1"
        finally:
            process.terminate()


def measured(side: str, url: str, given: str, at_once: int) -> dict[str, Any]:
    """One round of one side in a fresh process."""
    options = ["--runs", "20", "--at-once", str(at_once)]
    command = [sys.executable, "-m", "benchmarks.team_run", side, url, given, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
