"""Clients that lend their models: a real server asks real clients, in whatever way they answer or do not."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    CreateMessageResult,
    CreateMessageResultWithTools,
    ErrorData,
    SamplingCapability,
    SamplingToolsCapability,
    TextContent,
    ToolUseContent,
)

from atlas_mcp import errors
from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.messages import ToolSpec
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.registry import Registry
from atlas_mcp.providers.sampling import open_provider
from atlas_mcp.providers.sampling_sessions import SamplingSessions
from atlas_mcp.providers.terms import Policy, Terms
from tests.providers.asking import until
from tests.providers.mortal import Fate, Mortal, asked, text
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from mcp_types import CreateMessageRequestParams

    from atlas_mcp.providers.sampling import SamplingProvider

SEARCH = ToolSpec("search", "Finds.", {"type": "object", "properties": {}})
TOOLS = SamplingCapability(tools=SamplingToolsCapability())
NOBODY = "No client is connected"


class Lending:
    """A server with one tool, `wait`, whose caller lends its model until `done`.

    `asked` is what clients were asked, `waiting` how often the tool was called.
    """

    def __init__(self) -> None:
        self.sessions = SamplingSessions()
        self.provider = open_provider("sonnet", sessions=self.sessions)
        self.done = asyncio.Event()
        self.asked: list[CreateMessageRequestParams] = []
        self.waiting = 0
        self.server = MCPServer("lends")
        self.server.tool()(self.wait)

    async def wait(self, ctx: Context) -> str:
        """Lend until it is done."""
        with self.sessions.lent(ctx.session, ctx.request_id):
            self.waiting += 1
            await self.done.wait()
        return "done"

    def client(self, answer: Callable[[], Any] | None, *, mode: Any = "legacy", **more: Any) -> Client:
        """A client; `answer` makes what its model says, or its error; without one it offers nothing."""

        async def sample(context: Any, params: CreateMessageRequestParams) -> Any:
            self.asked.append(params)
            made = answer() if answer else None
            return await made if asyncio.iscoroutine(made) else made

        return Client(self.server, mode=mode, sampling_callback=sample if answer else None, **more)

    @asynccontextmanager
    async def calling(self, answer: Callable[[], Any] | None, **more: Any) -> AsyncGenerator[None]:
        """While inside, a client waits for the tool."""
        before = self.waiting
        async with self.client(answer, **more) as client:
            calling = asyncio.create_task(client.call_tool("wait", {}))
            await until(lambda: self.waiting > before)
            try:
                yield
            finally:
                self.done.set()
                await calling
                self.done.clear()


@pytest.fixture
def lending() -> Lending:
    return Lending()


def says(words: str, stop: str = "endTurn") -> Callable[[], Any]:
    content = TextContent(text=words)
    return lambda: CreateMessageResult(role="assistant", content=content, model="claude-x", stop_reason=stop)


def fails(code: int, message: str) -> Callable[[], Any]:
    return lambda: ErrorData(code=code, message=message)


async def failure(provider: SamplingProvider, *, terms: Terms | None = None, **fields: Any) -> Any:
    with pytest.raises(errors.ProviderError) as caught:
        await complete(provider, asked(**fields), terms or Terms(policy=Policy(wait=0.0)))
    assert (caught.value.provider, bool(caught.value.remedy)) == ("sampling", True)
    return caught.value


async def test_a_client_is_asked_and_its_model_is_named(lending: Lending) -> None:
    async with lending.calling(says("The moon.")):
        reply = await complete(lending.provider, asked(system="Be brief.", max_output_tokens=7))
    assert (reply.text, reply.stopped.model, reply.stopped.reason) == ("The moon.", "claude-x", "end")
    assert (reply.usage.calls, reply.usage.estimated, reply.usage.cost_usd) == (1, True, None)
    (params,) = lending.asked
    assert (params.system_prompt, params.max_tokens, params.tools) == ("Be brief.", 7, None)
    assert params.model_preferences is not None
    assert [hint.name for hint in params.model_preferences.hints or []] == ["sonnet"]


async def test_a_client_whose_model_has_tools_calls_them(lending: Lending) -> None:
    call = ToolUseContent(id="c1", name="search", input={"q": 1})
    answer = CreateMessageResultWithTools(
        role="assistant", content=[TextContent(text="I look."), call], model="m", stop_reason="toolUse"
    )
    async with lending.calling(lambda: answer, sampling_capabilities=TOOLS):
        reply = await complete(lending.provider, asked(tools=(SEARCH,)))
    assert (reply.text, [one.arguments for one in reply.calls]) == ("I look.", [{"q": 1}])
    assert [tool.name for tool in lending.asked[0].tools or []] == ["search"]


async def test_a_client_without_tools_answers_without_them_where_none_must_be_called(
    lending: Lending,
) -> None:
    async with lending.calling(says("The moon.")):
        assert (await complete(lending.provider, asked(tools=(SEARCH,)))).text == "The moon."
        error = await failure(lending.provider, tools=(SEARCH,), tool_choice="required")
    (params,) = lending.asked
    assert (params.tools, params.system_prompt) == (
        None, "You cannot call tools now. Work from what you are given.",
    )  # fmt: skip
    assert isinstance(error, errors.Unsupported)


async def test_of_several_clients_one_that_can_is_asked(lending: Lending) -> None:
    async with lending.calling(says("able"), sampling_capabilities=TOOLS), lending.calling(says("unable")):
        assert (await complete(lending.provider, asked(tools=(SEARCH,)))).text == "able"
        assert (await complete(lending.provider, asked())).text == "unable"  # it came last


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_client_that_offers_nothing_or_cannot_be_asked_is_nobody(lending: Lending, mode: Any) -> None:
    async with lending.calling(None if mode == "legacy" else says("?"), mode=mode):
        error = await failure(lending.provider)
        assert not (await lending.provider.check()).answers
    assert isinstance(error, errors.Unavailable)
    assert NOBODY in error.message


async def test_whether_somebody_is_there_can_be_looked_at(lending: Lending) -> None:
    async with lending.calling(says("?")):
        assert (await lending.provider.check()).answers
    found = await lending.provider.check()
    assert (found.answers, "Ask from a client that offers sampling" in found.remedy) == (False, True)


@pytest.mark.parametrize(
    ("code", "leaf"),
    [
        (-1, errors.ContentRefused),
        (-32600, errors.Unavailable),
        (-32601, errors.Unavailable),
        (-32602, errors.InvalidRequest),
        (-32603, errors.ServerFailed),
        (-32001, errors.ProviderTimeout),
    ],
)
async def test_what_a_client_fails_with_is_one_of_our_errors(
    lending: Lending, code: int, leaf: type[errors.ProviderError]
) -> None:
    async with lending.calling(fails(code, "sk-very-secret-0123456789 says no.")):
        error = await failure(lending.provider)
    assert type(error) is leaf
    assert error.message == "The client did not answer: [secret] says no."


async def test_a_client_that_leaves_while_it_is_asked_is_a_connection_that_failed(lending: Lending) -> None:
    asking = asyncio.Event()

    async def never() -> None:
        asking.set()
        await asyncio.Event().wait()

    async with lending.client(never) as client:
        calling = asyncio.create_task(client.call_tool("wait", {}))
        await until(lambda: lending.waiting)
        failing = asyncio.create_task(failure(lending.provider))
        await asking.wait()
        calling.cancel()
    assert isinstance(await failing, errors.ConnectionFailed)


async def test_cancelling_the_stream_cancels_what_the_client_is_asked(lending: Lending) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with lending.calling(slowly):
        stream = lending.provider.stream(asked())
        reading = asyncio.create_task(anext(stream))
        await begun.wait()
        stream.control.cancel("enough")
        with pytest.raises(errors.Cancelled):
            await reading
        await asyncio.wait_for(ended.wait(), 5)
        assert stream.usage.calls == 0


async def test_a_client_that_never_answers_is_left(lending: Lending) -> None:
    async with lending.calling(asyncio.Event().wait):
        error = await failure(lending.provider, terms=Terms(policy=Policy(first_token=0.05)))
    assert isinstance(error, errors.ProviderTimeout)


async def test_what_may_still_be_spent_limits_the_answer_beforehand(lending: Lending) -> None:
    budget = Budget(Limit(tokens=100), name="run")
    async with lending.calling(says("ok")):
        await complete(ProviderGroup.alone(lending.provider), asked(), Terms(budget=budget))
    assert 80 < lending.asked[0].max_tokens < 100
    assert budget.spent.tokens < 20


async def test_an_answer_is_still_taken_after_the_clients_request_has_ended(lending: Lending) -> None:
    """A person may be looking at a question for longer than their client waits for its tool."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> Any:
        begun.set()
        await go_on.wait()
        return says("late")()

    async with lending.client(slowly) as client:
        calling = asyncio.create_task(client.call_tool("wait", {}))
        await until(lambda: lending.waiting)
        replying = asyncio.create_task(complete(lending.provider, asked()))
        await begun.wait()
        lending.done.set()
        await calling
        assert lending.sessions.there() == []
        go_on.set()
        assert (await replying).text == "late"


