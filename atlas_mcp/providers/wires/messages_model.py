"""What Anthropic's models API says of a model, as our capabilities and as what not to ask of it.

It knows no SDK; JSON goes in. What is not said leaves everything as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from atlas_mcp.providers.capabilities import Capability, Strength

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_mcp.providers.capabilities import Capabilities

__all__ = ["corrected", "lacking"]

JsonObject: TypeAlias = dict[str, Any]

_FEATURES = {
    Capability.STRUCTURED_OUTPUT: ("structured_outputs",),
    Capability.VISION: ("image_input",),
    Capability.DOCUMENTS: ("citations",),
}
_PARAMETERS = {
    "output_config.effort": ("effort",),
    "thinking.type.adaptive": ("thinking", "types", "adaptive"),
    "thinking.type.between_tools": ("thinking", "types", "between_tools"),
    "thinking.type.disabled": ("thinking", "types", "disabled"),
}
"""Parts of a request that not every model takes, and where it is said whether one does."""


def corrected(known: Capabilities, about: JsonObject) -> Capabilities:
    """What is known of a model, with what is said of it; how strong it is at what it has, nobody says."""
    strengths: dict[Capability, Strength] = {}
    for capability, path in _FEATURES.items():
        supported = _supported(about, path)
        if supported is False:
            strengths[capability] = Strength.NONE
        elif supported and not known.has(capability):
            strengths[capability] = Strength.MODERATE
    return known.corrected(
        strengths, window=_count(about.get("max_input_tokens")), output=_count(about.get("max_tokens"))
    )


def lacking(about: JsonObject) -> Iterator[str]:
    """The parts of a request that the model would refuse."""
    return (name for name, path in _PARAMETERS.items() if _supported(about, path) is False)


def _supported(about: JsonObject, path: tuple[str, ...]) -> bool | None:
    """Whether something is supported; None where that is not said."""
    place: Any = about
    for name in ("capabilities", *path, "supported"):
        place = cast("JsonObject", place).get(name) if isinstance(place, dict) else None
    return place if isinstance(place, bool) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
