"""The call ledger: what was paid once is answered from here, and is the same answer."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.chunks import Citation, ReasoningDelta, Reply, Retracted, Stopped, Switched, TextDelta, Usage
from atlas_mcp.database import Database, open_database
from atlas_mcp.downstream.toolbox import Found, Tool, Toolbox
from atlas_mcp.errors import BudgetSpent, LeaseLost, Overloaded, ToolRefused
from atlas_mcp.messages import Intent, Message, Passage, Prompt, Source, Text, ToolCall, ToolResult, ToolSpec
from atlas_mcp.orchestration.lease import Lease, Leases
from atlas_mcp.orchestration.ledger import Ledger, LedgeredProvider, LedgeredToolbox
from atlas_mcp.orchestration.store import MIGRATIONS
from atlas_mcp.providers.provider import ProviderInfo, complete
from atlas_mcp.providers.scripted import Script, ScriptedProvider
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.providers.provider import Provider

PASSAGE = Passage("p1", Source("ab", "file:///t", "T", "2026-01-01"), "The Moon pulls.", 0, heading="Tides")
WORDS = st.text(max_size=12)
CHUNKS = st.one_of(
    st.builds(TextDelta, WORDS),
    st.builds(ReasoningDelta, WORDS, st.none() | WORDS),
    st.builds(ToolCall, WORDS, WORDS, st.dictionaries(WORDS, st.integers() | WORDS | st.none(), max_size=3)),
    st.builds(Citation, WORDS, st.integers(0, 9), st.integers(0, 9), WORDS),
    st.builds(Switched, WORDS, WORDS, WORDS),
    st.builds(Retracted, st.integers(0, 20), WORDS),
    st.builds(
        Usage,
        *(st.integers(0, 99),) * 4,
        cost_usd=st.none() | st.floats(0, 9),
        estimated=st.booleans(),
        calls=st.integers(0, 3),
    ),
)
STOPS = st.builds(
    Stopped, st.sampled_from(["end", "tool_calls", "length", "refused"]), WORDS, WORDS, st.booleans()
)


class Saying:
    """A provider that streams given chunks and counts how often it was asked."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks
        self.asked = 0
        self.info = ProviderInfo("test:saying", "test", "saying")

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:  # noqa: ARG002 - it says the same to all
        return Stream(self._said())

    async def _said(self) -> AsyncGenerator[Chunk]:
        self.asked += 1
        for chunk in self.chunks:
            yield chunk

    async def aclose(self) -> None: ...


