"""What is declared of a model, and one entry of what says so.

An entry says something of every model that its pattern matches, and leaves the rest as it is. It knows no
file and no vendor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

__all__ = ["DeclaredPrice", "ModelCard", "ModelEntry"]


@dataclass(frozen=True, slots=True)
class DeclaredPrice:
    """Dollars a million tokens; `local` is of servers on this machine alone."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is declared of a model; a `price` of None leaves it to the table of prices."""

    capabilities: Capabilities = field(default_factory=Capabilities)
    price: DeclaredPrice | Literal["unknown"] | None = None


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What one entry says of the models whose `vendor:model` its pattern matches; None is nothing."""

    pattern: re.Pattern[str]
    strengths: Mapping[Capability, Strength]
    prefill: bool | None = None
    window: int | None = None
    output: int | None = None
    sampling: frozenset[str] | None = None
    price: DeclaredPrice | Literal["unknown"] | None = None

    def on(self, card: ModelCard) -> ModelCard:
        """A card with this on top."""
        known = card.capabilities
        strengths = {**known.strengths, **self.strengths}
        if self.prefill is not None:
            strengths[Capability.PREFILL] = Strength.STRONG if self.prefill else Strength.NONE
        capabilities = Capabilities(
            strengths,
            window=self.window or known.window,
            output=self.output or known.output,
            sampling=known.sampling if self.sampling is None else self.sampling,
        )
        return ModelCard(capabilities, card.price if self.price is None else self.price)
