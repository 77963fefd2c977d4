"""The members of a group and what they share: who is whose turn, who changed, what is known of them."""

from __future__ import annotations

import asyncio
import random
import time
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.breaker import Breaker, Tripwire
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.member import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from atlas_mcp.chunks import Chosen
    from atlas_mcp.providers.provider import Provider, ProviderInfo
    from atlas_mcp.providers.retry import Retry
    from atlas_mcp.providers.strategy import Strategy

__all__ = ["Circumstances", "Roster"]

_REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What groups share and tests replace: records, prices, a clock in seconds that only grows, chance.

    `on_change` is told when a member's breaker changes. `breakers` are by the identity of their providers,
    and forgotten with them: what one group finds out, others that have the same provider know.
    """

    reliability: Reliability
    prices: Prices
    clock: Callable[[], float] = time.monotonic
    chance: random.Random = random.Random()  # noqa: RUF009, S311 - shared on purpose; nothing secret rests on it
    on_change: Callable[[Member], None] | None = None
    breakers: dict[int, tuple[object, Breaker]] = field(default_factory=dict[int, "tuple[object, Breaker]"])

    def breaker_of(self, provider: Provider, tripwire: Tripwire | None) -> Breaker:
        """The breaker of a provider: one for all groups that leave it to the usual tripwire."""
        if tripwire is not None:
            return Breaker(tripwire, clock=self.clock)
        breakers, key = self.breakers, id(provider)
        if key not in breakers:
            try:
                kept: object = weakref.ref(provider, lambda _: breakers.pop(key, None))
            except TypeError:
                kept = provider  # so that nobody else is given its identity
            breakers[key] = (kept, Breaker(clock=self.clock))
        return breakers[key][1]

    @classmethod
    def fresh(cls) -> Circumstances:
        """Nothing known yet."""
        return cls(Reliability(), Prices())


class Roster:
    """The members of the group called `name`; a member of another group joins with what is known of it there.

    `choices` are its last choices, newest last; `changed` is set, and replaced by a new one, when a member's
    breaker changes.

    Raises on making:
        InvalidConfiguration: there is no member, or one of them may be none.
    """

    def __init__(
        self, name: str, members: Sequence[tuple[Provider | Member, float]], strategy: Strategy,
        *, retry: Retry, tripwire: Tripwire | None, circumstances: Circumstances,
    ) -> None:  # fmt: skip
        self.name = f"group:{name}"
        self.strategy = strategy
        self.retry = retry
        self.circumstances = circumstances
        self.choices: deque[Chosen] = deque(maxlen=_REMEMBERED)
        self.changed = asyncio.Event()
        self._turn = 0.0
        self._tripwire = tripwire
        self.members: tuple[Member, ...] = ()
        for each, weight in members:
            self._enrol(each, weight)
        self._refuse_misfits()

    def _refuse_misfits(self) -> None:
        """Of the members together; each by itself is looked at as it is enrolled."""
        vendors = [info.vendor for member in self.members for info in _leaves(member.provider.info)]
        if not vendors:
            raise InvalidConfiguration(f"{self.name} has no member.", remedy="Name at least one.")
        if vendors[1:] and "extractive" in vendors:
            raise InvalidConfiguration(
                f"{self.name}: extractive is no member among models.",
                remedy="Leave it out; it answers where no model is configured.",
            )
        if vendors[1:] and vendors[-1] == "sampling":
            raise InvalidConfiguration(
                f"{self.name}: sampling is no last resort; its clients come and go.",
                remedy="List it before a model that is always there.",
            )

    def _enrol(self, each: Provider | Member, weight: float) -> None:
        provider = each.provider if isinstance(each, Member) else each
        info = provider.info
        if not weight > 0:
            raise InvalidConfiguration(
                f"{self.name}: the weight of {info.name} is {weight}.", remedy="Give more than 0."
            )
        alike = sum(member.name.partition("#")[0] == info.name for member in self.members)
        breaker = self.circumstances.breaker_of(provider, self._tripwire)
        member = Member(f"{info.name}#{alike + 1}" if alike else info.name, provider, breaker, weight)
        if isinstance(each, Member):
            member.know(each)
        self.members = (*self.members, member)
        self._listen(member)

    def _listen(self, member: Member) -> None:
        """Notice what becomes of a member; its breaker may live longer than this roster."""
        this = weakref.ref(self)

        def notice() -> None:
            if (roster := this()) is not None:
                roster._notice(member)

        listeners = member.breaker.listeners
        listeners.append(notice)
        weakref.finalize(self, listeners.remove, notice).atexit = False

    async def look_up(self) -> None:
        """Know what the members' tokens cost and how large their windows are, before one is chosen."""
        for member in self.members:
            await member.look_up(self.circumstances.prices)

    def take_turn(self, member: Member) -> None:
        """A member was chosen; it moves back in the rotation, the less the greater its weight."""
        self._turn = max(self._turn, member.turns)
        member.turns = self._turn + 1.0 / member.weight

    def _notice(self, member: Member) -> None:
        """Wake whoever waits for somebody to be free."""
        self.changed.set()
        self.changed = asyncio.Event()
        if self.circumstances.on_change is not None:
            self.circumstances.on_change(member)


def _leaves(info: ProviderInfo) -> Iterator[ProviderInfo]:
    """Who is behind a member and no group, in order."""
    if not info.members:
        yield info
    for member in info.members:
        yield from _leaves(member)
