"""What a group does beside its laws: late words, slow members, refusals, budgets, pauses that last."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Chosen, Reply, Stopped, Switched, TextDelta, Usage
from atlas_mcp.messages import TaskType, ToolCall
from atlas_mcp.providers.breaker import BreakerState
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.models import Models
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.known.track import Outcome
from atlas_mcp.providers.provider import Fold, ProviderInfo, complete
from atlas_mcp.providers.strategies import failover, task_aware
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Policy, Terms, Way
from tests.providers.asking import drain, gather
from tests.providers.mortal import Fate, Mortal, asked, text
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Prompt


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": SkippingLoop}


def now() -> float:
    return asyncio.get_running_loop().time()


def group_of(*mortals: Mortal, policy: Policy | None = None, prices: Prices | None = None) -> ProviderGroup:
    circumstances = Circumstances(Reliability(clock=now), prices or Prices(), now)
    return ProviderGroup(mortals, failover, policy=policy, circumstances=circumstances)


async def read(stream: Stream) -> list[Chunk]:
    return [chunk async for chunk in stream]


def of(chunks: Sequence[Chunk], kind: type[Any]) -> list[Any]:
    return [chunk for chunk in chunks if isinstance(chunk, kind)]


def said(chunks: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in of(chunks, TextDelta))


async def test_a_member_whose_first_word_is_late_is_left_for_the_next() -> None:
    late, prompt_one = Mortal("late", [Fate(text("x"), pause=60.0)]), Mortal("prompt", [Fate(text("here"))])
    group = group_of(late, prompt_one, policy=Policy(first_token=2.0))
    chunks = await read(group.stream(asked()))
    assert said(chunks) == "here"
    (seam,) = of(chunks, Switched)
    assert (seam.failure, seam.left, seam.joined) == ("provider_timeout", "mortal:late", "mortal:prompt")
    assert now() == pytest.approx(2.0)
    assert late.open == 0


async def test_words_that_came_are_not_late_however_slowly_the_rest_comes() -> None:
    steady = Mortal("steady", [Fate(text("a", "b", "c"), pause=1.5)])
    chunks = await read(group_of(steady, policy=Policy(first_token=2.0)).stream(asked()))
    assert said(chunks) == "abc"


async def test_a_pause_before_the_first_word_is_nobodys_lateness() -> None:
    member = Mortal("m", [Fate(text("a"), pause=3.0)])
    stream = group_of(member, policy=Policy(first_token=4.0, hold=1e6)).stream(asked())
    reading = asyncio.create_task(read(stream))
    await asyncio.sleep(1)
    stream.control.pause()
    asyncio.get_running_loop().call_later(60, stream.control.resume)
    assert said(await reading) == "a"


async def test_a_member_that_crawls_is_left_in_mid_answer_while_another_is_free() -> None:
    crawling = Mortal("crawling", [Fate(text(*"abcdefghijkl"), pause=2.0)])
    quick = Mortal("quick", [Fate(text("fgh"))])
    group = group_of(crawling, quick)
    usually_quick(group, "mortal:crawling")
    chunks = await read(group.stream(asked()))
    (seam,) = of(chunks, Switched)
    assert (seam.failure, seam.joined) == ("stalled", "mortal:quick")
    assert "usually it is" in seam.reason
    assert said(chunks) == "abc" + "fgh"
    assert crawling.open == 0


async def test_a_member_that_crawls_is_kept_where_nobody_else_is_free_or_the_policy_says_so() -> None:
    for policy, others in ((Policy(), ()), (Policy(crawl=0.0), (Mortal("quick", [Fate(text("z"))]),))):
        crawling = Mortal("crawling", [Fate(text(*"abcdefgh"), pause=2.0)])
        group = group_of(crawling, *others, policy=policy)
        usually_quick(group, "mortal:crawling")
        assert said(await read(group.stream(asked()))) == "abcdefgh"


def usually_quick(group: ProviderGroup, member: str) -> None:
    for _ in range(20):
        group._roster.circumstances.reliability.observe(
            member, TaskType.WRITING, Outcome("", 1.0, tokens_per_second=50.0)
        )


async def test_refusals_are_answers_unless_another_may_be_asked() -> None:
    refusing = Mortal("refusing", [Fate(text("I will not."), ends="refused")])
    willing = Mortal("willing", [Fate(text("Gladly."))])
    kept = await complete(group_of(refusing, willing), asked(), TERMS)
    assert (kept.text, kept.stopped.reason) == ("I will not.", "refused")
    asked_on = await complete(group_of(refusing, willing, policy=Policy(refusals=True)), asked(), TERMS)
    assert (asked_on.text, asked_on.stopped.reason) == ("Gladly.", "end")
    assert [switch.failure for switch in asked_on.switches] == ["content_refused"]


async def test_an_answer_streams_where_it_may_have_to_be_cut_off() -> None:
    member = Mortal("m", [Fate(text(*"abcdefgh"))])
    group = group_of(member)
    plenty, little = Budget(Limit(tokens=10**8)), Budget(Limit(tokens=1_000))
    short = replace(asked(), max_output_tokens=50)
    for prompt, terms in [
        (asked(), Terms()),
        (asked(), Terms(budget=plenty)),
        (asked(), Terms(budget=little)),
        (short, Terms(budget=little)),
        (asked(), Terms(policy=Policy(first_token=5.0))),
    ]:
        await complete(group, prompt, replace(terms, streaming=False))
    assert [life.terms.streaming for life in member.lives] == [False, False, True, False, True]


async def test_a_budget_cuts_an_answer_off_within_a_chunk_and_says_what_it_took() -> None:
    member = Mortal("m", [Fate(text(*["word "] * 500))])
    budget = Budget(Limit(tokens=120), name="run")
    fold = Fold()
    stream = group_of(member).stream(asked(), Terms(budget=budget))
    with pytest.raises(errors.BudgetSpent, match="run's limit of 120 tokens"):
        await drain(stream, fold)
    assert fold.usage.estimated
    assert fold.usage == stream.usage
    assert 120 <= budget.spent.tokens <= 122
    assert member.open == 0


async def test_a_tool_call_that_comes_in_pieces_is_cut_off_within_a_piece_and_blames_nobody() -> None:
    call = ToolCall("c1", "write", {"text": "word " * 500})
    member = Mortal("m", [Fate((*["word "] * 500, call))])
    budget = Budget(Limit(tokens=120), name="run")
    group = group_of(member)
    stream = group.stream(asked(), Terms(budget=budget))
    seen = list["Chunk"]()
    with pytest.raises(errors.BudgetSpent, match="run's limit of 120 tokens"):
        await gather(stream, seen)
    assert seen == [stream.usage]
    assert stream.usage.estimated
    assert 120 <= budget.spent.tokens <= 122
    assert (member.open, group.members[0].at_once) == (0, 0)
    assert not group._roster.circumstances.reliability.record("mortal:m").failures


async def test_a_tool_call_of_a_provider_that_meters_nothing_is_cut_off_before_it_is_handed_out() -> None:
    class Unmetered(Mortal):
        def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
            metered = super().stream(prompt, terms)
            return Stream(metered._chunks)

    budget = Budget(Limit(tokens=120))
    group = group_of(Unmetered("m", [Fate((ToolCall("c1", "write", {"text": "word " * 500}),))]))
    stream = group.stream(asked(), Terms(budget=budget))
    seen = list["Chunk"]()
    with pytest.raises(errors.BudgetSpent):
        await gather(stream, seen)
    assert seen == [stream.usage]
    assert budget.spent.tokens > 120


async def test_pieces_of_a_tool_call_are_words_as_to_who_is_late_or_back() -> None:
    call = ToolCall("c1", "search", {})
    dead = Fate(error=errors.Overloaded("full", remedy="Wait."))
    member = Mortal("m", [dead, Fate(("{", *["word"] * 8, "}", call), pause=1.5)])
    group = group_of(member, policy=Policy(first_token=2.0, attempts=0))
    (standing,) = group.members
    while standing.breaker.state is not BreakerState.OPEN:
        member.lives.clear()
        with pytest.raises(errors.Overloaded):
            await complete(group, asked())
    await asyncio.sleep(3600)
    reading = asyncio.create_task(read(group.stream(asked())))
    await asyncio.sleep(2.0)
    assert standing.breaker.state is BreakerState.CLOSED
    assert of(await reading, ToolCall) == [call]
    record = group._roster.circumstances.reliability.record("mortal:m")
    assert record.first_token == pytest.approx(1.5, abs=0.2)


async def test_the_policy_of_a_single_call_wins_over_the_groups() -> None:
    def dying() -> Mortal:
        return Mortal("dying", [Fate(text("half "), errors.StreamBroken("it died", remedy="Wait."))])

    steady = Mortal("steady", [Fate(text("half an answer"))])
    with pytest.raises(errors.StreamBroken):
        await complete(group_of(dying(), steady), asked(), Terms(policy=Policy(ways=())))
    anew = await complete(group_of(dying(), steady), asked(), Terms(policy=Policy(ways=(Way.RESTART,))))
    assert anew.text == "half an answer"
    assert anew.switches[0].way == "restart"
    told = await complete(group_of(dying(), steady), asked())
    assert told.text == "half an answer"
    assert told.switches[0].way == "retell"


async def test_a_limit_of_each_call_is_a_policy() -> None:
    member = Mortal("m", [Fate(text(*["word "] * 500))])
    with pytest.raises(errors.BudgetSpent, match="call's limit"):
        await complete(group_of(member, policy=Policy(call=Limit(tokens=100))), asked())


async def test_a_pause_that_lasts_gives_the_connection_up_and_goes_on_by_the_rules() -> None:
    fate = Fate(text("one ", "two ", "three"), pause=1.0)
    member = Mortal("m", [fate, Fate(text("two three"))])
    stream = group_of(member, policy=Policy(hold=5.0)).stream(asked())
    seen = [await anext(stream), await anext(stream)]
    stream.control.pause()
    await asyncio.sleep(6)
    assert member.open == 0
    stream.control.resume()
    seen += await read(stream)
    (seam,) = of(seen, Switched)
    assert (seam.left, seam.joined, seam.failure) == ("mortal:m", "mortal:m", "cancelled")
    assert said(seen) == "one two three"
    assert len(of(seen, Stopped)) == 1
    assert not group_of(member).members[0].breaker.opens


async def test_a_pause_of_what_is_read_ahead_gives_the_connection_up_too_and_goes_on() -> None:
    member = Mortal("m", [Fate(text(*"abcdefgh"), pause=1.0), Fate(text(*"defgh"), pause=1.0)])
    stream = group_of(member, policy=Policy(hold=5.0)).stream(asked()).buffered(2)
    seen = [await anext(stream)]
    stream.control.pause()
    await asyncio.sleep(4)
    assert member.open == 1
    assert [chunk.text for chunk in of(stream.control.buffered, TextDelta)] == ["b", "c"]
    await asyncio.sleep(2)
    assert member.open == 0
    await asyncio.sleep(60)
    assert len(member.lives) == 1
    stream.control.resume()
    seen += await read(stream)
    assert said(seen) == "abcdefgh"
    assert len(of(seen, Switched)) == 1


async def test_usage_and_price_are_those_of_everybody_who_was_paid(tmp_path: Path) -> None:
    known = tmp_path / "models.toml"
    known.write_text(
        '["mortal:*"]\nprice = { input = 1000, output = 10_000 }\n["mortal:free"]\nprice = "unknown"\n'
    )
    prices = Prices(Models.load(known))
    dying = Mortal("dying", [Fate(text("a ", "b "), errors.Overloaded("full", remedy="Wait."))])
    steady = Mortal("steady", [Fate(text("c"))])
    reply = await complete(group_of(dying, steady, prices=prices), asked())
    assert replace(reply.usage, cost_usd=None) == Usage(14, 3, cost_usd=None, calls=2)
    assert reply.usage.cost_usd == pytest.approx(14 * 0.001 + 3 * 0.01)
    unpriced = await complete(group_of(Mortal("free", [Fate(text("c"))]), prices=prices), asked())
    assert unpriced.usage.cost_usd is None


async def test_a_choice_and_its_reason_are_told_and_can_be_read_afterwards() -> None:
    first, second = Mortal("a", [Fate(text("x"))]), Mortal("b", [Fate(text("y"))])
    group = ProviderGroup([first, second], task_aware, name="fast")
    reply: Reply = await complete(group, replace(asked(), task=TaskType.CODE))
    (chosen,) = reply.choices
    assert chosen == Chosen(
        "group:fast", "mortal:a", "of unknown strength at code", TaskType.CODE, ("mortal:b",)
    )
    assert group.choices == (chosen,)


class Plain:
    """A provider as somebody writes their first one: it says nothing of what it took."""

    info = ProviderInfo("plain:words", "plain", "words")

    async def _chunks(self) -> AsyncGenerator[Chunk]:
        for _ in range(20):
            yield TextDelta("word ")
        yield Stopped("end", "plain", "words")

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:  # noqa: ARG002 - it minds neither
        return Stream(self._chunks())

    async def aclose(self) -> None:
        """Nothing is open."""


async def test_what_a_member_took_that_does_not_say_so_is_estimated_and_told() -> None:
    budget = Budget(Limit(tokens=10_000))
    reply = await complete(ProviderGroup([Plain()]), asked(), Terms(budget=budget))
    assert reply.usage.estimated
    assert reply.usage.calls == 1
    assert reply.usage.output_tokens >= 20
    assert reply.usage == budget.spent