class Stub:
    """A session of a client that lends its model, without a wire."""

    can_send_request = True
    client_capabilities = type("Capabilities", (), {"sampling": SamplingCapability()})


def test_between_two_requests_of_a_client_the_next_is_waited_for_and_then_no_longer() -> None:
    async def waits() -> None:
        loop, sessions = asyncio.get_running_loop(), SamplingSessions()
        with sessions.lent(Stub(), "1"):
            pass
        borrowing = asyncio.create_task(sessions.borrow(calls=False, wait=30.0))
        await asyncio.sleep(20.0)
        with sessions.lent(Stub(), "2"):
            assert (await borrowing).request_id == "2"
        left = loop.time()
        for waited in (30.0, 0.0):
            since = loop.time()
            with pytest.raises(errors.Unavailable, match=NOBODY):
                await sessions.borrow(calls=False, wait=30.0)
            assert loop.time() - since == pytest.approx(waited)
        assert loop.time() - left == pytest.approx(30.0)

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(waits())


# In a group -------------------------------------------------------------------------------------------------


async def test_a_group_asks_a_client_while_one_is_there_and_skips_it_while_none_is(lending: Lending) -> None:
    model = Mortal("m", [Fate(text("model"))])
    group = ProviderGroup([lending.provider, model], name="g")
    assert (await complete(group, asked())).text == "model"
    async with lending.calling(says("client")):
        assert (await complete(group, asked())).text == "client"
    assert (await complete(group, asked())).text == "model"
    assert [member.breaker.opens for member in group.members] == [0, 0]


