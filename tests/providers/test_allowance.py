"""What a vendor's rate limits leave is heard from every answer and refusal, and told of the process."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.app import open_atlas
from atlas_mcp.errors import ProviderError
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.allowance import Allowance, allowance_of
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.provider import complete
from tests.fakes.model_server import FakeModels, Turn
from tests.providers.asking import prompt
from tests.providers.vendors import VENDORS

if TYPE_CHECKING:
    from pathlib import Path

OPENAI = {
    "x-ratelimit-limit-requests": "5000", "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-limit-tokens": "160000", "x-ratelimit-remaining-tokens": "159976",
    "x-ratelimit-reset-requests": "12ms",
}  # fmt: skip
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "5000", "anthropic-ratelimit-requests-remaining": "4999",
    "anthropic-ratelimit-requests-reset": "2026-11-29T17:00:00Z",
    "anthropic-ratelimit-tokens-limit": "160000", "anthropic-ratelimit-tokens-remaining": "159976",
}  # fmt: skip
LEFT = Allowance(4999, 5000, 159976, 160000)


@pytest.mark.parametrize("headers", [OPENAI, ANTHROPIC])
def test_each_vendor_s_headers_say_what_is_left(headers: dict[str, str]) -> None:
    assert allowance_of(headers) == LEFT


def test_what_is_no_limit_is_left_out() -> None:
    assert allowance_of({}) is None
    assert allowance_of({"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-limit-tokens": "-1"}) is None
    assert allowance_of({"x-ratelimit-remaining-requests": "7"}) == Allowance(requests_left=7)


@given(st.dictionaries(st.sampled_from([*OPENAI, *ANTHROPIC]), st.text(max_size=12) | st.just("9" * 5_000)))
def test_whatever_a_server_writes_there_is_a_number_or_nothing(headers: dict[str, str]) -> None:
    told = allowance_of(headers)
    assert told is None or (told.requests_left or 0) >= 0 <= (told.tokens_left or 0)


@pytest.mark.parametrize(
    "turn", [Turn(), Turn(status=400, body={"error": {"message": "no"}})], ids=["an answer", "a refusal"]
)
@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if vendor != "Ollama"])
async def test_an_answer_and_a_refusal_say_it_by_every_wire(vendor: str, turn: Turn) -> None:
    reliability = Reliability()
    async with FakeModels(tokens=5) as server:
        turn.headers.update(ANTHROPIC if vendor == "Anthropic" else OPENAI)
        server.turns.append(turn)
        provider = VENDORS[vendor](server.root)
        group = ProviderGroup([provider], circumstances=Circumstances(reliability, Prices()))
        with suppress(ProviderError):
            await complete(group, prompt())
        await provider.aclose()
    told = reliability.allowance(provider.info.name)
    assert told is not None
    assert told[1] == LEFT


def test_the_least_that_anybody_said_lately_is_what_is_left() -> None:
    now = [0.0]
    reliability = Reliability(clock=lambda: now[0])
    reliability.allowed("old", Allowance(1, 2, 3, 4))
    now[0] = 100.0
    reliability.allowed("one", Allowance(30, 60, None, None))
    reliability.allowed("one", Allowance(40, 60, None, None), ago=1.0)
    reliability.allowed("two", Allowance(20, 60, 500, 1000))
    assert reliability.least_left(60) == {"requests_left": 20, "tokens_left": 500}
    assert reliability.least_left(200) == {"requests_left": 1, "tokens_left": 3}
    now[0] = 1_000.0
    assert reliability.least_left(60) == {}


async def test_a_process_and_its_providers_tell_what_is_left(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeModels(tokens=5) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("ATLAS_MODELS__DEFAULT", "openai:fake-model")
        async with open_atlas() as atlas:
            server.turns.append(Turn(headers=dict(OPENAI)))
            await complete(await atlas.provider(), prompt())
            figures = (await atlas.health.sample()).figures
            overview = await atlas.overview()
    told = next(each for each in overview["providers"] if each["name"] == "openai:fake-model")
    assert (figures["system/requests_left"], figures["system/tokens_left"]) == (4999, 159976)
    assert told["allowance"] == {
        "seconds_ago": told["allowance"]["seconds_ago"], "requests_left": 4999, "requests": 5000,
        "tokens_left": 159976, "tokens": 160000,
    }  # fmt: skip
