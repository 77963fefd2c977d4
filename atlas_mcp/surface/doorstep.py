"""Answers a client's first probe before anything heavy is imported.

A host of protocol 2026-07-28 opens with `server/discover` and gives up on a server that is slow to answer:
some wait 0.6 s, which is less than it takes to import an MCP library. The answer never varies, so it is
shipped (`discover.json`, made from the real server) and given here; whatever else the client sent is left in
`sys.stdin` for the real server, which never learns of the probe.

This module knows one message of the protocol and the standard library; it imports nothing of ATLAS.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    from typing_extensions import Buffer

__all__ = ["ANSWER", "answer", "clean_stdout", "greet", "tell_person"]

ANSWER = Path(__file__).with_name("discover.json")
"""What the real server answers to `server/discover`."""

LONGEST_PROBE = 64 * 1024
"""Bytes of a first line beyond which it is no probe, and nobody waits for its end."""

_META = "io.modelcontextprotocol/"

_AT_A_TERMINAL = (
    "This is the MCP server: it speaks MCP on standard input, and clients start it themselves."
    " Set one up: atlas-mcp install. Ctrl-C ends it."
)


def tell_person() -> None:
    """Say on stderr what this is where stdin is a terminal: a person waits there, and no client."""
    # A program without a console may have no stdin at all.
    if sys.stdin is not None and sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        print(_AT_A_TERMINAL, file=sys.stderr, flush=True)  # noqa: T201 - there is nobody else to tell


def greet() -> bool:
    """Read the first line of stdin, answer it if it is a probe, and leave the rest in `sys.stdin`.

    False says that the client left without a word, so that there is nobody to serve.

    From here on descriptor 0 is the null device, so that no child process reads the client's words.
    """
    wire = os.dup(0)
    started = _first_read(wire)
    line, _, rest = started.partition(b"\n")
    reply = answer(line)
    if reply is not None:
        _write(reply)
    else:
        rest = started
    _divert_stdin()
    sys.stdin = io.TextIOWrapper(_Started(rest, wire), encoding="utf-8", errors="replace")  # pyright: ignore[reportArgumentType]
    return bool(started)


@contextmanager
def clean_stdout() -> Generator[None]:
    """While inside, what is written to descriptor 1 goes to stderr instead of to the client."""
    wire = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(wire, 1)
        os.close(wire)


def answer(line: bytes) -> bytes | None:
    """The reply to a line, newline included, if it is a probe that `discover.json` answers; else None."""
    try:
        message: Any = json.loads(line)
        identity, version = message["id"], message["params"]["_meta"][f"{_META}protocolVersion"]
        capabilities = message["params"]["_meta"][f"{_META}clientCapabilities"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    known: dict[str, Any] = json.loads(ANSWER.read_bytes())
    is_probe = message.get("method") == "server/discover" and message.get("jsonrpc") == "2.0"
    well_formed = isinstance(capabilities, dict) and type(identity) in (int, str)
    if not (is_probe and well_formed and version in known["supportedVersions"]):
        return None
    reply = {"jsonrpc": "2.0", "id": identity, "result": known}
    return json.dumps(reply, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _first_read(wire: int) -> bytes:
    """What came until the first line was whole, the client left, or the line was too long for a probe."""
    started = b""
    while b"\n" not in started and len(started) < LONGEST_PROBE:
        piece = os.read(wire, LONGEST_PROBE)
        if not piece:
            break
        started += piece
    return started


def _write(reply: bytes) -> None:
    while reply:
        reply = reply[os.write(1, reply) :]


def _divert_stdin() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


class _Started(io.RawIOBase):
    """A descriptor whose beginning was read already.

    It has no `fileno`, which tells the MCP library to read it as it is; and no lock, which a thread that
    still waits for the client at exit would hold.
    """

    def __init__(self, beginning: bytes, wire: int) -> None:
        self._beginning = memoryview(beginning)
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        into = memoryview(buffer)
        piece = self._beginning[: len(into)] or os.read(self._wire, len(into))
        self._beginning = self._beginning[len(piece) :]
        into[: len(piece)] = piece
        return len(piece)
