"""How a tool that costs money is paid for: out of the budget of whoever uses it, and told in the journal."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from atlas_mcp.chunks import Usage
from atlas_mcp.downstream.payment import Payment
from atlas_mcp.errors import BudgetSpent, ToolRefused
from atlas_mcp.events import Kind
from atlas_mcp.providers.budget import in_dollars

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.orchestration.running import Running
    from atlas_mcp.providers.budget import Budget, Hold

__all__ = ["Purse", "paid"]


@asynccontextmanager
async def paid(budget: Budget, price: float) -> AsyncGenerator[Payment]:
    """A payment of so many dollars for a call that belongs to no run.

    Raises:
        BudgetSpent: not enough is left.
    """
    hold, payment = budget.set_aside(price), Payment()
    try:
        yield payment
    finally:
        hold.settle(Usage(cost_usd=payment.usd))


class Purse:
    """What the calls of one tool are paid from, where `actor` works in a run; each costs `price` dollars.

    Where money was set aside for several calls, they are paid out of that `hold`. Otherwise nothing is paid
    once its agent could ask no model any more what to make of the answer.
    """

    def __init__(
        self, context: Running, budget: Budget, price: float,
        *, tool: str, path: str, actor: str, hold: Hold | None = None,
    ) -> None:  # fmt: skip
        self._context = context
        self._budget = budget
        self._price = price
        self._tool = tool
        self._path = path
        self._actor = actor
        self._hold = hold

    def check(self) -> None:
        """Refuse a call that cannot be paid.

        Raises:
            ToolRefused: not enough is left; says of which limit.
        """
        if self._hold is not None:
            return
        limits = self._context.limits
        try:
            limits.check()
            self._budget.check(usd=self._price)
        except BudgetSpent as error:
            limit = limits.refused = self._budget.reached(usd=self._price) or limits.reached
            raise ToolRefused(
                f"It costs {in_dollars(self._price)}. {error.message}", remedy="Do without it.", limit=limit
            ) from None

    @asynccontextmanager
    async def pay(self) -> AsyncGenerator[Payment]:
        """A payment for one call, whose money nobody else can spend meanwhile.

        Raises:
            ToolRefused: not enough is left.
        """
        self.check()
        hold, payment = self._hold or self._budget.set_aside(self._price), Payment()
        try:
            yield payment
        finally:
            if hold is self._hold:
                hold.spend(payment.usd)
            else:
                hold.settle(Usage(cost_usd=payment.usd))
            if payment.usd:
                await self._context.emit(
                    Kind.TOOL_CHARGED, self._actor, self._path, tool=self._tool, cost_usd=payment.usd
                )
