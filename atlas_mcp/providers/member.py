"""A member of a group: a provider, how it stands, and what was learned of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas_mcp import errors
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.meter import Calibration
from atlas_mcp.providers.strategies import MemberView

if TYPE_CHECKING:
    from atlas_mcp.errors import ProviderError
    from atlas_mcp.messages import Prompt, TaskType
    from atlas_mcp.providers.breaker import Breaker
    from atlas_mcp.providers.prices import Price, Prices
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.reliability import Reliability

__all__ = ["Member"]


@dataclass(slots=True, eq=False)
class Member:
    """One member of one group; `name` is unique within it."""

    name: str
    provider: Provider
    breaker: Breaker
    weight: float = 1.0
    turns: float = 0.0
    at_once: int = 0
    price: Price | None = None
    calibration: Calibration = field(default_factory=Calibration)
    _observed: dict[Capability, Strength] = field(default_factory=dict[Capability, Strength])
    _window: int | None = None
    _priced_as: str | None = None

    @property
    def nested(self) -> bool:
        """Whether it is a group itself, which keeps its own accounts."""
        return bool(self.provider.info.members)

    @property
    def capabilities(self) -> Capabilities:
        """What it can do: as it says, corrected by what was observed."""
        known = self.provider.info.capabilities
        if not self._observed and self._window is None:
            return known
        return known.corrected(self._observed, window=min(self._window or 1 << 62, known.window or 1 << 62))

    def view(self, task: TaskType, reliability: Reliability) -> MemberView:
        """The member as a strategy sees it."""
        return MemberView(
            self.name, self.weight, self.turns, self.at_once, self.capabilities, self.price,
            reliability.record(self.name, task),
        )  # fmt: skip

    def look_up_price(self, prices: Prices) -> None:
        """Know what its tokens cost, if anybody does; its model may be known only once it was asked."""
        info = self.provider.info
        if info.model != self._priced_as and not info.members:
            self._priced_as = info.model
            self.price = prices.of(info.vendor, info.model, info.address)

    def learn(self, error: ProviderError, prompt: Prompt, prompt_tokens: int) -> None:
        """Remember what a failure tells of the member's abilities."""
        if isinstance(error, errors.ContextTooLong):
            self._window = min(self._window or prompt_tokens, prompt_tokens)
        elif isinstance(error, errors.Unsupported):
            said = error.message.lower()
            if prompt.tools and "tool" in said:
                self._observed[Capability.TOOLS] = Strength.NONE
            if prompt.images and ("image" in said or "vision" in said):
                self._observed[Capability.VISION] = Strength.NONE
