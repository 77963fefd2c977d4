"""Lines are the same however their bytes arrive."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.errors import MalformedResponse
from atlas_mcp.providers.wires.ndjson import LineDecoder


def decode(*pieces: bytes) -> list[bytes]:
    decoder = LineDecoder()
    return [line for piece in pieces for line in decoder.feed(piece)]


def test_a_line_is_given_once_its_end_came() -> None:
    decoder = LineDecoder()
    assert decoder.feed(b'{"a"') == []
    assert decoder.feed(b":1}\n{}") == [b'{"a":1}']
    assert decoder.feed(b"\n") == [b"{}"]


def test_empty_lines_are_passed_over() -> None:
    assert decode(b"\n\r\n{}\n \n[]\n") == [b"{}", b"[]"]


def test_a_line_that_nothing_ends_is_dropped() -> None:
    assert decode(b"{}\n{}") == [b"{}"]


def test_an_endless_line_is_refused() -> None:
    decoder = LineDecoder(largest=100)
    assert decoder.feed(b"{}\n" + b"x" * 50) == [b"{}"]
    assert decoder.feed(b"x" * 50) == []
    with pytest.raises(MalformedResponse, match="100 bytes"):
        decoder.feed(b"x")


def test_a_whole_line_that_is_too_long_is_refused() -> None:
    with pytest.raises(MalformedResponse, match="100 bytes"):
        LineDecoder(largest=100).feed(b"{" + b"x" * 100 + b"\n")
    assert LineDecoder(largest=100).feed(b"{" + b"x" * 99 + b"\n") == [b"{" + b"x" * 99]


texts = st.lists(
    st.sampled_from([b'{"a":1}', "{é 語}".encode(), b"", b" ", b"{", b"x\r", b"\r"]), max_size=12
)


@given(texts, st.booleans(), st.lists(st.integers(0, 90), max_size=12))
def test_law_any_split_of_the_bytes_gives_the_same_lines(
    lines: list[bytes], ended: bool, cuts: list[int]
) -> None:
    stream = b"\n".join(lines) + (b"\n" if ended else b"")
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(bounds)]
    whole = [line for line in (lines if ended else lines[:-1]) if line.strip()]
    assert decode(stream) == whole
    assert decode(*pieces) == whole
    assert decode(*(bytes([byte]) for byte in stream)) == whole
