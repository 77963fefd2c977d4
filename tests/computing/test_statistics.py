"""Statistics and questions to tables, held against other ways to compute the same."""

from __future__ import annotations

import statistics as reference
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.computing.calculation import Computed, write
from atlas_mcp.computing.query import Condition, Query, asked
from atlas_mcp.computing.statistics import correlation, described, groups, time_column, trend
from atlas_mcp.computing.tables import read_tables
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from atlas_mcp.computing.table import Table

DATA = Path(__file__).parent.parent / "data"


def shipped(name: str) -> Table:
    return read_tables((DATA / name).read_bytes(), name)[0]


def table(text: str) -> Table:
    return read_tables(text.encode(), "t.csv")[0]


def column_of(values: list[float]) -> Table:
    return table("name,x\n" + "".join(f"r{n},{value!r}\n" for n, value in enumerate(values)))


def said(results: list[Computed]) -> dict[str, Any]:
    return {made.expression: made.value for made in results}


NUMBER = st.decimals(-(10**9), 10**9, places=3).map(float)
VALUES = st.lists(NUMBER, min_size=4, max_size=40)


@given(VALUES)
def test_a_columns_statistics_agree_with_the_statistics_module_and_numpy(values: list[float]) -> None:
    made = column_of(values)
    results = said(described(made, made.column("x")))
    expected = {
        "count": len(values),
        "sum": sum(values),
        "mean": reference.fmean(values),
        "median": reference.median(values),
        "stdev": reference.stdev(values),
        "min": min(values),
        "max": max(values),
        "lower quartile": np.quantile(values, 0.25),
        "upper quartile": np.quantile(values, 0.75),
    }
    for name, value in expected.items():
        assert results[f"{name}(x) of t.csv"] == pytest.approx(value, rel=1e-5, abs=6e-3)


@given(VALUES, st.data())
def test_trend_and_correlation_agree_with_numpy(values: list[float], data: st.DataObject) -> None:
    others = data.draw(
        st.lists(st.integers(-1000, 1000), min_size=len(values), max_size=len(values), unique=True)
    )
    made = table("y,x\n" + "".join(f"{y!r},{x}\n" for y, x in zip(values, others, strict=True)))
    y, x = made.column("y"), made.column("x")
    results = said(trend(made, y, x))
    slope = float(np.polyfit(np.array(others, float), np.array(values), 1)[0])
    assert results["slope(y per x) of t.csv"] == pytest.approx(slope, rel=1e-5, abs=1e-2)
    for related in correlation(made, y, x):
        assert related.value == pytest.approx(np.corrcoef(values, others)[0, 1], rel=1e-5, abs=1e-6)


@given(st.lists(st.tuples(st.sampled_from(["a1", "b1", "c1"]), NUMBER), min_size=2, max_size=30))
def test_groups_add_up_to_the_whole(rows: list[tuple[str, float]]) -> None:
    made = table("g,x\n" + "".join(f"{group},{value!r}\n" for group, value in rows))
    sums = groups(made, made.column("x"), made.column("g"), "sum")
    assert sum(float(each.value) for each in sums) == pytest.approx(
        sum(v for _, v in rows), rel=1e-9, abs=1e-2
    )
    counts = groups(made, None, made.column("g"), "count")
    assert sum(int(each.value) for each in counts) == len(rows)


def test_each_result_says_what_it_was_computed_from() -> None:
    made = table("name,price\na,€ 5\nb,n/a\nc,€ 10\nTotal,€ 15\n")
    lines = [write(each) for each in described(made, made.column("price"))]
    assert lines[2] == (
        "mean(price) of t.csv = 7.5 (from 2 rows; in €; 1 without a value; a last row of totals is left out)"
    )


def test_what_is_far_from_the_rest_is_named() -> None:
    made = shipped("harbour_traffic.csv")
    results = said(described(made, made.column("Delay (h)")))
    assert results["outliers(Delay (h)) of harbour_traffic.csv"] == 1
    assert results["outlier Delay (h) of Ostby 2024-02 in harbour_traffic.csv"] == 19.5


def test_years_are_a_time_and_not_added_up() -> None:
    made = shipped("niederschlag.csv")
    when = time_column(made)
    assert when is made.columns[0]
    results = said(described(made, made.columns[0]))
    assert results["earliest(Jahr) of niederschlag.csv"] == "2015"
    assert "sum(Jahr) of niederschlag.csv" not in results