class Payments:
    """What a run hears of its calls."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.gated = 0

    async def gate(self) -> None:
        self.gated += 1


def prompt(about: str = "tides") -> Prompt:
    return Prompt((Message("user", (Text(about),)),), Intent.PLAN, about)


def ledgered(
    provider: Provider, ledger: Ledger, payments: Payments, path: str = "plan/1"
) -> LedgeredProvider:
    return LedgeredProvider(provider, ledger, path, payments.replies.append, payments.gate)


@pytest.fixture
async def database(home: Path) -> AsyncGenerator[Database]:
    async with open_database(home / "runs.db", MIGRATIONS) as opened:
        yield opened


@pytest.fixture
async def leases(database: Database, home: Path) -> AsyncGenerator[Leases]:
    leases = Leases(database, home / "owners")
    with leases.living():
        yield leases


@pytest.fixture
async def lease(leases: Leases) -> Lease:
    taken = await leases.take("r_1")
    assert taken is not None
    return taken


@pytest.fixture
def ledger(database: Database, lease: Lease) -> Ledger:
    return Ledger(database, lease)


class Shop:
    """One database for all examples of a law."""

    def __init__(self, database: Database, leases: Leases) -> None:
        self.database, self.leases, self.runs = database, leases, 0

    async def ledger(self) -> Ledger:
        self.runs += 1
        lease = await self.leases.take(f"r_{self.runs}")
        assert lease is not None
        return Ledger(self.database, lease)


def test_what_is_told_from_the_ledger_folds_to_the_same_reply_as_the_first_telling(tmp_path: Path) -> None:
    @settings(deadline=None, max_examples=60)
    @given(chunks=st.lists(CHUNKS, max_size=12), stopped=STOPS)
    def law(chunks: list[Chunk], stopped: Stopped) -> None:
        async def told() -> None:
            provider, payments = Saying([*chunks, stopped]), Payments()
            ledger = await shop.ledger()
            first = await complete(ledgered(provider, ledger, payments), prompt())
            again = await complete(ledgered(provider, ledger, payments), prompt())
            assert again == first
            assert payments.replies == [first]
            assert (provider.asked, payments.gated) == (1, 1)
            assert await ledger.replies() == [first]

        runner.run(told())

    async def opened() -> tuple[Shop, Any]:
        opening = open_database(tmp_path / "runs.db", MIGRATIONS)
        database = await opening.__aenter__()
        return Shop(database, Leases(database, tmp_path / "owners")), opening

    with asyncio.Runner() as runner:
        shop, opening = runner.run(opened())
        with shop.leases.living():
            law()
        runner.run(opening.__aexit__(None, None, None))


async def test_a_reply_is_committed_before_its_reader_sees_the_end(ledger: Ledger) -> None:
    provider = ledgered(Saying([TextDelta("The Moon."), Stopped("end", "t", "m")]), ledger, Payments())
    async with provider.stream(prompt()) as stream:
        async for chunk in stream:
            committed = len(await ledger.replies())
            assert committed == (not isinstance(chunk, TextDelta))


async def test_another_prompt_position_path_or_run_is_another_call(
    database: Database, leases: Leases, ledger: Ledger
) -> None:
    saying, payments = Saying([Stopped("end", "t", "m")]), Payments()
    provider = ledgered(saying, ledger, payments)
    await complete(provider, prompt())
    await complete(provider, prompt())
    await complete(ledgered(saying, ledger, payments), prompt("moons"))
    await complete(ledgered(saying, ledger, payments, "compose"), prompt())
    other = await leases.take("r_2")
    assert other is not None
    await complete(ledgered(saying, Ledger(database, other), payments), prompt())
    assert saying.asked == 5
    assert all(reply.usage.calls == 1 for reply in payments.replies)


async def test_a_call_that_fails_in_mid_answer_is_not_finished_and_is_made_again(ledger: Ledger) -> None:
    dies = '[[reply]]\nsay = "The Moon pulls."\nfail = "overloaded"\nafter = 2\ntimes = 1\n'
    script = f'{dies}[[reply]]\nsay = "The Moon."\n'
    provider, payments = ScriptedProvider(Script.parse(script)), Payments()
    with pytest.raises(Overloaded):
        await complete(ledgered(provider, ledger, payments), prompt())
    assert (payments.replies, await ledger.replies()) == ([], [])
    assert (await complete(ledgered(provider, ledger, payments), prompt())).text == "The Moon."


async def test_a_reader_that_leaves_in_mid_answer_finishes_nothing(ledger: Ledger) -> None:
    saying, payments = Saying([TextDelta("The "), TextDelta("Moon"), Stopped("end", "t", "m")]), Payments()
    async with ledgered(saying, ledger, payments).stream(prompt()) as stream:
        async for _ in stream:
            break
    assert (payments.replies, await ledger.replies()) == ([], [])


async def test_the_gate_may_refuse_what_must_be_paid_and_is_not_asked_for_what_was(ledger: Ledger) -> None:
    saying = Saying([TextDelta("The Moon."), Stopped("end", "t", "m")])

    async def shut() -> None:
        raise BudgetSpent("No more.")

    provider = LedgeredProvider(saying, ledger, "plan/1", lambda _: None, shut)
    with pytest.raises(BudgetSpent):
        await complete(provider, prompt())
    assert saying.asked == 0
    await complete(ledgered(saying, ledger, Payments()), prompt())
    again = LedgeredProvider(saying, ledger, "plan/1", lambda _: None, shut)
    assert (await complete(again, prompt())).text == "The Moon."


async def test_an_owner_that_lost_its_run_cannot_finish_a_call(
    leases: Leases, lease: Lease, ledger: Ledger
) -> None:
    await leases.release(lease)
    assert await leases.take("r_1") is not None
    payments = Payments()
    with pytest.raises(LeaseLost):
        await complete(ledgered(Saying([Stopped("end", "t", "m")]), ledger, payments), prompt())
    assert (payments.replies, await ledger.replies()) == ([], [])


async def test_closing_a_ledgered_provider_leaves_the_provider_open(ledger: Ledger) -> None:
    provider = ScriptedProvider(Script.parse('[[reply]]\nsay = "The Moon."\n'))
    await ledgered(provider, ledger, Payments()).aclose()
    assert (await complete(provider, prompt())).text == "The Moon."


class Search:
    """A tool that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def run(self, arguments: dict[str, Any]) -> Found:
        self.calls += 1
        return Found(f"search {self.calls}: {sorted(arguments)}", (PASSAGE,))

    def box(self, ledger: Ledger) -> LedgeredToolbox:
        spec = ToolSpec("search", "Searches.", {"type": "object"})
        return LedgeredToolbox(Toolbox([Tool(spec, self.run)], ["*"]), ledger, "work/a1")


