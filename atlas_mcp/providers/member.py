"""A member of a group: a provider, how it stands, and what was learned of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas_mcp import errors
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.meter import Calibration
from atlas_mcp.providers.provider import Attended
from atlas_mcp.providers.strategy import MemberView

if TYPE_CHECKING:
    from atlas_mcp.errors import ProviderError
    from atlas_mcp.messages import Prompt, TaskType
    from atlas_mcp.providers.breaker import Breaker
    from atlas_mcp.providers.known.prices import Price, Prices
    from atlas_mcp.providers.known.reliability import Reliability
    from atlas_mcp.providers.provider import Provider

__all__ = ["Member"]


@dataclass(slots=True, eq=False)
class Member:
    """One member of one group; `name` is unique within it.

    `nested` says that it is a group itself, which keeps its own accounts.
    """

    name: str
    provider: Provider
    breaker: Breaker
    weight: float = 1.0
    turns: float = 0.0
    at_once: int = 0
    price: Price | None = None
    calibration: Calibration = field(default_factory=Calibration)
    nested: bool = field(init=False)
    _observed: dict[Capability, Strength] = field(default_factory=dict[Capability, Strength])
    _window: int | None = None
    _listed_window: int | None = None
    _remembered: Capabilities | None = None
    _declared: Capabilities | None = None
    _corrected: Capabilities | None = None
    _attended: Attended | None = None

    def __post_init__(self) -> None:
        self.nested = bool(self.provider.info.members) or self.provider.info.keeps_accounts
        if isinstance(self.provider, Attended):  # dear, so asked once
            self._attended = self.provider

    def attends(self, prompt: Prompt) -> bool:
        """Whether it is there for a prompt; most always are."""
        return self._attended is None or self._attended.attends(prompt)

    @property
    def capabilities(self) -> Capabilities:
        """What it can do: as it says, corrected by what is remembered, listed and observed."""
        declared = self.provider.info.capabilities
        if declared is not self._declared:
            # It has said more of itself, which is newer than what is remembered.
            self._declared, self._remembered, self._corrected = declared, None, None
        if self._corrected is None:
            known = self._remembered or declared
            window = known.window or self._listed_window
            if self._window is not None:
                window = min(self._window, window or self._window)
            self._corrected = known.corrected(self._observed, window=window)
        return self._corrected

    def remember(self, capabilities: Capabilities) -> None:
        """Take up what was known of it before; it holds until the provider says more of itself."""
        self._declared = self.provider.info.capabilities
        self._remembered, self._corrected = capabilities, None

    def know(self, other: Member) -> None:
        """Take up what is known of the same provider as a member of another group."""
        self._remembered, self._declared = other._remembered, other._declared
        self._observed, self._window = dict(other._observed), other._window
        self.calibration, self._corrected = other.calibration, None

    def view(self, task: TaskType, reliability: Reliability) -> MemberView:
        """The member as a strategy sees it."""
        return MemberView(
            self.name, self.weight, self.turns, self.at_once, self.capabilities, self.price,
            reliability.record(self.name, task),
        )  # fmt: skip

    async def look_up(self, prices: Prices) -> None:
        """Know what its tokens cost and how large its window is, if anybody does.

        Asked before every call: a price may hold for a while only, a model be known only once it was asked.
        """
        info = self.provider.info
        if info.members:
            return
        await prices.ready(info.vendor, info.model)
        listing = prices.listing(info.vendor, info.model, info.address)
        self.price = listing.price
        if listing.window != self._listed_window:
            self._listed_window, self._corrected = listing.window, None

    def learn(self, error: ProviderError, prompt: Prompt, prompt_tokens: int) -> None:
        """Remember what a failure tells of the member's abilities."""
        self._corrected = None
        if isinstance(error, errors.ContextTooLong):
            self._window = min(self._window or prompt_tokens, max(1, prompt_tokens - 1))
        elif isinstance(error, errors.Unsupported):
            said = error.message.lower()
            if prompt.tools and "tool" in said:
                self._observed[Capability.TOOLS] = Strength.NONE
            if prompt.images and ("image" in said or "vision" in said):
                self._observed[Capability.VISION] = Strength.NONE
