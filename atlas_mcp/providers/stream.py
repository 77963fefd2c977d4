"""A stream of chunks that can be paused, resumed, cancelled, inspected and measured.

It pulls: there is no queue and, while it flows, no task, so a reader that lags or pauses reads nothing from
the wire and the transport's own flow control holds the sender back. Who wants the wire read ahead asks for
`buffered(n)`. It deliberately knows no vendor and no prompt.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol, Self

from atlas_mcp.chunks import Stopped, Usage
from atlas_mcp.errors import AtlasError, Cancelled, StreamBroken
from atlas_mcp.providers.control import StreamControl, StreamMetrics, StreamState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from atlas_mcp.chunks import Chunk

__all__ = ["Metered", "Stream", "StreamControl", "StreamMetrics", "StreamState"]

_ENDED = frozenset({StreamState.DONE, StreamState.CANCELLED, StreamState.FAILED})


class Metered(Protocol):
    """Counts what a call takes."""

    def usage(self) -> Usage:
        """What it took so far."""
        ...


class Stream:
    """An async iterator of chunks and its control; use it as a context manager, so that the wire is closed.

    The generator it reads may be closed from another task than the reader's, so no time limit or cancel
    scope of the generator may span a `yield`. A stream that nobody holds any more is closed by the event
    loop, as any generator is. `meter` counts what the source takes, as long as it has not said so itself;
    `on_hold`, a method, is called once the stream was paused for `hold` seconds. A source that is `tidy` has
    closed all that it opened before it says `Stopped`. A stream that reads another, its `source`, ahead into
    a `buffer` holds a pause as long as that one would, and closes it.

    Raises while read:
        Cancelled: somebody cancelled it through `control`, or closed it before its end.
        StreamBroken: the source ended without a `Stopped`.
        ProviderError: whatever the provider met.
    """

    __slots__ = (
        "__weakref__", "_chunks", "_closed", "_closing", "_left", "_reported", "_source", "_tidy", "control",
        "meter",
    )  # fmt: skip

    def __init__(
        self,
        chunks: AsyncGenerator[Chunk, None],
        *,
        meter: Metered | None = None,
        hold: float | None = None,
        on_hold: Callable[[], None] | None = None,
        buffer: deque[Chunk] | None = None,
        source: Stream | None = None,
        tidy: bool = False,
    ) -> None:
        self._chunks = chunks
        self.meter = meter
        self._reported = Usage()
        self._tidy = tidy
        self._source = source
        self._closed = False
        self._closing: asyncio.Task[None] | None = None
        self._left: asyncio.Event | None = None
        behind = None if source is None else source.control
        self.control = StreamControl(self, hold=hold, on_hold=on_hold, buffer=buffer, source=behind)

    @property
    def usage(self) -> Usage:
        """What the stream took so far: as reported once it is whole, else estimated."""
        if self.meter is None or self.control._state is StreamState.DONE:
            return self._reported
        return self.meter.usage()

    def buffered(self, size: int) -> Stream:
        """This stream read ahead, by at most `size` chunks: read the new one instead of this one.

        A task of its own reads the wire while the reader is busy or paused, until the buffer is full; what is
        in it can be seen in `control.buffered`. Closing the new stream closes this one. A pause of the new
        one holds this one's connection no longer than a pause of this one would.
        """
        buffer: deque[Chunk] = deque()
        return Stream(_read_ahead(self, buffer, size), meter=_Of(self), buffer=buffer, source=self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        control = self.control
        if control._state is not StreamState.FLOWING:
            await self._flowing()
        control._reader = reader = asyncio.current_task(control._loop)
        cancelled_before = reader.cancelling() if reader is not None else 0
        asked_at = control.now()
        chunk: Chunk | None = None
        ended = StreamState.FAILED
        try:
            chunk = await self._chunks.__anext__()
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
            if chunk is None and control._state not in _ENDED:
                control._state = ended
            if self._left is not None:
                self._left.set()
        control.metrics.take(chunk, asked_at, control.now())
        if type(chunk) is Usage:
            self._reported = self._reported + chunk
        elif type(chunk) is Stopped:
            await self._finish()
        return chunk

    async def _flowing(self) -> None:
        """Wait until the next chunk may be asked for; a source that ended gives none."""
        control = self.control
        if control._loop is None:
            control._begin()
        await control.unpaused()
        if control._reason is not None:
            await self.aclose()
            raise self._cancelled()
        if control._state in _ENDED:
            raise StopAsyncIteration

    async def _finish(self) -> None:
        """The source has said all there is."""
        self.control._state = StreamState.DONE
        if not self._tidy:
            await self.aclose()
            return
        # Nothing is left that could be cut short, so it needs no task of its own.
        await self._chunks.aclose()
        self._closed = True

    def _cancelled(self) -> Cancelled:
        return Cancelled(f"The stream was cancelled: {self.control._reason}.")

    def start_closing(self) -> asyncio.Task[None]:
        """Close the source once, in a task of its own, so that nobody who waits for it can cut it short."""
        if self._closing is None:
            closing = self._chunks.aclose() if self._source is None else self._close_both(self._source)
            self._closing = asyncio.create_task(closing)
        return self._closing

    async def _close_both(self, source: Stream) -> None:
        """Close what reads ahead, and the source, which that does not know before it was read from."""
        await self._chunks.aclose()
        await source.aclose()

    async def aclose(self) -> None:
        """Close the wire; a stream that has not ended counts as cancelled."""
        if self._closed:
            return
        control = self.control
        control.cancel("it was closed")
        if control._reader not in {None, asyncio.current_task()}:
            self._left = self._left or asyncio.Event()
            await self._left.wait()
        await asyncio.shield(self.start_closing())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Of:
    """What a stream took, for one that is read in its place."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def usage(self) -> Usage:
        return self._stream.usage


async def _read_ahead(source: Stream, buffer: deque[Chunk], size: int) -> AsyncGenerator[Chunk, None]:
    """The source's chunks by way of a buffer that a task keeps filled."""
    more, room = asyncio.Event(), asyncio.Event()

    async def pump() -> None:
        try:
            async for chunk in source:
                buffer.append(chunk)
                more.set()
                if len(buffer) >= size:
                    room.clear()
                    await room.wait()
        finally:
            more.set()

    pumping = asyncio.create_task(pump())
    try:
        while True:
            while buffer:
                chunk = buffer.popleft()
                room.set()
                yield chunk
            if pumping.done():
                pumping.result()
                return
            more.clear()
            if not buffer:
                await more.wait()
    finally:
        pumping.cancel()
        await asyncio.wait({pumping})
        if not pumping.cancelled():
            pumping.exception()  # whoever left early does not hear of it
        buffer.clear()
        await source.aclose()
