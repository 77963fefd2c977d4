"""Who is tried next for one prompt, after whom, and when nobody is left to try.

Retries and fallbacks are one thing here: after a failure a member may be tried again from some moment on, and
whoever is free meanwhile is not kept waiting for it. When everybody is cooling down the first to be ready is
waited for, within the deadline.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from atlas_mcp import errors
from atlas_mcp.errors import InvalidConfiguration, ProviderError, Unavailable
from atlas_mcp.providers.continuation import way_on
from atlas_mcp.providers.known.tokens import tokens_of_prompt
from atlas_mcp.providers.strategy import Ask
from atlas_mcp.providers.terms import Attempts, Way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.member import Member
    from atlas_mcp.providers.roster import Roster
    from atlas_mcp.providers.terms import Policy, Terms

__all__ = ["Choosing"]


class Choosing:
    """The choices of one call."""

    def __init__(self, roster: Roster, prompt: Prompt, terms: Terms, policy: Policy) -> None:
        self._roster = roster
        self._prompt = prompt
        self._policy = policy
        self._terms = terms
        self._attempts = terms.attempts or Attempts(policy.attempts)
        self._tries: Counter[Member] = Counter()
        self._failed_at: dict[Member, float] = {}
        self._lost: dict[Member, ProviderError] = {}
        self._not_before: dict[Member, float] = {}
        self._failures: list[ProviderError] = []
        self._prefer: Member | None = None
        self.ways = set(policy.ways)
        self.reason = ""
        self.others: tuple[str, ...] = ()

    async def pick(self, said: str) -> Member:
        """The next member to try; waits for one where all are cooling down.

        Whoever is given one begins with it before anything else can happen: one that is half open is free
        for one call alone.

        Raises:
            Unavailable: nobody can answer, and nobody will be ready in time.
            ProviderError: the last failure, where there is but one member.
        """
        clock = self._roster.circumstances.clock
        since = clock()
        while True:
            there = [member for member in self._roster.members if self._may(member, said)]
            if not there:
                if said and not self.ways and self._failures:
                    raise self._failures[-1]  # nobody may go on with what was said
                raise self._nobody()
            now = clock()
            free = [m for m in there if m.breaker.free and self._not_before.get(m, 0.0) <= now]
            if free:
                return self._first_of([m for m in free if not self._avoids(m)] or free)
            room = self._policy.wait - (now - since) if self._terms.waits else 0.0
            await self._wait_for(there, now, room=room)

    def has_another(self, member: Member, said: str) -> bool:
        """Whether somebody else could take over now, and is not on trial after failures."""
        now = self._roster.circumstances.clock()
        return any(
            other is not member and not other.breaker.opens and self._may(other, said)
            and self._not_before.get(other, 0.0) <= now
            for other in self._roster.members
        )  # fmt: skip

    def somebody_free(self, member: Member, said: str) -> bool:
        """Whether somebody else may be asked now, be it on trial."""
        now = self._roster.circumstances.clock()
        return any(
            other is not member and other.breaker.free and self._may(other, said)
            and self._not_before.get(other, 0.0) <= now
            for other in self._roster.members
        )  # fmt: skip

    def stay_with(self, member: Member) -> None:
        """Try the same member next, if it is free: it was not at fault."""
        self._prefer = member

    def survive(self, member: Member, failure: ProviderError, *, told: Way | None) -> None:
        """Take in that a member failed; `told` is how it was asked to go on, if it was.

        Raises:
            ProviderError: nobody may be tried after such a failure, or there is neither time nor a try left.
        """
        self._failures.append(failure)
        now = self._roster.circumstances.clock()
        if member.breaker.closed_at > self._failed_at.get(member, now):
            self._tries[member] = 0  # it had been found to be back since
        self._tries[member] += 1
        self._failed_at[member] = now
        if isinstance(failure, errors.InvalidRequest) and told is not None:
            # It may be our way of asking to go on that it refuses.
            self.ways.discard(told)
        elif isinstance(failure, errors.ContentRefused):
            if not self._policy.refusals:
                raise failure
            self.ways &= {Way.RESTART}
            self._lost[member] = failure
        elif not (failure.retryable or failure.fall_back):
            raise failure
        else:
            member.learn(failure, self._prompt, self.prompt_tokens)
            circumstances = self._roster.circumstances
            wait = self._roster.retry.wait(failure, self._tries[member], circumstances.chance)
            if member.nested and isinstance(failure, errors.Unavailable):
                wait = failure.retry_after  # when one of its own members is ready
            if wait is None:
                self._lost[member] = failure
            else:
                self._not_before[member] = now + wait
        deadline = self._terms.deadline
        if deadline is not None and asyncio.get_running_loop().time() >= deadline:
            raise failure  # the others would have no time, and be blamed for it
        if not self._attempts.take():
            raise self._nobody(tried_enough=True)

    def _may(self, member: Member, said: str) -> bool:
        """Whether a member could answer, as far as one can tell beforehand."""
        if member in self._lost:
            return False
        if len(self._roster.members) > 1 and not member.attends(self._prompt):
            return False
        capabilities = member.capabilities
        if said and way_on(self._prompt, said, capabilities, self.ways) is None:
            return False
        return not capabilities.lacking(self._prompt, self.prompt_tokens)

    @cached_property
    def prompt_tokens(self) -> int:
        """About how many tokens the prompt has."""
        return tokens_of_prompt(self._prompt)

    def _avoids(self, member: Member) -> bool:
        avoided = self._terms.avoid
        return bool(avoided) and (member.name in avoided or avoided.issuperset(member.provider.info.vendors))

    def _first_of(self, free: list[Member]) -> Member:
        prefer, self._prefer = self._prefer, None
        if prefer in free:
            self.reason, self.others = "it had begun", ()
            return prefer
        roster, task = self._roster, self._prompt.kind_of_task
        if len(free) == 1:
            places: Sequence[int] = (0,)
            self.reason = "the only member" if len(roster.members) == 1 else "the only one that is free"
        else:
            ask = Ask(task, self.prompt_tokens, self._prompt.max_output_tokens or Ask(task).answer_tokens)
            views = [member.view(task, roster.circumstances.reliability) for member in free]
            places, self.reason = roster.strategy(ask, views, roster.circumstances.chance)
            if sorted(places) != list(range(len(free))):
                raise InvalidConfiguration(
                    f"The strategy of {roster.name} gave the places {list(places)} for {len(free)} members.",
                    remedy="A strategy gives every place from 0 on, each once.",
                )
        self.others = tuple(free[place].name for place in places[1:])
        chosen = free[places[0]]
        roster.take_turn(chosen)
        return chosen

    async def _wait_for(self, there: list[Member], now: float, *, room: float) -> None:
        """Wait until somebody may be free, at most `room` seconds.

        Raises:
            Unavailable: that would take longer, or the deadline passes before.
        """
        soonest = min(self._ready_at(member) for member in there)
        if self._terms.deadline is not None:
            room = min(room, self._terms.deadline - asyncio.get_running_loop().time())
        # Where all are being tried by others, one of those will tell how it went.
        seconds = room if math.isinf(soonest) else soonest - now
        if room <= 0 or seconds > room:
            if math.isinf(soonest):
                raise self._nobody(None if self._terms.waits else self._roster.retry.first)
            raise self._nobody(seconds)
        changed = self._roster.changed
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await changed.wait()

    def _ready_at(self, member: Member) -> float:
        ready = member.breaker.ready_at
        return math.inf if ready is None else max(ready, self._not_before.get(member, 0.0))

    def _nobody(self, seconds: float | None = None, *, tried_enough: bool = False) -> ProviderError:
        """Why nobody can answer; `seconds` until somebody can."""
        members = self._roster.members
        if self._failures and len(members) == 1:
            return self._failures[-1]
        alone = len(members) == 1
        name = members[0].name if alone else self._roster.name
        said = [f"{member.name}: {self._why_not(member)}" for member in members]
        if tried_enough:
            said.append(f"It was tried {len(self._failures)} times, and the step may take no further try.")
        remedies = [failure.remedy for failure in self._blamed() if failure.remedy]
        return Unavailable(
            " ".join(said) if alone else f"Nobody in {name} can answer. {' '.join(said)}",
            provider="group",
            model=name,
            failures=tuple(self._blamed()),
            retry_after=seconds,
            remedy=remedies[0] if remedies else "Try again later, or add a member.",
        )

    def _blamed(self) -> list[ProviderError]:
        """What the members met: in this call, else when they were last called."""
        earlier = (m.breaker.last for m in self._roster.members if m.breaker.opens and m.breaker.last)
        return self._failures or list(earlier)

    def _why_not(self, member: Member) -> str:
        if failure := self._lost.get(member):
            return f"{failure.code} ({failure.message})"
        lacking = member.capabilities.lacking(self._prompt, self.prompt_tokens)
        if lacking or not member.attends(self._prompt):
            return f"lacks {', '.join(lacking or ['anybody who could be asked'])}."
        now, breaker = self._roster.circumstances.clock(), member.breaker
        if breaker.opens and breaker.ready_at is None:
            return f"is being tried after {breaker.reason}."
        if breaker.opens:
            until = datetime.now(UTC) + timedelta(seconds=max(0.0, breaker.until - now))
            return f"is left alone until {until:%H:%M:%S} UTC after {breaker.reason}."
        if (wait := self._not_before.get(member, 0.0) - now) > 0:
            return f"failed, and may be tried again in {wait:.1f} s."
        return "could not go on with what was said." if self._failures else "is busy."