def test_a_trend_over_years_tells_first_last_and_yearly_growth() -> None:
    made = table("Year,Staff\n2021,100\n2023,121\n")
    results = said(trend(made, made.column("staff"), time_column(made)))
    assert results == {
        "slope(Staff per Year) of t.csv": 10.5,
        "first(Staff) of t.csv": 100,
        "last(Staff) of t.csv": 121,
        "change(Staff) from 2021 to 2023 of t.csv": 21,
        "percent_change(Staff) from 2021 to 2023 of t.csv": 21,
        "cagr(Staff) from 2021 to 2023 of t.csv": 10,
    }


def test_where_two_rows_have_the_same_time_there_is_no_first_and_last() -> None:
    made = shipped("harbour_traffic.csv")
    results = trend(made, made.column("Ships"), time_column(made))
    assert [made.expression.partition("(")[0] for made in results] == ["slope", "r_squared"]


@pytest.mark.parametrize(
    "text", ["a,x\nb,5\n", "a,x\nb,5\nc,5\n", "a,x\nb,\nc,n/a\n", "a,x\nb,1e308\nc,1e308\n"]
)
def test_few_or_equal_or_no_or_huge_numbers_give_what_they_allow(text: str) -> None:
    made = table(text)
    column = made.column("x")
    assert all(isinstance(each, Computed) for each in described(made, column))
    if column.kind == "number":
        assert correlation(made, column, column) == []
        trend(made, column)
    else:
        with pytest.raises(InvalidInput, match="column of texts"):
            trend(made, column)


# Questions -------------------------------------------------------------------------------------------------

SALES = "Region,Month,Revenue\nNorth,2023-12,10\nNorth,2024-01,20\nSouth,2024-01,5\nSouth,2024-02,\n"


def answers(query: Query) -> list[str]:
    return [write(made) for made in asked(table(SALES), query)]


def test_rows_are_picked_sorted_and_told_by_name() -> None:
    assert answers(Query(sort="-Revenue", top=2, columns=("revenue",))) == [
        "rows of t.csv = 4 (from 4 rows)",
        "Revenue of North 2024-01 in t.csv = 20 (from row 2)",
        "Revenue of North 2023-12 in t.csv = 10 (from row 1)",
    ]


@pytest.mark.parametrize(
    ("column", "op", "value", "count"),
    [
        ("Region", "=", "north", 2),
        ("Region", "!=", "North", 2),
        ("Region", "contains", "OUT", 2),
        ("Revenue", ">", 5, 2),
        ("Revenue", ">=", "5", 3),
        ("Revenue", "!=", 5, 2),
        ("Month", "=", "2024", 3),
        ("Month", "<", "2024", 1),
        ("Month", ">=", "2024-02", 1),
    ],
)
def test_conditions_know_numbers_texts_and_dates_in_part(
    column: str, op: Any, value: Any, count: int
) -> None:
    assert asked(table(SALES), Query(where=(Condition(column, op, value),)))[0].value == count


def test_aggregates_are_of_the_chosen_rows_and_by_group() -> None:
    where = (Condition("Month", ">=", "2024"),)
    assert answers(Query(where=where, aggregate={"Revenue": "sum", "Region": "count"})) == [
        "rows of t.csv where Month >= 2024 = 3 (from 4 rows)",
        "sum(Revenue) of t.csv where Month >= 2024 = 25 (from 2 rows)",
        "count(Region) of t.csv where Month >= 2024 = 3 (from 3 rows)",
    ]
    assert answers(Query(where=where, aggregate={"Revenue": "mean"}, group_by="Region"))[1:] == [
        "mean(Revenue) of t.csv where Region is North = 20 (from 1 row; where Month >= 2024)",
        "mean(Revenue) of t.csv where Region is South = 5 (from 1 row; where Month >= 2024)",
    ]
    assert answers(Query(group_by="Region"))[1:] == [
        "rows of t.csv where Region is North = 2 (from 2 rows)",
        "rows of t.csv where Region is South = 2 (from 2 rows)",
    ]


@pytest.mark.parametrize(
    ("query", "what"),
    [
        (Query(columns=("x",)), "no column 'x'"),
        (Query(aggregate={"Revenue": "average"}), "no aggregate 'average'"),
        (Query(aggregate={"Region": "sum"}), "column of texts"),
        (Query(where=(Condition("Revenue", ">", "many"),)), "'many' is none"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(query: Query, what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        asked(table(SALES), query)


def test_an_answer_has_sixty_lines_at_most() -> None:
    made = table("a,b,c\n" + "".join(f"r{n},{n},{n}\n" for n in range(100)))
    assert len(asked(made, Query(top=50))) == 60
    many = groups(made, made.column("b"), made.column("a"), "sum")
    assert (len(many), write(many[0])) == (21, "distinct(a) of t.csv = 100 (from the 20 largest follow)")
