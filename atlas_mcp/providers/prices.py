"""What tokens cost: rates a model, from a well-kept table of prices or from whoever knows better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlas_mcp.chunks import Usage

__all__ = ["Price", "Prices"]


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars a token."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def estimate(self, prompt_tokens: int, answer_tokens: int) -> float:
        """What so many tokens cost, none of them cached."""
        return prompt_tokens * self.input + answer_tokens * self.output

    def cost(self, usage: Usage) -> float:
        """What a call cost."""
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        return (
            fresh * self.input
            + usage.cached_tokens * cached
            + usage.cache_write_tokens * written
            + usage.output_tokens * self.output
        )


class Prices:
    """The prices of models."""

    async def ready(self) -> None:
        """Have the table at hand."""

    def of(self, vendor: str, model: str, address: str = "") -> Price | None:
        """The price of a model; None where nobody knows it."""
        return None
