"""What a stream promises: pause, resume, cancel, one end, and a closed wire however it ends."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atlas_mcp.chunks import Stopped, TextDelta, Usage
from atlas_mcp.errors import Cancelled, Overloaded, StreamBroken
from atlas_mcp.providers.stream import Stream, StreamState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.chunks import Chunk

END = Stopped("end", "test", "test")


@dataclass
class Wire:
    """A source of chunks that tells what was pulled from it and whether it was closed.

    It yields `chunks`, then waits for ever if it `hangs`, else fails with `error` if there is one.
    """

    chunks: tuple[Chunk, ...] = ()
    hangs: bool = False
    error: Exception | None = None
    pulled: int = 0
    opened: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> AsyncGenerator[Chunk, None]:
        self.opened = True
        try:
            for chunk in self.chunks:
                self.pulled += 1
                await asyncio.sleep(0)
                yield chunk
            if self.hangs:
                self.waiting.set()
                await asyncio.Event().wait()
            if self.error is not None:
                raise self.error
        finally:
            await asyncio.sleep(0)
            self.closed.set()


async def drain(stream: Stream) -> list[Chunk]:
    return [chunk async for chunk in stream]


async def test_nothing_is_opened_before_the_first_chunk_is_asked_for() -> None:
    wire = Wire((END,))
    stream = Stream(wire.read())
    await asyncio.sleep(0)
    assert not wire.opened
    assert stream.control.state is StreamState.NEW
    await stream.aclose()
    assert not wire.opened


async def test_cancelling_while_the_reader_waits_closes_the_wire_and_the_reader_gets_cancelled() -> None:
    wire = Wire(hangs=True)
    stream = Stream(wire.read())
    reader = asyncio.create_task(drain(stream))
    await wire.waiting.wait()
    stream.control.cancel("enough")
    with pytest.raises(Cancelled, match="enough"):
        await reader
    assert wire.closed.is_set()
    assert stream.control.state is StreamState.CANCELLED
    assert reader.cancelling() == 0


async def test_a_reader_that_caught_cancelled_can_go_on_awaiting() -> None:
    wire = Wire(hangs=True)
    stream = Stream(wire.read())

    async def read() -> str:
        with pytest.raises(Cancelled):
            await drain(stream)
        await asyncio.sleep(0)
        return "alive"

    reader = asyncio.create_task(read())
    await wire.waiting.wait()
    stream.control.cancel()
    assert await reader == "alive"


async def test_cancelling_the_task_from_outside_stays_a_cancellation_and_closes_the_wire() -> None:
    wire = Wire(hangs=True)
    stream = Stream(wire.read())
    reader = asyncio.create_task(drain(stream))
    await wire.waiting.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert wire.closed.is_set()
    assert stream.control.state is StreamState.CANCELLED


async def test_both_cancellations_at_once_stay_a_cancellation() -> None:
    wire = Wire(hangs=True)
    stream = Stream(wire.read())
    reader = asyncio.create_task(drain(stream))
    await wire.waiting.wait()
    stream.control.cancel()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert wire.closed.is_set()


async def test_a_time_limit_around_the_reader_stays_a_time_limit() -> None:
    wire = Wire(hangs=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), Stream(wire.read()) as stream:
            await drain(stream)
    assert wire.closed.is_set()


async def test_cancelling_while_nobody_reads_closes_the_wire_at_once() -> None:
    wire = Wire((TextDelta("a"), TextDelta("b")))
    stream = Stream(wire.read())
    await anext(stream)
    stream.control.cancel("enough")
    async with asyncio.timeout(1):
        await wire.closed.wait()
    with pytest.raises(Cancelled, match="enough"):
        await anext(stream)


async def test_cancelling_a_paused_stream_wakes_its_reader() -> None:
    wire = Wire((TextDelta("a"), END))
    stream = Stream(wire.read())
    stream.control.pause()
    reader = asyncio.create_task(drain(stream))
    await asyncio.sleep(0)
    stream.control.cancel()
    with pytest.raises(Cancelled):
        await reader
    assert not wire.opened


async def test_closing_a_paused_stream_wakes_its_reader() -> None:
    stream = Stream(Wire((END,)).read())
    stream.control.pause()
    reader = asyncio.create_task(drain(stream))
    await asyncio.sleep(0)
    await stream.aclose()
    with pytest.raises(Cancelled):
        await reader


async def test_a_stream_that_was_paused_and_resumed_before_it_began_has_not_begun() -> None:
    stream = Stream(Wire((TextDelta("a"), END)).read())
    stream.control.pause()
    stream.control.resume()
    assert stream.control.state is StreamState.NEW
    began = asyncio.get_running_loop().time()
    await anext(stream)
    assert stream.control.state is StreamState.FLOWING
    metrics = stream.control.metrics
    assert metrics.started_at >= began
    assert metrics.first_token == metrics.last_chunk_at - metrics.started_at
    stream.control.cancel_threadsafe("enough")
    with pytest.raises(Cancelled, match="enough"):
        await drain(stream)


async def test_what_reads_ahead_closes_its_source_though_nobody_has_read_from_it() -> None:
    wire = Wire((TextDelta("a"), TextDelta("b")))
    source = Stream(wire.read())
    await anext(source)
    await source.buffered(4).aclose()
    assert wire.closed.is_set()
    assert source.control.state is StreamState.CANCELLED


async def test_cancelling_what_reads_ahead_before_it_began_closes_its_source() -> None:
    wire = Wire((TextDelta("a"), TextDelta("b")))
    source = Stream(wire.read())
    await anext(source)
    ahead = source.buffered(4)
    ahead.control.cancel()
    async with asyncio.timeout(1):
        await wire.closed.wait()


async def test_pausing_stops_pulling_and_resuming_goes_on() -> None:
    wire = Wire((TextDelta("a"), TextDelta("b"), END))
    stream = Stream(wire.read())
    assert await anext(stream) == TextDelta("a")
    stream.control.pause()
    reader = asyncio.create_task(drain(stream))
    for _ in range(20):
        await asyncio.sleep(0)
    assert wire.pulled == 1
    assert stream.control.state is StreamState.PAUSED
    stream.control.resume()
    assert await reader == [TextDelta("b"), END]
    assert stream.control.metrics.paused_seconds > 0


@pytest.mark.parametrize("tidy", [True, False])
async def test_after_stopped_nothing_follows_and_the_wire_is_closed(*, tidy: bool) -> None:
    wire = Wire((TextDelta("a"), END, TextDelta("never")))
    stream = Stream(wire.read(), tidy=tidy)
    assert await drain(stream) == [TextDelta("a"), END]
    assert wire.closed.is_set()
    assert wire.pulled == 2
    assert stream.control.state is StreamState.DONE
    assert await drain(stream) == []
    stream.control.cancel()
    assert stream.control.state is StreamState.DONE


async def test_an_end_without_stopped_is_a_broken_stream() -> None:
    stream = Stream(Wire((TextDelta("a"),)).read())
    assert await anext(stream) == TextDelta("a")
    with pytest.raises(StreamBroken):
        await anext(stream)
    assert stream.control.state is StreamState.FAILED


async def test_an_error_of_the_provider_passes_through_and_ends_the_stream() -> None:
    wire = Wire((TextDelta("a"),), error=Overloaded("full"))
    stream = Stream(wire.read())
    await anext(stream)
    with pytest.raises(Overloaded, match="full"):
        await anext(stream)
    assert wire.closed.is_set()
    assert stream.control.state is StreamState.FAILED
    assert await drain(stream) == []


async def test_a_reader_that_leaves_the_context_early_closes_the_wire() -> None:
    wire = Wire((TextDelta("a"), TextDelta("b")), hangs=True)
    async with Stream(wire.read()) as stream:
        async for _ in stream:
            break
    assert wire.closed.is_set()
    assert stream.control.state is StreamState.CANCELLED


async def test_a_stream_that_nobody_holds_is_closed_though_its_control_is_kept() -> None:
    wire = Wire((TextDelta("a"), TextDelta("b")), hangs=True)
    stream = Stream(wire.read())
    control = stream.control
    await anext(stream)
    del stream
    gc.collect()
    async with asyncio.timeout(1):
        await wire.closed.wait()
    control.cancel()
    assert control.state is StreamState.CANCELLED


async def test_closing_under_a_waiting_reader_waits_until_the_wire_is_closed() -> None:
    wire = Wire(hangs=True)
    stream = Stream(wire.read())
    reader = asyncio.create_task(drain(stream))
    await wire.waiting.wait()
    await stream.aclose()
    assert wire.closed.is_set()
    with pytest.raises(Cancelled, match="it was closed"):
        await reader


async def test_closing_is_not_cut_short_by_cancelling_whoever_waits_for_it() -> None:
    wire = Wire((TextDelta("a"), TextDelta("b")))
    stream = Stream(wire.read())
    await anext(stream)
    closer = asyncio.create_task(stream.aclose())
    await asyncio.sleep(0)
    closer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closer
    async with asyncio.timeout(1):
        await wire.closed.wait()


async def test_a_source_that_swallows_the_cancellation_is_still_cancelled() -> None:
    async def stubborn() -> AsyncGenerator[Chunk, None]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Overloaded("it fell over while closing") from None
        yield END

    stream = Stream(stubborn())
    reader = asyncio.create_task(drain(stream))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stream.control.cancel()
    with pytest.raises(Cancelled):
        await reader
    assert reader.cancelling() == 0


async def test_metrics_count_text_tokens_and_the_wait_for_the_first() -> None:
    stream = Stream(Wire((TextDelta("abc"), TextDelta("de"), Usage(1, 7), END)).read())
    await drain(stream)
    metrics = stream.control.metrics
    assert (metrics.chunks, metrics.characters, metrics.output_tokens) == (4, 5, 7)
    assert metrics.first_token is not None
    assert metrics.first_token > 0
    assert metrics.longest_wait > 0
    assert metrics.characters_per_second > 0
    assert metrics.tokens_per_second > metrics.characters_per_second


async def test_a_pause_before_the_first_text_does_not_count_as_waiting_for_it() -> None:
    stream = Stream(Wire((TextDelta("a"), END)).read())
    stream.control.pause()
    reader = asyncio.create_task(anext(stream))  # pyright: ignore[reportArgumentType]
    await asyncio.sleep(0)
    stream.control.resume()
    await reader
    metrics = stream.control.metrics
    assert metrics.paused_seconds > 0
    waited = metrics.last_chunk_at - metrics.started_at
    assert metrics.first_token == pytest.approx(waited - metrics.paused_seconds, abs=1e-4)
    await stream.aclose()


texts = st.lists(st.text(max_size=5).map(TextDelta), max_size=8).map(tuple)


@given(before=texts, after=texts, finished=st.booleans())
def test_law_readers_see_the_chunks_up_to_stopped_or_a_broken_stream(
    before: tuple[TextDelta, ...], after: tuple[TextDelta, ...], finished: bool
) -> None:
    async def law() -> None:
        wire = Wire((*before, END, *after) if finished else before)
        stream, seen = Stream(wire.read()), list[object]()
        try:
            async for chunk in stream:
                seen.append(chunk)
        except StreamBroken:
            assert not finished
        assert seen == [*before, *([END] if finished else [])]
        assert wire.closed.is_set()

    asyncio.run(law())


@example(chunks=(), steps=["pause", "close", "read"])
@given(
    chunks=texts, steps=st.lists(st.sampled_from(["read", "pause", "resume", "cancel", "close"]), max_size=12)
)
def test_law_however_a_stream_is_steered_it_ends_closed_and_in_one_state(
    chunks: tuple[TextDelta, ...], steps: list[str]
) -> None:
    async def law() -> None:
        wire = Wire((*chunks, END))
        stream, seen = Stream(wire.read()), list[object]()
        for step in steps:
            match step:
                case "pause":
                    stream.control.pause()
                case "resume":
                    stream.control.resume()
                case "cancel":
                    stream.control.cancel()
                case "close":
                    await stream.aclose()
                case _ if stream.control.state is not StreamState.PAUSED:
                    try:
                        seen.append(await anext(stream))
                    except (StopAsyncIteration, Cancelled):
                        assert stream.control.state in {StreamState.DONE, StreamState.CANCELLED}
                case _:
                    pass
        await stream.aclose()
        assert seen == [*chunks, END][: len(seen)]
        assert stream.control.state in {StreamState.DONE, StreamState.CANCELLED}
        assert wire.closed.is_set() == wire.opened

    asyncio.run(law())
