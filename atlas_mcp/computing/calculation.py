"""One computed result, and the line that says it; whoever reads the line has the result back.

A line is `expression = value (from input; input)`. A passage of such lines is evidence like any other: its
text is stored, and a quote of it is found there verbatim.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from atlas_mcp.computing.figures import Value, read_value, settled, sound, written
from atlas_mcp.messages import Passage, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SCHEME", "Computed", "Sheet", "is_computed", "read", "sheet", "write"]

SCHEME = "computed:"
"""How the uri of a source begins that is a computation."""

_LINE = re.compile(
    r'(?:- )?(?P<expression>\S.*?) = (?P<value>"(?:[^"\\]|\\.)*"|true|false'
    r"|\d{4}-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d)?)?)?|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
    r"(?: \(from (?P<inputs>.*)\))?"
)


@dataclass(frozen=True, slots=True)
class Computed:
    """A result: what was computed, what came out, and what it was computed from.

    What would break the line is smoothed when it is made: " = " in the expression, ";" in an input.
    """

    expression: str
    value: Value
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expression = sound(self.expression).replace(" = ", "=").replace(" = ", "=").removeprefix("- ")
        inputs = (sound(each.replace(";", ",")) for each in self.inputs)
        object.__setattr__(self, "expression", expression.rstrip("=").strip() or "result")
        object.__setattr__(self, "value", settled(self.value))
        object.__setattr__(self, "inputs", tuple(each for each in inputs if each))

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON: `expression`, `value`, `inputs`."""
        return {"expression": self.expression, "value": self.value, "inputs": list(self.inputs)}


def write(computed: Computed) -> str:
    """The line that says a result."""
    origin = f" (from {'; '.join(computed.inputs)})" if computed.inputs else ""
    return f"{computed.expression} = {written(computed.value)}{origin}"


def read(text: str) -> list[Computed]:
    """The results that a text says, one a line; lines that say none are passed over."""
    found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return [
        Computed(
            match["expression"],
            read_value(match["value"]),
            tuple(match["inputs"].split("; ")) if match["inputs"] else (),
        )
        for match in found
        if match
    ]


def is_computed(source: Source) -> bool:
    """Whether a source is a computation, so that `read` may be asked what its quotes say."""
    return source.uri.startswith(SCHEME)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one computation gave: the text to store, and its passages, one a group of results."""

    text: str
    passages: tuple[Passage, ...]


def sheet(tool: str, title: str, groups: Sequence[tuple[str, Sequence[Computed]]]) -> Sheet:
    """Results as evidence: each group `(heading, results)` becomes a passage of one item a line."""
    blocks: list[tuple[str, str, int]] = []
    text = ""
    for heading, results in groups:
        if not results:
            continue
        text += f"## {heading}\n\n"
        lines = "\n".join(f"- {write(result)}" for result in results)
        blocks.append((heading, lines, len(text)))
        text += f"{lines}\n\n"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    source = Source(sha256, f"{SCHEME}{tool}", title, now)
    return Sheet(
        text,
        tuple(
            Passage(f"c{sha256[:10]}-{number}", source, lines, start, heading=heading, why="computed")
            for number, (heading, lines, start) in enumerate(blocks, start=1)
        ),
    )
