"""What it costs to have eight downstream servers: nothing until one is used, and then that one."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.environments import tell
from benchmarks.start_up import _META as META
from benchmarks.start_up import DISCOVER, INITIALIZE, LIST, answered

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["one_of_eight", "started"]

EIGHT = tuple(f"s{number}" for number in range(1, 9))
NONE, SOME = "no server", "8 servers"
QUESTION = "What is the mean spring range at Sternhaven?"
_ENTRY = """
description = "Finds pages."
command = {command}
args = [{program}]
values = {{ STARTS = {starts} }}
web = true

[search]
tool = "find"

[results.find]
items = ["results"]
"""
_RESEARCH: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "_meta": META,
        "name": "research",
        "arguments": {
            "question": QUESTION,
            "documents": [f"# Tides\n\nSpring tides are large. {QUESTION}\n"],
        },
    },
}
REQUESTS = {
    "server/discover": DISCOVER, "initialize": INITIALIZE, "tools/list": LIST,
    "a first research answer": _RESEARCH,
}  # fmt: skip


def configure(home: Path, program: Path) -> Path:
    """Eight entries in a data folder; gives the file that counts their starts."""
    folder = home / "config" / "servers"
    folder.mkdir(parents=True)
    starts = home / "starts.txt"
    told = {"command": sys.executable, "program": str(program), "starts": str(starts)}
    for name in EIGHT:
        text = _ENTRY.format(**{key: json.dumps(value) for key, value in told.items()})
        (folder / f"{name}.toml").write_text(text, "utf-8")
    return starts


def started(program: Path, rounds: int) -> str:
    """From spawn to each first answer over stdio, with no server and with eight, in turn."""
    lines = ["Milliseconds from spawn to the answer, least / median, and CPU of the process:\n"]
    lines.append(f"{'':<24} {NONE:>22} {SOME:>22}  {'least : least':>13}\n")
    for name, request in REQUESTS.items():
        found: dict[str, list[tuple[float, float]]] = {NONE: [], SOME: []}
        for turn in range(rounds):
            for side, several in found.items():
                tell(f"{name}, {side}, round {turn + 1} of {rounds}")
                several.append(_answered(program, request, with_servers=side == SOME))
        cells = " ".join(f"{_spread(several):>22}" for several in found.values())
        least = {side: min(wall for wall, _ in several) for side, several in found.items()}
        lines.append(f"{name:<24} {cells}  {least[SOME] / least[NONE]:>13.2f}\n")
    tell("")
    return "".join([*lines, "\n"])


def _answered(program: Path, request: dict[str, Any], *, with_servers: bool) -> tuple[float, float]:
    """Seconds of wall and CPU until ATLAS answered, in a data folder of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        starts = configure(Path(folder), program) if with_servers else Path(folder) / "starts.txt"
        command = [sys.executable, "-m", "atlas_mcp", "serve"]
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        took = answered(command, request, {**kept, "ATLAS_HOME": folder})
        assert not starts.exists(), "a server was started that nobody used"
        return took


def _spread(several: Sequence[tuple[float, float]]) -> str:
    walls, cpus = zip(*several, strict=True)
    return f"{min(walls) * 1e3:,.0f} / {statistics.median(walls) * 1e3:,.0f}, {min(cpus) * 1e3:,.0f}"


async def one_of_eight(program: Path, home: Path) -> str:
    """How many processes a run starts whose team may use one of eight servers."""
    from atlas_mcp.app import open_atlas
    from atlas_mcp.catalogue import shipped
    from atlas_mcp.providers.extractive import ExtractiveProvider
    from atlas_mcp.settings import MemorySettings, Settings

    starts = configure(home, program)
    folder = home / "config" / "teams" / "lookup"
    shutil.copytree(shipped("teams") / "research", folder)
    card = (folder / "web.md").read_text("utf-8").splitlines()
    granted = ["tools: [s3/*]" if line.startswith("tools: ") else line for line in card]
    (folder / "web.md").write_text("\n".join(granted), "utf-8")
    settings = Settings(home=home, memory=MemorySettings(embeddings=False, recall=False, learn=False))
    async with open_atlas(settings, roots=[], provider=ExtractiveProvider()) as atlas:
        run = await atlas.start("lookup", question=QUESTION)
        output = (await atlas.result(run.id, wait_seconds=300))["output"]
        calls = [f"{each.name} {each.calls}" for each in await (await atlas.servers()).store.tallies("tool")]
    assert any(source["uri"].startswith("https://tides.example") for source in output["sources"])
    count = len(starts.read_text("utf-8").splitlines())
    return f"A run whose team may use one of 8 servers started {count} process (calls: {', '.join(calls)}).\n"
