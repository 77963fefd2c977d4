"""What a vendor's rate limits leave at a moment, as the headers of its answers say.

Sources: https://platform.openai.com/docs/guides/rate-limits, also spoken by Groq, Cerebras and other servers;
https://docs.claude.com/en/api/rate-limits
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

_NUMBER = re.compile(r"[0-9]{1,15}")

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Allowance", "allowance_of"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """Requests and tokens that are left, and how many there are in the vendor's window; None is unsaid."""

    requests_left: int | None = None
    requests: int | None = None
    tokens_left: int | None = None
    tokens: int | None = None


def allowance_of(headers: Mapping[str, str]) -> Allowance | None:
    """What the headers of an answer say is left; None where they say nothing of it."""
    openai = ("x-ratelimit-remaining-{}", "x-ratelimit-limit-{}")
    anthropic = ("anthropic-ratelimit-{}-remaining", "anthropic-ratelimit-{}-limit")
    for left, most in (openai, anthropic):
        found = Allowance(*(
            _count(headers.get(name.format(what))) for what in ("requests", "tokens") for name in (left, most)
        ))  # fmt: skip
        if found.requests_left is not None or found.tokens_left is not None:
            return found
    return None


def _count(value: str | None) -> int | None:
    """A number; some servers write -1 where there is no limit, and any may write nonsense."""
    return int(value) if value and _NUMBER.fullmatch(value) else None
