"""From a draft and its evidence to the team's output: what is not supported is set aside and shown."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from atlas_mcp.orchestration.output_schema import is_computed
from atlas_mcp.orchestration.report import written
from atlas_mcp.quality.citations import judge_claims, judge_sentences, sentence_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.messages import Finding
    from atlas_mcp.orchestration.context import RunContext
    from atlas_mcp.orchestration.evidence import Evidence
    from atlas_mcp.quality.measured import Measures

__all__ = ["UNSUPPORTED", "assemble"]

UNSUPPORTED = "[unsupported]"
"""What follows a sentence of the answer that no finding carries."""


def assemble(
    context: RunContext,
    draft: dict[str, Any],
    found: Evidence,
    lost: Sequence[Finding],
    *,
    measures: Measures,
    partial: bool,
    skipped: int = 0,
) -> dict[str, Any]:
    """The team's output; it keeps of `draft` what is supported and adds what the run itself knows.

    `lost` are findings whose quote is not in the stored source; what cites one of them is unsupported.
    Unsupported claims and disagreements are left out; a sentence of the answer stays,
    marked, and is listed. `measures` are those of what is released; `skipped` documents could not be read.
    """
    gone = {finding.id for finding in lost}
    quotes = {finding.id: finding.quote for finding in found.findings if finding.id not in gone}
    longest = context.team.output_schema["properties"].get("answer", {}).get("maxLength", sys.maxsize)
    output, unsupported = _supported(draft, quotes, searched=bool(found.findings), longest=longest)
    unsupported += [{"text": quote, "reason": "not verbatim in any source"} for quote in found.dropped]
    unsupported += [
        {"text": finding.quote, "reason": "not verbatim in its stored source"} for finding in lost
    ]
    known = {
        "findings": [_finding(finding) for finding in found.findings if finding.id in quotes],
        "sources": [{"id": name, **asdict(source)} for name, source in found.sources.items()],
        "unsupported": unsupported,
        "made_with": _made_with(context),
        "measures": measures.to_dict(),
        "run_id": context.row.run_id,
    }
    # The report shows what the run knows, whether or not the team's own output has a place for it.
    known["report"] = written(
        context.team, context.row.input, output | known, partial=partial, skipped=skipped
    )
    computed = {
        name for name, shape in context.team.output_schema["properties"].items() if is_computed(shape)
    }
    return output | {name: value for name, value in known.items() if name in computed}


def _supported(
    draft: dict[str, Any], quotes: dict[str, str], *, searched: bool, longest: int
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    kept = dict(draft)
    unsupported: list[dict[str, str]] = []
    if "claims" in draft:
        verdicts = judge_claims(draft["claims"], quotes)
        kept["claims"] = [
            claim for claim, verdict in zip(draft["claims"], verdicts, strict=True) if verdict.supported
        ]
        unsupported += [{"text": v.text, "reason": v.reason} for v in verdicts if not v.supported]
    if searched and draft.get("answer"):
        bare = [v for v in judge_sentences(draft["answer"], quotes) if not v.supported]
        unsupported += [{"text": v.text, "reason": f"in the answer: {v.reason}"} for v in bare]
        kept["answer"] = _marked(draft["answer"], [verdict.text for verdict in bare], longest)
    if "disagreements" in draft:
        kept["disagreements"] = [
            each for each in draft["disagreements"] if all(name in quotes for name in each["finding_ids"])
        ]
    if "confidence" in draft:
        claims = len(draft.get("claims", []))
        share = len(kept.get("claims", [])) / claims if claims else float(bool(quotes))
        kept["confidence"] = round(min(1.0, draft["confidence"]) * share, 2)
    return kept, unsupported


def _marked(answer: str, bare: Sequence[str], longest: int) -> str:
    """The answer with a mark behind each of the sentences, given in their order, that nothing carries.

    Where that would be longer than an answer may be, the mark takes the sentence's place.
    """
    at = 0
    for sentence in bare:
        if (place := sentence_place(sentence, answer, at)) is None:
            continue
        start, end = place
        fits = len(answer) + len(UNSUPPORTED) < longest
        before = f"{answer[:end]} " if fits else answer[:start]
        answer = f"{before}{UNSUPPORTED}{answer[end:]}"
        at = len(before) + len(UNSUPPORTED)
    return answer


def _finding(finding: Finding) -> dict[str, Any]:
    location = {key: value for key, value in asdict(finding.location).items() if value is not None}
    return {
        "id": finding.id,
        "quote": finding.quote,
        "source_id": finding.source_id,
        "location": location,
        "worker": finding.worker,
    }


def _made_with(context: RunContext) -> dict[str, Any]:
    info = context.provider.info
    made: dict[str, Any] = {
        "providers": sorted(set(context.made_with.values())) or [info.vendor],
        "models": sorted(context.made_with) or [info.model],
        "language_model": info.language_model,
    }
    return made | ({"note": info.note} if info.note else {})
