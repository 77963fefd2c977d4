"""Characters that servers tear in two, and JSON that cannot be sent or is none, on every wire."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.errors import InvalidRequest, MalformedResponse
from atlas_mcp.messages import Intent, Message, Prompt, Text, ToolCall, ToolResult
from atlas_mcp.providers.provider import AT_ONCE, complete
from atlas_mcp.providers.terms import TERMS
from atlas_mcp.providers.wires.halves import Halves
from atlas_mcp.providers.wires.tool_calls import finished_call
from tests.fakes.model_server import FakeModels, Turn
from tests.providers.asking import prompt
from tests.providers.vendors import VENDORS

each_vendor = pytest.mark.parametrize("vendor", VENDORS)
TORN = "so \ud83d\ude00, and\ud83d"
"""Said a piece a character, the first smile comes in two halves; the second has but one."""


@each_vendor
async def test_a_character_that_came_in_two_halves_is_whole(vendor: str) -> None:
    async with FakeModels(tokens=len(TORN)) as server:
        provider = VENDORS[vendor](server.root)
        server.turns.extend((Turn(text=TORN), Turn(text=TORN)))
        for terms in (TERMS, AT_ONCE):
            assert (await complete(provider, prompt(), terms)).text == "so 😀, and"
        await provider.aclose()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb'{"t":"\ud83d\ude00"}', "😀"),
        (rb'{"t":"\ude00."}', "\ufffd."),
        (rb'{"t":"\ud83d."}', "\ufffd."),
        (rb'{"t":"\\ud83d\ud83d."}', "\\ud83d\ufffd."),
    ],
)
def test_half_of_a_character_without_the_other_is_unknown(written: bytes, read: str) -> None:
    assert Halves().read(written) == {"t": read}


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=3)))
def test_whatever_is_torn_every_event_can_be_read_and_written(pieces: list[str]) -> None:
    halves = Halves()
    read = "".join(halves.read(json.dumps({"t": piece}).encode())["t"] for piece in pieces)
    assert read.encode().decode() == read
    whole = "".join(pieces)
    if all(not "\ud800" <= one <= "\udfff" for one in whole):
        assert read == whole


def test_what_is_no_json_stays_none() -> None:
    with pytest.raises(ValueError, match="line 1"):
        Halves().read(rb'{"t":"\ud83d.')


@pytest.mark.parametrize(
    "arguments", ['{"x": NaN}', '{"x": 1e999}', {"x": [math.inf]}, {"x": {"y": math.nan}}]
)
def test_a_number_that_is_none_makes_a_call_malformed(arguments: str | dict[str, object]) -> None:
    with pytest.raises(MalformedResponse, match="'look'"):
        finished_call("c1", "look", arguments)


@each_vendor
async def test_a_prompt_with_half_a_character_is_refused_in_words(vendor: str) -> None:
    async with FakeModels(tokens=4) as server:
        provider = VENDORS[vendor](server.root)
        with pytest.raises(InvalidRequest, match=r"half of a character \(\\ud83d\)") as caught:
            await complete(provider, prompt("half a smile \ud83d"))
        assert caught.value.remedy
        assert (await complete(provider, prompt())).text
        await provider.aclose()
    assert len(server.requests) == 1


@pytest.mark.parametrize("vendor", ["Anthropic", "Ollama"])
async def test_a_prompt_with_a_number_that_is_none_is_refused_in_words(vendor: str) -> None:
    called = Message("assistant", (ToolCall("c1", "look", {"x": math.nan}),))
    messages = (Message("user", (Text("hi"),)), called, Message("tool", (ToolResult("c1", "ok"),)))
    async with FakeModels(tokens=4) as server:
        provider = VENDORS[vendor](server.root)
        with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
            await complete(provider, Prompt(messages, Intent.COMPOSE, "hi"))
        await provider.aclose()
