"""Who is tried after whom, how long one waits when all are cooling down, what is said when nobody is left.

The event loop's clock jumps, so that every wait is exact and costs no time.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Chosen, Stopped, Switched
from atlas_mcp.messages import ToolSpec
from atlas_mcp.providers.breaker import BreakerState, Tripwire
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.retry import Retry
from atlas_mcp.providers.strategies import failover
from atlas_mcp.providers.strategy import Order
from atlas_mcp.providers.terms import Attempts, Policy, Terms
from tests.providers.mortal import Fate, Mortal, asked, text
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.providers.provider import ProviderInfo
    from atlas_mcp.providers.strategy import Ask, MemberView, Strategy

WELL = Fate(text("well"))
NO_JITTER = Retry(jitter=0.0)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": SkippingLoop}


def now() -> float:
    return asyncio.get_running_loop().time()


def dies(error: errors.ProviderError, pause: float = 0.0) -> Fate:
    return Fate((), error, pause=pause, reports=False)


def busy() -> Fate:
    return dies(errors.Overloaded("It is busy.", remedy="Wait."))


def limited(seconds: float | None = None) -> Fate:
    return dies(errors.RateLimited("Slower.", retry_after=seconds, remedy="Wait."))


def group_of(*mortals: Mortal, strategy: Strategy = failover, **more: Any) -> ProviderGroup:
    circumstances = Circumstances(Reliability(clock=now), Prices(), now, random.Random(7))  # noqa: S311
    return ProviderGroup(
        mortals,
        strategy,
        name="test",
        retry=more.pop("retry", NO_JITTER),
        circumstances=circumstances,
        **more,
    )


async def answer(group: ProviderGroup, terms: Terms | None = None) -> tuple[str, float]:
    """Who answered, and after how many seconds."""
    since = now()
    reply = await complete(group, asked(), terms or Terms())
    return reply.stopped.model, now() - since


def open_up(group: ProviderGroup, seconds: float, *places: int) -> None:
    """Have breakers open for so long."""
    for place in places or range(len(group.members)):
        group.members[place].breaker.failed(
            errors.RateLimited("Slower.", retry_after=seconds, remedy="Wait a little.")
        )


# Whoever is free is not kept waiting -----------------------------------------------------------------------


async def test_while_a_peer_is_free_nobody_waits_for_whom_to_retry() -> None:
    first, second = Mortal("first", [limited(20.0), WELL]), Mortal("second", [WELL])
    assert await answer(group_of(first, second)) == ("second", 0.0)
    assert len(first.lives) == 1


async def test_one_that_is_left_alone_is_passed_over_until_its_time() -> None:
    first, second = Mortal("first", [limited(20.0), WELL]), Mortal("second", [WELL])
    group = group_of(first, second)
    await answer(group)
    await asyncio.sleep(19.9)
    assert await answer(group) == ("second", 0.0)
    await asyncio.sleep(0.1)
    assert await answer(group) == ("first", 0.0)
    assert group.members[0].breaker.state is BreakerState.CLOSED


async def test_alone_it_is_tried_again_after_what_it_asked_for() -> None:
    alone = Mortal("alone", [limited(20.0), WELL])
    assert await answer(group_of(alone)) == ("alone", 20.0)


async def test_waits_between_tries_of_one_that_is_busy_double() -> None:
    alone = Mortal("alone", [busy(), busy(), WELL])
    assert await answer(group_of(alone)) == ("alone", 0.5 + 1.0)


async def test_longer_than_one_may_wait_is_not_waited() -> None:
    alone = Mortal("alone", [limited(31.0), WELL])
    with pytest.raises(errors.RateLimited) as caught:
        await answer(group_of(alone))
    assert caught.value.retry_after == 31.0
    assert now() == 0.0, "it is said at once"


async def test_each_single_wait_may_be_as_long_as_the_policy_says() -> None:
    alone = Mortal("alone", [limited(20.0), limited(25.0), WELL])
    assert await answer(group_of(alone, policy=Policy(wait=25.0))) == ("alone", 45.0)


# When all are cooling down ---------------------------------------------------------------------------------


async def test_when_all_are_cooling_down_the_first_to_be_ready_is_waited_for() -> None:
    group = group_of(Mortal("first", [WELL]), Mortal("second", [WELL]))
    open_up(group, 25.0, 0)
    open_up(group, 12.0, 1)
    assert await answer(group) == ("second", 12.0)


async def test_while_somebody_else_tries_the_only_one_who_may_be_back_one_waits_for_how_it_went() -> None:
    group = group_of(Mortal("first", [Fate(text("well"), pause=3.0), WELL]), Mortal("second", [WELL]))
    open_up(group, 5.0, 0)
    open_up(group, 25.0, 1)
    await asyncio.sleep(5.0)
    somebody = asyncio.create_task(answer(group))
    await asyncio.sleep(1.0)
    assert not group.members[0].breaker.free
    # It takes three seconds to its first word, one of which has passed; its last is not waited for.
    assert await answer(group) == ("first", 2.0)
    assert not somebody.done()
    await somebody


async def test_beyond_the_deadline_nobody_waits_and_one_says_who_is_left_alone_until_when() -> None:
    group = group_of(Mortal("first", [WELL]), Mortal("second", [WELL]))
    open_up(group, 25.0, 0)
    open_up(group, 12.0, 1)
    with pytest.raises(errors.Unavailable) as caught:
        await answer(group, Terms(deadline=now() + 10.0))
    unavailable = caught.value
    assert now() == 0.0
    assert unavailable.retry_after == 12.0
    assert [failure.code for failure in unavailable.failures] == ["rate_limited", "rate_limited"]
    assert unavailable.remedy == "Wait a little."
    for name in ("mortal:first", "mortal:second"):
        assert f"{name}: is left alone until" in unavailable.message
    assert "UTC after rate_limited" in unavailable.message


async def test_of_one_that_stands_alone_no_group_is_spoken_of() -> None:
    group = ProviderGroup.alone(Mortal("alone", [WELL]))
    open_up(group, 300.0)
    with pytest.raises(errors.Unavailable) as caught:
        await answer(group)
    assert caught.value.message.startswith("mortal:alone: is left alone until")


# One probe -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peers", [0, 1])
async def test_of_twenty_calls_at_once_one_tries_a_member_that_may_be_back(peers: int) -> None:
    back = Mortal("back", [Fate(text("well"), pause=2.0)])
    group = group_of(back, *(Mortal(f"peer{number}", [WELL]) for number in range(peers)))
    open_up(group, 5.0, 0)
    await asyncio.sleep(5.0)
    calls = asyncio.gather(*(answer(group) for _ in range(20)))
    await asyncio.sleep(1.0)
    assert back.open == 1
    answers = await calls
    assert len([who for who, _ in answers if who == "peer0"]) == (19 if peers else 0)
    assert len(back.lives) == (1 if peers else 20), "they wait for how it went, then all go"


async def test_readers_that_dawdle_do_not_let_a_second_probe_through() -> None:
    back = Mortal("back", [WELL])
    group = group_of(back, Mortal("peer", [WELL]))
    open_up(group, 5.0, 0)
    await asyncio.sleep(5.0)
    streams = [group.stream(asked()) for _ in range(20)]
    # Everybody has been told who was chosen; nobody has read further.
    chosen = [await anext(stream) for stream in streams]
    assert [c.member for c in chosen if isinstance(c, Chosen)] == ["mortal:back"] + ["mortal:peer"] * 19
    await asyncio.gather(*(stream.aclose() for stream in streams))


async def test_a_probe_whose_reader_left_makes_room_for_the_next() -> None:
    back = Mortal("back", [Fate(text("well"), pause=2.0)])
    group = group_of(back, Mortal("peer", [WELL]))
    breaker = group.members[0].breaker
    open_up(group, 5.0, 0)
    await asyncio.sleep(5.0)
    async with group.stream(asked()) as stream:
        await anext(stream)  # who was chosen
        assert not breaker.free
    assert (breaker.free, breaker.state) == (True, BreakerState.HALF_OPEN)
    waiting = asyncio.create_task(answer(group))
    await asyncio.sleep(1.0)
    assert not breaker.free
    waiting.cancel()
    await asyncio.wait({waiting})
    assert (breaker.free, breaker.state) == (True, BreakerState.HALF_OPEN)
    assert (await answer(group))[0] == "back"


async def test_one_that_begins_to_answer_is_back_whatever_becomes_of_the_answer() -> None:
    back = Mortal("back", [Fate(text("well", "again"), pause=2.0)])
    group = group_of(back, Mortal("peer", [WELL]))
    open_up(group, 5.0, 0)
    await asyncio.sleep(5.0)
    async with group.stream(asked()) as stream:
        await anext(stream)
        await anext(stream)
        assert group.members[0].breaker.state is BreakerState.CLOSED
    assert group.members[0].breaker.state is BreakerState.CLOSED


async def test_what_one_group_finds_out_of_a_member_the_others_that_have_it_know() -> None:
    shared, peer = Mortal("shared", [limited(20.0), WELL]), Mortal("peer", [WELL])
    circumstances = Circumstances(Reliability(clock=now), Prices(), now)
    one, other = (
        ProviderGroup([shared, peer], failover, name=name, circumstances=circumstances)
        for name in ("one", "other")
    )
    assert (await answer(one))[0] == "peer"
    assert (await answer(other))[0] == "peer"
    assert len(shared.lives) == 1
    only = ProviderGroup([shared], failover, name="only", circumstances=circumstances)
    waiting = asyncio.create_task(answer(only, Terms(policy=Policy(wait=60.0))))
    await asyncio.sleep(20.0)
    assert await waiting == ("shared", 20.0)
    assert (await answer(one))[0] == "shared", "and that it is back"


async def test_a_dead_member_is_asked_once_a_window_however_many_calls_there_are() -> None:
    refuses = errors.ConnectionFailed("Nobody there.")
    dead, peer = Mortal("dead", [dies(refuses, pause=0.1)]), Mortal("peer", [WELL])
    group = group_of(dead, peer)
    for _ in range(60):  # a minute of fifty calls a second
        answers = await asyncio.gather(*(answer(group) for _ in range(50)))
        assert {who for who, _ in answers} == {"peer"}
        await asyncio.sleep(1.0)
    # Fifty were under way when it opened; then one after 5, 10 and 20 seconds more.
    assert len(dead.lives) == 50 + 3


# What may be tried, and how often --------------------------------------------------------------------------


async def test_retries_and_fallbacks_take_from_the_same_tries() -> None:
    first, second = Mortal("first", [busy()]), Mortal("second", [busy()])
    attempts = Attempts(3)
    with pytest.raises(errors.Unavailable) as caught:
        await answer(group_of(first, second), Terms(attempts=attempts))
    assert len(first.lives) + len(second.lives) == 1 + 3
    assert (attempts.left, attempts.taken) == (0, 3)
    assert "It was tried 4 times" in caught.value.message


async def test_whoever_comes_later_in_the_step_has_what_is_left_of_the_tries() -> None:
    alone = Mortal("alone", [busy(), WELL, busy(), WELL])
    group, attempts = group_of(alone), Attempts(1)
    await answer(group, Terms(attempts=attempts))
    with pytest.raises(errors.Overloaded):
        await answer(group, Terms(attempts=attempts))


async def test_one_that_was_found_to_be_back_in_between_is_tried_anew() -> None:
    flaps = Mortal("flaps", [busy(), busy(), WELL, busy(), WELL])
    slowly = Retry({errors.Overloaded: 2}, first=6.0, longest=8.0, jitter=0.0)
    group = group_of(flaps, tripwire=Tripwire(row=2), retry=slowly)
    call = asyncio.create_task(answer(group))  # fails now and after 6 s, which opens the breaker for 5 s
    await asyncio.sleep(11.0)
    assert await answer(group) == ("flaps", 0.0), "somebody else finds it to be back"
    # The third failure, after 8 s more, is the first since; so it is tried once more, after 6 s.
    assert await call == ("flaps", 6.0 + 8.0 + 6.0)


async def test_after_the_deadline_nobody_else_is_tried_and_blamed() -> None:
    late = errors.ProviderTimeout("The answer was not whole by the time limit of the call.")
    first, second = Mortal("first", [dies(late, pause=10.0)]), Mortal("second", [WELL])
    with pytest.raises(errors.ProviderTimeout):
        await answer(group_of(first, second), Terms(deadline=now() + 10.0))
    assert second.lives == []


async def test_what_the_request_is_to_blame_for_is_not_tried_elsewhere() -> None:
    first = Mortal("first", [dies(errors.InvalidRequest("No such parameter."))])
    second = Mortal("second", [WELL])
    with pytest.raises(errors.InvalidRequest):
        await answer(group_of(first, second))
    assert second.lives == []


async def test_a_key_that_is_refused_opens_at_once_and_others_answer() -> None:
    first = Mortal("first", [dies(errors.Authentication("The key is wrong."))])
    group = group_of(first, Mortal("second", [WELL]))
    for _ in range(5):
        assert await answer(group) == ("second", 0.0)
    assert len(first.lives) == 1
    assert group.members[0].breaker.reason == "authentication"


async def test_members_that_lack_what_is_needed_are_named_with_what_they_lack() -> None:
    blind = Mortal("blind", [WELL])
    blind.info = _able(blind, {Capability.TOOLS: Strength.NONE})
    narrow = Mortal("narrow", [WELL])
    narrow.info = _able(narrow, {}, window=1)
    with pytest.raises(errors.Unavailable) as caught:
        await complete(group_of(blind, narrow), asked(tools=(ToolSpec("search", "Finds.", {}),)))
    assert "mortal:blind: lacks tools." in caught.value.message
    assert "mortal:narrow: lacks a window of" in caught.value.message


def _able(mortal: Mortal, strengths: dict[Capability, Strength], window: int | None = None) -> ProviderInfo:
    return replace(mortal.info, capabilities=Capabilities(strengths, window=window))


async def test_one_on_trial_is_nobody_to_leave_a_slow_or_refusing_member_for() -> None:
    refuses = Mortal("refuses", [Fate(text("I would rather not."), ends="refused")])
    trial = Mortal("trial", [WELL])
    group = group_of(refuses, trial, policy=Policy(refusals=True))
    open_up(group, 5.0, 1)
    await asyncio.sleep(5.0)
    reply = await complete(group, asked())
    assert reply.stopped.reason == "refused"
    assert trial.lives == []


# Choices are told ------------------------------------------------------------------------------------------


async def test_a_choice_says_who_why_and_who_would_have_been_next() -> None:
    group = group_of(*(Mortal(name, [WELL]) for name in "abc"))
    reply = await complete(group, asked())
    assert reply.choices == group.choices
    (chosen,) = reply.choices
    assert (chosen.member, chosen.others) == ("mortal:a", ("mortal:b", "mortal:c"))
    assert chosen.reason == "first of the list that is free"


async def test_a_strategy_that_forgets_somebody_is_named() -> None:
    def forgetful(_ask: Ask, members: Sequence[MemberView], _chance: random.Random, /) -> Order:
        return Order([0] * len(members), "")

    group = group_of(Mortal("a", [WELL]), Mortal("b", [WELL]), strategy=forgetful)
    with pytest.raises(errors.InvalidConfiguration, match=r"group:test gave the places \[0, 0\] for 2"):
        await answer(group)


async def test_one_that_is_tried_again_is_a_visible_seam() -> None:
    alone = Mortal("alone", [busy(), WELL])
    group, seen = group_of(alone, tripwire=Tripwire()), list[Any]()
    async with group.stream(asked()) as stream:
        async for chunk in stream:
            seen.append(chunk)
    switches = [chunk for chunk in seen if isinstance(chunk, Switched)]
    assert [(s.left, s.joined, s.failure) for s in switches] == [
        ("mortal:alone", "mortal:alone", "overloaded")
    ]
    assert isinstance(seen[-1], Stopped)
