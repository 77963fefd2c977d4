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

from atlas_mcp.downstream.flood import Flood
from atlas_mcp.downstream.lines import Lines, Overlong
from atlas_mcp.downstream.screening.invisible import cleaned
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
ENDLESS = 20
"""A line so many times longer than is read is not waited for."""
UNASKED_A_SECOND = 200
"""Notifications, and requests of the server's own, that are passed on; more of either are dropped."""
HEAR_SECONDS = 0.5
"""How long the last words are waited for of one that has ended."""
STDERR_LINES = 20
STDERR_LINE = 4_000
"""A longer one is passed over."""
STDERR_BYTES = 40_000
STDERR_BYTES_A_SECOND = 4_000_000
_GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, OSError)
_ASKS = {
    "elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots",
}  # fmt: skip


_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)\b: ")
"""The last line of a traceback."""

_ERROR = re.compile(r"\b(error|err!|fatal|panic|cannot|could not|failed|not found|denied)\b", re.IGNORECASE)
_POINTER = re.compile(r"complete log of this run|see the log|^hint:", re.IGNORECASE)
"""Lines that say where more is said."""
_CUT_KEY = re.compile(r"\A(?:(?!-----BEGIN)[\s\S])*-----END [A-Z ]*PRIVATE KEY-----")
"""A key of many lines whose beginning is lost."""


@dataclass(slots=True)
class Pipe:
    """What is known of a server's process while its streams are open, and after."""

    noise: int = 0
    """Lines on stdout that were no message."""
    first_noise: str = ""
    dropped: int = 0
    """Notifications and requests that were too many."""
    waiting: set[str] = field(default_factory=set[str])
    """The ids of what it was asked and has not answered."""
    asked: set[str] = field(default_factory=set[str])
    """What it asked of us, of elicitation, sampling and roots."""
    stderr: bytes = b""
    """The end of what it wrote there."""
    fault: str = ""
    """Why it was left, if it was."""
    deaf: bool = False
    """Whether nothing can be said to it any more, though it may live."""
    exit_code: int | None = None
    ended: anyio.Event = field(default_factory=anyio.Event)
    silent: anyio.Event = field(default_factory=anyio.Event)
    """Set once nothing more comes on stderr."""

    @property
    def odd(self) -> tuple[str, ...]:
        """What was odd about what it wrote, and was passed over."""
        odd: list[str] = []
        if self.noise:
            odd.append(f"it writes what is no message, such as {str(redacted(self.first_noise))[:80]!r}")
        if self.dropped:
            odd.append("it says more that nobody asked for than is heard")
        if asked := ", ".join(sorted(self.asked)):
            odd.append(f"it asked for {asked}, which no server is given")
        return tuple(odd)

    def hear(self, piece: bytes) -> None:
        """Keep what came on stderr, as far as it may be the last; most of it is never looked at."""
        self.stderr = (self.stderr + piece)[-STDERR_BYTES:]

    @property
    def heard(self) -> list[str]:
        """The last lines on stderr that say something, without secrets and control characters.

        They are whole, since of a secret that is cut nobody knows that it is one; and secrets are taken out
        of all lines together, since some fill several.
        """
        *whole, _ = self.stderr.split(b"\n")
        begun = len(self.stderr) == STDERR_BYTES  # the first may have lost its beginning
        text = cleaned(b"\n".join(whole[begun:]).decode("utf-8", "replace"))
        lines = str(redacted(_CUT_KEY.sub("", text))).split("\n")
        return [line.rstrip() for line in lines if line.strip() and len(line) <= STDERR_LINE][-STDERR_LINES:]

    @property
    def last_words(self) -> str:
        """The line on stderr that says most of why it ended: its error, else its last."""
        lines = [line.strip() for line in self.heard]
        raised = [line for line in lines if _RAISED.match(line)]
        told = [line for line in lines if _ERROR.search(line) and not _POINTER.search(line)]
        # An exception's own line comes last; other programs say first what went wrong, and then much else.
        return (raised[-1:] or told[:1] or lines[-1:] or [""])[0]


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
            group.start_soon(_write, process, pipe, from_session, to_session)
            group.start_soon(_listen, process, pipe)
            try:
                yield read, write
            finally:
                for stream in (read, write):
                    stream.close()
                await _ended(process, pipe)
                group.cancel_scope.cancel()
    finally:
        for each in (read, write, to_session, from_session):
            each.close()
        await _ended(process, pipe)
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


