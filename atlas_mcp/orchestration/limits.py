"""What a run may still take: its budget, what was spent of it, and the clock that a pause stops."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from atlas_mcp.errors import BudgetSpent
from atlas_mcp.providers import budget as providers
from atlas_mcp.providers.budget import Limit

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from atlas_mcp.chunks import Usage
    from atlas_mcp.orchestration.team import Budget

__all__ = ["HELD_BACK", "Limits"]

HELD_BACK = 0.15
"""The share of tokens and money that is kept for the turn that hands back what there is."""

_RAISE = "Raise [budget] in the team's team.toml, or give more by --budget-"


class Limits:
    """The limits of one run; `seconds_before` is what earlier owners worked on it.

    `budget` is what its calls are charged to, while they stream; a share of it is held back for the turn that
    hands back what there is. A limit of money binds only where the provider's price is known.
    """

    def __init__(
        self, wished: Budget, *, seconds_before: float = 0.0, day: providers.Budget | None = None
    ) -> None:
        self._seconds = wished.seconds
        self._began = monotonic() - seconds_before
        self._paused_at: float | None = None
        self._holds = 0
        self._scopes: set[asyncio.Timeout] = set()
        self.refused = ""
        """The limit for which a tool was not paid, in words; empty where each was."""
        limit = Limit(wished.tokens, wished.cost_usd, wished.calls)
        self.budget = providers.Budget(
            limit, name="run", parent=day, held_back=HELD_BACK, remedy=f"{_RAISE}tokens, -usd or -calls."
        )

    @property
    def spent(self) -> Usage:
        """What was used until now."""
        return self.budget.spent

    @property
    def seconds_taken(self) -> float:
        """Seconds that were worked until now; pauses do not count."""
        return (self._paused_at or monotonic()) - self._began

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time limit, or None without one."""
        if self._seconds is None:
            return None
        return self._began + self._seconds - (self._paused_at or monotonic())

    @property
    def reached(self) -> str:
        """The limit that is reached, in words; empty while none is."""
        left = self.seconds_left
        return self._time if left is not None and left <= 0 else self.budget.reached()

    def check(self) -> None:
        """Refuse another call once a limit is reached.

        Raises:
            BudgetSpent: says which.
        """
        left = self.seconds_left
        if left is not None and left <= 0:
            raise self._late()
        self.budget.check()

    @property
    def _time(self) -> str:
        return f"run's limit of {self._seconds:.0f} seconds"

    def _late(self) -> BudgetSpent:
        return BudgetSpent(f"The {self._time} is reached.", remedy=f"{_RAISE}seconds.")

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
                raise self._late() from None
            raise

    @contextmanager
    def held(self) -> Generator[None]:
        """A scope whose time does not count."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def pause(self) -> None:
        """Stop the clock; it goes on when as many have resumed as have paused."""
        self._holds += 1
        if self._holds > 1:
            return
        self._paused_at = monotonic()
        for scope in self._scopes:
            scope.reschedule(None)

    def resume(self) -> None:
        """Let the clock go on, unless somebody else holds it still."""
        self._holds -= 1
        if self._holds > 0:
            return
        if self._paused_at is not None:
            self._began += monotonic() - self._paused_at
            self._paused_at = None
        left = self.seconds_left
        for scope in self._scopes:
            scope.reschedule(None if left is None else asyncio.get_running_loop().time() + left)
