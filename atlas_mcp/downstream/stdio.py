"""A local MCP server's stdin and stdout as streams of messages: bounded, and deaf to what is no message.

The SDK's own transport keeps a line in memory however long it grows, and hands on every line that is no
message. Programs of all kinds are started here, so a line has a limit, noise is counted and dropped, and one
that does nothing but make noise is left.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import anyio
import mcp_types as types
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.os.win32.utilities import (
    close_process_job,
    create_windows_process,
    get_windows_executable_command,
    terminate_windows_process_tree,
)
from mcp.shared.message import SessionMessage

from atlas_mcp.downstream.lines import Lines, Overlong
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import Process
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from atlas_mcp.downstream.launch import Launch
    from atlas_mcp.downstream.leash import Leash

__all__ = ["Pipe", "stdio_streams"]

log = logging.getLogger(__name__)

EXIT_SECONDS = 2.0
"""How long a server may take to end once its stdin is closed."""
KILL_SECONDS = 1.0
"""Between asking its processes to end and ending them."""
NOISE_LINES = 10_000
NOISE_BYTES = 16_000_000
"""So much that is no answer, since the last answer, is a flood."""
ENDLESS = 20
"""A line so many times longer than is read is not waited for."""
NOTICES_A_SECOND = 200
"""Notifications that are passed on; more are dropped."""
STDERR_LINES = 20
_GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, OSError)
_ASKS = {
    "elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots",
}  # fmt: skip


@dataclass(slots=True)
class Pipe:
    """What is known of a server's process while its streams are open, and after."""

    noise: int = 0
    """Lines on stdout that were no message."""
    first_noise: str = ""
    dropped: int = 0
    """Notifications that were too many."""
    asked: set[str] = field(default_factory=set[str])
    """What it asked of us, of elicitation, sampling and roots."""
    stderr: deque[str] = field(default_factory=lambda: deque[str](maxlen=STDERR_LINES))
    fault: str = ""
    """Why it was left, if it was."""
    exit_code: int | None = None
    ended: anyio.Event = field(default_factory=anyio.Event)

    @property
    def odd(self) -> tuple[str, ...]:
        """What was odd about what it wrote, and was passed over."""
        odd: list[str] = []
        if self.noise:
            odd.append(f"it writes what is no message, such as {str(redacted(self.first_noise))[:80]!r}")
        if self.dropped:
            odd.append("it sends more notifications than are heard")
        if asked := ", ".join(sorted(self.asked)):
            odd.append(f"it asked for {asked}, which no server is given")
        return tuple(odd)

    @property
    def last_words(self) -> str:
        """The last line on stderr, 300 characters of it at most."""
        return next((line for line in reversed(self.stderr) if line.strip()), "").strip()[:300]


@asynccontextmanager
async def stdio_streams(
    launch: Launch, pipe: Pipe, leash: Leash, *, most_bytes: int
) -> AsyncGenerator[
    tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
]:
    """Start a server and speak to it; on leaving, it and all that it started is ended, within seconds.

    Raises:
        OSError: it could not be started.
    """
    process = await _spawned(launch)
    to_session, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    reader = _Reader(process, pipe, to_session, most_bytes)
    try:
        await leash.hold(process.pid)
        async with anyio.create_task_group() as group:
            group.start_soon(reader.run)
            group.start_soon(_write, process, from_session, to_session)
            group.start_soon(_listen, process, pipe)
            try:
                yield read, write
            finally:
                for stream in (read, write):
                    stream.close()
                await _ended(process)
                group.cancel_scope.cancel()
    finally:
        for each in (read, write, to_session, from_session):
            each.close()
        await _ended(process)
        pipe.exit_code = process.returncode
        leash.let_go(process.pid)


async def _spawned(launch: Launch) -> Process:
    if sys.platform == "win32":
        command = get_windows_executable_command(launch.command)
        errlog = cast("Any", subprocess.PIPE)
        made = await create_windows_process(command, [*launch.args], {**launch.env}, errlog, launch.cwd)
        return cast("Process", made)
    return await anyio.open_process(
        [launch.command, *launch.args], env=launch.env, cwd=launch.cwd, start_new_session=True
    )


async def _ended(process: Process) -> None:
    """See a process to its end, whoever is cancelled meanwhile: a task of its own does it."""
    ending = asyncio.ensure_future(_end(process))
    with anyio.CancelScope(shield=True):
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait({ending})
            raise


async def _end(process: Process) -> None:
    """Close its stdin, wait, and end what is left of it and of what it started."""
    if process.stdin is not None:
        with suppress(*_GONE):
            await process.stdin.aclose()
    await _exit_of(process)
    if sys.platform == "win32":
        await terminate_windows_process_tree(process)
        close_process_job(process)
    else:
        await terminate_posix_process_tree(process, KILL_SECONDS)
    await _exit_of(process)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            with suppress(*_GONE):
                await stream.aclose()
    # Its transport would stay open, and warn, while somebody else holds one of its pipes.
    inner = getattr(getattr(process, "_process", None), "_transport", None)
    if inner is not None:
        with suppress(PermissionError):
            inner.close()


