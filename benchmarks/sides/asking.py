"""What every side of the benchmark of providers is: a way to ask a model, and how much of an answer came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["MESSAGES", "MODEL", "QUESTION", "Asking"]

MODEL = "fake-model"
QUESTION = "Tell me when the tide is high in the Bay of Fundy, and why it is so high there."
MESSAGES: Any = [{"role": "user", "content": QUESTION}]


async def _leave() -> None:
    """The process ends anyway."""


@dataclass(frozen=True)
class Asking:
    """Asks once, streaming or in one piece; each gives how many characters of the answer came.

    `finish` is called at the end, and raises if something was not measured that should have been.
    """

    stream: Callable[[], Awaitable[int]]
    plain: Callable[[], Awaitable[int]]
    finish: Callable[[], Awaitable[None]] = _leave
