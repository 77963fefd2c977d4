"""From what workers gave to numbered findings and sources; pure, and the same on every replay."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from atlas_mcp.messages import Finding, Location, Passage, Source
from atlas_mcp.providers.known.tokens import tokens_of
from atlas_mcp.providers.smallest import smallest
from atlas_mcp.quality.citations import quote_place
from atlas_mcp.shapes import misfits
from atlas_mcp.text.verbatim import fold, locate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from atlas_mcp.orchestration.team import Team

__all__ = [
    "Evidence",
    "bare_draft",
    "empty_draft",
    "fitting",
    "gathered",
    "not_in_snapshot",
    "numbered",
    "tidy_plan",
]

_NO_ANSWER = "The documents do not answer this question."
_NOT_COMPOSED = "The budget was spent before an answer could be composed; these are the findings."
_QUOTED = 3
"""Findings that stand for an answer that was not composed."""
_TAG_TOKENS = 40
"""What stands around a finding in a prompt."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything found: findings f1…, sources by id s1…, gaps named, and quotes that were not verbatim."""

    findings: tuple[Finding, ...]
    sources: Mapping[str, Source]
    gaps: tuple[str, ...]
    dropped: tuple[str, ...]


def tidy_plan(assignments: Sequence[Mapping[str, Any]], earlier: int, most: int) -> list[dict[str, Any]]:
    """The first `most` assignments with a goal, numbered on from `earlier`, each after earlier ones only."""
    kept = [given for given in assignments if given["goal"].strip()][:most]
    names = {given["id"]: f"a{earlier + number}" for number, given in enumerate(kept, start=1)}
    made: list[dict[str, Any]] = []
    for number, given in enumerate(kept, start=1):
        done = {assignment["id"] for assignment in made}
        after = sorted({names[other] for other in given["after"] if other in names} & done)
        made.append(
            {
                "id": f"a{earlier + number}",
                "worker": given["worker"],
                "goal": given["goal"].strip(),
                "after": after,
            }
        )
    return made


def gathered(value: Mapping[str, Any], passages: Iterable[Passage]) -> dict[str, Any]:
    """A worker's answer as a result: each quote as it stands in its source, with its place there."""
    shown = {passage.id: passage for passage in passages}
    findings: list[dict[str, Any]] = []
    dropped: list[str] = []
    for given in value["findings"]:
        place = quote_place(given["quote"], given["passage"], shown)
        if place is None:
            dropped.append(given["quote"])
            continue
        passage, start, end = place
        location = Location(passage.start + start, passage.start + end, passage.page, passage.heading)
        findings.append(
            {
                "quote": passage.text[start:end],
                "source": asdict(passage.source),
                "location": asdict(location),
                "about": given.get("about") or "",
            }
        )
    return {"findings": findings, "gaps": list(value["gaps"]), "dropped": dropped}


def numbered(assignments: Sequence[Mapping[str, Any]], results: Mapping[str, Mapping[str, Any]]) -> Evidence:
    """Findings and sources numbered in the plan's order; the same words of the same source count once."""
    sources: dict[str, Source] = {}
    ids: dict[str, str] = {}
    findings: list[Finding] = []
    seen: set[tuple[str, str]] = set()
    gaps: list[str] = []
    dropped: list[str] = []
    for assignment in assignments:
        result = results.get(assignment["id"])
        if result is None or not result["ok"]:
            continue
        gaps.extend(result["gaps"])
        dropped.extend(result["dropped"])
        for given in result["findings"]:
            source = Source(**given["source"])
            key = (source.sha256, fold(given["quote"]))
            if key in seen:
                continue
            seen.add(key)
            if source.sha256 not in ids:
                ids[source.sha256] = f"s{len(ids) + 1}"
                sources[ids[source.sha256]] = source
            findings.append(
                Finding(
                    id=f"f{len(findings) + 1}",
                    quote=given["quote"],
                    source_id=ids[source.sha256],
                    title=source.title,
                    location=Location(**given["location"]),
                    worker=result["worker"],
                    about=given["about"],
                )
            )
    return Evidence(tuple(findings), sources, tuple(dict.fromkeys(gaps)), tuple(dict.fromkeys(dropped)))


def not_in_snapshot(found: Evidence, snapshots: Mapping[str, str]) -> list[Finding]:
    """Findings whose quote does not stand at its location in the stored snapshot."""
    return [
        finding
        for finding in found.findings
        if locate(
            finding.quote,
            snapshots[found.sources[finding.source_id].sha256][finding.location.start : finding.location.end],
        )
        is None
    ]


def empty_draft(team: Team, question: str) -> dict[str, Any]:
    """What is composed when nothing was found: it says so, leaves the question open and fits its schema."""
    return _draft(team, {"answer": [_NO_ANSWER], "open_questions": [[question]]}, _NO_ANSWER)


def bare_draft(team: Team, question: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """What is handed back when nothing is left to compose with: the findings themselves."""
    quoted = [f"{finding.quote} [{finding.id}]" for finding in findings[:_QUOTED]]
    claims = [{"text": finding.quote, "finding_ids": [finding.id]} for finding in findings]
    best = {
        "answer": [" ".join(quoted[:most]) for most in range(len(quoted), 0, -1)],
        "claims": [claims],
        "open_questions": [[question]],
    }
    return _draft(team, best, _NOT_COMPOSED)


def fitting(findings: Sequence[Finding], tokens: int | None) -> tuple[Finding, ...]:
    """As many of the findings, from the first, as so many tokens hold; at least one. None is no limit."""
    kept: list[Finding] = []
    for finding in findings:
        if tokens is not None:
            tokens -= tokens_of(finding.quote) + _TAG_TOKENS
            if kept and tokens < 0:
                break
        kept.append(finding)
    return tuple(kept)


def _draft(team: Team, best: Mapping[str, Sequence[Any]], otherwise: str) -> dict[str, Any]:
    """An instance of what the team composes: of each field the first of `best` that fits, else the least."""
    schema = team.composed_schema
    draft: dict[str, Any] = {}
    for name, shape in schema["properties"].items():
        whole = {**shape, "$defs": schema.get("$defs", {})}
        wishes: list[Any] = [*best.get(name, ()), None, [], 0.0, otherwise]
        draft[name] = next((wish for wish in wishes if not misfits(whole, wish)), None)
        if draft[name] is None and misfits(whole, None):
            draft[name] = smallest(whole)
    return draft
