"""Two statements that cannot both be so, and two that say the same, are told from their words alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.memory.capturing.contradicting import conflict, same_meaning, says_since, wish_conflict
from atlas_mcp.memory.capturing.quantities import read

TIMEOUT = "The request timeout of the Harbour gateway is 60 seconds."

CONTRADICTING = [
    ("The limit is 45 s.", "The limit is 60 s."),
    ("The request timeout of the Harbour gateway is 45 seconds.", TIMEOUT),
    ("The Harbour gateway has a request timeout of 45 seconds.", TIMEOUT),
    ("Harbour does not support multipart uploads.", "Harbour supports multipart uploads."),
    ("Kestrel no longer supports the AMQP 0.9 protocol.", "Kestrel supports the AMQP 0.9 protocol."),
    ("The polling consumer was removed in Kestrel 4.0.", "Kestrel has a polling consumer."),
    ("The toll for cars was abolished in 2014.", "Cars pay a toll."),
    ("The maintainer of Kestrel is Tomas Brandt.", "The maintainer of Kestrel is Ingrid Solheim."),
    ("Tomas Brandt is the maintainer of Kestrel.", "The maintainer of Kestrel is Ingrid Solheim."),
    ("Authentication between brokers is optional.", "Authentication between brokers is required."),
    ("Kestrel is released under the MIT licence.", "Kestrel is released under the Apache License 2.0."),
    ("The bridge was opened on 3 May 1987.", "The bridge was opened on 4 June 1988."),
    ("The current version of Kestrel is 4.2.", "The current version of Kestrel is 4.1."),
    (
        "As of March 2026 the page size of list calls is 200 items.",
        "The page size of list calls is 50 items.",
    ),
]

TOGETHER = [
    ("The upload timeout of the Harbour gateway is 45 seconds.", TIMEOUT),
    ("The request timeout of the Harbour gateway is 1 minute.", TIMEOUT),
    ("In 2026 Orchard had 512 paying customers.", "In 2025 Orchard had 340 paying customers."),
    ("In 2026 sales rose by 5 %.", "In 2025 sales rose by 5 %."),
    ("Kestrel 4.2 keeps 20,000 messages in memory.", "Kestrel 4.1 keeps 10,000 messages in memory."),
    ("Step 2 is to close the lid.", "Step 1 is to close the lid."),
    ("Kestrel supports Neo4j.", "Kestrel supports Chroma."),
    ("The minimum size of a part is 5 MB.", "The maximum size of a part is 5 MB."),
    ("The bridge was opened in 1987.", "The bridge was opened on 3 May 1987."),
    ("About 38,000 cars use the bridge on a day.", "About 38,500 cars use the bridge on a day."),
    ("More than 20 banks use Orchard.", "More than 30 banks use Orchard."),
    ("The limit could be 45 s.", "The limit is 60 s."),
    ("Single-select enum (with titles):", "Single-select enum (without titles):"),
    ("The cables of the bridge were replaced in 2008.", "The cables of the bridge hold the deck."),
    ("Kestrel is written in Rust and C.", "Kestrel is written in Rust."),
]


@pytest.mark.parametrize(("new", "old"), CONTRADICTING)
def test_what_cannot_both_be_so_is_seen(new: str, old: str) -> None:
    assert conflict(new, old) is not None
    assert not same_meaning(new, old)


@pytest.mark.parametrize(("new", "old"), TOGETHER)
def test_what_can_both_be_so_is_left_alone(new: str, old: str) -> None:
    assert conflict(new, old) is None


def test_a_conflict_says_what_stands_against_what_and_since_when() -> None:
    found = conflict(
        "As of March 2026 the page size of list calls is 200 items.",
        "The page size of list calls is 50 items.",
    )
    assert found is not None
    assert (found.reason, found.changed, found.since) == ("200 items against 50 items", True, "2026-03")


def test_what_says_its_own_end_says_since_when() -> None:
    found = conflict("The toll for cars was abolished in 2014.", "Cars pay a toll.")
    assert found is not None
    assert (found.how, found.changed, found.since) == ("ended", True, "2014")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "A Kestrel topic has a default retention of 7 days.",
            "The default retention of a Kestrel topic is 1 week.",
        ),
        ("Ingrid Solheim is the maintainer of Kestrel.", "The maintainer of Kestrel is Ingrid Solheim."),
        ("One Orchard file holds up to 32 terabytes.", "A single Orchard file can hold up to 32 terabytes."),
        (
            "Harbour signs its webhooks with HMAC-SHA256; the signature is in X-Harbour-Signature.",
            "Harbour signs webhooks with HMAC-SHA256 and puts the signature in X-Harbour-Signature.",
        ),
    ],
)
def test_the_same_in_other_words_is_the_same_without_vectors(one: str, other: str) -> None:
    assert same_meaning(one, other)
    assert same_meaning(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The server MUST list its tools in order.", "The server MUST list its prompts in order."),
        ("Orchard had 340 customers.", "Orchard had 512 customers."),
        ("Nausea did occur under VX-21.", "Nausea did not occur under VX-21."),
        ("The maintainer of Kestrel is Tomas Brandt.", "The maintainer of Kestrel is Ingrid Solheim."),
        ("In 2025 Orchard had many customers abroad.", "In 2026 Orchard had many customers abroad."),
    ],
)
def test_vectors_that_lie_close_do_not_make_two_things_one(one: str, other: str) -> None:
    assert not same_meaning(one, other, 0.99)


def test_vectors_find_the_same_where_words_do_not_suffice() -> None:
    one = "A seabed survey found no measurable effect of the turbines on the harbour seals."
    other = "The turbines had no effect on seals that could be measured, as a survey of the harbour found."
    assert same_meaning(one, other, 0.92)
    assert not same_meaning(one, other, 0.7)


def test_a_wish_is_against_what_it_forbids_or_chooses_otherwise() -> None:
    assert wish_conflict("Never use bullet lists.", "Always use bullet lists.")
    assert wish_conflict("Please write in British English from now on.", "Always write in American English.")
    assert wish_conflict("Always use metric units.", "Always use imperial units.")
    assert wish_conflict("Always cite RFC numbers.", "Always write in American English.") is None


SUBJECTS = st.sampled_from(
    ["the Harbour gateway", "Kestrel", "the Orchard file", "VX-21", "the Lindqvist Bridge"]
)
THINGS = st.sampled_from(["timeout", "maximum size", "default port", "price", "daily dose", "width", "limit"])
WHOLE = st.integers(min_value=2, max_value=1_000_000)


def said(thing: str, subject: str, number: int, unit: str = "") -> str:
    return f"The {thing} of {subject} is {number}{' ' if unit else ''}{unit}."


@given(THINGS, SUBJECTS, WHOLE, WHOLE, st.sampled_from(["seconds", "MB", "metres", "users", ""]))
def test_another_number_of_the_same_is_a_conflict_both_ways(
    thing: str, subject: str, first: int, second: int, unit: str
) -> None:
    one, other = said(thing, subject, first, unit), said(thing, subject, second, unit)
    assert (conflict(one, other) is not None) == (first != second)
    assert (conflict(other, one) is not None) == (first != second)


@given(st.lists(THINGS, min_size=2, max_size=2, unique=True), SUBJECTS, WHOLE, WHOLE)
def test_numbers_of_different_things_never_conflict(things: list[str], subject: str, a: int, b: int) -> None:
    assert conflict(said(things[0], subject, a, "MB"), said(things[1], subject, b, "MB")) is None


@given(THINGS, SUBJECTS, WHOLE, st.integers(1990, 2029), st.integers(1990, 2029))
def test_other_years_never_conflict(thing: str, subject: str, number: int, year: int, other: int) -> None:
    one = f"In {year} the {thing} of {subject} was {number} MB."
    two = f"In {other} the {thing} of {subject} was {number + 1} MB."
    assert (conflict(one, two) is not None) == (year == other)


@given(st.text(max_size=120), st.text(max_size=120))
def test_any_text_is_read_and_does_not_contradict_itself(one: str, other: str) -> None:
    conflict(one, other)
    same_meaning(one, other, 0.9)
    assert conflict(one, one) is None


@given(st.integers(1, 10_000))
def test_a_quantity_is_the_same_in_every_unit(number: int) -> None:
    assert read(f"It takes {number} minutes.").quantities[0].value == number * 60
    assert read(f"It takes {number * 60:,} s.").quantities[0].value == number * 60


def test_numbers_that_name_are_not_counted() -> None:
    told = read("Kestrel 4.2 listens on port 9411 and keeps 20,000 messages since May 2026.")
    assert told.named == {"4.2", "9411"}
    assert [(each.value, each.unit) for each in told.quantities] == [(20_000, "messag")]
    assert told.since == "2026-05"


def test_four_figures_are_a_year_only_where_a_time_is_said() -> None:
    assert read("A packet holds 2048 bytes.").scopes == frozenset()
    assert read("In 2025 sales rose.").scopes == {"2025"}
    assert says_since("Since 1 May 2026 the limit is 60 s.") == "2026-05-01"


def test_statements_of_several_sentences_are_compared_one_by_one() -> None:
    old = "The backups are made every night at 2:00. They are kept in Graz."
    new = "We met on Monday. Since 1 June 2026 the backups are made every night at 4:00."
    found = conflict(new, old)
    assert found is not None
    assert found.changed
    assert conflict("We met on Monday. The tapes are blue.", old) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("made every night at two", "made every night at 2 o'clock"),
        ("made at two every night", "made every night at two o\u2019clock"),
        ("made at 14:00", "made at 2 pm"),
        ("made at 14:30", "made at 2:30 p.m."),
        ("made at 00:00", "made at 12 am"),
        ("made at one o'clock", "made at 1 o'clock"),
    ],
)
def test_a_time_of_day_is_the_same_however_it_is_written(one: str, other: str) -> None:
    first, second = f"The backups are {one}.", f"The backups are {other}."
    assert same_meaning(first, second)
    assert conflict(first, second) is None


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        ("made at 14:00", "made at 3 pm", "14:00 against 3 pm"),
        ("made at 2 am", "made at 2 pm", "2 am against 2 pm"),
        ("made at two", "made at 15:00", "2 against 15:00"),
        ("made at two", "made at 14:00", None),
        ("made at 2 o'clock", "made at 2 pm", None),
    ],
)
def test_times_of_day_differ_unless_they_may_be_one(one: str, other: str, says: str | None) -> None:
    first, second = f"The backups are {one}.", f"The backups are {other}."
    assert not same_meaning(first, second)
    found = conflict(first, second)
    assert (found and found.reason) == says


def test_what_is_no_time_of_day_is_read_as_before() -> None:
    assert same_meaning("The request limit is 5.", "The request limit stays at 5.")
    assert read("See section 4:12 of it.").named == {"4"}
    assert read("The ratio is 16:9.").quantities[0].value == 16
