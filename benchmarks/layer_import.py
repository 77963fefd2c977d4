"""What it costs to import the layer of providers, and to open one, in fresh processes without any SDK."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from typing import Any

__all__ = ["LAYER", "dearest", "import_costs"]

LAYER = "import atlas_mcp.providers.registry"
_BARE = "the interpreter alone"
_OPEN = 'Registry().open("openai:m")'
_STATEMENTS = {
    _BARE: "pass",
    LAYER: "import atlas_mcp.providers.registry",
    _OPEN: "from atlas_mcp.providers.registry import Registry; Registry().open('openai:m')",
}
_ABSENT = ("openai", "anthropic", "ollama", "httpx", "httpx2", "aiohttp")
_MEMORY = "from benchmarks.memory import megabytes; print(megabytes())"
_ENVIRONMENT = {**os.environ, "OPENAI_API_KEY": "none"}
_ROUNDS = 7
_TOLD = 10
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)")


def import_costs() -> dict[str, dict[str, float]]:
    """By statement: seconds of CPU beyond the interpreter's own start, and megabytes of the process."""
    seconds = {name: float("inf") for name in _STATEMENTS}
    for _ in range(_ROUNDS):
        for name, code in _STATEMENTS.items():
            seconds[name] = min(seconds[name], _cpu(code))
    bare = seconds[_BARE]
    return {
        name: {"seconds": round(seconds[name] - (bare if name != _BARE else 0.0), 3), "mb": _megabytes(code)}
        for name, code in _STATEMENTS.items()
    }


def dearest() -> list[dict[str, Any]]:
    """The modules behind an open provider that cost most: milliseconds without and with what they import."""
    said = _run("-X", "importtime", code=_STATEMENTS[_OPEN]).stderr
    costs: list[dict[str, Any]] = [
        {"module": found[3], "own_ms": int(found[1]) / 1e3, "with_imports_ms": int(found[2]) / 1e3}
        for found in map(_LINE.match, said.splitlines())
        if found
    ]
    return sorted(costs, key=lambda cost: -cost["own_ms"])[:_TOLD]


def _cpu(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(code=code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _megabytes(code: str) -> int:
    return int(_run(code=f"{code}; {_MEMORY}").stdout)


def _run(*options: str, code: str) -> subprocess.CompletedProcess[str]:
    absent = f"import sys; sys.modules.update(dict.fromkeys({_ABSENT!r}))"
    command = [sys.executable, *options, "-c", f"{absent}; {code}"]
    return subprocess.run(command, env=_ENVIRONMENT, capture_output=True, text=True, check=True)
