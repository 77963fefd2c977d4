"""What a role may call, and that a failing tool is a result it can read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from atlas_mcp.downstream import toolbox
from atlas_mcp.downstream.toolbox import Found, Tool, Toolbox
from atlas_mcp.errors import ToolFailed
from atlas_mcp.messages import Passage, Source, ToolCall, ToolSpec

PASSAGE = Passage("p1", Source("ab", "file:///t", "T", "2026-01-01"), "The Moon pulls.", 0)
QUERY = {
    "type": "object",
    "required": ["query"],
    "additionalProperties": False,
    "properties": {"query": {"type": "string", "minLength": 1}},
}


async def find(arguments: dict[str, Any]) -> Found:
    return Found(f"1 passage on {arguments['query']}", (PASSAGE,))


async def fail(arguments: dict[str, Any]) -> Found:
    raise ToolFailed("The library is closed.", remedy="Come back tomorrow.")


async def hang(arguments: dict[str, Any]) -> Found:
    await asyncio.Event().wait()
    raise AssertionError


def tool(name: str, run: Any = find) -> Tool:
    return Tool(ToolSpec(name, f"{name}s", QUERY), run)


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall("c1", name, arguments)


@pytest.mark.parametrize(
    ("granted", "names"),
    [
        ([], []),
        (["search_documents"], ["search_documents"]),
        (["search_*"], ["search_documents", "search_web"]),
        (["*"], ["ask", "search_documents", "search_web"]),
        (["search_web", "search_*", "missing"], ["search_documents", "search_web"]),
        (["Search_*"], []),
    ],
)
def test_a_role_has_the_tools_its_card_grants_by_name_or_pattern_in_a_fixed_order(
    granted: list[str], names: list[str]
) -> None:
    box = Toolbox([tool("search_web"), tool("ask"), tool("search_documents")], granted)
    assert [spec.name for spec in box.specs] == names


async def test_a_tool_gives_text_and_passages() -> None:
    result = await Toolbox([tool("search")], ["*"]).call(call("search", query="tides"))
    assert (result.call_id, result.text, result.passages, result.error) == (
        "c1",
        "1 passage on tides",
        (PASSAGE,),
        False,
    )


async def test_a_tool_that_was_not_granted_is_unknown_and_those_granted_are_named() -> None:
    result = await Toolbox([tool("search"), tool("delete")], ["search"]).call(call("delete", query="all"))
    assert result.error
    assert result.text == "There is no tool 'delete' for you. Your tools: search."


@pytest.mark.parametrize("arguments", [{}, {"query": 3}, {"query": ""}, {"query": "x", "more": 1}])
async def test_wrong_arguments_never_reach_the_tool(arguments: dict[str, Any]) -> None:
    reached: list[dict[str, Any]] = []

    async def note(given: dict[str, Any]) -> Found:
        reached.append(given)
        return Found("")

    result = await Toolbox([tool("search", note)], ["*"]).call(ToolCall("c1", "search", arguments))
    assert result.error
    assert result.text.endswith("Correct the arguments and call again.")
    assert reached == []


async def test_a_failure_is_a_result_that_says_what_to_do() -> None:
    result = await Toolbox([tool("search", fail)], ["*"]).call(call("search", query="tides"))
    assert result.error
    assert result.text == "The library is closed. Come back tomorrow."


async def test_a_tool_that_hangs_is_left_after_its_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbox, "TIME_LIMIT_SECONDS", 0.01)
    result = await Toolbox([tool("search", hang)], ["*"]).call(call("search", query="tides"))
    assert result.error
    assert "gave no result" in result.text


async def test_cancelling_the_caller_cancels_the_tool() -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def wait(arguments: dict[str, Any]) -> Found:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return Found("")

    calling = asyncio.create_task(Toolbox([tool("search", wait)], ["*"]).call(call("search", query="tides")))
    await entered.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert left.is_set()


@pytest.mark.parametrize("reads", [True, False])
def test_who_has_a_tool_of_the_web_has_none_that_writes_whatever_its_server_says_of_it(reads: bool) -> None:
    page = Tool(ToolSpec("browser__open", "", QUERY), find, "browser/open", reads=reads, web=True)
    book = Tool(ToolSpec("word__replace", "", QUERY), find, "word/replace", reads=False)
    box = Toolbox([page, book], ["browser/*"], ["browser/*", "word/*"])
    assert "word__replace" not in {spec.name for spec in box.specs}
    assert "word/replace" in box.withheld
    assert box.effects == frozenset()
