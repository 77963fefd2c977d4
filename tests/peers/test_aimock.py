"""Our providers, through the vendors' SDKs, against servers that somebody else made up: aimock.

What it cannot do is done by a server of our own, in `tests/providers/faults.py`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import jsonschema
import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Retracted, TextDelta
from atlas_mcp.messages import Message, Reasoning, ToolResult, ToolSpec
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.provider import AT_ONCE, Fold, complete
from atlas_mcp.providers.retry import Retry
from atlas_mcp.providers.terms import TERMS, Policy, Terms, Way
from tests.providers.asking import failure, prompt
from tests.providers.vendors import MODEL, VENDORS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from atlas_mcp.providers.vendor import VendorProvider
    from tests.peers.mocking import Mock

    Opened: TypeAlias = Callable[..., VendorProvider]

pytestmark = [pytest.mark.peer, pytest.mark.parametrize("vendor", VENDORS)]

in_both_ways = pytest.mark.parametrize("terms", [TERMS, AT_ONCE], ids=["stream", "plain"])

SPRING = "Spring tides come at new moon and at full moon, when sun and moon pull together."
NEAP = "Neap tides come at the quarters."
TABLE: dict[str, Any] = {
    "type": "object",
    "properties": {"harbour": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["harbour", "days"],
}
TIDE_TABLE = ToolSpec("tide_table", "When the tide is high in a harbour.", TABLE)
RANGE: dict[str, Any] = {
    "type": "object",
    "properties": {"harbour": {"type": "string"}, "metres": {"type": "number"}},
    "required": ["harbour", "metres"],
    "additionalProperties": False,
}
AT_NO_TIME = Retry(first=0.01)
_NAMES = list(VENDORS)


@pytest.fixture
async def opened(aimock: Mock) -> AsyncGenerator[Opened]:
    """Opens providers by vendor and model; they are closed at the end."""
    providers: list[VendorProvider] = []

    def open_provider(vendor: str, model: str = MODEL) -> VendorProvider:
        providers.append(VENDORS[vendor](aimock.address, model=model))
        return providers[-1]

    yield open_provider
    for provider in providers:
        await provider.aclose()


def next_of(vendor: str) -> str:
    """Another vendor."""
    return _NAMES[(_NAMES.index(vendor) + 1) % len(_NAMES)]


@in_both_ways
async def test_an_answer_comes_whole(opened: Opened, vendor: str, terms: Terms) -> None:
    fold, pieces = Fold(), 0
    async with opened(vendor).stream(prompt("Tell me in plain words."), terms) as stream:
        async for chunk in stream:
            fold.add(chunk)
            pieces += isinstance(chunk, TextDelta)
    reply = fold.reply()
    assert reply.text == SPRING
    assert (reply.stopped.reason, reply.stopped.model) == ("end", MODEL)
    assert pieces == (len(SPRING) + 7) // 8 if terms.streaming else pieces == 1


@in_both_ways
async def test_reasoning_is_told_apart_from_the_answer(opened: Opened, vendor: str, terms: Terms) -> None:
    reply = await complete(opened(vendor), prompt("Please think first.", effort="high"), terms)
    assert reply.text == "At new moon and at full moon."
    thoughts = [part for part in reply.message.parts if isinstance(part, Reasoning)]
    if vendor == "Ollama":  # whose reasoning aimock gives under a name that Ollama does not know
        assert not thoughts
        return
    assert [thought.text for thought in thoughts] == ["Sun and moon pull together."]
    sealed = thoughts[0].signature is not None
    assert sealed == (vendor in {"Anthropic", "OpenAI responses"})


@in_both_ways
async def test_tools_are_called_and_what_they_gave_is_answered(
    opened: Opened, vendor: str, terms: Terms
) -> None:
    provider = opened(vendor)
    asked = prompt("Do look it up.", tools=(TIDE_TABLE,))
    called = await complete(provider, asked, terms)
    assert called.stopped.reason == "tool_calls"
    assert [(call.name, call.arguments) for call in called.calls] == [
        ("tide_table", {"harbour": "Burntcoat Head", "days": 3}),
        ("tide_table", {"harbour": "Saint John", "days": 1}),
    ]
    assert len({call.id for call in called.calls}) == 2
    results = tuple(ToolResult(call.id, "high water 06:12, 16.3 m") for call in called.calls)
    turns = (*asked.messages, called.message, Message("tool", results))
    answered = await complete(provider, replace(asked, messages=turns), terms)
    assert (answered.text, answered.stopped.reason) == ("Sixteen metres.", "end")


@in_both_ways
async def test_an_answer_in_a_given_form_fits_its_schema(opened: Opened, vendor: str, terms: Terms) -> None:
    reply = await complete(opened(vendor), prompt("Give it as data.", schema=RANGE), terms)
    jsonschema.validate(json.loads(reply.text), RANGE)


@in_both_ways
async def test_what_the_server_counts_is_what_an_answer_took(
    opened: Opened, vendor: str, terms: Terms
) -> None:
    reply = await complete(opened(vendor), prompt("Tell me, and count."), terms)
    if vendor == "Ollama":  # for which aimock never counts
        assert reply.usage.estimated
    else:
        assert (reply.usage.input_tokens, reply.usage.output_tokens) == (21, 34)
        assert not reply.usage.estimated


@in_both_ways
async def test_what_the_server_says_took_nothing_is_estimated_and_marked_so(
    opened: Opened, vendor: str, terms: Terms
) -> None:
    usage = (await complete(opened(vendor), prompt("Tell me in plain words."), terms)).usage
    assert usage.estimated == (vendor != "OpenAI chat")  # for which aimock counts by itself
    assert usage.input_tokens > 0
    assert usage.output_tokens == pytest.approx(len(SPRING) / 4, abs=2)
    assert usage.calls == 1


@in_both_ways
@pytest.mark.parametrize(
    ("model", "outcome"),
    [
        ("busy", errors.RateLimited),
        ("overloaded-503", errors.Overloaded),
        ("overloaded-529", errors.Overloaded),
        ("garbled", errors.MalformedResponse),
        ("gone", errors.ConnectionFailed),
    ],
)
async def test_a_failure_is_an_error_of_ours(
    opened: Opened, vendor: str, terms: Terms, model: str, outcome: type[errors.ProviderError]
) -> None:
    with pytest.raises(outcome) as caught:
        await complete(opened(vendor, model), prompt("Tell me."), terms)
    assert type(caught.value) is outcome
    assert caught.value.remedy
    assert caught.value.retry_after == (7 if model == "busy" else None)


@in_both_ways
async def test_one_that_fails_once_is_asked_again(
    aimock: Mock, opened: Opened, vendor: str, terms: Terms
) -> None:
    group = ProviderGroup([opened(vendor)], retry=AT_NO_TIME)
    await complete(group, prompt("Tell me in plain words."), terms)  # whatever is asked but once, was asked
    aimock.forget()
    aimock.fail_once(503, "Once only.")
    reply = await complete(group, prompt("Tell me in plain words."), terms)
    assert reply.text == SPRING
    assert [switch.failure for switch in reply.switches] == ["overloaded"]
    assert [each["response"]["status"] for each in aimock.journal()] == [503, 200]


@in_both_ways
@pytest.mark.parametrize("model", ["busy", "overloaded-529", "garbled", "gone"])
async def test_where_one_fails_another_vendor_answers(
    opened: Opened, vendor: str, terms: Terms, model: str
) -> None:
    group = ProviderGroup([opened(vendor, model), opened(next_of(vendor), "heir")])
    reply = await complete(group, prompt("Tell me."), terms)
    assert reply.text == NEAP
    assert [switch.joined for switch in reply.switches] == [group.members[1].name]


async def test_a_stream_that_is_dropped_in_mid_answer_is_broken_and_counted(
    opened: Opened, vendor: str
) -> None:
    error, fold = await failure(opened(vendor, "mortal"), prompt("Tell me."))
    assert type(error) is errors.StreamBroken
    assert fold.text
    assert SPRING.startswith(fold.text)
    assert fold.text != SPRING
    assert fold.usage.estimated
    assert fold.usage.output_tokens >= len(fold.text) / 4


@pytest.mark.parametrize("way", [Way.RETELL, Way.RESTART])
async def test_another_vendor_goes_on_where_a_stream_was_dropped(
    opened: Opened, vendor: str, way: Way
) -> None:
    group = ProviderGroup(
        [opened(vendor, "mortal"), opened(next_of(vendor), "heir")], policy=Policy(ways=(way,))
    )
    fold, before, retracted = Fold(), "", 0
    async with group.stream(prompt("Tell me.")) as stream:
        async for chunk in stream:
            retracted += chunk.characters if isinstance(chunk, Retracted) else 0
            fold.add(chunk)
            before = fold.text if not fold.switches else before
    reply = fold.reply()
    (switch,) = reply.switches
    assert (switch.way, switch.failure) == (way.value, "stream_broken")
    assert before
    assert SPRING.startswith(before)
    assert reply.text == (NEAP if way is Way.RESTART else before + NEAP)
    assert retracted == (len(before) if way is Way.RESTART else 0)
    assert reply.usage.calls == 2


async def test_one_that_is_slow_to_begin_is_left_by_policy(opened: Opened, vendor: str) -> None:
    slow, impatient = opened(vendor, "slow"), Policy(first_token=1.0)
    with pytest.raises(errors.ProviderTimeout):
        await complete(slow, prompt("Tell me."), Terms(impatient))
    group = ProviderGroup([slow, opened(next_of(vendor), "heir")], policy=impatient)
    reply = await complete(group, prompt("Tell me."), TERMS)
    assert reply.text == NEAP
    assert [switch.failure for switch in reply.switches] == ["provider_timeout"]
