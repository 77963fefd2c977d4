"""A stream of chunks that can be paused, resumed, cancelled and measured.

It pulls: there is no queue and, while it flows, no task, so a reader that lags or pauses reads nothing from
the wire and the transport's own flow control holds the sender back. It deliberately knows no vendor and no
prompt.
"""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING, Self

from atlas_mcp.errors import AtlasError, Cancelled, StreamBroken
from atlas_mcp.messages import Stopped, TextDelta, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from atlas_mcp.messages import Chunk

__all__ = ["Stream", "StreamControl", "StreamMetrics", "StreamState"]


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

    `started_at` and `last_chunk_at` are readings of `time.perf_counter`. `first_token` is the wait for the
    first text, pauses left out, None until it came; `longest_wait` is the longest the reader waited for any
    later chunk. `output_tokens` is known once the provider reported its usage.
    """

    started_at: float = 0.0
    first_token: float | None = None
    last_chunk_at: float = 0.0
    longest_wait: float = 0.0
    paused_seconds: float = 0.0
    chunks: int = 0
    characters: int = 0
    output_tokens: int = 0

    @property
    def characters_per_second(self) -> float:
        """Text per second since the first of it, pauses left out."""
        return self._per_second(self.characters)

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second since the first text, pauses left out; 0 until the usage is known."""
        return self._per_second(self.output_tokens)

    def _per_second(self, count: int) -> float:
        if self.first_token is None:
            return 0.0
        seconds = self.last_chunk_at - self.started_at - self.paused_seconds - self.first_token
        return count / seconds if seconds > 0 else 0.0

    def take(self, chunk: Chunk, asked_at: float) -> None:
        """Count a chunk that was asked for at `asked_at` and has just come."""
        now = perf_counter()
        if self.chunks:
            self.longest_wait = max(self.longest_wait, now - asked_at)
        self.chunks += 1
        self.last_chunk_at = now
        if type(chunk) is TextDelta:
            self.characters += len(chunk.text)
            if self.first_token is None:
                self.first_token = now - self.started_at - self.paused_seconds
        elif type(chunk) is Usage:
            self.output_tokens += chunk.output_tokens


class StreamControl:
    """Steers one stream from outside its reader, on the reader's event loop."""

    __slots__ = ("_gate", "_interrupted", "_reader", "_reason", "_state", "_stream", "metrics")

    def __init__(self, stream: Stream) -> None:
        # Weak, so that whoever keeps a control does not keep an abandoned stream's connection open.
        self._stream = weakref.ref(stream)
        self._gate = asyncio.Event()
        self._gate.set()
        self._state = StreamState.NEW
        self._reason: str | None = None
        self._reader: asyncio.Task[object] | None = None
        self._interrupted = False
        self.metrics = StreamMetrics()

    @property
    def state(self) -> StreamState:
        """Where the stream is in its life."""
        return self._state

    @property
    def ended(self) -> bool:
        """Whether the stream is done, cancelled or failed."""
        return self._state in _ENDED

    def pause(self) -> None:
        """Stop reading from the wire before the next chunk; a stream that has ended stays ended."""
        if self._state in {StreamState.NEW, StreamState.FLOWING}:
            self._state = StreamState.PAUSED
            self._gate.clear()

    def resume(self) -> None:
        """Go on reading."""
        if self._state is StreamState.PAUSED:
            self._state = StreamState.FLOWING
            self._gate.set()

    def cancel(self, reason: str = "cancelled") -> None:
        """Close the wire at once, whether or not somebody is reading; the reader gets `Cancelled`."""
        if self._state in _ENDED:
            return
        self._reason = reason
        self._state = StreamState.CANCELLED
        self._gate.set()
        if self._reader is not None:
            self._interrupted = True
            self._reader.cancel()
        elif (stream := self._stream()) is not None:
            stream._start_closing()


class Stream:
    """An async iterator of chunks and its control; use it as a context manager, so that the wire is closed.

    The generator it reads may be closed from another task than the reader's, so no time limit or cancel
    scope of the generator may span a `yield`. A stream that nobody holds any more is closed by the event
    loop, as any generator is.

    Raises while read:
        Cancelled: somebody cancelled it through `control`, or closed it before its end.
        StreamBroken: the source ended without a `Stopped`.
        ProviderError: whatever the provider met.
    """

    __slots__ = ("__weakref__", "_chunks", "_closing", "_left", "control")

    def __init__(self, chunks: AsyncGenerator[Chunk, None]) -> None:
        self._chunks = chunks
        self._closing: asyncio.Task[None] | None = None
        self._left: asyncio.Event | None = None
        self.control = StreamControl(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        control = self.control
        if not control.metrics.started_at:
            control.metrics.started_at = perf_counter()
        if control._state is StreamState.NEW:
            control._state = StreamState.FLOWING
        if not control._gate.is_set():
            await self._wait_at_the_gate()
        if control._reason is not None:
            await self.aclose()
            raise self._cancelled()
        if control._state in _ENDED:
            raise StopAsyncIteration
        asked_at = perf_counter()
        chunk = await self._pull()
        control.metrics.take(chunk, asked_at)
        if type(chunk) is Stopped:
            control._state = StreamState.DONE
            await self.aclose()
        return chunk

    async def _wait_at_the_gate(self) -> None:
        since = perf_counter()
        try:
            await self.control._gate.wait()
        finally:
            self.control.metrics.paused_seconds += perf_counter() - since

    async def _pull(self) -> Chunk:
        """The next chunk of the source; whatever else comes of it, the source is then at its end."""
        control = self.control
        control._reader = reader = asyncio.current_task()
        cancelled_before = reader.cancelling() if reader is not None else 0
        ended = StreamState.FAILED
        try:
            chunk = await self._chunks.__anext__()
            ended = control._state
        except StopAsyncIteration:
            raise StreamBroken(
                "The stream ended without its terminal event.", remedy="Nothing was finished; try again."
            ) from None
        except (asyncio.CancelledError, AtlasError) as error:
            if isinstance(error, asyncio.CancelledError):
                ended = StreamState.CANCELLED
            # Our own cancellation becomes `Cancelled`; somebody else's of the same task stays what it is.
            if control._interrupted and reader is not None and reader.uncancel() <= cancelled_before:
                raise self._cancelled() from None
            raise
        finally:
            control._reader = None
            if control._state not in _ENDED:
                control._state = ended
            if self._left is not None:
                self._left.set()
        return chunk

    def _cancelled(self) -> Cancelled:
        return Cancelled(f"The stream was cancelled: {self.control._reason}.")

    def _start_closing(self) -> asyncio.Task[None]:
        """Close the source once, in a task of its own, so that nobody who waits for it can cut it short."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._chunks.aclose())
        return self._closing

    async def aclose(self) -> None:
        """Close the wire; a stream that has not ended counts as cancelled."""
        control = self.control
        control.cancel("it was closed")
        if control._reader not in {None, asyncio.current_task()}:
            self._left = self._left or asyncio.Event()
            await self._left.wait()
        await asyncio.shield(self._start_closing())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
