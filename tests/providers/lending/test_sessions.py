"""Sessions of the endpoint: who may ask, what it may cost, who ends it, what a client leaves behind."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest

from atlas_mcp import errors
from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.lending.endpoint import LARGEST_BODY, open_endpoint
from atlas_mcp.providers.openai import open_provider
from atlas_mcp.providers.terms import TERMS, Terms
from tests.fakes.model_server import FakeModels
from tests.providers.asking import KEY, closed_after, until
from tests.providers.lending.endpoints import HELLO, asking, group, speaking, text_of
from tests.providers.mortal import Fate, Mortal, text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.provider import ProviderInfo
    from atlas_mcp.providers.stream import Stream
    from atlas_mcp.providers.vendor import VendorProvider

WHOLE = Fate(text("The ", "moon"))
NEVER_ENDS = Fate(text("The ", *["tide "] * 10_000), pause=0.01)
BODY = {"model": "gpt", "messages": HELLO}


@pytest.fixture
async def upstream() -> AsyncGenerator[FakeModels]:
    async with FakeModels(tokens=1_000, seconds=0.02) as running:
        yield running


@pytest.fixture
async def vendor(upstream: FakeModels) -> AsyncGenerator[VendorProvider]:
    provider = open_provider("fake-model", api_key=KEY, base_url=upstream.url)
    yield provider
    await provider.aclose()


# Who may ask ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer sk-atlas-wrong", "Basic {key}", "{key}"]
)
async def test_nobody_asks_without_the_key(authorization: str | None) -> None:
    async with asking(Mortal("m", [WHOLE])) as on, httpx2.AsyncClient() as client:
        key = on.session.key.get_secret_value()
        headers = {} if authorization is None else {"authorization": authorization.format(key=key)}
        for answer in (
            await client.post(f"{on.session.url}/chat/completions", json=BODY, headers=headers),
            await client.get(f"{on.session.url}/models", headers=headers),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert on.session.requests == 0


async def test_a_page_of_another_site_reaches_nothing_even_with_the_key() -> None:
    async with asking(Mortal("m", [WHOLE])) as on, httpx2.AsyncClient() as client:
        client.headers["authorization"] = f"Bearer {on.session.key.get_secret_value()}"
        for host in ("evil.example", "127.0.0.1.evil.example:80", ""):
            answer = await client.get(f"{on.session.url}/models", headers={"host": host})
            assert answer.status_code == 421
        answer = await client.get(f"{on.session.url}/models", headers={"host": "localhost:1"})
        assert answer.status_code == 200


async def test_there_are_two_paths_and_one_way_to_each() -> None:
    async with asking(Mortal("m", [WHOLE])) as on, httpx2.AsyncClient() as client:
        client.headers["authorization"] = f"Bearer {on.session.key.get_secret_value()}"
        statuses = {
            (method, path): (await client.request(method, on.session.url + path)).status_code
            for method, path in [
                ("GET", "/chat/completions"), ("POST", "/models"), ("OPTIONS", "/models"),
                ("POST", "/responses"), ("GET", "/models/gpt"), ("GET", "/../metrics"),
            ]
        }  # fmt: skip
    assert list(statuses.values()) == [405, 405, 405, 404, 404, 404]


@pytest.mark.parametrize("declared", [True, False])
async def test_a_request_of_many_megabytes_is_refused_and_the_endpoint_lives_on(declared: bool) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(LARGEST_BODY // (1 << 20) + 1):
            yield b" " * (1 << 20)

    async with asking(Mortal("m", [WHOLE])) as on, httpx2.AsyncClient() as client:
        content = b" " * (LARGEST_BODY + 1) if declared else pieces()
        headers = {"authorization": f"Bearer {on.session.key.get_secret_value()}"}
        answer = await client.post(f"{on.session.url}/chat/completions", content=content, headers=headers)
        assert answer.status_code == 413
        assert (await on.whole()).choices[0].message.content == "The moon"


async def test_the_key_is_in_no_log_and_in_nothing_that_is_shown(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        # A server that another test started may have set up logging for the whole process.
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        caplog.set_level(5, logger=name)  # its most talkative
    async with asking(group(Mortal("m", [WHOLE, Fate((), errors.Overloaded("No."))]))) as on:
        await on.whole()
        with pytest.raises(openai.APIError):
            await on.stream()
        secret = on.session.key.get_secret_value()
        shown = f"{on.session!r} {on.session.key!r} {caplog.text}"
    assert "POST /v1/chat/completions" in shown
    # The client under test is not ours, and logs what it sends.
    ours = [line for line in caplog.records if not line.name.startswith(("openai", "httpx2", "httpcore2"))]
    assert secret not in f"{on.session!r} {on.session.key!r} {[line.getMessage() for line in ours]}"


async def test_a_port_in_use_is_told_in_a_sentence() -> None:
    async with open_endpoint() as endpoint:
        port = int(endpoint.url.split(":")[2].partition("/")[0])
        with pytest.raises(InvalidConfiguration, match=f"port {port}"):
            async with open_endpoint(port):
                pass


# What it may cost -------------------------------------------------------------------------------------------


async def test_a_budget_cuts_an_answer_off_within_one_piece_and_refuses_the_next() -> None:
    budget = Budget(Limit(tokens=200), name="session")
    mortal = Mortal("m", [Fate(text(*["tide"] * 1_000))])
    async with asking(group(mortal), budget=budget) as on:
        stream = await on.stream()
        with pytest.raises(openai.APIError, match="limit of 200 tokens") as cut:
            await text_of(stream)
        assert cut.value.code == "insufficient_quota"
        assert budget.spent.tokens == on.session.usage.tokens
        assert 200 <= on.session.usage.tokens <= 202
        with pytest.raises(openai.RateLimitError, match="limit of 200 tokens") as refused:
            await on.whole()
        assert refused.value.code == "insufficient_quota"
    assert ([life.opened for life in mortal.lives], mortal.open) == ([True, False], 0)


class Before:
    """A provider that stands before another, as a run's ledger does, and says what that one is."""

    def __init__(self, behind: ProviderGroup) -> None:
        self._behind = behind

    @property
    def info(self) -> ProviderInfo:
        return self._behind.info

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        return self._behind.stream(prompt, terms)

    async def aclose(self) -> None:
        await self._behind.aclose()


