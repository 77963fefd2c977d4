from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.observe.pictures.layout import Laid, lay_out

Sizes: TypeAlias = "dict[str, tuple[float, float]]"

sizes = st.floats(20, 400)
boxes = st.dictionaries(st.sampled_from("abcdefghijkl"), st.tuples(sizes, sizes), min_size=1)
edges = st.lists(st.tuples(st.sampled_from("abcdefghijkl"), st.sampled_from("abcdefghijkl")), max_size=30)


def frames(laid: Laid, drawn: Sizes) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, right and bottom of each box."""
    return {
        name: (x - drawn[name][0] / 2, y, x + drawn[name][0] / 2, y + drawn[name][1])
        for name, (x, y) in laid.places.items()
    }


@given(boxes, edges)
def test_no_box_lies_on_another_or_leaves_the_picture(drawn: Sizes, lines: list[tuple[str, str]]) -> None:
    laid = lay_out(drawn, lines)
    framed = frames(laid, drawn)
    assert framed.keys() == drawn.keys()
    for one, (left, top, right, bottom) in framed.items():
        assert min(left, top) >= 0
        assert right <= laid.width + 0.01
        assert bottom <= laid.height + 0.01
        for other, (its_left, its_top, its_right, its_bottom) in framed.items():
            apart = right < its_left or its_right < left or bottom < its_top or its_bottom < top
            assert one == other or apart


@given(boxes, edges)
def test_no_line_runs_through_a_box(drawn: Sizes, lines: list[tuple[str, str]]) -> None:
    laid = lay_out(drawn, lines)
    for route in laid.routes:
        straight = [*pairwise(route.points)][::2]
        for (x, top), (to_x, bottom) in straight:
            assert x == to_x
            for name, (left, its_top, right, its_bottom) in frames(laid, drawn).items():
                beside = x < left or right < x or bottom <= its_top or its_bottom <= top
                assert name in route.edge or beside


@given(boxes, edges)
def test_each_box_stands_below_those_that_lead_to_it(drawn: Sizes, lines: list[tuple[str, str]]) -> None:
    downwards = [(upper, lower) for upper, lower in lines if upper < lower]
    laid = lay_out(drawn, downwards)
    known = {(upper, lower) for upper, lower in downwards if upper in drawn and lower in drawn}
    assert {route.edge for route in laid.routes} == known
    for upper, lower in known:
        assert laid.places[upper][1] + drawn[upper][1] < laid.places[lower][1]


def test_what_only_follows_stands_straight_below() -> None:
    size = (100.0, 40.0)
    drawn: Sizes = {}
    drawn |= dict.fromkeys(("ask", "plan", "a1", "a2", "a3", "write", "end"), size)
    fan = [("plan", each) for each in ("a1", "a2", "a3")] + [(each, "write") for each in ("a1", "a2", "a3")]
    laid = lay_out(drawn, [("ask", "plan"), *fan, ("write", "end")])
    middles = {name: round(x) for name, (x, _) in laid.places.items()}
    assert middles["a1"] < middles["a2"] < middles["a3"]
    assert {middles[name] for name in ("ask", "plan", "write", "end")} == {middles["a2"]}


def test_a_circle_is_drawn_though_one_of_its_lines_is_not() -> None:
    laid = lay_out({"a": (50, 50), "b": (50, 50)}, [("a", "b"), ("b", "a"), ("a", "a")])
    assert [route.edge for route in laid.routes] == [("a", "b")]
