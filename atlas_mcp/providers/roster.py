"""The members of a group and what they share: who is whose turn, who changed, what is known of them."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.breaker import Breaker, Tripwire
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.member import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from atlas_mcp.chunks import Chosen
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.retry import Retry
    from atlas_mcp.providers.strategy import Strategy

__all__ = ["Circumstances", "Roster"]

_REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What groups share and tests replace: records, prices, a clock in seconds that only grows, chance.

    `on_change` is told when a member's breaker changes. `breakers` are by the identity of their providers:
    what one group finds out, others that have the same provider know.
    """

    reliability: Reliability
    prices: Prices
    clock: Callable[[], float] = time.monotonic
    chance: random.Random = random.Random()  # noqa: RUF009, S311 - shared on purpose; nothing secret rests on it
    on_change: Callable[[Member], None] | None = None
    breakers: dict[int, tuple[Provider, Breaker]] = field(
        default_factory=dict[int, "tuple[Provider, Breaker]"]
    )

    def breaker_of(self, provider: Provider, tripwire: Tripwire | None) -> Breaker:
        """The breaker of a provider: one for all groups that leave it to the usual tripwire."""
        if tripwire is not None:
            return Breaker(tripwire, clock=self.clock)
        fresh = (provider, Breaker(clock=self.clock))
        return self.breakers.setdefault(id(provider), fresh)[1]

    @classmethod
    def fresh(cls) -> Circumstances:
        """Nothing known yet."""
        return cls(Reliability(), Prices())


class Roster:
    """The members of the group called `name`.

    `choices` are its last choices, newest last; `changed` is set, and replaced by a new one, when a member's
    breaker changes.

    Raises on making:
        InvalidConfiguration: there is no member, or one of them may be none.
    """

    def __init__(
        self, name: str, members: Sequence[Provider | tuple[Provider, float]], strategy: Strategy,
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
        for each in members:
            provider, weight = each if isinstance(each, tuple) else (each, 1.0)
            self._enrol(provider, weight)
        self._refuse_misfits()

    def _refuse_misfits(self) -> None:
        """Of the members together; each by itself is looked at as it is enrolled."""
        vendors = [member.provider.info.vendor for member in self.members]
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

    def _enrol(self, provider: Provider, weight: float) -> None:
        info = provider.info
        if not weight > 0:
            raise InvalidConfiguration(
                f"{self.name}: the weight of {info.name} is {weight}.", remedy="Give more than 0."
            )
        alike = sum(member.name.partition("#")[0] == info.name for member in self.members)
        breaker = self.circumstances.breaker_of(provider, self._tripwire)
        member = Member(f"{info.name}#{alike + 1}" if alike else info.name, provider, breaker, weight)
        breaker.listeners.append(partial(self._notice, member))
        self.members = (*self.members, member)

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
