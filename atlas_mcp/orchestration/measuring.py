"""What the librarian is given of a run: what is released, and what its supervisor alone answers for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.orchestration.gate import said, statements_of
from atlas_mcp.quality.citations import judge_claims
from atlas_mcp.quality.librarian import Assigned, Work, measure
from atlas_mcp.text.verbatim import fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.messages import Finding
    from atlas_mcp.orchestration.evidence import Evidence
    from atlas_mcp.quality.measured import Measures

__all__ = ["assigned", "measured", "measured_draft"]


def measured(
    draft: Mapping[str, Any],
    found: Evidence,
    lost: Sequence[Finding],
    snapshots: Mapping[str, str],
    plan: Sequence[Assigned],
) -> Measures:
    """The measures of what is released of a draft: its supported claims, and its answer with its faults.

    `snapshots` are the stored texts of the sources by their hash, `lost` findings that do not stand there.
    """
    gone = {finding.id for finding in lost}
    quotes = {each.id: each.quote for each in found.findings if each.id not in gone}
    stored = {
        each.id: snapshots[found.sources[each.source_id].sha256][each.location.start : each.location.end]
        for each in found.findings
        if each.id in quotes
    }
    claims = statements_of(draft)
    kept = [
        claim
        for claim, verdict in zip(claims, judge_claims(claims, quotes), strict=True)
        if verdict.supported
    ]
    return measure(Work(kept, _answer(draft, found), quotes, stored, plan))


def measured_draft(draft: Mapping[str, Any], found: Evidence, plan: Sequence[Assigned]) -> Measures:
    """The measures of a draft before the gate, against what its writer was given: the writer's own work.

    Quotes that were lost later, and assignments that found nothing, are not the writer's fault.
    """
    quotes = {each.id: each.quote for each in found.findings}
    fair = [each for each in plan if each.finding_ids]
    return measure(Work(statements_of(draft), _answer(draft, found), quotes, plan=fair))


def assigned(
    assignments: Sequence[Mapping[str, Any]], results: Mapping[str, Mapping[str, Any]], found: Evidence
) -> list[Assigned]:
    """The plan with what came of it, but for ratings; words that two workers found count for both."""
    ids = {(found.sources[each.source_id].sha256, fold(each.quote)): each.id for each in found.findings}
    made: list[Assigned] = []
    for assignment in assignments:
        result = results.get(assignment["id"])
        if result and result.get("rating"):
            continue  # it speaks of what was made, and finds nothing
        failure, names = "", list[str]()
        if result is None:
            failure = "it was not begun"
        elif not result["ok"]:
            failure = f"its worker failed: {result['error']['message']}"
        else:
            keys = [(each["source"]["sha256"], fold(each["quote"])) for each in result["findings"]]
            names = list(dict.fromkeys(ids[key] for key in keys if key in ids))
        made.append(Assigned(assignment["id"], assignment["goal"], tuple(names), failure))
    return made


def _answer(draft: Mapping[str, Any], found: Evidence) -> str:
    """The answer where somebody wrote one; with nothing found it is the run's own sentence."""
    return said(draft) if found.findings else ""
