"""Tables in: whatever separator, decimal mark and format, or a mistake that names the file."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_mcp.computing import markup
from atlas_mcp.computing.tables import LISTED, listed, read_tables, tables_in
from atlas_mcp.errors import InvalidInput, UnreadableDocument
from tests.computing.workbooks import cells, opendocument, package, workbook

if TYPE_CHECKING:
    from atlas_mcp.computing.table import Table

DATA = Path(__file__).parent.parent / "data"


def table(text: str | bytes, name: str = "t.csv") -> Table:
    (only,) = read_tables(text.encode() if isinstance(text, str) else text, name)
    return only


def numbers(made: Table) -> dict[str, list[float | None]]:
    return {column.name: list(column.numbers) for column in made.columns if column.kind == "number"}


def kinds(made: Table) -> list[str]:
    return [column.kind for column in made.columns]


# CSV -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separator_and_encoding_are_found_out(mark: str, encoding: str) -> None:
    text = f'Größe{mark}n\n"a{mark}b"{mark}1\nc{mark}2\n'
    made = table(text.encode(encoding))
    assert [column.name for column in made.columns] == ["Größe", "n"]
    assert list(made.columns[0].texts) == [" ".join(f"a{mark}b".split()), "c"]
    assert numbers(made) == {"n": [1, 2]}


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1.234,50", "1.300,00"], [1234.5, 1300]),
        (["1,234.50", "1,300.00"], [1234.5, 1300]),
        (["12,5", "13", "14,25"], [12.5, 13, 14.25]),
        (["1,234", "5,678"], [1234, 5678]),
        (["1,234", "5,67"], [1.234, 5.67]),
        (["1.234", "5.678"], [1.234, 5.678]),
        (["1.234.567", "5.678"], [1234567, 5678]),
        (["1 234", "12 345 678"], [1234, 12345678]),
        (["1\u202f234,5", "2"], [1234.5, 2]),
        (["1'234", "5"], [1234, 5]),
        (["€ 1,200", "(€ 50)"], [1200, -50]),
        (["12 %", "-3%", "\u22124 %"], [12, -3, -4]),
        (["1e3", "2.5E-1"], [1000, 0.25]),
        ([".5", "-.5"], [0.5, -0.5]),
        (["5", "n/a", "-", "", "7"], [5, None, None, None, 7]),
    ],
)
def test_numbers_are_read_in_the_spelling_of_their_column(cells: list[str], values: list[float]) -> None:
    assert numbers(table("\n".join(["a\tx", *(f"y\t{cell}" for cell in cells)]))) == {"x": values}


@pytest.mark.parametrize(
    "cells",
    [["007", "008"], ["3 apples", "4 pears"], ["1234567890123456", "2"], ["1,2,3", "4"], ["1-2", "3"]],
)
def test_what_only_looks_like_numbers_stays_text(cells: list[str]) -> None:
    assert kinds(table("\n".join(["a\tx", *(f"y\t{cell}" for cell in cells)]))) == ["text", "text"]


def test_a_unit_that_all_numbers_have_is_the_columns() -> None:
    made = table("a;x\nb;12,5 kg\nc;3 kg\n")
    assert (made.columns[1].unit, numbers(made)) == ("kg", {"x": [12.5, 3]})


@pytest.mark.parametrize(
    ("cells", "dates"),
    [
        (["2024-01-31", "2024-02-01"], ["2024-01-31", "2024-02-01"]),
        (["31.01.2024", "01.02.2024"], ["2024-01-31", "2024-02-01"]),
        (["01/31/2024", "02/01/2024"], ["2024-01-31", "2024-02-01"]),
        (["31/01/2024", "01/02/2024"], ["2024-01-31", "2024-02-01"]),
        (["01/02/2024", "01/03/2024"], ["2024-01-02", "2024-01-03"]),
        (["Jan 2024", "February 2024"], ["2024-01", "2024-02"]),
        (["3 March 2024", "March 4, 2024"], ["2024-03-03", "2024-03-04"]),
        (["2024-01-31T12:30", "2024-01-31 13:00:05"], ["2024-01-31T12:30", "2024-01-31T13:00:05"]),
    ],
)
def test_dates_are_read_in_the_order_of_their_column(cells: list[str], dates: list[str]) -> None:
    made = table("\n".join(["a\tx", *(f"y\t{cell}" for cell in cells)]))
    assert (kinds(made), list(made.columns[1].texts)) == (["text", "date"], dates)


def test_titles_above_totals_below_and_empty_lines_are_no_rows() -> None:
    made = table("Sales 2024\n\nname,n\na,1\n\nb,2\nTotal,3\n")
    assert (made.rows, numbers(made)) == (2, {"n": [1, 2]})
    assert made.note == "a last row of totals is left out"


def test_columns_without_a_name_or_with_the_same_get_one_each() -> None:
    assert [column.name for column in table("a,,a\nx,1,2\ny,3,4\n").columns] == ["a", "column 2", "a (2)"]
    assert [column.name for column in table("1,2\n3,4\n").columns] == ["column 1", "column 2"]
    assert [column.name for column in table("land,2021,2022\nx,1,2\n").columns] == ["land", "2021", "2022"]


def test_a_formula_in_a_cell_is_a_text_and_nothing_else() -> None:
    made = table("who,n\n\"=cmd|' /C calc'!A0\",1\n@SUM(A1:A9),2\n=1+1,3\n")
    assert list(made.columns[0].texts) == ["=cmd|' /C calc'!A0", "@SUM(A1:A9)", "=1+1"]
    assert kinds(made) == ["text", "number"]


@pytest.mark.parametrize("data", [b"", b"\n\n", b",,,\n,,,\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(UnreadableDocument, match=r"empty\.csv has no rows"):
        read_tables(data, "empty.csv")


@pytest.mark.parametrize("data", [b"a\0b,1\n", b'a,"' + b"x" * 200_000])
def test_a_damaged_file_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(UnreadableDocument, match=r"bad\.csv"):
        read_tables(data, "bad.csv")


def test_too_many_cells_are_refused_with_what_to_do() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        read_tables(b"1," * 2_000 + b"\n1,2\n", "wide.csv")
    assert "wide.csv" in caught.value.message
    assert "1,000 columns" in caught.value.message
    with pytest.raises(UnreadableDocument, match="3,000,000 cells"):
        read_tables((b"1" + b",2" * 999 + b"\n") * 5_000, "large.csv")


def test_a_hundred_thousand_rows_take_seconds_at_most() -> None:
    data = ("id,x\n" + "".join(f"{n},{n / 7:.3f}\n" for n in range(100_000))).encode()
    began = time.process_time()
    assert table(data).rows == 100_000
    assert time.process_time() - began < 5


WORD = st.text("abcXYZ äß'.-", min_size=1, max_size=8).map(str.strip).filter(lambda word: len(word) > 1)
ROWS = st.lists(st.tuples(WORD, st.decimals(-(10**6), 10**6, places=2)), min_size=2, max_size=20)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(ROWS, st.sampled_from(",;\t|"), st.booleans(), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_what_a_dialect_wrote_is_read_back(
    rows: list[tuple[str, object]], mark: str, comma: bool, quoting: int
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=mark, quoting=quoting)  # pyright: ignore[reportArgumentType]
    writer.writerow(["name", "value"])
    for name, value in rows:
        writer.writerow([f"n{name}", str(value).replace(".", ",") if comma else value])
    made = table(file.getvalue())
    assert list(made.columns[0].texts) == [" ".join(f"n{name}".split()) for name, _ in rows]
    assert numbers(made)["value"] == [float(str(value)) for _, value in rows]


@given(st.binary(max_size=300), st.sampled_from(["x.csv", "x.xlsx", "x.ods", "x.xls"]))
def test_any_bytes_are_a_table_or_a_mistake_that_names_the_file(data: bytes, name: str) -> None:
    try:
        assert read_tables(data, name)
    except UnreadableDocument as error:
        assert name in error.message  # noqa: PT017 - not every file is refused


# Workbooks -------------------------------------------------------------------------------------------------


def test_the_sheets_of_a_workbook_are_tables_with_what_was_last_computed() -> None:
    plan, staff = read_tables((DATA / "harbour_budget.xlsx").read_bytes(), "harbour_budget.xlsx")
    assert (plan.name, staff.name) == ("harbour_budget.xlsx: Plan", "harbour_budget.xlsx: Staff")
    assert [column.name for column in plan.columns] == [
        "Department", "Item", "Due", "Planned", "Spent", "Share spent",
    ]  # fmt: skip
    assert list(plan.columns[0].texts) == ["Pilotage"] * 3 + ["Quays"] * 2 + ["Office"] * 3
    assert plan.columns[2].texts[0] == "2024-03-15"
    assert (plan.columns[5].unit, plan.columns[5].numbers[1]) == ("%", 104.8)
    assert (plan.rows, plan.note) == (8, "a last row of totals is left out")
    assert numbers(staff)["Staff"] == [31, 33, 36, 37]


def test_dates_are_known_by_their_format_and_a_unit_in_quotes_is_none() -> None:
    rows: dict[int, dict[str, str | float]] = {
        1: {"A": "d", "B": "e", "C": "n", "D": "b"},
        2: {"A": '<s="1"><v>45366</v></c>', "B": '<s="4"><v>45366.5</v></c>', "C": '<s="3"><v>4</v></c>',
            "D": '<t="b"><v>1</v></c>'},
        3: {"A": '<s="1"><v>45367</v></c>', "B": '<s="4"><v>45367</v></c>', "C": '<s="3"><v>5</v></c>',
            "D": '<t="e"><v>#N/A</v></c>'},
    }  # fmt: skip
    made = table(workbook({"S": cells(rows)}), "t.xlsx")
    assert [list(column.texts) for column in made.columns] == [
        ["2024-03-15", "2024-03-16"], ["2024-03-15T12:00:00", "2024-03-16"], ["4", "5"], ["true", ""],
    ]  # fmt: skip
    since = table(workbook({"S": cells(rows)}, options='<workbookPr date1904="1"/>'), "t.xlsx")
    assert since.columns[0].texts[0] == "2028-03-16"


def test_shared_texts_are_read_without_how_they_are_spoken() -> None:
    texts = (
        "<si><r><t>na</t></r><r><t>me</t></r><rPh><t>xx</t></rPh></si><si><t>n</t></si><si><t>Zoë</t></si>"
    )
    rows: dict[int, dict[str, str | float]] = {
        1: {"A": '<t="s"><v>0</v></c>', "B": '<t="s"><v>1</v></c>'},
        2: {"A": '<t="s"><v>2</v></c>', "B": 1},
        3: {"A": '<t="s"><v>99</v></c>', "B": 0.1 + 0.2},
    }
    made = table(workbook({"S": cells(rows)}, texts=texts), "t.xlsx")
    assert [column.name for column in made.columns] == ["name", "n"]
    assert list(made.columns[0].texts) == ["Zoë", ""]
    assert numbers(made) == {"n": [1, 0.3]}


def test_cells_far_apart_take_no_room() -> None:
    far: dict[int, dict[str, str | float]] = {1: {"A": "a", "B": "b"}, 2: {"A": 1}, 1_048_576: {"B": 2}}
    assert table(workbook({"S": cells(far)}), "far.xlsx").rows == 2
    far[1_048_576] = {"XFD": 2}
    with pytest.raises(UnreadableDocument, match=r"far\.xlsx reaches beyond column 1,000"):
        read_tables(workbook({"S": cells(far)}), "far.xlsx")


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "UNPACKED_MOST", 2_000_000)
    bomb = workbook({"S": "<x>" + " " * 3_000_000 + "</x>"})
    assert len(bomb) < 20_000
    with pytest.raises(UnreadableDocument, match="unpacks to 3 MB, 2 MB is the most"):
        read_tables(bomb, "bomb.xlsx")


LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet><v>&b;</v></worksheet>'
OUTSIDE = '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><worksheet><v>&x;</v></worksheet>'


@pytest.mark.parametrize("sheet", [LAUGHS, OUTSIDE])
def test_a_part_with_entities_of_its_own_is_refused(sheet: str) -> None:
    with pytest.raises(UnreadableDocument, match="document type"):
        read_tables(workbook({"S": sheet}), "evil.xlsx")


@pytest.mark.parametrize(
    "data",
    [
        package({"xl/workbook.xml": "<workbook/>"}),
        package({"word/document.xml": "<w/>"}),
        workbook({"S": "<worksheet><unclosed>"}),
        workbook({"S": cells({1: {"A": "a"}})})[:300],
        b"\xd0\xcf\x11\xe0 an old one",
        b"PK\x03\x04 nothing else",
    ],
)
def test_a_damaged_locked_or_old_workbook_is_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        read_tables(data, "bad.xlsx")
    assert "bad.xlsx" in caught.value.message
    assert ".xlsx or CSV" in caught.value.remedy


def test_a_workbook_without_rows_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="has no rows"):
        read_tables(workbook({"S": cells({})}), "t.xlsx")


def test_open_document_sheets_are_read_and_what_is_repeated_takes_no_room() -> None:
    def cell(text: str, rest: str = "") -> str:
        return f"<table:table-cell {rest}><text:p>{text}</text:p></table:table-cell>"

    rows = (
        f"<table:table-row>{cell('na<text:span>me</text:span>')}{cell('n')}"
        '<table:table-cell table:number-columns-repeated="16382"/></table:table-row>'
        f"<table:table-row>{cell('a')}"
        f"{cell('12,5 %', 'office:value-type=&quot;percentage&quot; office:value=&quot;0.125&quot;')}"
        "</table:table-row>"
        f"<table:table-row>{cell('b')}"
        f"{cell('3', 'office:value-type=&quot;percentage&quot; office:value=&quot;0.03&quot;')}"
        "</table:table-row>"
        '<table:table-row table:number-rows-repeated="1048573"><table:table-cell/></table:table-row>'
    ).replace("&quot;", '"')
    made = table(opendocument(rows), "t.ods")
    assert list(made.columns[0].texts) == ["a", "b"]
    assert made.columns[0].name == "name"
    assert (made.columns[1].unit, numbers(made)) == ("%", {"n": [12.5, 3]})
    everywhere = '<table:table-row table:number-rows-repeated="999999999">' + cell(
        "x", 'table:number-columns-repeated="900"'
    )
    with pytest.raises(UnreadableDocument, match="at most"):
        read_tables(opendocument(f"{everywhere}</table:table-row>"), "t.ods")


# Within texts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["harbour_traffic.csv", "niederschlag.csv", "harbour_budget.xlsx"])
def test_a_table_is_read_back_from_its_listing(name: str) -> None:
    made = read_tables((DATA / name).read_bytes(), name)
    again = tables_in(listed(made, name), name)
    assert [each.name for each in again] == [each.name for each in made]
    for one, other in zip(made, again, strict=True):
        assert (one.rows, kinds(one), numbers(one)) == (other.rows, kinds(other), numbers(other))
        assert [column.unit for column in one.columns] == [column.unit for column in other.columns]


def test_a_long_table_is_listed_in_part_and_says_so() -> None:
    made = table("name,n\n" + "".join(f"r{n},{n}\n" for n in range(LISTED + 50)))
    text = listed([made], "t.csv")
    assert f"the first {LISTED:,} are listed" in text
    (again,) = tables_in(text, "t.csv")
    assert again.rows == LISTED
    assert again.note == f"only the first {LISTED:,} of {LISTED + 50:,} rows are known"


def test_the_tables_of_a_markdown_text_are_found_under_their_headings() -> None:
    rows = "| Port | Range m |\n|---|--:|\n| A \\| B | **16** |\n| C | 1.5 |"
    text = f"# Tides\n\nText | with a bar.\n\n{rows}\n\nEnd.\n"
    (made,) = tables_in(text, "notes.md")
    assert (made.name, made.rows) == ("notes.md: Tides", 2)
    assert (list(made.columns[0].texts), numbers(made)) == (["A | B", "C"], {"Range m": [16, 1.5]})


def test_a_bare_text_may_be_a_table_but_prose_is_none() -> None:
    (made,) = tables_in("a,b\nx,1\ny,2\n", "text", bare=True)
    assert numbers(made) == {"b": [1, 2]}
    assert tables_in("a,b\nx,1\ny,2\n", "text") == []
    prose = "Tides, they say, rise.\nShips, of old, wait.\nMen, too, sleep.\n"
    assert tables_in(prose, "text", bare=True) == []


def test_an_unknown_column_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidInput) as caught:
        table("region,revenue\na,1\n").column("revenu")
    assert "Did you mean 'revenue'?" in caught.value.remedy
