"""The layer of providers beside its peers: CPU a stream and a plain call, choices, imports. `make bench`.

Every side is measured in processes of its own, since what was imported and what is collected as garbage
differ, and in rounds in which each has its turn, so that a busy machine is busy for all. The server is fast,
and a process of its own; a stream is 500 tokens, one TCP write each. The least figure of all rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.decision import every_choice
from benchmarks.environments import PEERS, ROOT, environment, tell, versions
from benchmarks.fast_server import said
from benchmarks.layer_import import dearest, import_costs
from benchmarks.provider_tables import decisions, imports, sides_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = ["main"]

Figures: TypeAlias = dict[str, Any]

TOKENS = 500
_LONG = 300
"""Seconds after which a side is given up."""


@dataclass(frozen=True)
class Side:
    """Somebody who asks on a wire: `where` in `sides` it is, and the packages whose versions are told."""

    name: str
    wire: str
    where: str
    packages: tuple[str, ...]

    @property
    def python(self) -> Path:
        """The interpreter of the environment that it lives in."""
        return PEERS if self.where.startswith("peers:") else Path(sys.executable)


def _atlas(wire: str, function: str, sdk: str) -> list[Side]:
    """ATLAS on a wire, and over aiohttp where the SDK can be carried by it."""
    ours = [Side("ATLAS, everything on", wire, f"atlas:{function}", (sdk,))]
    if sdk != "ollama":
        ours.append(Side("ATLAS, over aiohttp", wire, f"atlas:{function}_aiohttp", (sdk, "aiohttp")))
    return ours


def _peers(wire: str, function: str, sdk: str) -> list[Side]:
    """The peers that ask on a wire; Pydantic AI has no model for Ollama's own."""
    langchain = f"langchain-{sdk}"
    there = [
        Side("LiteLLM Router", wire, f"peers:litellm_{function}", ("litellm", sdk)),
        Side("LangChain with_fallbacks", wire, f"peers:langchain_{function}", (langchain, sdk)),
    ]
    if sdk != "ollama":
        packages = ("pydantic-ai-slim", sdk)
        there.append(Side("Pydantic AI FallbackModel", wire, f"peers:pydantic_ai_{function}", packages))
    return there


def _on(wire: str, function: str, sdk: str) -> list[Side]:
    the_sdk = Side("the SDK", wire, f"sdks:{function}", (sdk,))
    return [the_sdk, *_peers(wire, function, sdk), *_atlas(wire, function, sdk)]


SIDES = (
    Side("httpx and json", "OpenAI chat", "raw:httpx", ("httpx",)),
    Side("httpx2 and json", "OpenAI chat", "raw:httpx2", ("httpx2",)),
    *_on("OpenAI chat", "chat", "openai"),
    *_on("OpenAI responses", "responses", "openai"),
    *_on("Anthropic", "messages", "anthropic"),
    *_on("Ollama", "ollama", "ollama"),
)


def measured(sides: Sequence[Side], rounds: int, seconds: float) -> list[Figures]:
    """The least of each figure of each side, or why there is none."""
    found: dict[Side, list[Figures]] = {side: [] for side in sides}
    with _fast_server() as url:
        for turn in range(rounds):
            for side in sides:
                if not any("failed" in each for each in found[side]):
                    tell(f"round {turn + 1} of {rounds}: {side.wire}, {side.name}")
                    found[side].append(_measured(side, url, seconds))
    tell("")
    return [_least(side, several) for side, several in found.items()]


def _least(side: Side, several: list[Figures]) -> Figures:
    row: Figures = {"wire": side.wire, "name": side.name, "versions": versions(side.python, side.packages)}
    failed = [each for each in several if "failed" in each]
    return row | (failed[0] if failed else {key: min(each[key] for each in several) for key in several[0]})


def _measured(side: Side, url: str, seconds: float) -> Figures:
    """One round of one side."""
    if not side.python.exists():
        return {"failed": "not installed; `make bench` installs it"}
    options = [side.where, url, str(len("".join(said(TOKENS)))), "--seconds", str(seconds)]
    command = [str(side.python), "-m", "benchmarks.one_side", *options]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True, timeout=_LONG
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {_LONG} seconds"}
    except subprocess.CalledProcessError as error:
        return {"failed": error.stderr.strip().splitlines()[-1] if error.stderr.strip() else "it ended early"}
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def _fast_server() -> Generator[str]:
    """The server in a process of its own; gives its address."""
    command = [sys.executable, "-m", "benchmarks.fast_server", "--tokens", str(TOKENS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def main(arguments: Sequence[str] = ()) -> None:
    """Measure, then print tables, or everything as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks providers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure of each round")
    parser.add_argument("--only", default="", help="sides whose wire or name has this in it")
    parser.add_argument("--json", action="store_true", help="everything, machine readable")
    options = parser.parse_args(arguments)
    wished = options.only.lower()
    sides = [side for side in SIDES if wished in f"{side.wire} {side.name}".lower()]
    everything: Figures = {
        "tokens": TOKENS, "rounds": options.rounds, "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1), "sides": measured(sides, options.rounds, options.seconds),
        "decisions": every_choice(), "imports": import_costs(),
        "dearest": dearest(), "load_after": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    if options.json:
        sys.stdout.write(json.dumps(everything, indent=2) + "\n")
        return
    sys.stdout.write(sides_of(everything) + decisions(everything) + imports(everything))


if __name__ == "__main__":
    main(sys.argv[1:])
