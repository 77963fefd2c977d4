"""What an expression comes to, exactly: 0.1 + 0.2 is 0.3, and a third times three is one.

Arithmetic is of fractions; what has no exact value (roots, logarithms) has fifty digits. Every step is
limited, so that no expression takes long or much.
"""

from __future__ import annotations

import operator
from decimal import Context, Decimal, DecimalException
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from atlas_mcp.computing.functions import CONTEXT, FUNCTIONS, MOST_BITS, Series
from atlas_mcp.computing.grammar import Binary, Call, Items, Name, Node, Number, Unary, mistake, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["FUNCTIONS", "evaluate", "names_in"]

Result: TypeAlias = "Fraction | bool | Series"

MOST_VALUES = 10_000

_COMPARE: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def evaluate(
    text: str, variables: Mapping[str, float | Fraction | Sequence[float | Fraction]] | None = None
) -> Fraction | bool:
    """What an expression comes to; a comparison is true or false.

    Variables are numbers or lists of at most 10,000 numbers; a float counts as what it is written as.

    :raises InvalidInput: it is no expression, names what is not there, or goes beyond a limit; says where.
    """
    values = {name: _given(name, value) for name, value in (variables or {}).items()}
    tree = parse(text)
    try:
        result = _Evaluator(values).value(tree)
    except RecursionError:  # pragma: no cover - the depth of the tree is limited below it
        raise mistake("it is nested too deep.", 0, "Compute it in steps.") from None
    if isinstance(result, tuple):
        raise mistake("the result is a list.", tree.at, "Say what of it: sum(...), mean(...), max(...).")
    return result


def names_in(text: str) -> list[str]:
    """The variables that an expression names, in their order.

    :raises InvalidInput: it is no expression.
    """
    found: dict[str, None] = {}
    waiting = [parse(text)]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, Name):
            found[node.name] = None
        elif isinstance(node, Unary):
            waiting.append(node.operand)
        elif isinstance(node, Binary):
            waiting += (node.left, node.right)
        elif isinstance(node, Items):
            waiting += node.items
        elif isinstance(node, Call):
            waiting += node.arguments
    return list(found)


def _given(name: str, value: float | Fraction | Sequence[float | Fraction]) -> Result:
    if isinstance(value, int | float | Fraction):
        return _exact(name, value)
    if len(value) > MOST_VALUES:
        raise mistake(f"{name} has {len(value):,} values; {MOST_VALUES:,} is the most.", 0)
    return tuple(_exact(name, each) for each in value)


def _exact(name: str, value: float | Fraction) -> Fraction:
    try:
        return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
    except ValueError:
        raise mistake(f"{name} is {value}, no finite number.", 0) from None


class _Evaluator:
    """Evaluates the nodes of one tree."""

    def __init__(self, variables: Mapping[str, Result]) -> None:
        self._variables = variables

    def value(self, node: Node) -> Result:
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Name):
            return self._named(node)
        if isinstance(node, Items):
            return tuple(self._number(item) for item in node.items)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Unary):
            return self._unary(node)
        return self._binary(node)

    def _number(self, node: Node) -> Fraction:
        value = self.value(node)
        if isinstance(value, bool) or not isinstance(value, Fraction):
            kind = "a list" if isinstance(value, tuple) else "true or false"
            raise mistake(f"a number is needed here, this is {kind}.", node.at)
        return value

    def _named(self, node: Name) -> Result:
        if node.name not in self._variables:
            hint = f"{node.name}(...) is a function. " if node.name in FUNCTIONS else ""
            known = ", ".join(self._variables) or "none"
            raise mistake(f"there is no variable {node.name!r}.", node.at, f"{hint}Variables given: {known}.")
        return self._variables[node.name]

    def _call(self, node: Call) -> Result:
        function = FUNCTIONS.get(node.name)
        if function is None:
            raise mistake(
                f"there is no function {node.name!r}.", node.at, f"Functions: {', '.join(FUNCTIONS)}."
            )
        arguments = [self.value(each) for each in node.arguments]
        numbers: list[Fraction] = []
        for argument, said in zip(arguments, node.arguments, strict=True):
            if isinstance(argument, bool):
                raise mistake("a number is needed here, this is true or false.", said.at)
            numbers += argument if isinstance(argument, tuple) else (argument,)
        if not function.least <= len(numbers) <= function.most:
            raise mistake(f"{node.name} takes {function.takes}; {len(numbers)} given.", node.at)
        try:
            return self._limited(function.of(numbers), node.at)
        except (ArithmeticError, DecimalException, ValueError) as error:
            said_why = str(error) if type(error) is ValueError else "it has no value for these numbers"
            raise mistake(f"{node.name}: {said_why}.", node.at) from None

    def _unary(self, node: Unary) -> Fraction:
        value = self._number(node.operand)
        return value / 100 if node.sign == "%" else -value if node.sign == "-" else value

    def _binary(self, node: Binary) -> Result:
        left, right = self._number(node.left), self._number(node.right)
        if compare := _COMPARE.get(node.sign):
            return compare(left, right)
        if node.sign == "^":
            return self._power(left, right, node.at)
        if node.sign in ("/", "//", "%") and not right:
            raise mistake("a division by zero.", node.at)
        return self._limited(_arithmetic(node.sign, left, right), node.at)

    def _power(self, left: Fraction, right: Fraction, at: int) -> Fraction:
        if right.denominator == 1:
            if not left and right < 0:
                raise mistake("a division by zero.", at)
            size = max(left.numerator.bit_length(), left.denominator.bit_length())
            if size > 1 and abs(right) * size > 2 * MOST_BITS:
                raise mistake("the power would have more than 1,000 digits.", at)
            # Of 1, -1 and 0 every power is small, but not every exponent.
            exponent = int(right) if size > 1 else int(right) % 2 + 2 if right else 0
            return self._limited(left**exponent, at)
        if left < 0:
            raise mistake("a root of a negative number.", at)
        try:
            return self._limited(Fraction(CONTEXT.power(_decimal(left), _decimal(right))), at)
        except (DecimalException, OverflowError, ValueError):
            raise mistake("the power has no value that can be written.", at) from None

    def _limited(self, value: Fraction, at: int) -> Fraction:
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
            raise mistake("a number of more than 1,000 digits.", at, "Round on the way: round(x, 6).")
        return value


def _arithmetic(sign: str, left: Fraction, right: Fraction) -> Fraction:
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case "//":
            return Fraction(left // right)
        case _:
            return left % right


def _decimal(value: Fraction, context: Context = CONTEXT) -> Decimal:
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))
