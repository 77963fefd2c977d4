"""Where sides live: environments of their own, which versions there are in one, and what it is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CREWAI", "PEERS", "ROOT", "environment", "tell", "versions"]

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".cache" / "bench" / "bin" / "python"
CREWAI = ROOT / ".cache" / "bench-crewai" / "bin" / "python"

_QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false",
    "LANGSMITH_TRACING": "false", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1", "OTEL_SDK_DISABLED": "true",
}  # fmt: skip


def environment(home: str = "") -> dict[str, str]:
    """The environment without proxies, and with whatever keeps peers from calling home.

    What they keep on the side goes to the folder `home`, if one is given.
    """
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, **_QUIET, **({"XDG_DATA_HOME": home, "HOME": home} if home else {})}


def versions(python: Path, packages: Sequence[str]) -> str:
    """The versions of some packages in an environment, as far as they are there."""
    there = _installed(python) if python.exists() else {}
    return ", ".join(f"{name} {there[name]}" for name in packages if name in there)


@cache
def _installed(python: Path) -> dict[str, str]:
    """The versions of all packages in an environment."""
    there = "{each.name: each.version for each in importlib.metadata.distributions()}"
    code = f"import importlib.metadata, json; print(json.dumps({there}))"
    return json.loads(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout)


def tell(what: str) -> None:
    """Say what is going on, where somebody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{what}")
