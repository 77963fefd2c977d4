"""Groups within groups: whose settings hold, who waits for whom, and who is a group to nobody."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Usage
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.capabilities import Capabilities
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.retry import Retry
from atlas_mcp.providers.terms import Attempts, Policy, Terms
from tests.providers.asking import until
from tests.providers.mortal import Fate, Mortal, asked, text
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from atlas_mcp.errors import ProviderError
    from atlas_mcp.providers.provider import Provider

WELL = Fate(text("well"))


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": SkippingLoop}


def now() -> float:
    return asyncio.get_running_loop().time()


def dies(error: ProviderError) -> Fate:
    return Fate((), error, reports=False)


def limited(seconds: float) -> Fate:
    return dies(errors.RateLimited("Slower.", retry_after=seconds, remedy="Wait."))


def busy() -> Fate:
    return dies(errors.Overloaded("It is busy.", remedy="Wait."))


def circumstances() -> Circumstances:
    return Circumstances(Reliability(clock=now), Prices(), now)


def group_of(*members: Provider, name: str = "group", policy: Policy | None = None) -> ProviderGroup:
    return ProviderGroup(
        members, name=name, policy=policy, retry=Retry(jitter=0.0), circumstances=circumstances()
    )


async def answer(group: ProviderGroup, terms: Terms | None = None) -> tuple[str, float]:
    """Who answered, and after how many seconds."""
    since = now()
    reply = await complete(group, asked(), terms or Terms())
    return reply.stopped.model, now() - since


# One alone -------------------------------------------------------------------------------------------------


async def test_one_alone_joins_as_the_provider_it_is_and_is_counted_once() -> None:
    budget = Budget(Limit(), name="run")
    group = group_of(ProviderGroup.alone(Mortal("a", [WELL])), ProviderGroup.alone(Mortal("b", [WELL])))
    reply = await complete(group, asked(), Terms(budget=budget))
    assert reply.usage == Usage(7, 1, cost_usd=None, calls=1)
    assert (budget._tokens, budget._calls) == (8, 1)
    assert budget.spent.calls == 1


async def test_one_alone_is_not_retried_while_a_peer_is_free() -> None:
    first, second = Mortal("first", [limited(20.0), WELL]), Mortal("second", [WELL])
    group = group_of(ProviderGroup.alone(first), ProviderGroup.alone(second))
    assert await answer(group) == ("second", 0.0)
    assert len(first.lives) == 1
    assert not any(member.nested for member in group.members)


async def test_one_alone_brings_along_what_is_known_of_it() -> None:
    shared = circumstances()
    alone = ProviderGroup.alone(Mortal("a", [WELL]), circumstances=shared)
    alone.members[0].remember(Capabilities(window=12_345))
    alone.members[0].breaker.restore(20.0, 1, "overloaded")
    group = ProviderGroup([(alone, 2.0), Mortal("b", [WELL])])
    first = group.members[0]
    assert (first.name, first.weight, first.capabilities.window) == ("mortal:a", 2.0, 12_345)
    assert first.breaker is alone.members[0].breaker, "they share its circumstances"
    assert await answer(group) == ("b", 0.0)


# Who waits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", [limited(3.0), busy()], ids=["limited", "busy"])
async def test_a_group_within_keeps_nobody_waiting_while_the_outer_has_a_free_member(fate: Fate) -> None:
    inner, peer = Mortal("inner", [fate]), Mortal("peer", [WELL])
    assert await answer(group_of(group_of(inner, name="inner"), peer)) == ("peer", 0.0)
    assert len(inner.lives) == 1


async def test_a_group_within_still_tries_each_of_its_own_members_that_is_free() -> None:
    inner = group_of(Mortal("a", [busy()]), Mortal("b", [WELL]), name="inner")
    assert await answer(group_of(inner, Mortal("peer", [WELL]))) == ("b", 0.0)


async def test_a_group_within_is_waited_for_where_nobody_else_is_free() -> None:
    inner = group_of(Mortal("a", [limited(3.0), WELL]), name="inner")
    refused = Mortal("refused", [dies(errors.Authentication("No."))])
    assert await answer(group_of(inner, refused)) == ("a", 3.0)
    assert await answer(group_of(group_of(Mortal("b", [limited(9.0), WELL]), name="only"))) == ("b", 9.0)


async def test_a_group_within_that_handed_the_call_back_has_another_turn_once_it_is_ready() -> None:
    inner = group_of(Mortal("a", [limited(3.0), WELL]), Mortal("b", [limited(9.0)]), name="inner")
    refused = Mortal("refused", [dies(errors.Authentication("No."))])
    assert await answer(group_of(inner, refused)) == ("a", 3.0)


async def test_one_within_that_is_on_trial_is_waited_for_once_nobody_else_is_left() -> None:
    back = Mortal("back", [Fate(text("well"), pause=3.0), WELL])
    inner = group_of(back, name="inner")
    inner.members[0].breaker.restore(0.0, 1, "overloaded")
    refused = Mortal("refused", [dies(errors.Authentication("No."))])
    outer = group_of(inner, refused)
    for group in (inner, outer):
        await group._roster.look_up()  # in a thread, for which the clock does not wait
    somebody = asyncio.create_task(answer(inner))
    await until(lambda: back.open)
    await asyncio.sleep(1.0)
    assert await answer(outer, Terms(attempts=Attempts(3))) == ("back", 2.0)
    await somebody


# Whose settings hold ---------------------------------------------------------------------------------------


def talking(name: str = "talks") -> Mortal:
    return Mortal(name, [Fate(text(*["word "] * 400))])


async def test_the_limit_of_each_call_of_a_group_holds_within_another_and_beside_a_policy_of_the_call() -> (
    None
):
    inner = group_of(talking(), name="inner", policy=Policy(call=Limit(tokens=100)))
    for group, terms in [
        (group_of(inner, Mortal("peer", [WELL])), Terms()),
        (inner, Terms(policy=Policy(hold=5.0))),
        (inner, Terms(policy=Policy(call=Limit(tokens=200)))),
    ]:
        with pytest.raises(errors.BudgetSpent, match=r"limit of 100 tokens.*Raise call_tokens"):
            await complete(group, asked(), terms)


async def test_a_group_within_keeps_to_its_own_settings_unless_one_call_has_its_own() -> None:
    def dying() -> Mortal:
        return Mortal("dying", [Fate(text("half "), errors.StreamBroken("it died", remedy="Wait."))])

    def group() -> ProviderGroup:
        inner = group_of(dying(), Mortal("steady", [WELL]), name="inner", policy=Policy(ways=(), idle=7.0))
        return group_of(inner, name="outer")

    with pytest.raises(errors.StreamBroken):
        await complete(group(), asked())
    reply = await complete(group(), asked(), Terms(policy=Policy()))
    assert reply.stopped.model == "steady"

    member = Mortal("m", [WELL])
    inner = group_of(member, name="inner", policy=Policy(idle=7.0))
    outer = group_of(inner, name="outer", policy=Policy(idle=9.0))
    await complete(outer, asked())
    await complete(outer, asked(), Terms(policy=Policy(idle=8.0)))
    assert [life.terms.policy.idle for life in member.lives if life.terms.policy] == [7.0, 8.0]


async def test_the_first_word_of_a_group_within_is_waited_for_as_long_as_the_outer_one_says() -> None:
    slow = group_of(Mortal("slow", [Fate(text("x"), pause=60.0)]), name="inner")
    group = group_of(slow, Mortal("peer", [WELL]), policy=Policy(first_token=2.0))
    assert await answer(group) == ("peer", 2.0)


# Who may be a member ---------------------------------------------------------------------------------------


def of_vendor(vendor: str) -> Mortal:
    return Mortal("m", [WELL], vendor=vendor)


def test_extractive_is_no_member_among_models_of_a_group_within_either() -> None:
    inner = group_of_any(of_vendor("extractive"), name="inner")
    with pytest.raises(errors.InvalidConfiguration, match="extractive is no member"):
        group_of_any(inner, of_vendor("openai"))


def test_sampling_is_no_last_resort_by_way_of_a_group_within_either() -> None:
    inner = group_of_any(of_vendor("sampling"), name="inner")
    with pytest.raises(errors.InvalidConfiguration, match="sampling is no last resort"):
        group_of_any(of_vendor("openai"), inner)
    group_of_any(inner, of_vendor("openai"))


def group_of_any(*members: Provider, name: str = "group") -> ProviderGroup:
    return ProviderGroup(members, name=name)


# What is shared is not kept for ever -----------------------------------------------------------------------


def test_groups_that_are_dropped_leave_nothing_behind_in_what_they_shared() -> None:
    shared, member = Circumstances.fresh(), Mortal("m", [WELL])
    groups = [ProviderGroup([member], name=f"g{n}", circumstances=shared) for n in range(10)]
    breaker = groups[0].members[0].breaker
    assert len(breaker.listeners) == 10
    rosters = [weakref.ref(group._roster) for group in groups]
    groups.clear()
    gc.collect()
    assert breaker.listeners == []
    assert not any(roster() for roster in rosters)
    provider = weakref.ref(member)
    assert len(shared.breakers) == 1
    del member
    gc.collect()
    assert (provider(), shared.breakers) == (None, {})


def test_a_provider_that_cannot_be_held_weakly_keeps_its_breaker() -> None:
    class Slotted:
        __slots__ = ("aclose", "info", "stream")

    slotted: Any = Slotted()
    slotted.info = replace(Mortal("m", [WELL]).info)
    shared = Circumstances.fresh()
    one, other = (ProviderGroup([slotted], name=name, circumstances=shared) for name in ("one", "other"))
    assert one.members[0].breaker is other.members[0].breaker
