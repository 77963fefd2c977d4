"""Lines out of pieces: none is lost, however they are cut, and none grows without end."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.downstream.lines import Lines, Overlong


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_lines_are_the_same_however_the_bytes_come_in(data: bytes, cuts: list[int]) -> None:
    lines = Lines(1_000)
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert [line for piece in pieces for line in lines.feed(piece)] == data.split(b"\n")[:-1]


@given(st.integers(1, 50), st.integers(0, 200), st.integers(1, 37))
def test_a_line_is_passed_over_exactly_where_it_is_longer_than_may_be(
    most: int, length: int, step: int
) -> None:
    lines, data = Lines(most), b"x" * length + b"\nnext\n"
    found = [line for start in range(0, len(data), step) for line in lines.feed(data[start : start + step])]
    assert isinstance(found[0], Overlong) == (length > most)
    if isinstance(found[0], Overlong):
        assert found[0].size == length
    assert found[1] == b"next" or most < 4


def test_which_request_an_overlong_answer_was_for_is_seen_at_its_beginning_or_its_end() -> None:
    for line, identity in (
        (b'{"jsonrpc":"2.0","id":7,"result":"' + b"x" * 9000 + b'"}', 7),
        (b'{"result":"' + b"x" * 9000 + b'","jsonrpc":"2.0","id":"seven"}', "seven"),
        (b' { "id" : 8, "jsonrpc":"2.0","result":"' + b"x" * 9000 + b'"}', 8),
        (b'{"result":{"items":[{"id":4711}],"text":"' + b"x" * 9000 + b'"},"jsonrpc":"2.0","id":9}', 9),
        (b'{"result":{"items":[{"id":4711}],"text":"' + b"x" * 9000 + b'"}}', None),
        (b'{"result":"' + b"x" * 9000 + b'"}', None),
    ):
        (found,) = Lines(1_000).feed(line + b"\n")
        assert isinstance(found, Overlong)
        assert found.identity == identity
