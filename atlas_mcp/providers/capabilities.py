"""What a model can do and how well: strengths by capability, and the limits of its window.

Declared in `models.toml`, corrected by what a provider's own interface reports and by what was observed, as
far as no person insists on something else. It knows no vendor; what it does not know counts as possible, so
that an unknown model is tried, not refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from atlas_mcp.messages import Prompt, TaskType

__all__ = ["Capabilities", "Capability", "Strength"]


class Strength(IntEnum):
    """How well something is done."""

    NONE = 0
    LIMITED = 1
    MODERATE = 2
    STRONG = 3
    EXCEPTIONAL = 4


class Capability(StrEnum):
    """What a model may be able to do; every `TaskType` is a capability of the same name."""

    STREAMING = "streaming"
    TOOLS = "tools"
    STRUCTURED_OUTPUT = "structured_output"
    VISION = "vision"
    DOCUMENTS = "documents"
    LONG_CONTEXT = "long_context"
    PREFILL = "prefill"
    PLANNING = "planning"
    EXTRACTION = "extraction"
    ANALYSIS = "analysis"
    WRITING = "writing"
    RATING = "rating"
    REASONING = "reasoning"
    CODE = "code"
    SUMMARISING = "summarising"
    CLASSIFICATION = "classification"
    CONVERSATION = "conversation"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one model can do.

    `window` is how many tokens a prompt and its answer may have together, `output` the most of an answer;
    `sampling` names the sampling parameters that may be set. None is unknown. `insisted` is what of this a
    person insists on, which no correction changes.
    """

    strengths: Mapping[Capability, Strength] = field(default_factory=dict[Capability, Strength])
    window: int | None = None
    output: int | None = None
    sampling: frozenset[str] | None = None
    insisted: Capabilities | None = field(default=None, compare=False, repr=False)

    def strength(self, capability: Capability | TaskType) -> Strength | None:
        """How well the model does something; None where nobody said."""
        return self.strengths.get(Capability(capability))

    def has(self, capability: Capability) -> bool:
        """Whether it is known to do it at all."""
        return bool(self.strengths.get(capability))

    def lacking(self, prompt: Prompt, tokens: int) -> list[str]:
        """What a prompt of so many tokens needs and this model is known not to have, in words."""
        strengths = self.strengths
        lacks: list[str] = []
        if prompt.tools and strengths.get(Capability.TOOLS) is Strength.NONE:
            lacks.append("tools")
        if strengths.get(Capability.VISION) is Strength.NONE and prompt.images:
            lacks.append("images")
        if self.window is not None and tokens > self.window:
            lacks.append(f"a window of {tokens:,} tokens (it has {self.window:,})")
        return lacks

    def corrected(
        self,
        strengths: Mapping[Capability, Strength] | None = None,
        *,
        window: int | None = None,
        output: int | None = None,
    ) -> Capabilities:
        """These capabilities with what became known of them since."""
        known = replace(
            self,
            strengths={**self.strengths, **(strengths or {})},
            window=window or self.window,
            output=output or self.output,
        )
        return known if self.insisted is None else known.insisting(self.insisted)

    def insisting(self, own: Capabilities) -> Capabilities:
        """These capabilities with what a person says on top, there to stay."""
        return replace(
            self,
            strengths={**self.strengths, **own.strengths},
            window=own.window or self.window,
            output=own.output or self.output,
            sampling=self.sampling if own.sampling is None else own.sampling,
            insisted=own,
        )

    def beyond(self, declared: Capabilities) -> Capabilities:
        """What of this was not declared, or was declared otherwise; sampling is never reported."""
        return Capabilities(
            {what: level for what, level in self.strengths.items() if declared.strengths.get(what) != level},
            window=None if self.window == declared.window else self.window,
            output=None if self.output == declared.output else self.output,
        )

    @classmethod
    def best_of(cls, several: Iterable[Capabilities]) -> Capabilities:
        """What a group of models can do together: the best of each, and the largest window.

        What one of them may be able to do for all that is known, the group may.
        """
        every = list(several)
        strengths: dict[Capability, Strength] = {}
        for capability in Capability:
            levels = [one.strengths.get(capability) for one in every]
            best = max((level for level in levels if level is not None), default=Strength.NONE)
            if best or (levels and None not in levels):
                strengths[capability] = best
        return cls(strengths, _largest(one.window for one in every), _largest(one.output for one in every))


def _largest(limits: Iterable[int | None]) -> int | None:
    """The largest limit; unknown if one of them is."""
    largest = 0
    for limit in limits:
        if limit is None:
            return None
        largest = max(largest, limit)
    return largest or None
