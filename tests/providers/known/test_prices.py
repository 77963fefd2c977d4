"""What tokens cost: our arithmetic against the library's, and what is said where nobody knows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import genai_prices
import pytest
from genai_prices import data_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.chunks import Usage
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.known.models import Models
from atlas_mcp.providers.known.prices import Price, Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.roster import Circumstances
from atlas_mcp.providers.strategies import cheapest
from tests.providers.mortal import Fate, Mortal, asked, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

A_MILLION = 1_000_000
LISTED = [
    (provider.id, model.id)
    for provider in data_snapshot.get_snapshot().providers
    if provider.id in {"anthropic", "openai"}
    for model in provider.models
    if provider.find_model(model.id) is not None
]


async def read(models: Models | None = None, **more: Any) -> Prices:
    prices = Prices(models, **more)
    await prices.ready("openai", "gpt-6-astra")
    return prices


@pytest.fixture(scope="module")
def table() -> Prices:
    return asyncio.run(read())


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    given = draw(st.integers(0, 2 * A_MILLION) | st.sampled_from([200_000, 200_001, 272_000, 272_001]))
    cached = draw(st.integers(0, given))
    written = draw(st.integers(0, given - cached))
    said = draw(st.integers(0, 200_000))
    return Usage(given, said, cached, calls=1, cache_write_tokens=written)


# Against the library ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(usage=usages())
def test_every_listed_model_costs_what_the_library_says(table: Prices, usage: Usage) -> None:
    theirs = genai_prices.Usage(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens, cache_write_tokens=usage.cache_write_tokens,
    )  # fmt: skip
    priced = 0
    for vendor, model in LISTED:
        price = table.of(vendor, model)
        told = genai_prices.calc_price(theirs, model, provider_id=vendor)
        if price is None:
            # Of sounds, of pictures, or of what is only read.
            assert told.model_price.output_mtok is None, model
        else:
            priced += 1
            assert price.cost(usage) == pytest.approx(float(told.total_price), rel=1e-9), model
    assert priced > 100


@given(usage=usages())
def test_an_estimate_is_the_cost_of_as_much_with_nothing_cached(table: Prices, usage: Usage) -> None:
    price = table.of("openai", "gpt-5.5")
    assert price
    plain = replace(usage, cached_tokens=0, cache_write_tokens=0)
    assert price.estimate(usage.input_tokens, usage.output_tokens) == pytest.approx(price.cost(plain))


@pytest.mark.parametrize(
    ("name", "into", "out"),
    [
        ("anthropic:claude-opus-5-5", 4, 20),
        ("anthropic:claude-sonnet-5-5", 2, 10),
        ("anthropic:claude-haiku-4-5-20251001", 1, 5),
        ("openai:gpt-6.1-sol", 2, 10),
        ("openai:gpt-5.5", 5, 30),
        ("openai:gpt-5.4-mini", 0.75, 4.5),
    ],
)
def test_prices_are_dollars_a_token(table: Prices, name: str, into: float, out: float) -> None:
    price = table.of(*name.split(":"))
    assert price
    assert (price.input * A_MILLION, price.output * A_MILLION) == pytest.approx((into, out))


def test_a_prompt_beyond_a_tier_costs_more_from_its_first_token_on(table: Prices) -> None:
    price = table.of("openai", "gpt-5.5")
    assert price
    assert price.estimate(272_000, 1_000) == pytest.approx(272_000 * 5e-6 + 1_000 * 30e-6)
    assert price.estimate(272_001, 1_000) == pytest.approx(272_001 * 10e-6 + 1_000 * 45e-6)


def test_where_a_cache_has_no_rate_of_its_own_it_costs_as_input() -> None:
    price = Price(2.0, 10.0)
    assert price.cost(Usage(10, 1, cached_tokens=4, cache_write_tokens=3)) == 30.0
    assert replace(price, cached=0.0, cache_write=3.0).cost(Usage(10, 1, 4, cache_write_tokens=3)) == 25.0


async def test_a_price_is_the_one_that_holds_now() -> None:
    now = [0.0]
    prices = await read(clock=lambda: now[0])

    def costs(day: str, tokens: int) -> float:
        now[0] = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
        price = prices.of("anthropic", "claude-opus-4-6")
        assert price
        return price.estimate(tokens, 0) / tokens * A_MILLION

    assert costs("2026-03-12T23:59:00", 300_000) == pytest.approx(10)
    assert costs("2026-03-13T00:01:00", 300_000) == pytest.approx(5)


# Who knows a price -----------------------------------------------------------------------------------------


def test_what_nobody_lists_has_no_price(table: Prices) -> None:
    assert table.of("openai", "gpt-7-unheard-of") is None
    assert table.of("nobody", "gpt-5.5") is None
    assert table.of("open", "gpt-5.5") is None
    assert table.of("openai", "") is None
    assert table.listing("openai", "gpt-7-unheard-of").window is None


class Counted(list[Any]):
    """A list that knows how often it was walked through."""

    walks = 0

    def __iter__(self) -> Iterator[Any]:
        self.walks += 1
        return super().__iter__()


async def test_what_is_unknown_is_remembered_as_that() -> None:
    prices = await read()
    assert prices._table
    providers = Counted(prices._table.providers)
    prices._table = replace(prices._table, providers=providers)
    for _ in range(5):
        assert prices.of("openai", "gpt-7-unheard-of") is None
        assert prices.of("anthropic", "claude-opus-5-5") is not None
    assert providers.walks == 2


def test_a_server_elsewhere_that_speaks_like_openai_is_not_openai(table: Prices) -> None:
    assert table.of("openai", "gpt-5.5", "http://127.0.0.1:8080/v1") is None
    assert table.of("openai", "gpt-5.5", "https://llm.example.org/v1") is None


def test_at_the_address_of_another_vendor_its_own_prices_hold(table: Prices) -> None:
    listed = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=A_MILLION), "gemma-7b-it", provider_id="groq"
    )
    price = table.of("openai", "gemma-7b-it", "https://api.groq.com/openai/v1")
    assert price
    assert price.estimate(A_MILLION, 0) == pytest.approx(float(listed.total_price))


async def test_what_a_person_gives_holds_wherever_the_server_is(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(
        '["openai:mine"]\nprice = { input = 1, output = 2, cached = 0.5, cache_write = 1.5 }\n'
        '["openai:gpt-5.5"]\nprice = "unknown"\n',
        "utf-8",
    )
    prices = await read(Models.load(file))
    for address in ("", "https://llm.example.org/v1"):
        price = prices.of("openai", "mine", address)
        assert price
        assert price.cost(Usage(3_000_000, A_MILLION, A_MILLION, cache_write_tokens=A_MILLION)) == 5.0
        assert prices.of("openai", "gpt-5.5", address) is None


@pytest.mark.parametrize(
    ("model", "address", "free"),
    [
        ("qwen3:8b", "", True),
        ("qwen3:8b", "http://127.0.0.1:11434", True),
        ("qwen3:8b", "http://localhost:11434", True),
        ("qwen3:8b", "http://[::1]:11434", True),
        ("qwen3:8b", "http://192.168.7.2:11434", False),
        ("qwen3:8b", "https://ollama.com", False),
        ("gpt-oss:120b-cloud", "", False),
        ("glm-4.6:cloud", "http://127.0.0.1:11434", False),
    ],
)
def test_a_model_on_this_machine_costs_nothing_and_any_other_of_ollama_is_unknown(
    table: Prices, model: str, address: str, free: bool
) -> None:
    price = table.of("ollama", model, address)
    assert (price == Price(0.0, 0.0)) if free else (price is None)


def test_the_table_knows_windows(table: Prices) -> None:
    assert table.listing("openai", "gpt-6.1-sol").window == 1_050_000
    assert table.listing("anthropic", "claude-haiku-4-5").window == 200_000
    assert table.listing("openai", "gpt-6.1-sol", "http://127.0.0.1:8080/v1").window is None


# When the table is read ------------------------------------------------------------------------------------


async def test_once_the_table_is_read_being_ready_waits_for_nothing() -> None:
    prices = Prices()
    await asyncio.gather(*(prices.ready("openai", "gpt-5.5") for _ in range(10)))
    again = prices.ready("openai", "gpt-6-astra")
    with pytest.raises(StopIteration):
        again.send(None)


def test_the_table_is_read_for_models_that_need_it_and_for_no_others() -> None:
    script = """
