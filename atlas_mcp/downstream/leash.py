"""Ends the programs that we started when we ourselves are gone, however that came about.

Run as a program it reads process groups from its stdin, and ends those that are left when its stdin ends: a
process that is killed can do nothing any more, but its pipes are closed for it. One such program serves all
servers of a process. On Windows the job that a server runs in does the same.

This is the one file of the house with calls that exist on POSIX alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

__all__ = ["GRACE_SECONDS", "Leash"]

GRACE_SECONDS = 2.0
"""Between asking a group to end and ending it."""


class Leash:
    """Holds process groups, by the id of their leader."""

    def __init__(self) -> None:
        self._program: subprocess.Popen[bytes] | None = None
        self._starting = asyncio.Lock()

    async def hold(self, leader: int) -> None:
        """End the group of this process when we are gone."""
        if sys.platform == "win32":
            return
        async with self._starting:
            if self._program is None or self._program.poll() is not None:
                self._program = await asyncio.to_thread(_started)
        self._tell(f"+{leader}")

    def let_go(self, leader: int) -> None:
        """The process has ended: its number may be another's from now on."""
        self._tell(f"-{leader}")

    def _tell(self, line: str) -> None:
        if self._program is not None and self._program.stdin is not None:
            with suppress(OSError, ValueError):
                self._program.stdin.write(f"{line}\n".encode())
                self._program.stdin.flush()

    async def aclose(self) -> None:
        """End what is still held, and the program."""
        if self._program is not None:
            program, self._program = self._program, None
            await asyncio.to_thread(program.communicate)


def _started() -> subprocess.Popen[bytes]:
    # Isolated and without site-packages: it is there in a few milliseconds and takes a few megabytes.
    return subprocess.Popen(  # noqa: S603 - our own interpreter and file
        [sys.executable, "-I", "-S", __file__],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def _serve() -> None:
    """Read until the end, then end what is still held."""
    held: set[int] = set()
    for line in sys.stdin.buffer:
        leader = int(line[1:])
        held.add(leader) if line.startswith(b"+") else held.discard(leader)
    if sys.platform == "win32":
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for leader in held:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(leader, sign)
        if held and sign is signal.SIGTERM:
            time.sleep(GRACE_SECONDS)


if __name__ == "__main__":
    _serve()
