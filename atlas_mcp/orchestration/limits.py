"""What a run may still take: its budget, what was spent of it, and the clock that a pause stops."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING

from atlas_mcp.chunks import Usage
from atlas_mcp.errors import BudgetSpent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.orchestration.team import Budget

__all__ = ["Limits"]


class Limits:
    """The limits of one run; `seconds_before` is what earlier owners worked on it.

    A limit of money binds only where the provider's price is known.
    """

    def __init__(self, budget: Budget, *, seconds_before: float = 0.0) -> None:
        self._budget = budget
        self._began = monotonic() - seconds_before
        self._paused_at: float | None = None
        self._scopes: set[asyncio.Timeout] = set()
        self.spent = Usage()

    def begin_call(self) -> None:
        """Count a call that begins now, so that calls at the same time do not all take the last one."""
        self.add(Usage(calls=1))

    def add(self, usage: Usage) -> None:
        """Count what was used."""
        self.spent = self.spent + usage

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time limit, or None without one."""
        if self._budget.seconds is None:
            return None
        return self._began + self._budget.seconds - (self._paused_at or monotonic())

    @property
    def reached(self) -> str:
        """The limit that is reached, in words; empty while none is."""
        budget, spent, left = self._budget, self.spent, self.seconds_left
        if left is not None and left <= 0:
            return f"{budget.seconds:.0f} seconds"
        if budget.calls is not None and spent.calls >= budget.calls:
            return f"{budget.calls} calls"
        if budget.tokens is not None and spent.input_tokens + spent.output_tokens >= budget.tokens:
            return f"{budget.tokens:,} tokens"
        if budget.cost_usd is not None and (spent.cost_usd or 0.0) >= budget.cost_usd:
            return f"${budget.cost_usd:.2f}"
        return ""

    def check(self) -> None:
        """Refuse another call once a limit is reached.

        Raises:
            BudgetSpent: says which.
        """
        if reached := self.reached:
            raise self._spent(reached)

    def _spent(self, limit: str) -> BudgetSpent:
        return BudgetSpent(f"The run's limit of {limit} is reached.", remedy="Give it a larger budget.")

    @asynccontextmanager
    async def within(self) -> AsyncGenerator[None]:
        """A scope that ends with the time limit.

        Raises:
            BudgetSpent: the limit was reached inside.
        """
        scope = asyncio.timeout(None if self._paused_at else self.seconds_left)
        try:
            async with scope:
                self._scopes.add(scope)
                try:
                    yield
                finally:
                    self._scopes.discard(scope)
        except TimeoutError:
            # The clock is not asked: where it is coarse, a timer fires a little before its time.
            if scope.expired():
                raise self._spent(f"{self._budget.seconds:.0f} seconds") from None
            raise

    def pause(self) -> None:
        """Stop the clock."""
        self._paused_at = monotonic()
        for scope in self._scopes:
            scope.reschedule(None)

    def resume(self) -> None:
        """Let the clock go on."""
        if self._paused_at is not None:
            self._began += monotonic() - self._paused_at
            self._paused_at = None
        left = self.seconds_left
        for scope in self._scopes:
            scope.reschedule(None if left is None else asyncio.get_running_loop().time() + left)