import asyncio, sys, threading
from atlas_mcp.providers.known.prices import Prices

async def main():
    prices = Prices()
    for name in ("ollama:qwen3:8b", "scripted:a.toml", "extractive:verbatim", "openai:"):
        vendor, _, model = name.partition(":")
        await prices.ready(vendor, model)
    print("genai_prices" in sys.modules)
    await prices.ready("openai", "gpt-5.5")
    print("genai_prices" in sys.modules, prices.of("openai", "gpt-5.5") is not None)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]


def test_the_table_is_read_away_from_the_event_loop() -> None:
    script = """
import asyncio, sys, threading
from atlas_mcp.providers.known.prices import Prices

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "genai_prices":
            print(threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Watch())
asyncio.run(Prices().ready("openai", "gpt-5.5"))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


# In a group ------------------------------------------------------------------------------------------------


async def test_a_group_knows_prices_and_windows_before_it_chooses_for_the_first_time() -> None:
    names = ("claude-opus-5-5", "claude-haiku-5-5")
    fate = Fate(text("an answer"))
    dear, cheap = (Mortal(name, [fate], vendor="anthropic") for name in names)
    group = ProviderGroup([dear, cheap], cheapest, circumstances=Circumstances(Reliability(), Prices()))
    reply = await complete(group, asked())
    assert reply.choices[0].member == "anthropic:claude-haiku-5-5"
    assert [member.capabilities.window for member in group.members] == [A_MILLION, A_MILLION]
    price = Prices.of(await read(), "anthropic", names[1])
    assert price
    assert reply.usage.cost_usd == pytest.approx(price.cost(reply.usage))
