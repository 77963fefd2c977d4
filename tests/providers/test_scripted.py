"""The scripted provider behaves as a model would, and says what it is told to."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.chunks import Stopped, TextDelta, Usage
from atlas_mcp.errors import (
    InvalidConfiguration,
    Overloaded,
    ProviderError,
    RateLimited,
    StreamBroken,
    Unavailable,
)
from atlas_mcp.messages import Intent, Message, Prompt, Text, ToolCall
from atlas_mcp.providers.provider import Fold, complete
from atlas_mcp.providers.script import FAILURES
from atlas_mcp.providers.scripted import Script, ScriptedProvider, open_provider

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.providers.stream import Stream


def prompt(text: str = "hello", **fields: Any) -> Prompt:
    asked = Prompt((Message("user", (Text(text),)),), Intent.GATHER, text, agent="web")
    return replace(asked, **fields)


def scripted(text: str) -> ScriptedProvider:
    return ScriptedProvider(Script.parse(text))


async def chunks(provider: ScriptedProvider, asked: Prompt) -> list[Chunk]:
    async with provider.stream(asked) as stream:
        return [chunk async for chunk in stream]


async def drain(stream: Stream, fold: Fold) -> None:
    async for chunk in stream:
        fold.add(chunk)


async def test_a_text_streams_in_so_many_pieces_and_ends_with_its_usage() -> None:
    provider = scripted('[[reply]]\nsay = "hello there"\ntokens = 3')
    assert await chunks(provider, prompt()) == [
        TextDelta("hel"),
        TextDelta("lo t"),
        TextDelta("here"),
        Usage(2, 3, calls=1),
        Stopped("end", "scripted", "script", language_model=False),
    ]


async def test_without_tokens_there_is_a_piece_for_every_four_characters() -> None:
    said = await chunks(scripted('[[reply]]\nsay = "123456789"'), prompt())
    assert said[:3] == [TextDelta("123"), TextDelta("456"), TextDelta("789")]


async def test_there_are_never_more_pieces_than_characters() -> None:
    said = await chunks(scripted('[[reply]]\nsay = "ab"\ntokens = 500'), prompt())
    assert said[:2] == [TextDelta("a"), TextDelta("b")]
    assert len(said) == 4
    assert (await complete(scripted('[[reply]]\nsay = ""'), prompt())).text == ""


async def test_the_first_reply_that_fits_answers() -> None:
    provider = scripted(
        '[[reply]]\nwhen = { agent = "memory" }\nsay = "no"\n'
        '[[reply]]\nwhen = { agent = "web" }\nsay = "yes"\n[[reply]]\nsay = "late"'
    )
    assert (await complete(provider, prompt())).text == "yes"


async def test_tools_are_called_with_ids_that_differ_between_turns() -> None:
    provider = scripted('[[reply]]\ntool = [{ name = "a", arguments = { q = 1 } }, { name = "b" }]')
    first = await complete(provider, prompt())
    assert first.calls == (ToolCall("call_1_1", "a", {"q": 1}), ToolCall("call_1_2", "b", {}))
    assert first.stopped.reason == "tool_calls"
    later = await complete(provider, prompt(messages=(Message("user", ()), first.message)))
    assert {call.id for call in later.calls}.isdisjoint(call.id for call in first.calls)


async def test_what_is_not_scripted_is_the_smallest_answer_and_marked() -> None:
    provider = scripted("")
    schema = {"type": "object", "required": ["answer"], "properties": {"answer": {"type": "string"}}}
    assert json.loads((await complete(provider, prompt(schema=schema))).text) == {"answer": "scripted"}
    reply = await complete(provider, prompt())
    assert reply.text == "scripted"
    assert not reply.stopped.language_model
    assert provider.info.note


@pytest.mark.parametrize("code", sorted(FAILURES))
async def test_it_fails_with_any_failure_a_provider_knows(code: str) -> None:
    provider = scripted(f'[[reply]]\nfail = "{code}"')
    with pytest.raises(ProviderError) as caught:
        await complete(provider, prompt())
    assert type(caught.value) is FAILURES[code]
    assert caught.value.provider == "scripted"


async def test_it_dies_in_mid_stream_after_so_many_pieces() -> None:
    provider = scripted('[[reply]]\nsay = "abcdef"\ntokens = 6\nfail = "stream_broken"\nafter = 2')
    fold = Fold()
    async with provider.stream(prompt()) as stream:
        with pytest.raises(StreamBroken):
            await drain(stream, fold)
    assert fold.text == "ab"
    assert fold.usage.output_tokens == 2


async def test_it_fails_so_often_for_the_same_prompt_and_then_goes_on() -> None:
    provider = scripted('[[reply]]\nfail = "overloaded"\ntimes = 2\n[[reply]]\nsay = "better"')
    for asked in (prompt("one"), prompt("two")):
        for _ in range(2):
            with pytest.raises(Overloaded):
                await complete(provider, asked)
        assert (await complete(provider, asked)).text == "better"


async def test_a_rate_limit_says_when_to_come_back() -> None:
    with pytest.raises(RateLimited) as caught:
        await complete(scripted('[[reply]]\nfail = "rate_limited"\nretry_after = 3'), prompt())
    assert caught.value.retry_after == 3


async def test_an_answer_takes_its_time_and_can_be_cancelled_meanwhile() -> None:
    reply = await complete(scripted('[[reply]]\nsay = "ab"\ntokens = 2\nseconds = 0.02'), prompt())
    assert reply.text == "ab"
    async with scripted('[[reply]]\nsay = "ab"\nseconds = 60').stream(prompt()) as stream:
        stream.control.cancel()


async def test_another_process_with_the_same_conversation_gets_the_same_reply() -> None:
    text = '[[reply]]\nwhen = { nth = 1 }\nsay = "first"\n[[reply]]\nwhen = { nth = 2 }\nsay = "second"'
    opening = prompt()
    first = await complete(scripted(text), opening)
    asked = prompt(messages=(*opening.messages, first.message, Message("user", (Text("and?"),))))
    assert (await complete(scripted(text), asked)).text == "second"
    assert (await complete(scripted(text), asked)).text == "second"


async def test_it_opens_by_path_and_takes_nothing_once_closed(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text('[[reply]]\nsay = "hi"', "utf-8")
    provider = open_provider(str(path))
    assert provider.info.name == "scripted:one.toml"
    assert (await complete(provider, prompt())).text == "hi"
    await provider.aclose()
    with pytest.raises(Unavailable):
        await complete(provider, prompt())
    with pytest.raises(InvalidConfiguration, match="needs a script"):
        open_provider()
