"""What expressions come to: exactly what arithmetic says, within limits, or a mistake with its place."""

from __future__ import annotations

import statistics
import time
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.computing.expression import FUNCTIONS, evaluate, names_in
from atlas_mcp.computing.figures import settled, written
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from decimal import Decimal


def shown(expression: str) -> str:
    return written(settled(evaluate(expression)))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0.1 + 0.2", "0.3"),
        ("1/3*3", "1"),
        ("(12.4 + 3.1) / 2", "7.75"),
        ("10 / 3", "3.33333333333"),
        ("2 ^ 3 ^ 2", "512"),
        ("2 ** 10", "1024"),
        ("-2 ^ 2", "-4"),
        ("2 ^ -2", "0.25"),
        ("2 ^ 0.5", "1.41421356237"),
        ("7 % 3", "1"),
        ("-7 // 2", "-4"),
        ("200 * 15%", "30"),
        ("200 + 15% * 200", "230"),
        ("1_000 × 2 − 1", "1999"),  # noqa: RUF001 - signs as books print them
        ("1e3 / 4", "250"),
        ("3 <= 4", "true"),
        ("0.1 + 0.2 == 0.3", "true"),
        ("sqrt(2) ^ 2", "2"),
        ("log(8, 2)", "3"),
        ("log(100, 10)", "2"),
        ("round(2.5)", "3"),
        ("round(-1.005, 2)", "-1.01"),
        ("abs(-3)", "3"),
        ("mean(1, 2, [3, 4])", "2.5"),
        ("median(3, 1, 2)", "2"),
        ("stdev(1, 2, 3, 4)", "1.29099444874"),
        ("min(3, 1) + max([3, 1])", "4"),
        ("sum()", "0"),
        ("percent_change(80, 100)", "25"),
        ("percent_change(-80, -100)", "-25"),
        ("growth(10, 12, 15)", "50"),
        ("cagr(100, 200, 10)", "7.17734625363"),
        ("123456789012345678901234567", "123456789012345678901234567"),
        ("1234567890123.45 * 1", "1234567890123.45"),
    ],
)
def test_an_expression_comes_to_what_people_expect(expression: str, value: str) -> None:
    assert shown(expression) == value


