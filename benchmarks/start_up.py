"""From spawn to the first answer over stdio, beside a bare FastMCP server with one tool."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BARE = """
from fastmcp import FastMCP
mcp = FastMCP("bare")
@mcp.tool
def add(a: int, b: int) -> int:
    return a + b
mcp.run(show_banner=False)
"""
ROUNDS = 9
_CLIENT = {"name": "bench", "version": "1"}
_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": _CLIENT,
}
DISCOVER = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": _META}}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": _CLIENT},
}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": _META}}


def start_up() -> None:
    """Measure each first request in turn and print the ratios that are aimed at."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE, "utf-8")
        commands = {
            "atlas": [sys.executable, "-m", "atlas_mcp", "serve"],
            "bare": [sys.executable, str(bare)],
        }
        aims = {"server/discover": 0.1, "initialize": 1.2, "tools/list": 1.2}
        for request in (DISCOVER, INITIALIZE, LIST):
            rounds: dict[str, list[tuple[float, float]]] = {"atlas": [], "bare": []}
            for _ in range(ROUNDS):
                for side, command in commands.items():
                    rounds[side].append(answered(command, request, {**os.environ, "ATLAS_HOME": folder}))
            report(str(request["method"]), rounds, aims[str(request["method"])])


def answered(command: list[str], request: dict[str, Any], environ: dict[str, str]) -> tuple[float, float]:
    """Seconds of wall and of the process's CPU until it answered; it is killed then."""
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        wall = time.perf_counter() - began
        process.kill()
    assert "result" in answer, answer
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report(method: str, rounds: dict[str, list[tuple[float, float]]], aim: float) -> None:
    """One line a side: smallest and median wall, smallest CPU."""
    sys.stdout.write(f"From spawn to the answer of {method}:\n")
    for side, several in rounds.items():
        walls, cpus = zip(*several, strict=True)
        sys.stdout.write(
            f"  {side:<6} {min(walls) * 1e3:8.0f} ms wall (median {statistics.median(walls) * 1e3:.0f})"
            f"    {min(cpus) * 1e3:8.0f} ms CPU\n"
        )
    wall = min(wall for wall, _ in rounds["atlas"]) / min(wall for wall, _ in rounds["bare"])
    cpu = min(cpu for _, cpu in rounds["atlas"]) / min(cpu for _, cpu in rounds["bare"])
    sys.stdout.write(f"  ratio  {wall:8.2f} wall    {cpu:8.2f} CPU (aim: at most {aim:.2f})\n\n")
    sys.stdout.flush()
