"""A document becomes calls: every word of it, in order, without marks of Markdown and without formulas."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.downstream.entry import Recipe
from atlas_mcp.downstream.filing import Part, parts, written

DOCUMENT = """# Tides

The **moon** raises *two* tides a day [f1], see [the page](https://tides.example/a).

- High water
- Low water

| Port | Range |
| --- | --: |
| Fundy | 16.3 |
| Ostend | =cmd() |

Done.
"""

WORD = Recipe(
    create=({"tool": "create", "arguments": {"filename": "{file}", "title": "{title}"}},),
    heading=({"tool": "heading", "arguments": {"text": "{text}", "level": "{level}"}},),
    paragraph=({"tool": "paragraph", "arguments": {"text": "{text}"}},),
    table=({"tool": "table", "arguments": {"rows": "{rows}", "cols": "{columns}", "data": "{cells}"}},),
)
EXCEL = Recipe(
    create=({"tool": "create", "arguments": {"sheets": "{sheets}"}},),
    sheet=({"tool": "write", "arguments": {"sheet": "{sheet}", "rows": "{cells}", "bold": "{header}"}},),
)


def test_a_document_has_its_parts_in_order_and_without_marks() -> None:
    assert parts(DOCUMENT) == [
        Part("heading", "Tides", 1),
        Part("paragraph", "The moon raises two tides a day [f1], see the page (https://tides.example/a)."),
        Part("item", "High water"),
        Part("item", "Low water"),
        Part("table", rows=(("Port", "Range"), ("Fundy", "16.3"), ("Ostend", "=cmd()"))),
        Part("paragraph", "Done."),
    ]


def test_each_part_becomes_the_call_that_its_recipe_has_for_it() -> None:
    calls = written(WORD, parts(DOCUMENT), file="/o/tides.docx", title="Tides {text}")
    assert [tool for tool, _ in calls] == [
        "create", "heading", "paragraph", "paragraph", "paragraph", "table", "paragraph",
    ]  # fmt: skip
    # What a person wrote is never filled in again.
    assert calls[0][1] == {"filename": "/o/tides.docx", "title": "Tides {text}"}
    assert calls[1][1] == {"text": "Tides", "level": 1}


def test_numbers_are_numbers_in_a_sheet_and_what_looks_like_a_formula_stays_a_text() -> None:
    calls = written(EXCEL, parts(DOCUMENT), file="t.xlsx", title="Tides")
    assert calls[0][1]["sheets"] == ["Document", "Tides"]
    assert calls[2][1] == {
        "sheet": "Tides",
        "rows": [["Port", "Range"], ["Fundy", 16.3], ["Ostend", " =cmd()"]],
        "bold": "A1:B1",
    }


def test_sheets_have_names_that_a_workbook_takes_each_once() -> None:
    table = Part("table", rows=(("a",), ("1",)))
    named = [Part("heading", "Sales: north/south [2026], a very long name indeed", 1), table, table, table]
    names: list[str] = written(EXCEL, named, file="t.xlsx", title="T")[0][1]["sheets"]
    assert len({name.lower() for name in names}) == len(names) == 4
    assert all(0 < len(name) <= 31 and not set(name) & set("[]:*?/\\") for name in names)


WORDS = st.text(st.sampled_from("abc déß"), min_size=1, max_size=20).map(str.strip).filter(bool)


@given(st.lists(WORDS, min_size=1, max_size=6), st.lists(st.lists(WORDS, min_size=2, max_size=2), max_size=4))
def test_no_word_of_a_document_is_lost(paragraphs: list[str], rows: list[list[str]]) -> None:
    table = "".join(f"| {' | '.join(row)} |\n" for row in [["x", "y"], ["---", "---"], *rows]) if rows else ""
    told = parts("\n\n".join([*paragraphs, table]))
    said = " ".join(
        [*(part.text for part in told), *(cell for part in told for row in part.rows for cell in row)]
    )
    for each in [*paragraphs, *(cell for row in rows for cell in row)]:
        for word in each.split():
            assert word in said


def test_a_table_whose_rows_differ_in_length_is_filled_up() -> None:
    (table,) = parts("| a | b |\n| --- | --- |\n| 1 |\n")
    shape: list[Any] = [len(row) for row in table.rows]
    assert shape == [2, 2]
