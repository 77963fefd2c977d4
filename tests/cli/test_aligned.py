"""Lines set for a width: columns line up, and no word is cut."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.text import Text

from atlas_mcp.cli.aligned import Column, aligned, listed, whole_words


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [
        ("two tides a day", 15, "two tides a day"),
        ("two tides a day", 14, "two tides a…"),
        ("two tides, a day", 12, "two tides…"),
        ("two\n tides", 20, "two tides"),
        ("潮汐 潮汐 潮汐", 10, "潮汐 潮汐…"),
        ("/a/long/path/script.toml", 13, "…/script.toml"),
        ("two tides", 0, ""),
    ],
)
def test_a_text_is_shortened_by_whole_words_and_a_single_word_keeps_its_end(
    text: str, room: int, shown: str
) -> None:
    assert whole_words(text, room) == shown
    assert cell_len(shown) <= max(room, 0)


def test_a_list_is_shortened_by_whole_parts_and_says_how_many_are_left_out() -> None:
    parts = ["web#a1", "web#a2", "web#a3"]
    assert listed(parts, 40) == "web#a1, web#a2, web#a3"
    assert listed(parts, 20, more="and {} more") == "web#a1, and 2 more"
    assert listed(parts, 14) == "web#a1, web#a2"
    assert listed([], 14) == ""


COLUMNS = (
    Column("name", gives=True),
    Column("calls", right=True),
    Column("about", dear=False),
    Column("none"),
)
ROWS = [["research", "5", "two tides a day", ""], ["a team of a long name", "12,345", "the moon", ""]]


def drawn(room: int) -> list[str]:
    return [line.plain for line in aligned(COLUMNS, ROWS, room)]


def test_columns_line_up_and_an_empty_one_is_left_out() -> None:
    assert drawn(80) == [
        "name                    calls  about",
        "research                    5  two tides a day",
        "a team of a long name  12,345  the moon",
    ]


def test_where_the_line_is_short_one_column_gives_and_then_what_is_not_dear_goes() -> None:
    assert drawn(40) == [
        "name              calls  about",
        "research              5  two tides a day",
        "a team of a…     12,345  the moon",
    ]
    assert drawn(25) == [
        "name                calls",
        "research                5",
        "a team of a long…  12,345",
    ]


def test_a_cell_keeps_its_colour_when_it_is_shortened() -> None:
    (_, line) = aligned((Column("state", gives=True),), [[Text("waiting for somebody", "red")]], 12)
    assert line.plain == "waiting for…"
    assert [str(span.style) for span in line.spans] == ["red"]