async def test_a_group_asks_no_client_without_tools_what_may_need_them(lending: Lending) -> None:
    group = ProviderGroup([lending.provider, Mortal("m", [Fate(text("model"))])], name="g")
    async with lending.calling(says("client")):
        assert (await complete(group, asked(tools=(SEARCH,)))).text == "model"
    async with lending.calling(says("client"), sampling_capabilities=TOOLS):
        assert (await complete(group, asked(tools=(SEARCH,)))).text == "client"


async def test_a_group_goes_on_where_a_client_fails(lending: Lending) -> None:
    group = ProviderGroup([lending.provider, Mortal("m", [Fate(text("model"))])], name="g")
    async with lending.calling(fails(-32603, "broken")):
        reply = await complete(group, asked(), Terms(policy=Policy(attempts=1)))
    assert (reply.text, [switch.left for switch in reply.switches]) == ("model", ["sampling:sonnet"])


async def test_nobody_in_a_group_says_that_no_client_was_there(lending: Lending) -> None:
    dead = Mortal("m", [Fate((), errors.Authentication("No key."), reports=False)])
    group = ProviderGroup([lending.provider, dead], name="g")
    with pytest.raises(errors.Unavailable, match="sampling:sonnet: lacks anybody who could be asked"):
        await complete(group, asked())


def test_sampling_is_never_the_last_resort_of_a_group(lending: Lending) -> None:
    with pytest.raises(InvalidConfiguration, match="no last resort"):
        ProviderGroup([Mortal("m", []), lending.provider], name="g")


async def test_the_registry_opens_it_over_the_clients_of_its_server() -> None:
    registry = Registry()
    with registry.sampling.lent(Stub(), "1"):
        assert (await registry.open("sampling").check()).answers
    assert not (await registry.open("sampling").check()).answers
    await registry.aclose()