def test_variables_are_numbers_or_lists_and_floats_count_as_they_are_written() -> None:
    assert evaluate("price * (1 + rate)", {"price": 0.1, "rate": 0.2}) == Fraction("0.12")
    assert evaluate("sum(x) / 2", {"x": [0.1, 0.2]}) == Fraction("0.15")
    assert names_in("a * mean(b, [c, -a])") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("expression", "place", "what"),
    [
        ("", 1, "ends too early"),
        ("2 *", 4, "ends too early"),
        ("(1 + 2", 7, "')' is missing"),
        ("1 2", 3, "'2' does not belong here"),
        ("1 + x", 5, "no variable 'x'"),
        ("1 + max", 5, "max(...) is a function"),
        ("foo(2)", 1, "no function 'foo'"),
        ("round(1, 2, 3)", 1, "takes a number and how many places; 3 given"),
        ("1 / (2 - 2)", 3, "division by zero"),
        ("0 ^ -1", 3, "division by zero"),
        ("(0-2) ^ 0.5", 7, "root of a negative"),
        ("sqrt(0-1)", 1, "root of a negative"),
        ("log(0)", 1, "not above zero"),
        ("percent_change(0, 5)", 1, "change from zero"),
        ("1 < 2 < 3", 3, "this is true or false"),
        ("[1, 2]", 1, "the result is a list"),
        ("[1, 2] + 1", 1, "this is a list"),
    ],
)
def test_a_mistake_says_what_is_wrong_and_where(expression: str, place: int, what: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        evaluate(expression)
    assert f"character {place}:" in caught.value.message
    assert what in str(caught.value)


HOSTILE = [
    "9**9**9",
    "9^9^9^9",
    "(9^300)^9",
    "2^-99999999999",
    "1e308 * 1e308 * 1e308 * 1e308 * 1e308",
    "1e999999999",
    "9" * 100,
    "'a'*10**9",
    '"a"',
    "__import__('os').system('true')",
    "(1).__class__",
    "x.y",
    "lambda: 1",
    "[i for i in 1]",
    "1 if 1 else 2",
    "a := 1",
    "f'{1}'",
    "min.real",
    "()",
    "[]",
    "mean()",
    "(" * 10**6 + ")" * 10**6,
    "(" * 900 + "1" + ")" * 900,
    "-" * 1900 + "1",
    "[" * 900,
    "1^" * 900 + "1",
    "sqrt(" * 300 + "2" + ")" * 300,
    "+".join(f"1/{n}^99" for n in range(3, 200)),
    "sum(" + ",".join(f"1/{n}^99" for n in range(3, 200)) + ")",
    "mean(" + ",".join(f"2^0.{n}" for n in range(300)) + ")",
    "log(2, 1)",
    "round(1, 99999999999)",
    "cagr(1, 2, 0)",
    "1 \0 2",
    "\ud800",
]


@pytest.mark.parametrize("expression", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_hostile_ends_at_once_with_a_mistake_or_a_small_number(expression: str) -> None:
    began = time.process_time()
    said = ""
    try:
        settled(evaluate(expression))
    except InvalidInput as error:
        said = str(error)
    assert len(said) < 700
    assert time.process_time() - began < 1


def test_no_result_is_too_large_to_be_written() -> None:
    with pytest.raises(InvalidInput, match="larger than 1e308"):
        settled(evaluate("1e300 * 1e300"))
    assert shown("1e-300 / 1e300") == "0"


SMALL = st.decimals(-(10**6), 10**6, places=3, allow_nan=False)


@st.composite
def arithmetic(draw: st.DrawFn, depth: int = 4) -> tuple[str, Fraction]:
    """An expression, and what Python's own fractions say of it."""
    if depth == 0 or draw(st.booleans()):
        number = draw(SMALL)
        return (f"({number})" if number < 0 else f"{number:f}"), Fraction(number)
    sign = draw(st.sampled_from("+-*/"))
    left, one = draw(arithmetic(depth - 1))
    right, other = draw(arithmetic(depth - 1))
    if sign == "/" and not other:
        sign = "*"
    made = {"+": one + other, "-": one - other, "*": one * other, "/": one / other if other else one}[sign]
    return f"({left} {sign} {right})", made


@given(arithmetic())
def test_arithmetic_is_that_of_exact_fractions(made: tuple[str, Fraction]) -> None:
    expression, value = made
    assert evaluate(expression) == value


@given(SMALL, SMALL, SMALL, st.sampled_from("+-*"), st.sampled_from("+-*"))
def test_signs_bind_as_they_do_in_python(a: Decimal, b: Decimal, c: Decimal, one: str, two: str) -> None:
    terms = [f"{number:f}" for number in (abs(a), abs(b), abs(c))]
    expected: Fraction = eval(  # noqa: S307 - of numbers made above
        f"F({terms[0]!r}) {one} F({terms[1]!r}) {two} F({terms[2]!r})", {"F": Fraction}
    )
    assert evaluate(f"{terms[0]} {one} {terms[1]} {two} {terms[2]}") == expected


@given(st.lists(SMALL, min_size=2, max_size=30))
def test_functions_agree_with_the_statistics_module(given: list[Decimal]) -> None:
    exact = [Fraction(number) for number in given]
    variables = {"x": exact}
    for name in ("mean", "median", "min", "max", "sum"):
        own = getattr(statistics, name, None) or {"min": min, "max": max, "sum": sum}[name]
        assert evaluate(f"{name}(x)", variables) == own(exact)
    assert float(evaluate("stdev(x)", variables)) == pytest.approx(statistics.stdev(exact), rel=1e-12)


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_a_mistake(text: str) -> None:
    try:
        evaluate(text)
    except InvalidInput:
        return


def test_every_function_is_named_to_whoever_asks_for_another() -> None:
    with pytest.raises(InvalidInput) as caught:
        evaluate("average(1)")
    assert all(name in caught.value.remedy for name in FUNCTIONS)