async def _ended(process: Process, pipe: Pipe) -> None:
    """See a process to its end, whoever is cancelled meanwhile: a task of its own does it."""
    ending = asyncio.ensure_future(_end(process, pipe))
    with anyio.CancelScope(shield=True):
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait({ending})
            raise


async def _end(process: Process, pipe: Pipe) -> None:
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
    with anyio.move_on_after(HEAR_SECONDS):
        await pipe.silent.wait()
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


@dataclass(slots=True)
class _Passed:
    """How much was passed on lately."""

    lately: float = 0.0
    since: float = 0.0

    def another(self, now: float) -> bool:
        """Whether there is room for one more."""
        self.lately = max(0.0, self.lately - (now - self.since) * UNASKED_A_SECOND) + 1
        self.since = now
        return self.lately <= UNASKED_A_SECOND


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
        self._flood = Flood(monotonic())
        self._notices, self._requests = _Passed(), _Passed()

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
            if message.method != "ping":
                self._pipe.asked.add(_ASKS.get(message.method, message.method[:80]))
            if not self._has_room(self._requests, len(line)):
                return
        elif not self._answers(message.id):
            self._count_noise(line)
            return
        await self._to.send(SessionMessage(message))

    def _answers(self, identity: int | str | None) -> bool:
        """Whether something was asked under an id; only that makes up for the noise before it."""
        if str(identity) not in self._pipe.waiting:
            return False
        self._pipe.waiting.discard(str(identity))
        self._flood.ebb(monotonic())
        return True

    async def _refuse(self, line: Overlong) -> None:
        """Fail the call whose answer was too long, as if the server had said so."""
        said = f"its answer has more than {self._lines.most / 1e6:g} MB"
        if (identity := line.identity) is None:
            self._pipe.fault = said
            return
        if not self._answers(identity):
            self._weigh(line.size)
            return
        error = types.ErrorData(code=types.INTERNAL_ERROR, message=said)
        await self._to.send(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=identity, error=error)))

    def _passes(self, message: types.JSONRPCNotification, size: int) -> bool:
        """Whether a notification is passed on; log messages are for a log."""
        if message.method == "notifications/message":
            self._weigh(size)
            if log.isEnabledFor(logging.DEBUG):
                log.debug("a server says: %.500s", json.dumps(message.params))
            return False
        return self._has_room(self._notices, size)

    def _has_room(self, passed: _Passed, size: int) -> bool:
        """Whether what nobody asked for is passed on: to hear of too much would keep us from all else."""
        self._weigh(size)
        if passed.another(monotonic()):
            return True
        self._pipe.dropped += 1
        return False

    def _count_noise(self, line: bytes) -> None:
        self._weigh(len(line))
        if line.strip():
            self._pipe.noise += 1
            self._pipe.first_noise = self._pipe.first_noise or line[:2_000].decode("utf-8", "replace")

    def _weigh(self, size: int) -> None:
        """Count what is no answer; a server that gives nothing else is left."""
        if self._flood.swells(size, monotonic()):
            self._pipe.fault = str(self._flood)


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
    process: Process, pipe: Pipe, from_session: MemoryObjectReceiveStream[SessionMessage],
    to_session: MemoryObjectSendStream[SessionMessage | Exception],
) -> None:  # fmt: skip
    stdin = process.stdin
    assert stdin is not None  # noqa: S101 - it was started with a pipe
    try:
        async for each in from_session:
            if isinstance(each.message, types.JSONRPCRequest):
                pipe.waiting.add(str(each.message.id))
            said = each.message.model_dump_json(by_alias=True, exclude_unset=True)
            await stdin.send(f"{said}\n".encode())
    except _GONE:
        # It may live on without reading: its session ends all the same, rather than wait for ever.
        pipe.deaf = True
        to_session.close()


async def _listen(process: Process, pipe: Pipe) -> None:
    """Keep its last words; nobody else reads its stderr, and a full pipe would hold it up."""
    try:
        with suppress(*_GONE):
            while process.stderr is not None:
                piece = await process.stderr.receive()
                pipe.hear(piece)
                if process.returncode is None:
                    # One that writes without end has to wait for us, rather than all else for it.
                    await anyio.sleep(len(piece) / STDERR_BYTES_A_SECOND)
    finally:
        pipe.silent.set()
