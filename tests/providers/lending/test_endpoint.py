"""The endpoint as the official SDK sees it: answers, tools, structure, pictures, fallbacks and errors."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from atlas_mcp import errors
from atlas_mcp.chunks import ReasoningDelta, Switched, Usage
from atlas_mcp.messages import Image, Intent, Message, Prompt, Text, ToolCall, ToolResult, ToolSpec
from atlas_mcp.providers.openai import open_provider
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.script import Script, ScriptedReply
from atlas_mcp.providers.scripted import ScriptedProvider
from atlas_mcp.providers.terms import TERMS
from tests.providers.lending.endpoints import HELLO, Asking, asking, group, text_of
from tests.providers.mortal import Fate, Mortal, asked, text

SEARCH: Any = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
WHOLE = Fate(text("The ", "moon"))
DIES = Fate(text("The ", "mo"), errors.StreamBroken("It broke.", remedy="Wait."))


class Tide(BaseModel):
    height: int
    place: str


def scripted(*replies: dict[str, Any]) -> ScriptedProvider:
    return ScriptedProvider(Script("it", tuple(ScriptedReply.model_validate(reply) for reply in replies)))


async def test_a_streamed_answer_comes_piece_by_piece_and_its_usage_last() -> None:
    async with asking(Mortal("m", [WHOLE])) as on:
        chunks = [chunk async for chunk in await on.stream(stream_options={"include_usage": True})]
    assert [chunk.choices[0].delta.content for chunk in chunks[:-1]] == ["", "The ", "moon", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None, None, None, "stop"]
    assert {(chunk.id, chunk.model) for chunk in chunks} == {(chunks[0].id, "mortal:m")}
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (7, 2)


async def test_a_whole_answer_comes_as_one_object() -> None:
    async with asking(Mortal("m", [WHOLE])) as on:
        answer = await on.whole()
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("The moon", "stop")
    assert (answer.usage.total_tokens, answer.model) == (9, "mortal:m")


async def test_a_fallback_in_mid_stream_is_seen_as_one_stream() -> None:
    second = Fate(text(" moon ", "pulls"))
    async with asking(group(Mortal("a", [DIES]), Mortal("b", [second]))) as on:
        chunks = [chunk async for chunk in await on.stream()]
        headers, raw = await on.raw(stream=True)
        assert on.session.switches == 2
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "The mo moon pulls"
    assert [chunk.model for chunk in chunks] == ["mortal:a"] * 3 + ["mortal:b"] * 3
    assert headers["x-atlas-member"] == "mortal:a"
    assert raw.startswith(": chosen mortal:a: first of the list")
    assert raw.count(": switched from mortal:a to mortal:b (retell): It broke.\n") == 1


async def test_who_answers_after_a_failure_before_the_first_word_is_told_in_the_header() -> None:
    dead = Fate((), errors.Overloaded("Busy."), reports=False)
    async with asking(group(Mortal("a", [dead]), Mortal("b", [WHOLE]))) as on:
        headers, _ = await on.raw(stream=True)
        assert headers["x-atlas-member"] == "mortal:b"


async def test_the_model_calls_tools_and_is_given_what_they_gave() -> None:
    provider = scripted(
        {"when": {"nth": 1}, "tool": {"name": "search", "arguments": {"q": "é"}}}, {"say": "Two a day."}
    )
    async with asking(provider) as on:
        answer = await on.whole(tools=[SEARCH])
        message = answer.choices[0].message
        (call,) = message.tool_calls
        assert (answer.choices[0].finish_reason, call.function.name) == ("tool_calls", "search")
        assert json.loads(call.function.arguments) == {"q": "é"}
        given = {"role": "tool", "tool_call_id": call.id, "content": "two"}
        stream = await on.stream(messages=[*HELLO, message, given], tools=[SEARCH])
        assert await text_of(stream) == "Two a day."


async def test_streamed_tool_calls_are_put_together_by_the_sdk() -> None:
    async with (
        asking(scripted({"tool": [{"name": "search"}, {"name": "search", "arguments": {"q": 1}}]})) as on,
        on.client.chat.completions.stream(model="gpt", messages=HELLO, tools=[SEARCH]) as stream,
    ):
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or []
    assert [call.function.arguments for call in calls] == ["{}", '{"q": 1}']


async def test_the_conversation_reaches_the_provider_as_a_prompt() -> None:
    mortal = Mortal("m", [WHOLE])
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}
    called = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": 1}'}}
    async with asking(mortal) as on:
        await on.whole(
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]},
                {"role": "assistant", "content": None, "tool_calls": [called]},
                {"role": "tool", "tool_call_id": "c1", "content": "A cat."},
            ],
            tools=[SEARCH], tool_choice="required", max_completion_tokens=9, temperature=0.5,
        )  # fmt: skip
    prompt = mortal.lives[0].prompt
    assert (prompt.system, prompt.agent, prompt.max_output_tokens) == ("Be brief.", "tester", 9)
    assert (prompt.tools[0].name, prompt.tool_choice) == ("search", "required")
    assert prompt.sampling == {"temperature": 0.5}
    assert [message.parts for message in prompt.messages] == [
        (Text("What is it?"), Image("image/png", "iVBORw0K")),
        (ToolCall("c1", "search", {"q": 1}),),
        (ToolResult("c1", "A cat."),),
    ]


async def test_structured_output_is_asked_for_and_parsed() -> None:
    mortal = Mortal("m", [Fate(text('{"height": 16, ', '"place": "Fundy"}'))])
    async with asking(mortal) as on:
        parsed = await on.client.chat.completions.parse(model="gpt", messages=HELLO, response_format=Tide)
    assert parsed.choices[0].message.parsed == Tide(height=16, place="Fundy")
    schema = mortal.lives[0].prompt.schema
    assert schema is not None
    assert set(schema["properties"]) == {"height", "place"}


async def test_reasoning_is_told_beside_the_answer() -> None:
    async with asking(Mortal("m", [Fate((ReasoningDelta("hm"), *text("ok")))])) as on:
        deltas = [chunk.choices[0].delta async for chunk in await on.stream()]
        message = (await on.whole()).choices[0].message
    assert [getattr(delta, "reasoning_content", None) for delta in deltas] == [None, "hm", None, None]
    assert (message.reasoning_content, message.content) == ("hm", "ok")


async def test_the_models_there_are_is_the_one_that_answers() -> None:
    async with asking(group(Mortal("a", [WHOLE]), Mortal("b", [WHOLE]))) as on:
        assert [model.id async for model in on.client.models.list()] == ["group:g"]


# Errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaf", "expected", "code"),
    [
        (errors.Authentication, openai.AuthenticationError, "invalid_api_key"),
        (errors.PermissionDenied, openai.PermissionDeniedError, "permission_denied"),
        (errors.ModelNotFound, openai.NotFoundError, "model_not_found"),
        (errors.ContextTooLong, openai.BadRequestError, "context_length_exceeded"),
        (errors.QuotaExceeded, openai.RateLimitError, "insufficient_quota"),
        (errors.RateLimited, openai.RateLimitError, "rate_limit_exceeded"),
        (errors.Overloaded, openai.InternalServerError, "server_is_overloaded"),
        (errors.ProviderTimeout, openai.InternalServerError, "timeout"),
    ],
)
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_failure_is_told_by_its_status_and_the_sdk_does_not_repeat_what_the_group_gave_up(
    leaf: type[errors.ProviderError], expected: type[openai.APIStatusError], code: str, streaming: bool
) -> None:
    dead = Fate((), leaf("No.", remedy="Wait."), reports=False)
    async with asking(group(Mortal("m", [dead]))) as on:
        with pytest.raises(expected) as caught:
            await (on.stream() if streaming else on.whole())
        assert on.session.requests == 1
    assert (caught.value.code, "No. Wait." in caught.value.message) == (code, True)


async def test_the_sdk_tries_again_when_it_is_told_when() -> None:
    busy = Fate((), errors.RateLimited("Slow down.", retry_after=0.01), reports=False)
    async with asking(group(Mortal("m", [busy, WHOLE]), wait=0.0)) as on:
        answer = await on.whole()
        assert (answer.choices[0].message.content, on.session.requests) == ("The moon", 2)


async def test_a_group_of_which_every_member_finds_the_prompt_too_long_says_that() -> None:
    long = Fate((), errors.ContextTooLong("Too long."), reports=False)
    async with asking(group(Mortal("a", [long]), Mortal("b", [long]))) as on:
        with pytest.raises(openai.BadRequestError) as caught:
            await on.stream()
    assert caught.value.code == "context_length_exceeded"


async def test_a_failure_in_mid_stream_ends_it_with_an_error_and_no_end_of_the_answer() -> None:
    async with asking(group(Mortal("m", [DIES]))) as on:
        stream = await on.stream()
        said: list[Any] = []
        with pytest.raises(openai.APIError, match=r"It broke\. Wait\."):
            said.extend([chunk async for chunk in stream])
        _, raw = await on.raw(stream=True)
    assert raw.count('"content":"mo"') == 1
    assert raw.endswith('"code":"stream_broken"}}\n\n')
    assert "[DONE]" not in raw


async def test_what_cannot_be_continued_ends_a_stream_and_is_begun_anew_for_a_whole_answer() -> None:
    form: Any = {"type": "json_object"}
    half, right = Fate(text('{"a": '), errors.StreamBroken("It broke.")), Fate(text('{"b": 1}'))
    async with asking(group(Mortal("a", [half]), Mortal("b", [right]))) as on:
        with pytest.raises(openai.APIError, match="could not go on with what was said"):
            await text_of(await on.stream(response_format=form))
        answer = await on.whole(response_format=form)
    assert answer.choices[0].message.content == '{"b": 1}'


async def test_a_request_that_cannot_be_used_is_refused_by_the_name_of_its_field() -> None:
    async with asking(Mortal("m", [WHOLE])) as on:
        with pytest.raises(openai.BadRequestError) as caught:
            await on.whole(n=2)
        assert (caught.value.param, on.session.requests) == ("n", 0)


async def test_a_large_request_is_read_like_any_other() -> None:
    mortal = Mortal("m", [WHOLE])
    async with asking(mortal) as on:
        await on.whole(messages=[{"role": "user", "content": "tide " * 100_000}])
    assert len(mortal.lives[0].prompt.about) == 500_000


# ATLAS asks ATLAS -------------------------------------------------------------------------------------------


def provider_for(on: Asking) -> Any:
    return open_provider("gpt", api_key=on.session.key, base_url=on.session.url)


async def test_our_own_provider_hears_one_stream_where_a_group_switched() -> None:
    async with asking(group(Mortal("a", [DIES]), Mortal("b", [Fate(text(" moon"))]))) as on:
        provider = provider_for(on)
        reply = await complete(provider, asked(), TERMS)
        await provider.aclose()
        took = on.session.usage
    assert (reply.text, reply.switches) == ("The mo moon", ())
    assert (reply.stopped.model, reply.stopped.reason) == ("mortal:b", "end")
    assert reply.usage == Usage(took.input_tokens, took.output_tokens, cost_usd=None, calls=1)
    assert (took.calls, took.tokens) == (2, 7 + 2 + 7 + 1)


async def test_our_own_provider_gets_tools_through() -> None:
    async with asking(scripted({"tool": {"name": "search", "arguments": {"q": "é"}}})) as on:
        provider = provider_for(on)
        tool = ToolSpec("search", "Finds.", {"type": "object"})
        prompt = Prompt((Message("user", (Text("Find."),)),), Intent.COMPOSE, "Find.", tools=(tool,))
        reply = await complete(provider, prompt, TERMS)
        await provider.aclose()
    assert [(call.name, call.arguments) for call in reply.calls] == [("search", {"q": "é"})]


async def test_a_group_over_the_endpoint_falls_back_as_over_any_vendor() -> None:
    async with asking(group(Mortal("m", [DIES]))) as on:
        provider = provider_for(on)
        outer = group(provider, Mortal("b", [Fate(text(" moon"))]))
        reply = await complete(outer, asked(), TERMS)
        await provider.aclose()
    assert reply.text == "The mo moon"
    assert [(type(one), one.failure) for one in reply.switches] == [(Switched, "server_failed")]