async def test_a_tools_result_is_kept_and_is_the_same_when_the_step_is_walked_again(ledger: Ledger) -> None:
    search = Search()
    calls = [ToolCall("c1", "search", {"query": q, "k": 1}) for q in ("tides", "moon", "tides")]
    box = search.box(ledger)
    assert [spec.name for spec in box.specs] == ["search"]
    first = [await box.call(call) for call in calls]
    again = search.box(ledger)
    backwards = [ToolCall(call.id, call.name, dict(reversed(call.arguments.items()))) for call in calls]
    assert [await again.call(call) for call in backwards] == first
    assert search.calls == 3
    assert first[0].passages == (PASSAGE,)


async def test_a_failed_tool_call_is_kept_too(ledger: Ledger) -> None:
    search = Search()
    failed = await search.box(ledger).call(ToolCall("c1", "delete", {}))
    assert failed.error
    assert await search.box(ledger).call(ToolCall("c1", "delete", {})) == failed


async def test_tool_calls_and_model_calls_of_one_step_do_not_meet(ledger: Ledger) -> None:
    await Search().box(ledger).call(ToolCall("c1", "search", {}))
    assert await ledger.replies() == []


async def test_a_stream_left_early_closes_the_provider_behind_it(ledger: Ledger) -> None:
    closed = asyncio.Event()

    class Endless(Saying):
        async def _said(self) -> AsyncGenerator[Chunk]:
            try:
                while True:
                    yield TextDelta("tide ")
            finally:
                closed.set()

    async with aclosing(ledgered(Endless([]), ledger, Payments()).stream(prompt())) as stream:
        await anext(stream)
    assert closed.is_set()


class Mailing:
    """A tool that sends, behind a gate that asks; either may never come back."""

    def __init__(self, *, asking: bool = False, sending: bool = False) -> None:
        self.asking, self.sending = asking, sending
        self.asked, self.sent = asyncio.Event(), asyncio.Event()

    async def approve(self, tool: Tool, call: ToolCall) -> str:
        assert (tool.spec.name, call.name) == ("send", "send")
        self.asked.set()
        if self.asking:
            await asyncio.Event().wait()
        return ""

    async def refused(self, call: ToolCall, error: ToolRefused) -> None:
        raise AssertionError(f"{call.name}: {error}")

    async def run(self, arguments: dict[str, Any]) -> Found:
        assert arguments == {}
        self.sent.set()
        if self.sending:
            await asyncio.Event().wait()
        return Found("It is sent.")

    async def call(self, ledger: Ledger) -> ToolResult:
        tool = Tool(
            ToolSpec("send", "Sends.", {"type": "object"}), self.run, reads=False, ask=True, address="m/send"
        )
        box = Toolbox([tool], [], ["m/*"], self)
        return await LedgeredToolbox(box, ledger, "work/a1", effects=box.effects).call(
            ToolCall("c1", "send", {})
        )

    async def killed(self, ledger: Ledger, until: asyncio.Event) -> None:
        """Let the process end in the middle of the call."""
        calling = asyncio.create_task(self.call(ledger))
        await until.wait()
        calling.cancel()
        await asyncio.wait({calling})


async def test_a_call_that_was_under_way_when_the_process_ended_is_not_made_again(ledger: Ledger) -> None:
    first, again = Mailing(sending=True), Mailing()
    await first.killed(ledger, first.sent)
    result = await again.call(ledger)
    assert result.error
    assert "is not known" in result.text
    assert not again.sent.is_set()


async def test_a_call_of_which_a_person_was_being_asked_when_the_process_ended_is_asked_for_and_made(
    ledger: Ledger,
) -> None:
    first, again = Mailing(asking=True), Mailing()
    await first.killed(ledger, first.asked)
    assert (await again.call(ledger)).text == "It is sent."
