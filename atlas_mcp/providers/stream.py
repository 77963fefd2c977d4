"""A stream of chunks that can be paused, resumed, cancelled and measured.

It pulls: there is no task and no queue, so a reader that lags or pauses reads nothing from the wire and the
transport's own flow control holds the sender back. It deliberately knows no vendor and no prompt.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING, Self

from atlas_mcp.errors import AtlasError, Cancelled, StreamBroken
from atlas_mcp.messages import Stopped, TextDelta

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
    """What a stream took, in seconds and counts; `first_token` is None until text came."""

    started_at: float = 0.0
    first_token: float | None = None
    last_chunk_at: float = 0.0
    chunks: int = 0
    characters: int = 0
    paused_seconds: float = 0.0

    @property
    def characters_per_second(self) -> float:
        """Text per second since the first of it, pauses left out."""
        if self.first_token is None:
            return 0.0
        seconds = self.last_chunk_at - self.started_at - self.first_token - self.paused_seconds
        return self.characters / seconds if seconds > 0 else 0.0


class StreamControl:
    """Steers one stream from outside its reader, on the reader's event loop."""

    __slots__ = ("_gate", "_interrupted", "_reader", "_reason", "_state", "metrics")

    def __init__(self) -> None:
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
        """Close the wire at once; the reader gets `Cancelled`."""
        if self._state in _ENDED:
            return
        self._reason = reason
        self._state = StreamState.CANCELLED
        self._gate.set()
        if self._reader is not None:
            self._interrupted = True
            self._reader.cancel()


class Stream:
    """An async iterator of chunks and its control; use it as a context manager, so that the wire is closed.

    Raises while read:
        Cancelled: somebody cancelled it through `control`.
        StreamBroken: the source ended without a `Stopped`.
        ProviderError: whatever the provider met.
    """

    __slots__ = ("_chunks", "control")

    def __init__(self, chunks: AsyncGenerator[Chunk, None]) -> None:
        self._chunks = chunks
        self.control = StreamControl()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        control = self.control
        if control._state is StreamState.NEW:
            control._state = StreamState.FLOWING
        if not control.metrics.started_at:
            control.metrics.started_at = perf_counter()
        if not control._gate.is_set():
            await self._wait_at_the_gate()
        if control._reason is not None:
            await self.aclose()
            raise Cancelled(f"The stream was cancelled: {control._reason}.")
        if control._state in _ENDED:
            raise StopAsyncIteration
        chunk = await self._pull()
        self._measure(chunk)
        if type(chunk) is Stopped:
            control._state = StreamState.DONE
            await self._chunks.aclose()
        return chunk

    async def _wait_at_the_gate(self) -> None:
        since = perf_counter()
        await self.control._gate.wait()
        self.control.metrics.paused_seconds += perf_counter() - since

    async def _pull(self) -> Chunk:
        control = self.control
        control._reader = reader = asyncio.current_task()
        try:
            return await self._chunks.__anext__()
        except StopAsyncIteration:
            control._state = StreamState.FAILED
            raise StreamBroken(
                "The stream ended without its terminal event.", remedy="Nothing was finished; try again."
            ) from None
        except asyncio.CancelledError:
            await self.aclose()
            if control._interrupted and reader is not None and reader.uncancel() == 0:
                raise Cancelled(f"The stream was cancelled: {control._reason}.") from None
            raise
        except AtlasError:
            control._state = StreamState.FAILED
            raise
        finally:
            control._reader = None

    def _measure(self, chunk: Chunk) -> None:
        metrics = self.control.metrics
        metrics.chunks += 1
        metrics.last_chunk_at = now = perf_counter()
        if type(chunk) is TextDelta:
            metrics.characters += len(chunk.text)
            if metrics.first_token is None:
                metrics.first_token = now - metrics.started_at

    async def aclose(self) -> None:
        """Close the wire; a stream that has not ended counts as cancelled."""
        if self.control._state not in _ENDED:
            self.control._state = StreamState.CANCELLED
        await self._chunks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
