"""The handle by which a stream is steered and watched from outside its reader, and what it measures."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from atlas_mcp.chunks import TextDelta, Usage

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.providers.known.allowance import Allowance

__all__ = ["Closable", "StreamControl", "StreamMetrics", "StreamState"]

STALL_SECONDS = 1.0
"""A longer wait for a chunk counts as a stall."""


class StreamState(StrEnum):
    """Where a stream is in its life."""

    NEW = "new"
    FLOWING = "flowing"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


_ENDED = frozenset({StreamState.DONE, StreamState.CANCELLED, StreamState.FAILED})


@dataclass(slots=True)
class StreamMetrics:
    """What a stream took, in seconds and counts.

    `started_at`, `last_chunk_at` and `allowed_at` are readings of the event loop's clock. `first_token` is
    the wait for the first text, pauses left out, None until it came; `longest_wait` is the longest the reader
    waited for any later chunk, `stalls` how many such waits were longer than a second, `waited` all of them
    together.
    `bytes` came over the wire, where there is one. `output_tokens` is known once the provider reported its
    usage, `allowance` where the vendor says what its rate limits leave, which it did at `allowed_at`.
    """

    started_at: float = 0.0
    first_token: float | None = None
    last_chunk_at: float = 0.0
    longest_wait: float = 0.0
    paused_seconds: float = 0.0
    chunks: int = 0
    characters: int = 0
    output_tokens: int = 0
    bytes: int = 0
    stalls: int = 0
    waited: float = 0.0
    allowance: Allowance | None = None
    allowed_at: float = 0.0

    @property
    def characters_per_second(self) -> float:
        """Text per second since the first of it, pauses left out."""
        return self._per_second(self.characters)

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second since the first text, pauses left out; 0 until the usage is known."""
        return self._per_second(self.output_tokens)

    @property
    def seconds(self) -> float:
        """From the first request for a chunk to the last chunk, pauses left out."""
        return max(0.0, self.last_chunk_at - self.started_at - self.paused_seconds)

    def _per_second(self, count: int) -> float:
        if self.first_token is None:
            return 0.0
        seconds = self.last_chunk_at - self.started_at - self.paused_seconds - self.first_token
        return count / seconds if seconds > 0 else 0.0

    def take(self, chunk: Chunk, asked_at: float, now: float) -> None:
        """Count a chunk that was asked for at `asked_at` and came `now`."""
        if self.chunks:
            self.waited += (waited := now - asked_at)
            self.longest_wait = max(self.longest_wait, waited)
            if waited > STALL_SECONDS:
                self.stalls += 1
        self.chunks += 1
        self.last_chunk_at = now
        if type(chunk) is TextDelta:
            self.characters += len(chunk.text)
            if self.first_token is None:
                self.first_token = now - self.started_at - self.paused_seconds
        elif type(chunk) is Usage:
            self.output_tokens += chunk.output_tokens


class Closable(Protocol):
    """What a control closes when it cancels while nobody reads."""

    def start_closing(self) -> object:
        """Close the source, once."""
        ...


