"""One lazy timer ends waits that take too long, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from atlas_mcp.errors import ProviderTimeout, Stalled
from atlas_mcp.providers.watchdog import Watchdog
from tests.skipping import SkippingLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": SkippingLoop}


def now() -> float:
    return asyncio.get_running_loop().time()


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_hearing_nothing_in_time_is_a_timeout_of_the_provider() -> None:
    with pytest.raises(ProviderTimeout, match="60 seconds"), Watchdog(first_token=60, idle=9):
        await for_ever()
    assert now() == pytest.approx(60)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_first_limit_holds_over_several_waits() -> None:
    watchdog = Watchdog(first_token=60, idle=9)
    with watchdog:
        await asyncio.sleep(40)
    with pytest.raises(ProviderTimeout), watchdog:
        await asyncio.sleep(40)
    assert now() == pytest.approx(60)


async def test_silence_after_a_sign_of_life_is_a_stall() -> None:
    watchdog = Watchdog(first_token=60, idle=9)
    with watchdog:
        await asyncio.sleep(40)
    watchdog.heard()
    with pytest.raises(Stalled, match="9 seconds"), watchdog:
        await for_ever()
    assert now() == pytest.approx(49)


async def test_time_spent_outside_a_wait_does_not_count() -> None:
    watchdog = Watchdog(first_token=60, idle=9)
    watchdog.heard()
    for _ in range(3):
        with watchdog:
            await asyncio.sleep(8)
        await asyncio.sleep(100)
    watchdog.close()


async def test_a_shorter_limit_that_is_set_later_holds_at_once() -> None:
    watchdog = Watchdog(first_token=60, idle=60)
    watchdog.heard()
    with watchdog:
        await asyncio.sleep(1)
    watchdog.idle = 2
    with pytest.raises(Stalled), watchdog:
        await for_ever()
    assert now() == pytest.approx(3)


async def test_many_short_waits_take_one_timer_and_are_not_one_long_wait() -> None:
    watchdog = Watchdog(first_token=60, idle=9)
    watchdog.heard()
    for _ in range(100):
        with watchdog:
            await asyncio.sleep(1)
    watchdog.close()
    assert now() == pytest.approx(100)


async def test_somebody_elses_cancellation_stays_one() -> None:
    async def wait() -> None:
        with Watchdog(first_token=9, idle=9):
            await for_ever()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_within_a_wait_passes_through() -> None:
    nothing: dict[str, str] = {}
    with pytest.raises(KeyError), Watchdog(first_token=9, idle=9):
        nothing.pop("key")
