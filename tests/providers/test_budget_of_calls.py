"""What a tool call takes binds a budget while its arguments still come, on every wire."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import BudgetSpent
from atlas_mcp.messages import ToolSpec
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.terms import Terms
from tests.fakes.model_server import FakeModels
from tests.fakes.turn import Turn
from tests.providers.asking import gather, prompt
from tests.providers.vendors import VENDORS

if TYPE_CHECKING:
    from atlas_mcp.chunks import Chunk

WRITE = ToolSpec("write", "Writes a file.", {"type": "object"})
ASKED = replace(prompt("Write it down."), tools=(WRITE,))
LONG = Turn(calls=[{"id": "c1", "name": "write", "arguments": {"text": "word " * 800}}])
"""A call of a thousand tokens, in two halves where its wire gives calls in pieces."""


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_budget_cuts_a_tool_call_off_before_it_is_whole(vendor: str) -> None:
    budget, seen = Budget(Limit(tokens=400)), list["Chunk"]()
    async with FakeModels() as server:
        server.turns.append(LONG)
        group = ProviderGroup([VENDORS[vendor](server.root)])
        stream = group.stream(ASKED, Terms(budget=budget))
        with pytest.raises(BudgetSpent, match="400 tokens"):
            await gather(stream, seen)
        # It is left as it is when a text is cut off: paid for, blamed on nobody, its connection free.
        assert seen == [stream.usage]
        assert stream.usage.estimated
        assert budget.spent.tokens == budget._tokens == stream.usage.tokens
        (member,) = group.members
        assert member.at_once == 0
        assert not group._roster.circumstances.reliability.record(member.name).failures
        reply = await complete(group, prompt())
        assert reply.stopped.reason == "end"
        await group.aclose()


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_tool_call_that_fits_is_handed_out_and_counted_as_the_server_says(vendor: str) -> None:
    budget = Budget(Limit(tokens=4_000))
    async with FakeModels() as server:
        server.turns.append(LONG)
        group = ProviderGroup([VENDORS[vendor](server.root)])
        async with group.stream(ASKED, Terms(budget=budget)) as stream:
            kinds = [type(chunk).__name__ async for chunk in stream]
        assert kinds == ["ToolCall", "Usage", "Stopped"]
        assert not stream.usage.estimated
        assert budget._tokens == budget.spent.tokens == stream.usage.tokens
        await group.aclose()
