"""Who is left alone and what models can do, as the next process knows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from atlas_mcp import errors
from atlas_mcp.providers.breaker import BreakerState
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.known.models import Models
from atlas_mcp.providers.provider import ProviderInfo, complete
from atlas_mcp.providers.terms import Policy, Terms
from tests.providers.mortal import Fate, Mortal, asked
from tests.providers.processes import A_DAY, Clock, started

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


# Who is left alone -----------------------------------------------------------------------------------------


async def test_who_is_left_alone_is_left_alone_after_a_restart_for_as_long_as_was_left(
    file: Path, clock: Clock
) -> None:
    async with started(file, clock) as before:
        before.one.breaker.failed(errors.RateLimited("slow down", retry_after=60))
        await before.store.flush()
    clock.now += 20
    async with started(file, clock, up=3.0) as after:
        breaker = after.one.breaker
        assert (breaker.state, breaker.reason, breaker.opens) == (BreakerState.OPEN, "rate_limited", 1)
        assert after.group.members[1].breaker.state is BreakerState.CLOSED
        clock.now += 39
        assert not breaker.free
        clock.now += 2
        assert breaker.state is BreakerState.HALF_OPEN


async def test_whose_time_is_over_is_tried_by_one_call_and_soon_forgotten(file: Path, clock: Clock) -> None:
    async with started(file, clock) as before:
        before.one.breaker.failed(errors.RateLimited("slow down", retry_after=60))
        await before.store.flush()
    clock.now += 120
    async with started(file, clock) as soon:
        assert soon.one.breaker.state is BreakerState.HALF_OPEN
    clock.now += 3_600
    async with started(file, clock) as late:
        assert late.one.breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    "error", [errors.Authentication, errors.PermissionDenied, errors.QuotaExceeded, errors.ModelNotFound]
)
async def test_what_a_person_has_to_mend_may_be_mended_by_the_next_start(
    file: Path, clock: Clock, error: type[errors.ProviderError]
) -> None:
    async with started(file, clock) as before:
        breaker = before.one.breaker
        breaker.failed(errors.RateLimited("slow down", retry_after=60))
        await before.store.flush()
        clock.now += 61
        breaker.failed(error("mend it"), probe=breaker.begin())
        assert (breaker.state, breaker.reason) == (BreakerState.OPEN, error.code)
        await before.store.flush()
    async with started(file, clock) as after:
        assert after.one.breaker.state is BreakerState.CLOSED


async def test_who_is_back_is_not_left_alone_any_more(file: Path, clock: Clock) -> None:
    async with started(file, clock) as before:
        breaker = before.one.breaker
        breaker.failed(errors.RateLimited("slow down", retry_after=60))
        await before.store.flush()
        clock.now += 61
        breaker.succeeded(probe=breaker.begin())
        await before.store.flush()
    async with started(file, clock) as after:
        assert after.one.breaker.state is BreakerState.CLOSED


async def test_a_clock_that_was_set_back_leaves_nobody_alone_for_longer(file: Path, clock: Clock) -> None:
    async with started(file, clock) as before:
        before.one.breaker.failed(errors.RateLimited("slow down", retry_after=60))
        await before.store.flush()
    clock.now -= A_DAY
    async with started(file, clock) as after:
        clock.now += 61
        assert after.one.breaker.state is BreakerState.HALF_OPEN


async def test_a_group_tells_the_store_who_fails(file: Path, clock: Clock) -> None:
    dies = [Fate(error=errors.RateLimited("slow down", retry_after=120), reports=False)]
    async with started(file, clock, fates=dies) as before:
        with pytest.raises(errors.ProviderError):
            await complete(before.group, asked(), Terms(policy=Policy(wait=0.0)))
        await before.store.flush()
    async with started(file, clock) as after:
        assert [member.breaker.reason for member in after.group.members] == ["rate_limited"] * 2
        assert after.calls() == pytest.approx(1)


# What models can do ----------------------------------------------------------------------------------------


def info(name: str = "a", address: str = "") -> ProviderInfo:
    return ProviderInfo(f"openai:{name}", "openai", name, address=address)


REPORTED = Capabilities({Capability.TOOLS: Strength.NONE, Capability.VISION: Strength.STRONG}, window=4_096)


async def test_what_a_server_reported_is_known_after_a_restart(file: Path, clock: Clock) -> None:
    async with started(file, clock) as before:
        before.store.learn(info(), REPORTED)
        before.store.learn(info("b", "http://127.0.0.1:8080"), REPORTED)
        await before.store.flush()
    async with started(file, clock) as after:
        known = after.one.capabilities
        assert known.window == 4_096
        assert known.strength(Capability.TOOLS) is Strength.NONE
        assert known.strength(Capability.VISION) is Strength.STRONG
        assert known.strength(Capability.PREFILL) is Strength.NONE  # as it says itself
        other = after.group.members[1].capabilities
        assert other.window is None  # another server's model of that name


async def test_what_a_person_says_goes_before_what_a_server_once_reported(
    file: Path, clock: Clock, tmp_path: Path
) -> None:
    own = tmp_path / "models.toml"
    own.write_text('["openai:a"]\nwindow = 1_000\nstrengths = { tools = "strong" }\n', "utf-8")
    async with started(file, clock) as before:
        before.store.learn(info(), REPORTED)
        await before.store.flush()
    async with started(file, clock, models=Models.load(own)) as after:
        known = after.one.capabilities
        assert (known.window, known.strength(Capability.TOOLS)) == (1_000, Strength.STRONG)
        assert known.strength(Capability.VISION) is Strength.STRONG


async def test_what_a_provider_says_of_itself_now_goes_before_what_was_reported_once(
    file: Path, clock: Clock
) -> None:
    async with started(file, clock) as before:
        before.store.learn(info(), REPORTED)
        await before.store.flush()
    async with started(file, clock) as after:
        provider = after.one.provider
        assert isinstance(provider, Mortal)
        provider.info = replace(provider.info, capabilities=Capabilities(window=32_768))
        assert after.one.capabilities == Capabilities(window=32_768)


async def test_a_report_that_says_what_was_declared_is_no_news(file: Path, clock: Clock) -> None:
    async with started(file, clock) as before:
        before.store.learn(info(), REPORTED)
        await before.store.flush()
        before.store.learn(info(), Models.load().card("openai", "a").capabilities)
        await before.store.flush()
    async with started(file, clock) as after:
        assert after.one.capabilities.window is None


async def test_a_report_is_forgotten_after_a_month(file: Path, clock: Clock) -> None:
    async with started(file, clock) as before:
        before.store.learn(info(), REPORTED)
        await before.store.flush()
    clock.now += 31 * A_DAY
    async with started(file, clock) as after:
        assert after.one.capabilities.window is None
