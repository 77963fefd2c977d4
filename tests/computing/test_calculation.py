"""A result and its line: what is written is read back, and stands verbatim in what is stored."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.computing.calculation import Computed, is_computed, read, sheet, write
from atlas_mcp.errors import InvalidInput
from atlas_mcp.messages import Source
from atlas_mcp.text.verbatim import locate

if TYPE_CHECKING:
    from atlas_mcp.computing.figures import Value


def test_a_result_is_one_readable_line() -> None:
    made = Computed("mean(revenue) of sales.csv", 12.4, ("37 rows", "in EUR"))
    assert write(made) == "mean(revenue) of sales.csv = 12.4 (from 37 rows; in EUR)"
    assert write(Computed("(12.4 + 3.1) / 2", 7.75)) == "(12.4 + 3.1) / 2 = 7.75"
    assert made.to_dict() == {
        "expression": "mean(revenue) of sales.csv", "value": 12.4, "inputs": ["37 rows", "in EUR"],
    }  # fmt: skip


VALUES: st.SearchStrategy[Value] = st.one_of(
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=40),
    st.dates().map(str),
)
COMPUTED = st.builds(
    Computed, st.text(max_size=60), VALUES, st.lists(st.text(max_size=30), max_size=4).map(tuple)
)


@given(st.lists(COMPUTED, min_size=1, max_size=5))
def test_what_was_written_is_read_back(made: list[Computed]) -> None:
    assert read("\n".join(f"- {write(each)}" for each in made)) == made
    assert read(write(made[0])) == made[:1]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_kept_to_twelve_digits_at_least(number: float) -> None:
    kept = Computed("x", number).value
    assert isinstance(kept, int | float)
    assert kept == pytest.approx(number, rel=1e-11)


@given(st.text(max_size=200))
def test_reading_any_text_never_fails(text: str) -> None:
    for made in read(text):
        assert read(write(made)) == [made]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_finite_number_is_no_result(value: float) -> None:
    with pytest.raises(InvalidInput, match="no finite number"):
        Computed("x", value)


def test_each_group_is_a_passage_that_stands_verbatim_in_the_stored_text() -> None:
    made = sheet(
        "table_statistics",
        "Statistics of sales.csv",
        [("a", [Computed("x", 1)]), ("none", []), ("b", [Computed("y", 2), Computed("z", 3, ("4 rows",))])],
    )
    assert [passage.heading for passage in made.passages] == ["a", "b"]
    for passage in made.passages:
        assert made.text[passage.start : passage.start + len(passage.text)] == passage.text
        assert passage.source.sha256 == hashlib.sha256(made.text.encode()).hexdigest()
        assert (passage.source.uri, passage.source.title) == (
            "computed:table_statistics",
            "Statistics of sales.csv",
        )
        assert is_computed(passage.source)
    assert len({passage.id for passage in made.passages}) == 2
    assert locate("z = 3 (from 4 rows)", made.text)
    assert read(made.passages[1].text) == [Computed("y", 2), Computed("z", 3, ("4 rows",))]


def test_a_document_is_no_computation() -> None:
    assert not is_computed(Source("0" * 64, "file:///computed.md", "x", "2024-01-01T00:00:00Z"))
