"""What a call that costs money is paid by: whoever holds the purse gives a payment, the call fills it in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Pay", "Payment"]


@dataclass(slots=True)
class Payment:
    """The price of a call, once its answer has come; a call that failed leaves it at nothing."""

    usd: float = 0.0


Pay: TypeAlias = Callable[[], AbstractAsyncContextManager[Payment]]
"""Enters before a call is sent, and may refuse it; exits once its answer has come or it failed."""
