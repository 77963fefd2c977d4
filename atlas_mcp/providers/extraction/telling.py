"""What kind of thing a sentence says: a difference, a cause, a risk; told by its own words or not at all.

A kind is the sentence's, never a judgement of it: what does not say what it is stays a finding. The cues are
English. Nothing here knows a question.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from atlas_mcp.providers.extraction.figures import is_trend

if TYPE_CHECKING:
    from collections.abc import Collection

    from atlas_mcp.providers.extraction.units import Unit

__all__ = ["FINDING", "named", "told", "unfilled"]

FINDING = "finding"
"""The kind of what says of itself no other."""

_CUES = {
    kind: re.compile("|".join(rf"\b(?:{cue})\b" for cue in cues), re.IGNORECASE)
    for kind, cues in {
        "assumption": (r"assum(?:e|es|ed|ing|ptions?)", r"presum(?:e|es|ed|ably)", r"suppos(?:ed|ition)"),
        "opportunity": (r"opportunit(?:y|ies)",),
        "threat": (r"threats?", r"threaten(?:s|ed|ing)?"),
        "weakness": (r"weakness(?:es)?", r"weakens?"),
        "strength": (r"strengths?",),
        "con": (r"disadvantages?", r"drawbacks?", r"downsides?", r"shortcomings?", r"limitations?"),
        "pro": (
            r"advantages?", r"benefits?(?! from)", r"upsides?",
            r"(?:easier|simpler|safer|cheaper) (?:than|to)",
        ),
        "difference": (
            r"whereas", r"unlike", r"(?:in|by) contrast", r"on the other hand", r"differs?", r"differences?",
            r"different(?:ly)? (?:from|to|than)", r"as opposed to", r"versus", r"compared (?:to|with)",
            r"(?:more|less) \w+ than", r"\w+, while",
        ),
        "likeness": (
            r"likewise", r"similar(?:ly| to)", r"the same \w+(?: \w+)? as", r"in common", r"both .+ and",
            r"equally", r"identical to",
        ),
        "risk": (
            r"risks?", r"risky", r"danger(?:s|ous)?", r"attack(?:s|ers?)?", r"vulnerab\w+", r"malicious\w*",
            r"hazard\w*", r"unsafe", r"insecure", r"exploit(?:s|ed|able)?", r"compromis(?:e|es|ed)",
            r"leak(?:s|ed|age)?", r"exposed? to", r"harm(?:s|ful)?", r"(?:may|might|can|could|will) fail",
            r"loss of",
        ),
        "trend": (
            r"rose|risen|grew|grown|fell|fallen|declined|increased|decreased|doubled|halved|dropped",
            r"trends?", r"growth", r"growing|declining|rising|falling", r"year[- ](?:over|on)[- ]year",
        ),
        "effect": (
            r"therefore|thus|hence|consequently", r"as a (?:result|consequence)(?! of)", r"leads? to",
            r"result(?:s|ed|ing)? in", r"which (?:means|allows|prevents|ensures)", r"so that",
        ),
        "cause": (
            r"because", r"due to", r"caused by", r"owing to", r"as a (?:result|consequence) of",
            r"the reason", r"in order to",
        ),
        "score": (r"\d+(?:\.\d+)?\s*(?:/|out of)\s*\d+", r"(?:scores?|scored|rated|rating of)\s+\d+"),
    }.items()
}  # fmt: skip
"""What kind a cue makes a sentence, the most telling first."""

_AS = {
    "swot": {"pro": "strength", "con": "weakness", "risk": "threat"},
    "pros and cons": {"strength": "pro", "weakness": "con"},
}
"""What a kind is called in a framework that has another name for it."""


_HOLDS = {
    "swot": {"strength", "weakness", "opportunity", "threat"},
    "pros and cons": {"pro", "con"},
    "cause and effect": {"cause", "effect"},
    "scorecard": {"score"},
    "trend": {"trend"},
    "risk": {"risk", "threat"},
}
"""The kinds that fill a framework; any does that is not named here."""


def told(unit: Unit, allowed: Collection[str] | None = None, framework: str | None = None) -> str:
    """The kind that a unit's own words tell, of those `allowed` (None: any); `finding` where they do not."""
    names = _AS.get(framework or "", {})
    if unit.computed:
        kinds = ["trend"] if is_trend(unit.computed) else []
    else:
        kinds = [kind for kind, cue in _CUES.items() if cue.search(unit.plain)]
    wished = [name for kind in kinds for name in (names.get(kind), kind) if name]
    return next((kind for kind in wished if allowed is None or kind in allowed), FINDING)


def unfilled(framework: str | None, kinds: Collection[str]) -> bool:
    """Whether none of the kinds of what was found fills a framework that has kinds of its own."""
    return framework in _HOLDS and _HOLDS[framework].isdisjoint(kinds)


def named(wished: str | None, allowed: Collection[str] | None) -> str | None:
    """The one of the `allowed` names that is meant by `wished`, however it is written; None without one."""
    if not wished:
        return None
    if allowed is None:
        return wished
    bare = re.sub(r"[^a-z]", "", wished.lower())
    written = {re.sub(r"[^a-z]", "", each.lower()): each for each in allowed}
    near = (each for key, each in written.items() if key and (key in bare or bare in key))
    return written.get(bare) or next(near, None)
