"""What may still be spent: limits of tokens, money and calls that bind while an answer streams.

Budgets form a tree (day, run, team, agent, call); spending counts in a budget and in all above it. A call
first reserves what its prompt takes, then counts what streams, and settles for what the provider says at the
end. Since calls under way count at once, workers side by side cannot together take more than there is, but
for the chunk that each of them was just given. It knows no provider and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from atlas_mcp.chunks import Usage
from atlas_mcp.errors import BudgetSpent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from atlas_mcp.providers.known.prices import Price

__all__ = ["Budget", "Hold", "Limit", "in_dollars"]

LEAST_ANSWER = 64
"""A prompt is not sent where not even so many tokens of an answer would fit behind it."""

_DUST = 1e-12
"""Dollars that a sum of dollars may be off by: ten cents, three times, are more than thirty."""

_SMALL_SHARE = 0.1
"""Of what is left, so much may be reserved for one answer without anybody else having to go short."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that may be spent; None is no limit."""

    tokens: int | None = None
    cost_usd: float | None = None
    calls: int | None = None


class Budget:
    """A limit and what counts against it.

    `name` is how errors call it. `held_back` is the share of tokens and money that only a closing turn may
    take. Money binds only where a price is known; `blind` says that some was spent at an unknown one.
    `on_spent` is told what each call took. `remedy` is what to do once the limit is reached.
    """

    def __init__(
        self, limit: Limit, *, name: str = "run", parent: Budget | None = None, held_back: float = 0.0,
        remedy: str = "Give it a larger budget.",
    ) -> None:  # fmt: skip
        self.limit = limit
        self.name = name
        self.parent = parent
        self.held_back = held_back
        self.remedy = remedy
        self.on_spent: Callable[[Usage], None] | None = None
        self.spent = Usage()
        self.blind = False
        self._tokens = 0
        self._usd = 0.0
        self._calls = 0

    def child(self, limit: Limit, *, name: str) -> Budget:
        """A budget below this one."""
        return Budget(limit, name=name, parent=self)

    def reserve(
        self, prompt_tokens: int, *, answer_tokens: int | None = None, price: Price | None = None,
        closing: bool = False,
    ) -> Hold:  # fmt: skip
        """Count a call that is about to be made.

        `answer_tokens` is given for an answer that comes at once: all of it must fit, and is reserved. One
        that streams can be cut off, so little of it must fit. `closing` may take what is held back, and may
        be one call more than the limit; but not of those above the budget that it closes.

        Raises:
            BudgetSpent: it does not fit, here or in a budget above.
        """
        least = LEAST_ANSWER if answer_tokens is None else answer_tokens
        need_usd = price.estimate(prompt_tokens, least) if price else 0.0
        for budget, closes in self._turns(closing):
            budget._refuse(prompt_tokens + least, need_usd, 1, closing=closes)
        tokens = prompt_tokens + (answer_tokens or 0)
        usd = price.estimate(prompt_tokens, answer_tokens or 0) if price else 0.0
        return Hold(self, price, tokens, usd, closing=closing)

    def set_aside(self, usd: float, *, closing: bool = False) -> Hold:
        """Count the money of what is about to be paid for and is no call of a model.

        `closing` may take what is held back, as in `reserve`.

        Raises:
            BudgetSpent: it does not fit, here or in a budget above.
        """
        self.check(closing=closing, tokens=None, usd=usd, calls=None)
        return Hold(self, None, 0, usd, closing=closing, calls=0)

    def reached(
        self, *, closing: bool = False, tokens: int | None = 1, usd: float = 1e-9, calls: int | None = 1
    ) -> str:
        """Whose limit leaves no room for so much more, in words; empty while none does.

        None is not looked at.
        """
        for budget, closes in self._turns(closing):
            if limit := budget._beyond(tokens, usd, calls, closing=closes):
                return f"{budget.name}'s limit of {limit}"
        return ""

    def check(
        self, *, closing: bool = False, tokens: int | None = 1, usd: float = 1e-9, calls: int | None = 1
    ) -> None:
        """Refuse where a limit leaves no room for so much more; None is not looked at.

        Raises:
            BudgetSpent: says whose limit it is, here or above, and what to do about that one.
        """
        for budget, closes in self._turns(closing):
            budget._refuse(tokens, usd, calls, closing=closes)

    def left(self, *, closing: bool = False) -> tuple[int | None, float | None]:
        """Tokens and dollars that are left, here and above; None is no limit."""
        tokens = usd = inf
        for budget, closes in self._turns(closing):
            most_tokens, most_usd = budget._caps(closing=closes)
            tokens = min(tokens, max(0.0, most_tokens - budget._tokens))
            usd = min(usd, max(0.0, most_usd - budget._usd))
        return (None if tokens == inf else int(tokens)), (None if usd == inf else usd)

    def ample(
        self, prompt_tokens: int, answer_tokens: int, *, price: Price | None = None, closing: bool = False
    ) -> bool:
        """Whether a call of that size would take but a small share of what is left, here and above."""
        tokens, usd = self.left(closing=closing)
        cost = price.estimate(prompt_tokens, answer_tokens) if price else 0.0
        fits = tokens is None or prompt_tokens + answer_tokens <= _SMALL_SHARE * tokens
        return fits and (usd is None or cost <= _SMALL_SHARE * usd)

    def add(self, usage: Usage, *, above: bool = True) -> None:
        """Count a call that was not reserved; not in budgets above, if they have counted it already."""
        for budget in self._chain():
            budget.move(usage.tokens, usage.cost_usd or 0.0, usage.calls)
            budget._report(usage)
            if not above:
                break

    def _turns(self, closing: bool) -> Iterator[tuple[Budget, bool]]:
        """This budget and those above, and whether a call closes it: the first that holds something back."""
        for budget in self._chain():
            yield budget, closing
            closing = closing and not budget.held_back

    def _chain(self) -> Iterator[Budget]:
        budget: Budget | None = self
        while budget is not None:
            yield budget
            budget = budget.parent

    def move(self, tokens: int, usd: float, calls: int) -> None:
        """Count so much more, or less, in this budget alone, such as what others spent under its limit."""
        self._tokens += tokens
        self._usd += usd
        self._calls += calls

    def _report(self, usage: Usage) -> None:
        self.spent = self.spent + usage
        self.blind = self.blind or (usage.cost_usd is None and usage.tokens > 0)
        if self.on_spent is not None:
            self.on_spent(usage)

    @property
    def limits(self) -> bool:
        """Whether tokens or money are limited, here or above."""
        return any(budget.binds for budget in self._chain())

    @property
    def binds(self) -> bool:
        """Whether it limits tokens or money."""
        return self.limit.tokens is not None or self.limit.cost_usd is not None

    def _caps(self, *, closing: bool) -> tuple[float, float]:
        """The most tokens and dollars, for a closing turn or for any other."""
        share = 1.0 if closing else 1.0 - self.held_back
        tokens, usd = self.limit.tokens, self.limit.cost_usd
        return (inf if tokens is None else tokens * share), (inf if usd is None else usd * share)

    def _beyond(self, tokens: int | None, usd: float, calls: int | None, *, closing: bool) -> str:
        """The limit that so much more would go beyond, in words; empty if it fits."""
        limit = self.limit
        most_tokens, most_usd = self._caps(closing=closing)
        most_calls = None if closing else limit.calls
        if calls is not None and most_calls is not None and self._calls + calls > most_calls:
            return f"{limit.calls} call{'' if limit.calls == 1 else 's'}"
        if tokens is not None and self._tokens + tokens > most_tokens:
            return f"{limit.tokens:,} tokens"
        if self._usd + usd > most_usd + _DUST:
            return in_dollars(limit.cost_usd or 0.0)
        return ""

    def _refuse(self, tokens: int | None, usd: float, calls: int | None, *, closing: bool) -> None:
        if limit := self._beyond(tokens, usd, calls, closing=closing):
            raise BudgetSpent(self._why(limit, closing=closing), remedy=self.remedy)

    def _why(self, limit: str, *, closing: bool) -> str:
        """Why a call is refused: a limit is reached, or what is left of it is kept, or does not do."""
        whole = Limit() if limit.endswith(("call", "calls")) else self.limit
        by_tokens = limit.endswith("tokens")
        most, taken = (whole.tokens, self._tokens) if by_tokens else (whole.cost_usd, self._usd)
        if most is None or taken >= most:
            return f"The {self.name}'s limit of {limit} is reached."
        figure = f"{taken:,} are taken" if by_tokens else f"{in_dollars(taken)} is taken"
        kept = not closing and taken >= most * (1.0 - self.held_back)
        rest = "is kept for handing back what there is" if kept else "has no room for this call"
        return f"Of the {self.name}'s limit of {limit}, {figure}; what is left {rest}."


