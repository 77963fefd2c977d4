"""What calls are said to have taken, beside what the server that was asked counted: on every wire, however
an answer ends. `pytest -s` shows the table.

A token of the server's is a piece of its answer; what it counts of a prompt it says where the wire does.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from atlas_mcp.chunks import TextDelta, Usage
from atlas_mcp.errors import ProviderError
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.terms import Policy, Terms, Way
from tests.fakes.model_server import FakeModels
from tests.fakes.turn import Turn
from tests.providers.asking import PATIENCE, prompt, until
from tests.providers.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Generator

    from atlas_mcp.providers.provider import Provider

TOKENS, CUT = 400, 150
TEXT = (
    "The moon raises two tides a day, and the sun a third of that. Where both pull along one line, at new and"
    " at full moon, the tide is a spring tide; a week later, when they pull crosswise, it is a neap. "
) * 9
WIRES = pytest.mark.parametrize("wire", VENDORS)


class Row(NamedTuple):
    """One call: what the server counted, over everyone it answered for, and what it was said to take."""

    wire: str
    ending: str
    asked: int
    sent: int
    usage: Usage

    @property
    def off(self) -> float:
        """By how much of the truth the answer's tokens are off."""
        return self.usage.output_tokens / self.sent - 1


@pytest.fixture(scope="module")
def table() -> Generator[list[Row]]:
    rows: list[Row] = []
    yield rows
    lines = ["", "| wire | ending | server: in | out | ours: in | out | off | estimated |", "|" + "---|" * 8]
    lines += [
        f"| {row.wire} | {row.ending} | {row.asked} | {row.sent} | {row.usage.input_tokens} |"
        f" {row.usage.output_tokens} | {row.off:+.1%} | {'yes' if row.usage.estimated else 'no'} |"
        for row in rows
    ]
    sys.stdout.write("\n".join(lines) + "\n")


async def answered(
    wire: str, ending: str, turns: list[Turn], *, cancel: bool = False, **policy: Any
) -> tuple[Row, Budget]:
    """One call of a group of two at one server; a call before it was whole, as most are."""
    async with FakeModels(tokens=TOKENS, respond=lambda _: Turn(text=TEXT)) as server:
        members: list[Provider] = [
            VENDORS[wire](server.root, model=name, patience=PATIENCE) for name in ("one", "two")
        ]
        group = ProviderGroup(members)
        try:
            async with group.stream(prompt(TEXT)) as usual:
                async for _ in usual:
                    pass
            server.turns.extend(turns)
            before = len(server.exchanges)
            budget = Budget(Limit(tokens=10**6))
            came = 0
            async with group.stream(prompt(TEXT), Terms(Policy(**policy), budget=budget)) as stream:
                with suppress(ProviderError):
                    async for chunk in stream:
                        came += isinstance(chunk, TextDelta)
                        if cancel and came == CUT:
                            stream.control.cancel("enough")
                usage = stream.usage
            asked = [each for each in server.exchanges[before:] if each.wire is not None]
            await until(lambda: all(each.ended_at or each.client_closed_at for each in asked))
            return Row(wire, ending, sum(e.asked for e in asked), sum(e.sent for e in asked), usage), budget
        finally:
            await group.aclose()


@WIRES
async def test_of_a_whole_answer_every_token_is_counted(wire: str, table: list[Row]) -> None:
    row, budget = await answered(wire, "whole", [])
    table.append(row)
    assert (row.usage.input_tokens, row.usage.output_tokens) == (row.asked, row.sent) == (row.asked, TOKENS)
    assert not row.usage.estimated
    assert budget.spent == row.usage


@WIRES
async def test_of_an_answer_that_was_cancelled_what_came_is_estimated(wire: str, table: list[Row]) -> None:
    row, budget = await answered(wire, "cancelled", [], cancel=True)
    # What the server sent while the cancel was on its way was paid, and read by nobody.
    table.append(row._replace(ending=f"cancelled after {CUT}"))
    assert row.usage.estimated
    assert abs(row.usage.output_tokens / CUT - 1) < 0.1
    assert abs(row.usage.input_tokens / row.asked - 1) < 0.1
    assert budget.spent == row.usage


@WIRES
@pytest.mark.parametrize("ending", ["eof", "reset"])
async def test_of_an_answer_that_broke_what_came_is_estimated(
    wire: str, ending: Any, table: list[Row]
) -> None:
    row, budget = await answered(
        wire, f"broke ({ending})", [Turn(text=TEXT, ending=ending, after=CUT)], ways=()
    )
    table.append(row)
    assert row.sent == CUT
    assert row.usage.estimated
    assert abs(row.off) < 0.1
    assert budget.spent == row.usage


@WIRES
@pytest.mark.parametrize("way", [Way.RETELL, Way.RESTART])
async def test_of_an_answer_that_another_went_on_with_both_are_counted(
    wire: str, way: Way, table: list[Row]
) -> None:
    dies = Turn(text=TEXT, ending="eof", after=CUT)
    row, budget = await answered(wire, f"switched ({way.value})", [dies], ways=(way,))
    table.append(row)
    assert row.sent == CUT + TOKENS
    assert (row.usage.calls, row.usage.estimated) == (2, True)
    assert abs(row.off) < 0.05
    assert abs(row.usage.input_tokens / row.asked - 1) < 0.1
    assert budget.spent == row.usage
