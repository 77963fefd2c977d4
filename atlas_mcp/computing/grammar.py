"""The grammar of expressions: numbers, names, `+ - * / // % ^`, comparisons, calls, lists; nothing else.

Our own and closed, rather than Python's with parts forbidden: there are no texts, no attributes and nothing
that could name code, numbers are exact from the first digit, and every mistake has a place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from atlas_mcp.errors import InvalidInput

__all__ = ["Binary", "Call", "Items", "Name", "Node", "Number", "Unary", "mistake", "parse"]

LONGEST = 2_000
DEEPEST = 50
LONGEST_NUMBER = 60

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:_\d{3})*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|//|<=|>=|==|!=|[-+*/%^<>()\[\],\u2212\u00d7\u00f7\u00b7\u2264\u2265\u2260]))"
)
_SAME = {
    "**": "^",
    "\u2212": "-",
    "\u00d7": "*",
    "\u00b7": "*",
    "\u00f7": "/",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2260": "!=",
}
"""Signs as books print them, and Python's power."""

_BINDS = {"<": 1, "<=": 1, ">": 1, ">=": 1, "==": 1, "!=": 1, "+": 2, "-": 2, "*": 3, "/": 3, "//": 3, "%": 3}
_UNARY = 4
_POWER = 5
_LARGEST_EXPONENT = 308


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written, exact."""

    value: Fraction
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list: `[1, 2, 3]`."""

    items: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function of arguments."""

    name: str
    arguments: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Unary:
    """A sign before its operand, or `%` behind it."""

    sign: str
    operand: Node
    at: int


@dataclass(frozen=True, slots=True)
class Binary:
    """A sign between two operands."""

    sign: str
    left: Node
    right: Node
    at: int


Node: TypeAlias = Number | Name | Items | Call | Unary | Binary


def mistake(what: str, at: int, remedy: str = "") -> InvalidInput:
    """What is wrong with an expression, with the place, counted from 1."""
    return InvalidInput(f"Expression, character {at + 1}: {what}", remedy=remedy)


def parse(text: str) -> Node:
    """The tree of an expression.

    :raises InvalidInput: it is empty, too long, too deep, or no expression; says what and where.
    """
    if len(text) > LONGEST:
        raise InvalidInput(
            f"The expression has {len(text):,} characters; {LONGEST:,} is the most.",
            remedy="Compute it in steps.",
        )
    reader = _Reader(text)
    node = reader.expression(0)
    if reader.sign or reader.name or reader.number:
        raise reader.unexpected()
    return node


class _Reader:
    """Reads tokens one after another; at most one of `number`, `name` and `sign` is not empty."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.at = self.next = 0
        self.number = self.name = self.sign = ""
        self.advance()

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.next)
        if match is None:
            rest = self.text[self.next :]
            self.at = self.next + len(rest) - len(rest.lstrip())
            if rest.strip():
                raise mistake(
                    f"{self.text[self.at]!r} does not belong here.", self.at,
                    "Write numbers, names and + - * / // % ^ ( ) [ ] , < <= > >= == !=.",
                )  # fmt: skip
            self.number = self.name = self.sign = ""
            return
        self.at, self.next = match.start(match.lastgroup or 0), match.end()
        self.number, self.name = match["number"] or "", match["name"] or ""
        self.sign = _SAME.get(match["sign"], match["sign"]) if match["sign"] else ""

    def unexpected(self) -> InvalidInput:
        found = self.number or self.name or self.sign
        if not found:
            return mistake("it ends too early.", self.at, "Complete it, such as (12.4 + 3.1) / 2.")
        return mistake(f"{found!r} does not belong here.", self.at, "Is a sign such as * or a comma missing?")

    def expect(self, sign: str) -> None:
        if self.sign != sign:
            if not (self.number or self.name or self.sign):
                raise mistake(f"{sign!r} is missing at the end.", self.at)
            raise self.unexpected()
        self.advance()

    def expression(self, least: int) -> Node:
        """An expression whose signs bind more tightly than `least`."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise mistake(f"it is nested more than {DEEPEST} deep.", self.at, "Compute it in steps.")
        left = self.prefixed()
        while (binds := _BINDS.get(self.sign, 0)) > least:
            sign, at = self.sign, self.at
            self.advance()
            left = Binary(sign, left, self.expression(binds), at)
        self.depth -= 1
        return left

    def prefixed(self) -> Node:
        if self.sign in ("-", "+"):
            sign, at = self.sign, self.at
            self.advance()
            return Unary(sign, self.expression(_UNARY), at)
        node = self.percent(self.atom())
        if self.sign == "^":
            at = self.at
            self.advance()
            # Powers bind from the right, and more tightly than a sign before them.
            return self.percent(Binary("^", node, self.expression(_POWER), at))
        return node

    def percent(self, node: Node) -> Node:
        """`15%`: a percent sign behind which no operand stands is not the remainder of a division."""
        if self.sign == "%":
            rest = self.text[self.next :].lstrip()
            if not rest or not (rest[0].isalnum() or rest[0] in "(._["):
                at = self.at
                self.advance()
                return Unary("%", node, at)
        return node

    def atom(self) -> Node:
        at = self.at
        if self.number:
            return self._number()
        if name := self.name:
            self.advance()
            return Call(name, self.items("(", ")"), at) if self.sign == "(" else Name(name, at)
        if self.sign == "[":
            return Items(self.items("[", "]"), at)
        if self.sign == "(":
            self.advance()
            node = self.expression(0)
            self.expect(")")
            return node
        raise self.unexpected()

    def items(self, opening: str, closing: str) -> tuple[Node, ...]:
        self.expect(opening)
        items: list[Node] = []
        while self.sign != closing:
            if items:
                self.expect(",")
            items.append(self.expression(0))
        self.advance()
        return tuple(items)

    def _number(self) -> Number:
        said, at = self.number, self.at
        digits, _, exponent = said.lower().partition("e")
        if len(digits) > LONGEST_NUMBER or len(exponent) > LONGEST_NUMBER:
            raise mistake(f"a number of {len(said)} characters; {LONGEST_NUMBER} is the most.", at)
        if exponent and abs(int(exponent)) > _LARGEST_EXPONENT:
            raise mistake(f"the exponent {exponent} is beyond {_LARGEST_EXPONENT}.", at)
        self.advance()
        return Number(Fraction(said.replace("_", "")), at)
