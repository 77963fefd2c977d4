"""What a member is not blamed for, and for how long a reader who does not read keeps anything from others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Chosen, Retracted, Stopped, Switched, TextDelta
from atlas_mcp.messages import TaskType
from atlas_mcp.providers.breaker import BreakerState
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.terms import Policy, Terms
from tests.providers.asking import until
from tests.providers.mortal import Fate, Mortal, asked, text
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from atlas_mcp.chunks import Chunk
    from atlas_mcp.providers.known.reliability import Record
    from atlas_mcp.providers.stream import Stream

WELL = Fate(text("well"))
LATE = errors.ProviderTimeout("The answer was not whole by the time limit of the call.")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": SkippingLoop}


def now() -> float:
    return asyncio.get_running_loop().time()


def group_of(*mortals: Mortal, policy: Policy | None = None) -> ProviderGroup:
    circumstances = Circumstances(Reliability(clock=now), Prices(), now)
    return ProviderGroup(mortals, policy=policy, circumstances=circumstances)


def record(group: ProviderGroup, place: int = 0) -> Record:
    return group._roster.circumstances.reliability.record(group.members[place].name)


async def read(stream: Stream) -> list[Chunk]:
    return [chunk async for chunk in stream]


# The caller's time limit -----------------------------------------------------------------------------------


async def too_late(group: ProviderGroup, seconds: float, *, streaming: bool = True, times: int = 6) -> None:
    """So many calls that have too little time."""
    for _ in range(times):
        with pytest.raises(errors.ProviderTimeout):
            await complete(group, asked(), Terms(deadline=now() + seconds, streaming=streaming))


def unblamed(group: ProviderGroup) -> bool:
    return group.members[0].breaker.free and not record(group).failures


async def test_one_that_was_speaking_when_the_callers_time_was_up_is_not_blamed() -> None:
    group = group_of(Mortal("m", [Fate(text("one ", "two "), LATE, pause=10.0)]))
    await too_late(group, 30.0)
    assert unblamed(group)


async def test_one_that_had_less_time_than_it_usually_takes_to_begin_is_not_blamed() -> None:
    group = group_of(Mortal("m", [Fate((), LATE, pause=12.0)]))
    for _ in range(20):
        group._roster.circumstances.reliability.heard("mortal:m", TaskType.WRITING, 30.0)
    await too_late(group, 12.0)
    assert unblamed(group)


async def test_one_of_which_nothing_is_known_is_not_blamed_for_a_short_silence() -> None:
    group = group_of(Mortal("m", [Fate((), LATE, pause=2.0)]))
    await too_late(group, 2.0)
    assert unblamed(group)


async def test_one_that_is_silent_for_longer_than_usual_is_blamed_whoever_ran_out_of_time() -> None:
    group = group_of(Mortal("m", [Fate((), LATE, pause=20.0)]))
    for _ in range(20):
        group._roster.circumstances.reliability.heard("mortal:m", TaskType.WRITING, 3.0)
    await too_late(group, 20.0, times=5)
    assert not group.members[0].breaker.free
    assert record(group).failures.keys() == {"provider_timeout"}


async def test_its_own_patience_is_no_time_limit_of_the_callers() -> None:
    group = group_of(Mortal("m", [Fate((), errors.ProviderTimeout("No answer began."), pause=2.0)]))
    await too_late(group, 1e6, times=3)
    assert record(group).failures.keys() == {"provider_timeout"}


async def test_a_probe_that_the_callers_time_cut_short_makes_room_for_the_next() -> None:
    group = group_of(Mortal("m", [Fate((), LATE, pause=2.0)]))
    breaker = group.members[0].breaker
    breaker.restore(0.0, 3, "overloaded")
    await too_late(group, 2.0, times=1)
    assert (breaker.state, breaker.free, breaker.opens) == (BreakerState.HALF_OPEN, True, 3)


# A probe that breaks after its first word ------------------------------------------------------------------


async def test_one_that_dies_after_its_first_word_is_kept_away_as_one_that_dies_before() -> None:
    fates = [Fate((), errors.Overloaded("It is busy."))] * 5
    dying = Mortal("dying", [*fates, Fate(text("word "), errors.StreamBroken("It died."))])
    group = group_of(dying, Mortal("peer", [WELL]))
    for _ in range(205):
        await complete(group, asked())
        await asyncio.sleep(1.0)
    # Five open it; then one after 5, 10, 20, 40 and 80 seconds more.
    assert len(dying.lives) == 5 + 5


# A reader who does not read on -----------------------------------------------------------------------------


async def on_trial(*mortals: Mortal, hold: float = 5.0) -> tuple[ProviderGroup, Stream, Budget]:
    """A group whose first member is on trial, and a stream of which the reader knows who was chosen."""
    group, budget = group_of(*mortals, policy=Policy(hold=hold, wait=1.0)), Budget(Limit(), name="run")
    group.members[0].breaker.restore(0.0, 1, "overloaded")
    stream = group.stream(asked(), Terms(budget=budget))
    assert isinstance(await anext(stream), Chosen)
    return group, stream, budget


@pytest.mark.parametrize("pauses", [True, False], ids=["pauses", "dawdles"])
async def test_a_reader_who_was_told_whom_and_does_not_read_on_keeps_nothing_from_others(
    *, pauses: bool
) -> None:
    back = Mortal("back", [WELL])
    group, stream, budget = await on_trial(back, Mortal("peer", [WELL]))
    if pauses:
        stream.control.pause()
    await asyncio.sleep(4.9)
    assert (group.members[0].breaker.free, group.members[0].at_once, budget._calls) == (False, 1, 1)
    await asyncio.sleep(0.2)
    assert (group.members[0].breaker.free, group.members[0].at_once, budget._calls) == (True, 0, 0)
    stream.control.resume()
    rest = await read(stream)
    assert [type(chunk).__name__ for chunk in rest] == ["TextDelta", "Usage", "Stopped"]
    assert [life.opened for life in back.lives] == [False, True]
    assert (budget._calls, budget.spent.calls, group.members[0].at_once) == (1, 1, 0)
    assert len(group.choices) == 1


async def test_whoever_reads_on_too_late_is_told_that_another_answers() -> None:
    trial = Mortal("trial", [WELL, Fate(text("slow"), pause=60.0)])
    group, stream, _ = await on_trial(trial, Mortal("peer", [WELL]))
    await asyncio.sleep(6.0)
    async with group.stream(asked()) as other:
        assert isinstance(await anext(other), Chosen)
        probing = asyncio.ensure_future(anext(other))
        await until(lambda: trial.open)
        rest = await read(stream)
        assert isinstance(rest[0], Switched)
        assert (rest[0].left, rest[0].joined) == ("mortal:trial", "mortal:peer")
        assert (rest[0].failure, rest[0].way) == ("cancelled", "restart")
        assert isinstance(rest[-1], Stopped)
        probing.cancel()
        await asyncio.wait({probing})


async def test_a_seam_that_nobody_read_past_is_told_once() -> None:
    dying = Mortal("dying", [Fate(text("half "), errors.StreamBroken("It died."))])
    schema = replace(asked(), schema={"type": "object"})
    group = group_of(dying, Mortal("steady", [Fate(text("whole"))]), policy=Policy(hold=5.0))
    seen = list[Any]()
    async with group.stream(schema) as stream:
        async for chunk in stream:
            seen.append(chunk)
            if isinstance(chunk, Switched):
                await asyncio.sleep(60.0)
    assert [type(chunk).__name__ for chunk in seen if not isinstance(chunk, Chosen)] == [
        "TextDelta", "Usage", "Switched", "Retracted", "TextDelta", "Usage", "Stopped",
    ]  # fmt: skip
    assert [chunk.characters for chunk in seen if isinstance(chunk, Retracted)] == [5]
    assert [chunk.text for chunk in seen if isinstance(chunk, TextDelta)] == ["half ", "whole"]
