"""One thing that `doctor` looked at, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Check"]

Health: TypeAlias = Literal["ok", "hint", "broken"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: `ok`, a `hint` at what is not configured, or `broken`; `todo` is what to do."""

    name: str
    health: Health
    says: str
    todo: str = ""
