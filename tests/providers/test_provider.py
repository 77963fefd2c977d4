"""The fold of a stream is the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.chunks import Citation, ReasoningDelta, Retracted, Stopped, Switched, TextDelta, Usage
from atlas_mcp.errors import StreamBroken
from atlas_mcp.messages import Intent, Message, Prompt, Reasoning, Text, ToolCall
from atlas_mcp.providers.provider import Fold, ProviderInfo, complete
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.chunks import Chunk

END = Stopped("end", "test", "test")
PROMPT = Prompt((Message("user", (Text("hello"),)),), Intent.COMPOSE, "hello")


class Canned:
    """A provider that says the chunks it was made with."""

    info = ProviderInfo("test", "test", "")

    def __init__(self, *chunks: Chunk) -> None:
        self._chunks = chunks

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:  # noqa: ARG002 - whatever it is asked
        async def say() -> AsyncGenerator[Chunk, None]:
            for chunk in self._chunks:
                yield chunk

        return Stream(say())

    async def aclose(self) -> None:
        pass


async def test_an_answer_holds_what_was_said_in_order_and_who_thought_it() -> None:
    call = ToolCall("c1", "search", {"query": "tides"})
    citation = Citation("p1", 0, 3, "The")
    reply = await complete(
        Canned(
            ReasoningDelta("I "),
            ReasoningDelta("think", signature="seal"),
            TextDelta("Hel"),
            call,
            citation,
            TextDelta("lo"),
            Usage(3, 2, calls=1),
            END,
        ),
        PROMPT,
    )
    thought = Reasoning("I think", "seal", "test:test")
    assert reply.message.parts == (thought, Text("Hel"), call, Text("lo"))
    assert reply.text == "Hello"
    assert reply.calls == (call,)
    assert reply.citations == (citation,)
    assert reply.usage == Usage(3, 2, calls=1)
    assert reply.stopped == END


async def test_retracted_text_is_taken_back() -> None:
    seam = (Switched("a", "b", "it died"), Retracted(3, "said anew"))
    reply = await complete(Canned(TextDelta("ab"), TextDelta("cd"), *seam, TextDelta("X"), END), PROMPT)
    assert reply.text == "aX"


async def test_retracting_nothing_takes_nothing_back() -> None:
    reply = await complete(Canned(TextDelta("ab"), Retracted(0, "nothing was said"), END), PROMPT)
    assert reply.text == "ab"


async def test_an_answer_without_its_end_is_broken() -> None:
    with pytest.raises(StreamBroken):
        await complete(Canned(TextDelta("half")), PROMPT)
    with pytest.raises(StreamBroken):
        Fold().reply()


usages = st.builds(
    Usage,
    st.integers(0, 99),
    st.integers(0, 99),
    st.integers(0, 99),
    st.integers(0, 99),
    st.none() | st.integers(0, 9),
    st.booleans(),
    st.integers(0, 3),
)


@given(st.lists(usages, max_size=5))
def test_law_usage_is_the_sum_of_its_parts(parts: list[Usage]) -> None:
    fold = Fold()
    for part in parts:
        fold.add(part)
    assert fold.usage == sum(parts, start=Usage())
    assert fold.usage.input_tokens == sum(part.input_tokens for part in parts)
    assert (fold.usage.cost_usd is None) == any(part.cost_usd is None for part in parts)


@given(st.lists(st.text(max_size=5) | st.integers(0, 8), max_size=12))
def test_law_the_text_is_what_was_said_less_what_was_retracted(steps: list[str | int]) -> None:
    fold, expected = Fold(), ""
    for step in steps:
        if isinstance(step, str):
            fold.add(TextDelta(step))
            expected += step
        else:
            fold.add(Retracted(step, "law"))
            expected = expected[: max(0, len(expected) - step)]
    assert fold.text == expected


def test_what_stands_on_both_sides_of_what_was_taken_back_is_one() -> None:
    chunks = [
        ReasoningDelta("The moon "), TextDelta("T"), ReasoningDelta("pulls."), Retracted(1, "it broke"),
        TextDelta("Twice"), ReasoningDelta("!"), TextDelta(" a day."), Retracted(0, "it broke", reasoning=8),
        Stopped("end", "p", "m"),
    ]  # fmt: skip
    fold = Fold()
    for chunk in chunks:
        fold.add(chunk)
    first, second = fold.reply().message.parts
    assert first == Reasoning("The moon", None, "p:m")
    assert second == Text("Twice a day.")
