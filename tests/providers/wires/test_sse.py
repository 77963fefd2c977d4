"""Events are the same however their bytes arrive."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.errors import MalformedResponse
from atlas_mcp.providers.wires.sse import EventDecoder


def decode(*pieces: bytes) -> list[bytes]:
    decoder = EventDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_ending_of_the_standard_ends_a_line(end: bytes) -> None:
    assert decode(b"event: hi" + end + b"data: 1" + end + end) == [b"1"]


def test_data_lines_of_one_event_are_joined_by_line_feeds() -> None:
    assert decode(b"data: one\ndata:two\ndata\ndata:  four\n\n") == [b"one\ntwo\n\n four"]


def test_comments_and_unknown_fields_are_passed_over() -> None:
    assert decode(b": keep-alive\n\nid: 7\nretry: 9\nx\ndata: 1\n\n") == [b"1"]


def test_an_event_without_data_is_none_and_its_name_does_not_leak() -> None:
    assert decode(b"event: ping\n\ndata: 1\n\n") == [b"1"]


def test_a_byte_order_mark_at_the_start_is_dropped_even_when_split() -> None:
    assert decode(b"\xef\xbb", b"\xbfdata: 1\n\n") == [b"1"]


def test_an_event_that_no_blank_line_ends_is_dropped() -> None:
    assert decode(b"data: 1\n\ndata: 2\n") == [b"1"]


def test_a_carriage_return_at_the_end_of_a_piece_does_not_end_two_lines() -> None:
    assert decode(b"data: 1\r", b"\ndata: 2\r", b"\n\r\n") == [b"1\n2"]


def test_an_endless_line_is_refused() -> None:
    decoder = EventDecoder(largest=100)
    for _ in range(10):
        decoder.feed(b"x" * 10)
    with pytest.raises(MalformedResponse, match="100 bytes"):
        decoder.feed(b"x")


def test_endless_data_of_one_event_is_refused() -> None:
    decoder = EventDecoder(largest=100)
    with pytest.raises(MalformedResponse, match="100 bytes"):
        decoder.feed(b"data: 0123456789\n" * 20)


lines = st.sampled_from([b"data: 1", b"data:2 \xc3\xa9", b"data", b"event: e", b": c", b"id: 1", b"", b""])
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
streams = st.lists(st.tuples(lines, ends).map(b"".join), max_size=20).map(b"".join)


@given(streams, st.lists(st.integers(0, 200), max_size=12))
def test_law_any_split_of_the_bytes_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(bounds)]
    assert decode(*pieces) == decode(stream)
    assert decode(*(bytes([byte]) for byte in stream)) == decode(stream)


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1)
    )
)
def test_law_what_is_encoded_is_decoded(events: list[list[str]]) -> None:
    encoded = "".join("".join(f"data: {line}\n" for line in event) + "\n" for event in events).encode()
    assert [event.decode() for event in decode(encoded)] == ["\n".join(event) for event in events]


names = st.sampled_from(
    [b"", b"event: e\n", b"event: data: x\n", b"event:e\n", b"id: 1\n", b": c\n", b"data:\n"]
)
data = st.sampled_from(
    [b"data: 1\n", b"data:2\n", b"data: a\rdata: b\n", b"data: 1\ndata: 2\n", b"data\n", b""]
)
single = st.tuples(names, data, st.sampled_from([b"\n", b"", b"\n\n", b"\r\n"])).map(b"".join)


@given(st.lists(single, max_size=8))
def test_law_events_that_come_one_a_piece_are_the_same_as_all_at_once(pieces: list[bytes]) -> None:
    assert decode(b"\n", *pieces) == decode(b"\n" + b"".join(pieces))
