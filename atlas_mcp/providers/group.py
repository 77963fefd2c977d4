"""Several providers that answer as one: a provider over providers.

It chooses who answers by a strategy, keeps calls away from members that fail, and when one dies in the
middle of an answer lets another go on, so that whoever reads sees one stream with visible seams. What happens
to a single prompt is in `call`. Groups nest, and know no vendor.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from atlas_mcp.providers.breaker import Tripwire
from atlas_mcp.providers.budget import Budget
from atlas_mcp.providers.call import Call
from atlas_mcp.providers.capabilities import Capabilities
from atlas_mcp.providers.provider import Checked, Health, ProviderInfo
from atlas_mcp.providers.retry import Retry
from atlas_mcp.providers.roster import Circumstances, Roster
from atlas_mcp.providers.strategies import failover
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Attempts, Policy, Terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from atlas_mcp.chunks import Chosen
    from atlas_mcp.messages import Prompt, TaskType
    from atlas_mcp.providers.member import Member
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.strategy import Strategy

__all__ = ["Circumstances", "ProviderGroup", "checked"]

_CALL_REMEDY = "Raise call_tokens or call_usd of the group."


class ProviderGroup:
    """A group of members, each a provider, or a provider with its weight.

    One that stands `alone` joins as the provider it is, with what is known of it. Who names no circumstances
    shares those of the first of them.

    Raises on making:
        InvalidConfiguration: there is no member, or one of them is no language model's.
    """

    def __init__(
        self,
        members: Sequence[Provider | tuple[Provider, float]],
        strategy: Strategy = failover,
        *,
        name: str = "group",
        policy: Policy | None = None,
        retry: Retry | None = None,
        tripwire: Tripwire | None = None,
        circumstances: Circumstances | None = None,
    ) -> None:
        weighed = [each if isinstance(each, tuple) else (each, 1.0) for each in members]
        lone = [each for each, _ in weighed if isinstance(each, ProviderGroup) and each._alone]
        if circumstances is None:
            circumstances = lone[0]._roster.circumstances if lone else Circumstances.fresh()
        self._name = name
        self._policy = policy or Policy()
        self._roster = Roster(
            name, [(_itself(each), weight) for each, weight in weighed], strategy,
            retry=retry or Retry(), tripwire=tripwire, circumstances=circumstances,
        )  # fmt: skip

    @cached_property
    def _lone_info(self) -> ProviderInfo:
        return replace(self.members[0].provider.info, keeps_accounts=True)

    @classmethod
    def alone(cls, provider: Provider, *, circumstances: Circumstances | None = None) -> ProviderGroup:
        """A provider by itself, under the same budgets, and with retries if it is a language model's.

        It bears the provider's own name, and who chose it is not told.
        """
        if isinstance(provider, ProviderGroup):
            return provider
        if provider.info.language_model:
            return cls([provider], name="", circumstances=circumstances)
        return cls(
            [provider], name="", policy=Policy(ways=(), crawl=0.0, attempts=0), retry=Retry(times={}),
            tripwire=Tripwire(trips=False), circumstances=circumstances,
        )  # fmt: skip

    @property
    def _alone(self) -> bool:
        """Whether it is a provider by itself and no group to anybody."""
        return not self._name and len(self.members) == 1

    @property
    def members(self) -> tuple[Member, ...]:
        """The members, in the order in which they were given."""
        return self._roster.members

    @property
    def policy(self) -> Policy:
        """How a call is treated that brings no policy of its own; `call` limits every call."""
        return self._policy

    @property
    def strategy(self) -> Strategy:
        """Who orders the members for a call."""
        return self._roster.strategy

    @property
    def choices(self) -> tuple[Chosen, ...]:
        """The last choices, newest last, and why."""
        return tuple(self._roster.choices)

    @property
    def info(self) -> ProviderInfo:
        """The group; what it can do is the best of what its members can."""
        if self._alone:
            return self._lone_info
        members = tuple(member.provider.info for member in self.members)
        return ProviderInfo(
            self._roster.name,
            "group",
            self._name,
            language_model=any(info.language_model for info in members),
            note=members[0].note if len(members) == 1 else "",
            capabilities=Capabilities.best_of(member.capabilities for member in self.members),
            members=members,
        )

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        """The answer to a prompt, by whoever can give it.

        The policy of a call takes the place of the group's own here and in groups within, but for the most
        that one call may take, which holds as well; else each group keeps to its own.

        Raises while read:
            Unavailable: nobody could answer; says what each met and when one is ready again.
            BudgetSpent: the budget does not allow it, or it was reached in mid-answer.
            ProviderError: the only member failed, or no other may be asked after such a failure.
        """
        asked = terms.policy
        policy = asked or self._policy
        budget = terms.budget
        for limit in dict.fromkeys((self._policy.call, policy.call)):
            if limit is not None:
                budget = Budget(limit, name="call", parent=budget, remedy=_CALL_REMEDY)
        attempts = terms.attempts or Attempts(policy.attempts)
        terms = replace(terms, policy=policy, attempts=attempts, budget=budget)
        call = Call(self._roster, prompt, terms, policy, asked=asked)
        stream = Stream(call.chunks(), meter=call, hold=policy.hold, on_hold=call.held_long, tidy=True)
        call.control = stream.control
        return stream

    async def aclose(self) -> None:
        """Close every member."""
        await asyncio.gather(*(member.provider.aclose() for member in self.members))

    async def check(self) -> Health:
        """Whether anybody in the group would answer."""
        found = await asyncio.gather(*(checked(member) for member in self.members))
        if len(found) == 1:
            return found[0]
        remedy = "" if any(health.answers for health in found) else found[0].remedy
        said = "; ".join(f"{m.name}: {h.says}" for m, h in zip(self.members, found, strict=True))
        slowest = max(health.seconds for health in found)
        return Health(any(health.answers for health in found), slowest, said, remedy)

    def leaves(self) -> Iterator[Member]:
        """The members that are no groups, of groups within it too."""
        for member in self.members:
            if isinstance(member.provider, ProviderGroup):
                yield from member.provider.leaves()
            else:
                yield member

    async def unpriced(self) -> list[str]:
        """Who of the models in it costs nobody knows what, so that a limit in dollars does not bind there."""
        await asyncio.gather(*(leaf.look_up(self._roster.circumstances.prices) for leaf in self.leaves()))
        return [leaf.name for leaf in self.leaves() if leaf.price is None]

    def rate(self, member: str, task: TaskType, quality: float) -> None:
        """Feed back how good an answer of a member was, from 0 to 5."""
        self._roster.circumstances.reliability.rate(member, task, quality)


def _itself(provider: Provider) -> Provider | Member:
    """Who becomes a member: of one that stands alone, the one."""
    if isinstance(provider, ProviderGroup) and provider._alone:
        return provider.members[0]
    return provider


async def checked(member: Member) -> Health:
    """Whether a member would answer; of some that cannot be known for free."""
    if isinstance(member.provider, Checked):
        return await member.provider.check()
    return Health(answers=True, seconds=0.0, says="cannot be looked at without paying for an answer")