def in_dollars(usd: float) -> str:
    """Money in words: to the cent, and the less it is the finer."""
    if 0 < usd < 1e-4:  # noqa: PLR2004 - a hundredth of a cent
        return f"${usd:.1g}"
    return f"${usd:.2f}" if usd >= 0.1 else f"${usd:.4f}".removesuffix("00")  # noqa: PLR2004 - ten cents


class Hold:
    """What one call under way counts for, until it is settled; `calls` is 0 for one that no model answers."""

    __slots__ = ("_answer", "_calls", "_caps", "_chain", "_open", "_price", "_tokens", "_usd")

    def __init__(
        self, budget: Budget, price: Price | None, tokens: int, usd: float, *, closing: bool, calls: int = 1
    ) -> None:
        self._price = price
        self._tokens = tokens
        self._usd = usd
        self._calls = calls
        self._answer = 0
        self._open = True
        self._chain = tuple(budget._chain())
        self._caps = tuple(
            (each, closes, *each._caps(closing=closes))
            for each, closes in budget._turns(closing)
            if each.binds
        )
        for each in self._chain:
            each.move(tokens, usd, calls)

    def count(self, prompt_tokens: int, answer_tokens: int) -> None:
        """The call took so much until now.

        Raises:
            BudgetSpent: that is more than there is; the call must stop.
        """
        if answer_tokens == self._answer:
            return
        self._answer = answer_tokens
        more = prompt_tokens + answer_tokens - self._tokens
        more_usd = self._price.estimate(prompt_tokens, answer_tokens) - self._usd if self._price else 0.0
        if more <= 0 and more_usd <= 0.0:
            return
        self._tokens += more
        self._usd += more_usd
        for budget in self._chain:
            budget.move(more, more_usd, 0)
        for budget, closes, tokens, usd in self._caps:
            if budget._tokens > tokens or budget._usd > usd:
                budget._refuse(0, 0.0, 0, closing=closes)

    def spend(self, usd: float) -> None:
        """Pay so much out of it; the rest stays set aside."""
        self._usd -= usd
        for budget in self._chain:
            budget._report(Usage(cost_usd=usd))

    def settle(self, usage: Usage) -> None:
        """The call has ended and took this; what was only reserved is free again. It counts once."""
        if self._open:
            self._open = False
            for budget in self._chain:
                budget.move(
                    usage.tokens - self._tokens,
                    (usage.cost_usd or 0.0) - self._usd,
                    usage.calls - self._calls,
                )
                budget._report(usage)