async def test_a_provider_by_itself_is_charged_once_whoever_stands_before_it() -> None:
    budget = Budget(Limit(), name="run")
    alone = ProviderGroup.alone(Mortal("m", [Fate(text("tide", "tide"))]))
    async with asking(Before(alone), budget=budget) as on:
        await on.whole()
        assert budget.spent == on.session.usage
    assert budget.spent.calls == 1


async def test_a_whole_answer_is_cut_off_no_later() -> None:
    mortal = Mortal("m", [Fate(text(*["tide"] * 1_000))])
    async with asking(group(mortal), budget=Budget(Limit(tokens=200), name="session")) as on:
        with pytest.raises(openai.RateLimitError, match="limit of 200 tokens"):
            await on.whole()
        assert on.session.usage.tokens <= 202


async def test_two_sessions_spend_their_own_budgets_and_that_above_them() -> None:
    run = Budget(Limit(), name="run")
    small, large = run.child(Limit(calls=1), name="small"), run.child(Limit(calls=9), name="large")
    mortal = Mortal("m", [WHOLE])
    async with open_endpoint() as endpoint:
        with endpoint.session(mortal, budget=small) as one, endpoint.session(mortal, budget=large) as other:
            assert one.key != other.key
            async with speaking(one) as first, speaking(other) as second:
                for client in (first, second, second):
                    await client.chat.completions.create(model="gpt", messages=HELLO)
                with pytest.raises(openai.RateLimitError, match="small's limit of 1 call"):
                    await first.chat.completions.create(model="gpt", messages=HELLO)
            assert (one.usage.calls, other.usage.calls, run.spent.calls) == (1, 2, 3)