async def _exit_of(process: Process) -> None:
    """Wait for its end a while; not by `wait`, which waits for whoever else holds its pipes as well."""
    with anyio.move_on_after(EXIT_SECONDS):
        while process.returncode is None:  # noqa: ASYNC110 - nothing tells of it
            await anyio.sleep(0.01)


class _Reader:
    """Reads a server's stdout until it ends, or does nothing but flood."""

    def __init__(
        self, process: Process, pipe: Pipe, to: MemoryObjectSendStream[SessionMessage | Exception],
        most_bytes: int,
    ) -> None:  # fmt: skip
        self._process = process
        self._pipe = pipe
        self._to = to
        self._lines = Lines(most_bytes)
        self._noise_lines = 0
        self._noise_bytes = 0
        self._notices = 0.0
        self._since = monotonic()

    async def run(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it was started with a pipe
        try:
            with suppress(*_GONE):
                while not self._pipe.fault:
                    for line in self._lines.feed(await stdout.receive()):
                        await self._take(line)
                    if self._lines.size > ENDLESS * self._lines.most:
                        self._pipe.fault = f"a line of {self._lines.size / 1e6:.0f} MB did not end"
        finally:
            # The session sees the end, and every call under way fails at once.
            self._to.close()
            self._pipe.exit_code = self._process.returncode
            self._pipe.ended.set()

    async def _take(self, line: bytes | Overlong) -> None:
        if isinstance(line, Overlong):
            await self._refuse(line)
            return
        message = _parsed(line)
        if message is None:
            self._count_noise(line)
            return
        if isinstance(message, types.JSONRPCNotification):
            if not self._passes(message, len(line)):
                return
        elif isinstance(message, types.JSONRPCRequest):
            self._pipe.asked.add(_ASKS.get(message.method, message.method[:80]))
            self._weigh(len(line))
        else:
            self._noise_lines = self._noise_bytes = 0
        await self._to.send(SessionMessage(message))

    async def _refuse(self, line: Overlong) -> None:
        """Fail the call whose answer was too long, as if the server had said so."""
        said = f"its answer has more than {self._lines.most / 1e6:g} MB"
        if (identity := line.identity) is None:
            self._pipe.fault = said
            return
        error = types.ErrorData(code=types.INTERNAL_ERROR, message=said)
        await self._to.send(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=identity, error=error)))

    def _passes(self, message: types.JSONRPCNotification, size: int) -> bool:
        """Whether a notification is passed on; log messages are for a log, and too many are for nobody."""
        self._weigh(size)
        if message.method == "notifications/message":
            log.debug("a server says: %.500s", json.dumps(message.params))
            return False
        now = monotonic()
        self._notices = max(0.0, self._notices - (now - self._since) * NOTICES_A_SECOND) + 1
        self._since = now
        if self._notices > NOTICES_A_SECOND:
            self._pipe.dropped += 1
            return False
        return True

    def _count_noise(self, line: bytes) -> None:
        if not line.strip():
            return
        self._pipe.noise += 1
        self._pipe.first_noise = self._pipe.first_noise or line[:200].decode("utf-8", "replace")
        self._weigh(len(line))

    def _weigh(self, size: int) -> None:
        """Count what is no answer; a server that gives nothing else is left."""
        self._noise_lines += 1
        self._noise_bytes += size
        if self._noise_lines > NOISE_LINES or self._noise_bytes > NOISE_BYTES:
            self._pipe.fault = (
                f"it flooded its output: {self._noise_lines:,} lines, {self._noise_bytes / 1e6:.1f} MB,"
                " and no answer among them"
            )


_MESSAGE = re.compile(rb"\s*\{")


def _parsed(line: bytes) -> types.JSONRPCMessage | None:
    """A message, or None for what is none."""
    if not _MESSAGE.match(line):
        return None
    for text in (line, line.decode("utf-8", "replace")):
        # Bytes that are no UTF-8 are read as what they are nearest to, rather than lost with the rest.
        with suppress(ValueError):
            return types.jsonrpc_message_adapter.validate_json(text, by_name=False)
    return None


async def _write(
    process: Process, from_session: MemoryObjectReceiveStream[SessionMessage],
    to_session: MemoryObjectSendStream[SessionMessage | Exception],
) -> None:  # fmt: skip
    stdin = process.stdin
    assert stdin is not None  # noqa: S101 - it was started with a pipe
    try:
        async for each in from_session:
            said = each.message.model_dump_json(by_alias=True, exclude_unset=True)
            await stdin.send(f"{said}\n".encode())
    except _GONE:
        # It may live on without reading: its session ends all the same, rather than wait for ever.
        to_session.close()


async def _listen(process: Process, pipe: Pipe) -> None:
    """Keep its last words; nobody else reads its stderr, and a full pipe would hold it up."""
    if process.stderr is None:
        return
    lines = Lines(4_000)
    with suppress(*_GONE):
        while True:
            for line in lines.feed(await process.stderr.receive()):
                if isinstance(line, bytes):
                    pipe.stderr.append(line.decode("utf-8", "replace"))
