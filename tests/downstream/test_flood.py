"""A flood: what is left for its noise, and what is borne."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.downstream.flood import (
    BYTES,
    BYTES_A_SECOND,
    FLOOD_SECONDS,
    LINES,
    LINES_A_SECOND,
    Flood,
)


def ends_at(*, lines_a_second: float, size: int, seconds: float) -> float | None:
    """After how many seconds of such noise it is a flood."""
    flood = Flood(0.0)
    for number in range(int(seconds * lines_a_second)):
        if flood.swells(size, now := number / lines_a_second):
            return now
    return None


@given(st.floats(0.1, LINES_A_SECOND * 0.99), st.integers(1, BYTES_A_SECOND // LINES_A_SECOND))
def test_what_is_slow_is_borne_for_ever(lines_a_second: float, size: int) -> None:
    assert ends_at(lines_a_second=lines_a_second, size=size, seconds=20_000 / lines_a_second) is None


def test_what_is_fast_every_other_second_is_left_too() -> None:
    flood = Flood(0.0)
    ends = [
        now for second in range(0, 20, 2) for line in range(20_000)
        if flood.swells(20, now := second + line / 20_000)
    ]  # fmt: skip
    assert 2 < ends[0] < 3


def test_what_is_fast_is_left_after_a_while_and_not_at_once() -> None:
    for lines_a_second, size in ((30_000, 20), (100, 1_000_000)):
        ends = ends_at(lines_a_second=lines_a_second, size=size, seconds=10)
        assert ends is not None
        assert FLOOD_SECONDS <= ends < FLOOD_SECONDS + 0.1


@pytest.mark.parametrize("pause", [0.1, 0.9, 1.1, 5.0])
def test_a_burst_is_no_flood_though_a_line_comes_now_and_then_after_it(pause: float) -> None:
    flood = Flood(0.0)
    assert not any(flood.swells(100, 0.3) for _ in range(10 * LINES))
    assert not any(flood.swells(100, 0.3 + number * pause) for number in range(1, 100))


def test_few_lines_that_are_long_are_counted_by_what_they_weigh() -> None:
    flood = Flood(0.0)
    assert not flood.swells(BYTES, 0.0)
    assert not flood.swells(BYTES, FLOOD_SECONDS - 0.1)
    assert flood.swells(BYTES, FLOOD_SECONDS)


def test_an_answer_makes_up_for_the_noise_before_it() -> None:
    flood = Flood(0.0)
    for _ in range(LINES):
        flood.swells(1, 1.0)
    flood.ebb(1.5)
    assert not flood.swells(1, FLOOD_SECONDS + 1)
    assert (flood.lines, flood.bytes) == (1, 1)


def test_it_says_how_much_it_was() -> None:
    assert str(Flood(0.0, 10_001, 2_500_000)) == (
        "it flooded its output: 10,001 lines, 2.5 MB, and no answer among them"
    )