class StreamControl:
    """Steers one stream from outside its reader, on the reader's event loop.

    The variants called `…_threadsafe` may be called from any thread.
    """

    __slots__ = (
        "_ahead", "_behind", "_buffer", "_gate", "_hold", "_hold_timer", "_interrupted", "_loop", "_on_hold",
        "_reader", "_reason", "_state", "_stream", "metrics", "now",
    )  # fmt: skip

    def __init__(
        self,
        stream: Closable,
        *,
        hold: float | None = None,
        on_hold: Callable[[], None] | None = None,
        buffer: deque[Chunk] | None = None,
        source: StreamControl | None = None,
    ) -> None:
        # Weak, so that whoever keeps a control does not keep an abandoned stream's connection open.
        self._stream = weakref.ref(stream)
        self._gate = asyncio.Event()
        self._gate.set()
        self._state = StreamState.NEW
        self._reason: str | None = None
        self._reader: asyncio.Task[object] | None = None
        self._interrupted = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hold = hold if source is None else source._hold
        self._hold_timer: asyncio.TimerHandle | None = None
        self._on_hold = weakref.WeakMethod(on_hold) if on_hold is not None else None
        self._buffer = buffer
        self._behind = source
        self._ahead = source is not None
        self.metrics = StreamMetrics()
        self.now: Callable[[], float] = monotonic  # the reader's loop's, as soon as there is one

    @property
    def state(self) -> StreamState:
        """Where the stream is in its life."""
        return self._state

    @property
    def ended(self) -> bool:
        """Whether the stream is done, cancelled or failed."""
        return self._state in _ENDED

    @property
    def buffered(self) -> tuple[Chunk, ...]:
        """What was read ahead and not yet handed out; empty for a stream that is not buffered."""
        return tuple(self._buffer or ())

    def pause(self) -> None:
        """Stop reading from the wire before the next chunk; a stream that has ended stays ended."""
        if self._state not in {StreamState.NEW, StreamState.FLOWING}:
            return
        self._state = StreamState.PAUSED
        self._gate.clear()
        if self._hold is not None and self._begun:
            loop = asyncio.get_running_loop()
            self._hold_timer = loop.call_later(self._hold, self._held_long)
        # What is read ahead goes on filling its buffer, until it is held for too long.
        if self._behind is not None and not self._ahead:
            self._behind.pause()

    def resume(self) -> None:
        """Go on reading."""
        if self._state is StreamState.PAUSED:
            self._state = StreamState.NEW if self._loop is None else StreamState.FLOWING
            self._gate.set()
            self._forget_timer()
            if self._behind is not None:
                self._behind.resume()

    def front(self, behind: StreamControl) -> None:
        """Stand before the control of the stream that is read behind this one: pauses reach it too."""
        self._behind, self._ahead = behind, False
        if self._state is StreamState.PAUSED:
            behind.pause()

    def cancel(self, reason: str = "cancelled") -> None:
        """Close the wire at once, whether or not somebody is reading; the reader gets `Cancelled`."""
        if self._state in _ENDED:
            return
        self._reason = reason
        self._state = StreamState.CANCELLED
        self._gate.set()
        self._forget_timer()
        if self._reader is not None:
            self._interrupted = True
            self._reader.cancel()
        elif (stream := self._stream()) is not None:
            stream.start_closing()

    def pause_threadsafe(self) -> None:
        """`pause`, from any thread.

        Raises:
            RuntimeError: nobody has begun to read, or the reader's event loop is closed.
        """
        self._elsewhere().call_soon_threadsafe(self.pause)

    def resume_threadsafe(self) -> None:
        """`resume`, from any thread.

        Raises:
            RuntimeError: nobody has begun to read, or the reader's event loop is closed.
        """
        self._elsewhere().call_soon_threadsafe(self.resume)

    def cancel_threadsafe(self, reason: str = "cancelled") -> None:
        """`cancel`, from any thread.

        Raises:
            RuntimeError: nobody has begun to read, or the reader's event loop is closed.
        """
        self._elsewhere().call_soon_threadsafe(self.cancel, reason)

    async def unpaused(self) -> None:
        """Wait until the stream is not paused, and count the wait as pause."""
        if self._gate.is_set():
            return
        since = self.now()
        try:
            await self._gate.wait()
        finally:
            self.metrics.paused_seconds += self.now() - since

    def _elsewhere(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("The stream has not begun; read from it first.")
        return self._loop

    def _held_long(self) -> None:
        self._hold_timer = None
        if self._state is not StreamState.PAUSED:
            return
        if self._ahead and self._behind is not None:
            self._behind.pause()
            self._behind._forget_timer()
            self._behind._held_long()
        elif self._on_hold is not None and (act := self._on_hold()) is not None:
            act()

    @property
    def _begun(self) -> bool:
        """Whether anything may be open."""
        return self._loop is not None or (self._behind is not None and self._behind._begun)

    def _forget_timer(self) -> None:
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None

    def _begin(self) -> None:
        """The reader asks for the first chunk."""
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self.metrics.started_at = self.now()
        if self._state is StreamState.NEW:
            self._state = StreamState.FLOWING