async def test_what_it_takes_can_be_read_while_it_streams() -> None:
    async with asking(Mortal("m", [NEVER_ENDS])) as on:
        stream = await on.stream()
        seen = 0
        async for _ in stream:
            if (now := on.session.usage.output_tokens) > 3:
                break
            assert now >= seen
            seen = now
        await stream.close()
        assert on.session.usage.estimated


# Who ends it ------------------------------------------------------------------------------------------------


async def test_cancelling_a_session_ends_its_streams_and_refuses_new_ones_and_touches_no_other() -> None:
    mine, yours = Mortal("mine", [NEVER_ENDS]), Mortal("yours", [WHOLE])
    async with open_endpoint() as endpoint:
        with endpoint.session(mine) as one, endpoint.session(yours) as other:
            async with speaking(one) as first, speaking(other) as second:
                stream = await first.chat.completions.create(model="gpt", messages=HELLO, stream=True)
                await anext(aiter(stream))
                one.cancel("the run was cancelled")
                with pytest.raises(openai.APIError, match="the run was cancelled") as cut:
                    await text_of(stream)
                assert cut.value.code == "cancelled"
                with pytest.raises(openai.PermissionDeniedError, match="the run was cancelled"):
                    await first.chat.completions.create(model="gpt", messages=HELLO)
                answer = await second.chat.completions.create(model="gpt", messages=HELLO)
                assert answer.choices[0].message.content == "The moon"
            await until(lambda: mine.open == 0)


async def test_a_closed_sessions_key_is_worth_nothing() -> None:
    async with open_endpoint() as endpoint:
        with endpoint.session(Mortal("m", [WHOLE])) as session:
            pass
        async with speaking(session) as client:
            with pytest.raises(openai.AuthenticationError):
                await client.models.list()


async def test_closing_the_endpoint_ends_what_is_under_way() -> None:
    mortal = Mortal("m", [NEVER_ENDS])
    async with open_endpoint() as endpoint, speaking(endpoint.session(mortal)) as client:
        stream = await client.chat.completions.create(model="gpt", messages=HELLO, stream=True)
        await anext(aiter(stream))
        endpoint.close()
        with pytest.raises(openai.APIError, match="session was closed"):
            await text_of(stream)
    assert mortal.open == 0


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_client_that_leaves_closes_the_vendors_connection_at_once(
    upstream: FakeModels, vendor: VendorProvider, streaming: bool
) -> None:
    async with asking(vendor) as on:
        body: Any = {**BODY, "stream": streaming}
        headers = {"authorization": f"Bearer {on.session.key.get_secret_value()}"}
        async with httpx2.AsyncClient() as client:
            url = f"{on.session.url}/chat/completions"
            left = asyncio.create_task(client.post(url, json=body, headers=headers))
            await until(lambda: upstream.exchanges and upstream.exchanges[-1].sent > 3)
            since = time.perf_counter()
            left.cancel()
            assert await closed_after(upstream, since) < 0.5
        await until(lambda: on.session.usage.estimated)
        assert on.session.usage.output_tokens > 3


async def test_a_client_that_leaves_before_the_first_word_closes_it_too(
    upstream: FakeModels, vendor: VendorProvider
) -> None:
    upstream.seconds = 60.0
    async with asking(vendor) as on:
        left = asyncio.create_task(on.stream())
        await until(lambda: upstream.exchanges)
        since = time.perf_counter()
        left.cancel()
        assert await closed_after(upstream, since) < 0.5


async def test_fifty_streams_at_once_each_get_their_own() -> None:
    mortal = Mortal("m", [Fate(text(*["tide "] * 50), pause=0.001)])
    async with asking(mortal, budget=Budget(Limit(), name="session")) as on:
        said = await asyncio.gather(*[text_of(await on.stream()) for _ in range(50)])
        assert said == ["tide " * 50] * 50
        assert (on.session.usage.calls, on.session.usage.output_tokens) == (50, 2_500)
        assert on.session.budget is not None
        assert on.session.budget.spent == on.session.usage
    assert mortal.open == 0
