"""Times in a text are read as periods, counted from when it was said."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.text.times import Period, periods

NOW = "2023-06-09T19:55:00"  # a Friday


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("on 7 May 2023", "2023-05-07"),
        ("May 7th, 2023", "2023-05-07"),
        ("the 7th of May", "2023-05-07"),
        ("20 Oct", "2023-10-20"),
        ("7.5.2023", "2023-05-07"),
        ("2023-05-08T13:56", "2023-05-08"),
        ("2023-05", "2023-05-01 to 2023-05-31"),
        ("in February 2024", "2024-02-01 to 2024-02-29"),
        ("in May", "2023-05-01 to 2023-05-31"),
        ("since October", "2022-10-01 to 2022-10-31"),
        ("next May", "2024-05-01 to 2024-05-31"),
        ("in 2022", "2022-01-01 to 2022-12-31"),
        ("Q3 2024", "2024-07-01 to 2024-09-30"),
        ("summer 2022", "2022-06-01 to 2022-08-31"),
        ("last summer", "2022-06-01 to 2022-08-31"),
        ("yesterday", "2023-06-08"),
        ("last night", "2023-06-08"),
        ("the day before yesterday", "2023-06-07"),
        ("last week", "2023-05-29 to 2023-06-04"),
        ("this past weekend", "2023-06-03 to 2023-06-04"),
        ("next month", "2023-07-01 to 2023-07-31"),
        ("last Friday", "2023-06-02"),
        ("on Sunday", "2023-06-04"),
        ("next Friday", "2023-06-16"),
        ("two days ago", "2023-06-07"),
        ("a few weeks ago", "2023-05-15 to 2023-05-21"),
        ("the last three months", "2023-03-01 to 2023-06-09"),
    ],
)
def test_a_time_is_a_period(said: str, expected: str) -> None:
    assert [str(period) for period in periods(f"It was {said}, I think.", NOW)] == [expected]


@pytest.mark.parametrize(
    "said",
    [
        "May I go?",
        "we march on",
        "a second",
        "It cost $2022",
        "2022.5 km",
        "fall down",
        "the week",
        "version 3.2",
    ],
)
def test_what_is_no_date_in_its_place_stays_a_word(said: str) -> None:
    assert periods(said, NOW) == []


def test_periods_come_in_the_order_of_the_text_each_once() -> None:
    found = periods("Yesterday, on 7 May 2023, and again yesterday", NOW)
    assert [str(period) for period in found] == ["2023-06-08", "2023-05-07"]


def test_a_period_knows_what_lies_in_it() -> None:
    may = Period("2023-05-01", "2023-06-01")
    assert may.holds("2023-05-31T23:59:00Z")
    assert not may.holds("2023-06-01")
    assert may.overlaps(Period("2023-05-31", "2023-06-02"))
    assert not may.overlaps(Period("2023-06-01", "2023-06-02"))


@given(st.text(max_size=80), st.dates())
def test_any_text_at_any_time_gives_sound_periods(text: str, now: date) -> None:
    for said in (text, f"in May {text} two years ago {text} next week 31 April 9999"):
        for period in periods(said, now.isoformat()):
            assert date.fromisoformat(period.start) < date.fromisoformat(period.end)
