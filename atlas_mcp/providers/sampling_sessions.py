"""Which clients may be asked for an answer of their own model just now.

A client lends its model for as long as a request of its is open, and only if it offers that and speaks a
protocol in which a server can ask back. A run outlives the request that began it, so whoever has something to
ask borrows from whichever client is there. This module knows no protocol, only what a session says of itself.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from atlas_mcp.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["REMEDY", "Loan", "SamplingSessions", "Session"]

REMEDY = "Ask from a client that offers sampling, or configure a model."
"""What to do where nobody is there."""


class Session(Protocol):
    """The session of a client's request."""

    @property
    def can_send_request(self) -> bool:
        """Whether the client can be asked on the way by which it is answered."""
        ...

    @property
    def client_capabilities(self) -> Any:
        """What the client said that it can do; None if nothing."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Loan:
    """A client that lends its model, while the request `request_id` is open."""

    session: Session
    request_id: str

    @property
    def offers(self) -> Any:
        """What the client says of its sampling; None if it has none, or can no longer be asked."""
        known = self.session.client_capabilities
        return known.sampling if known is not None and self.session.can_send_request else None

    @property
    def calls(self) -> bool:
        """Whether the client's model can call functions."""
        return self.offers is not None and self.offers.tools is not None


class SamplingSessions:
    """The clients of one server that lend their models."""

    def __init__(self) -> None:
        self._loans: list[Loan] = []
        self._left_at = -inf
        self._came = asyncio.Event()

    def there(self, *, calls: bool = False) -> list[Loan]:
        """Those that could be asked now, who came last first; `calls`: those who can call functions."""
        loans = (loan for loan in reversed(self._loans) if loan.offers is not None)
        return [loan for loan in loans if loan.calls or not calls]

    @contextmanager
    def lent(self, session: Session, request_id: str) -> Generator[None]:
        """While inside, the client may be asked, if it offers that."""
        loan = Loan(session, request_id)
        if loan.offers is None:
            yield
            return
        self._loans.append(loan)
        self._came.set()
        self._came = asyncio.Event()
        try:
            yield
        finally:
            self._loans.remove(loan)
            self._left_at = asyncio.get_running_loop().time()

    async def borrow(self, *, calls: bool, wait: float) -> Loan:
        """The client that came last; if `calls`, rather one whose model can call functions.

        Between two requests of a client nobody is there, so the next is waited for, until `wait` seconds have
        passed since the last one left.

        Raises:
            Unavailable: there is none.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._left_at + wait):
                while not self.there():
                    await self._came.wait()
        there = (calls and self.there(calls=True)) or self.there()
        if not there:
            raise Unavailable("No client is connected that lends its model.", remedy=REMEDY)
        return there[0]
