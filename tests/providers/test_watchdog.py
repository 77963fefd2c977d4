"""One lazy timer ends waits that take too long, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from atlas_mcp.errors import ProviderTimeout, Stalled
from atlas_mcp.providers.watchdog import Watchdog


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_hearing_nothing_in_time_is_a_timeout_of_the_provider():
    with pytest.raises(ProviderTimeout, match=r"0\.01 seconds"):
        with Watchdog(first_token=0.01, idle=9):
            await for_ever()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_first_limit_holds_over_several_waits():
    watchdog = Watchdog(first_token=0.02, idle=9)
    with watchdog:
        await asyncio.sleep(0.01)
    with pytest.raises(ProviderTimeout):
        with watchdog:
            await for_ever()


async def test_silence_after_a_sign_of_life_is_a_stall():
    watchdog = Watchdog(first_token=9, idle=0.01)
    with watchdog:
        await asyncio.sleep(0)
    watchdog.heard()
    with pytest.raises(Stalled, match=r"0\.01 seconds"):
        with watchdog:
            await for_ever()


async def test_time_spent_outside_a_wait_does_not_count():
    watchdog = Watchdog(first_token=0.01, idle=0.01)
    watchdog.heard()
    with watchdog:
        await asyncio.sleep(0)
    await asyncio.sleep(0.03)
    with watchdog:
        await asyncio.sleep(0)
    watchdog.close()


async def test_many_short_waits_are_not_one_long_one():
    watchdog = Watchdog(first_token=9, idle=0.05)
    watchdog.heard()
    for _ in range(20):
        with watchdog:
            await asyncio.sleep(0.005)
    watchdog.close()


async def test_somebody_elses_cancellation_stays_one():
    async def wait() -> None:
        with Watchdog(first_token=9, idle=9):
            await for_ever()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_within_a_wait_passes_through():
    with pytest.raises(KeyError):
        with Watchdog(first_token=9, idle=9):
            raise KeyError
