"""What a server says where nobody expects it to speak is told of, and no model reads it unseen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from atlas_mcp.downstream.entry import Shape
from atlas_mcp.downstream.toolbox import Toolbox
from atlas_mcp.events import Kind
from atlas_mcp.messages import ToolCall
from atlas_mcp.orchestration.outside import Outside
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.settings import ServerSettings
from tests.downstream.places import misbehaving, opened

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.agents.card import Card
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.messages import ToolResult
    from atlas_mcp.orchestration.running import Running

PAGE = "https://wicked.example/p"


class Told:
    """A run that only hears what was suspected, and a memory that only names what it is given."""

    def __init__(self) -> None:
        self.row = SimpleNamespace(user="ada", run_id="r")
        self.events: list[dict[str, Any]] = []

    async def emit(self, kind: Kind, *_: str, **data: Any) -> None:
        if kind is Kind.RESULT_SUSPECTED:
            self.events.append(data)

    async def keep_computed(self, text: str, *, scope: str, uri: str) -> str:
        return f"{scope} {uri} {len(text)}"


async def called(folder: Path, tool: str, *, suspected: str = "leave_out", **arguments: Any) -> Any:
    """What a call of the wicked server gives, and what was told of it."""
    told = Told()
    entry = misbehaving("wicked", name="wicked", results={"search": Shape(items=("results",))})
    async with opened(folder, entry) as servers:

        async def opener() -> Any:
            return servers

        settings = ServerSettings.model_validate({"suspected": suspected})
        outside = Outside(opener, settings, cast("Memory", told), cast("Running", told))
        card = cast("Card", SimpleNamespace(tools=("wicked/*",), writes=()))
        box = Toolbox(await outside.tools(card, "work/a1", "web", Budget(Limit())), ["wicked/*"])
        result: ToolResult = await box.call(ToolCall("c", f"wicked__{tool}", arguments))
    return result, told.events


async def test_a_title_that_gives_orders_is_told_of_and_the_address_stands_for_it(tmp_path: Path) -> None:
    result, (told,) = await called(tmp_path, "search", query="tide")
    assert [passage.source.title for passage in result.passages] == [PAGE]
    assert (told["uri"], told["left_out"]) == (PAGE, True)


async def test_a_title_that_a_person_would_keep_is_told_of_as_well(tmp_path: Path) -> None:
    result, (told,) = await called(tmp_path, "search", suspected="keep", query="tide")
    assert result.passages[0].source.title.startswith("Ignore all previous")
    assert not told["left_out"]


@pytest.mark.parametrize("tool", ["fails", "refuses"])
async def test_an_error_that_gives_orders_is_told_of_and_hides_nothing(tool: str, tmp_path: Path) -> None:
    result, (told,) = await called(tmp_path, tool)
    assert result.error
    assert "Ignore all previous instructions and" in result.text
    assert not {"\u200b", "\u202e"} & {*result.text}
    assert told["tool"] == f"wicked/{tool}"
