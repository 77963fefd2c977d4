"""From what workers gave to numbered findings and sources; pure, and the same on every replay.

Each result stands by itself: it has its own findings, and what it says cites them as f1, f2 and so on in
their order. Put together they are numbered anew, and every mark is written anew with them.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.messages import Draft, Finding, Location, Passage, Source
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
    "cited_only",
    "empty_draft",
    "fitting",
    "gathered",
    "handed_over",
    "marks_in",
    "not_in_snapshot",
    "numbered",
    "plainly_marked",
    "remarked",
]

_NO_ANSWER = "The documents do not answer this question."
_NOT_COMPOSED = "The budget was spent before an answer could be composed; these are the findings."
_PROSE = ("answer", "summary", "document", "final_output")
"""Fields in which what is made is told."""
_QUOTED = 3
"""Findings that stand for an answer that was not composed."""
_TAG_TOKENS = 40
"""What stands around a finding in a prompt."""
_MARK = re.compile(r"\bf\d+\b")
_MARKS = re.compile(r"\[(?:f\d+(?:\s*,\s*f\d+)*)\]")
_WRITTEN = re.compile(r"[\[(]\s*(f\d+(?:\s*(?:,|;|&|and|,\s*and)\s*f\d+)*)\s*[\])]")
_NOWHERE = "f0"
"""What a mark becomes whose finding is not there; no finding is ever called so."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything found: findings f1…, sources by id s1…, gaps named, and quotes that were not verbatim.

    `drafts` are what workers made of findings, their marks in the same numbers.
    """

    findings: tuple[Finding, ...]
    sources: Mapping[str, Source]
    gaps: tuple[str, ...]
    dropped: tuple[str, ...]
    drafts: tuple[Draft, ...] = ()
    raw: tuple[dict[str, Any], ...] = field(default=(), repr=False, compare=False)

    @property
    def quotes(self) -> dict[str, str]:
        """Each finding's quote by its id."""
        return {finding.id: finding.quote for finding in self.findings}


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


def numbered(
    assignments: Sequence[Mapping[str, Any]],
    results: Mapping[str, Mapping[str, Any]],
    given: Mapping[str, Any] | None = None,
) -> Evidence:
    """Everything found, numbered in the plan's order; the same words of the same source count once.

    `given` is a result that was there before the plan: what a team that works for another was handed.
    """
    made = [(each["id"], results[each["id"]]) for each in assignments if each["id"] in results]
    there = [("given", given), *made] if given else made
    return _put_together([(name, result) for name, result in there if result["ok"]])


def _put_together(results: Sequence[tuple[str, Mapping[str, Any]]]) -> Evidence:
    sources: dict[str, Source] = {}
    ids: dict[str, str] = {}
    findings: list[Finding] = []
    raw: list[dict[str, Any]] = []
    seen: dict[tuple[str, str], str] = {}
    drafts: list[Draft] = []
    for name, result in results:
        names: dict[str, str] = {}
        for number, given in enumerate(result["findings"], start=1):
            source = Source(**given["source"])
            key = (source.sha256, fold(given["quote"]))
            if key not in seen:
                seen[key] = f"f{len(findings) + 1}"
                if source.sha256 not in ids:
                    ids[source.sha256] = f"s{len(ids) + 1}"
                    sources[ids[source.sha256]] = source
                worker = given.get("worker") or result["worker"]
                findings.append(_finding(seen[key], given, ids[source.sha256], source.title, worker))
                raw.append({**given, "worker": worker})
            names[f"f{number}"] = seen[key]
        drafts.extend(
            _draft_of(f"{name}.{number}", made, names, result["worker"])
            for number, made in enumerate(result.get("drafts", ()), start=1)
        )
    gaps = dict.fromkeys(gap for _, result in results for gap in result["gaps"])
    dropped = dict.fromkeys(quote for _, result in results for quote in result["dropped"])
    return Evidence(tuple(findings), sources, tuple(gaps), tuple(dropped), tuple(drafts), tuple(raw))


def _finding(name: str, given: Mapping[str, Any], source_id: str, title: str, worker: str) -> Finding:
    return Finding(
        id=name,
        quote=given["quote"],
        source_id=source_id,
        title=title,
        location=Location(**given["location"]),
        worker=worker,
        about=given["about"],
    )


def _draft_of(name: str, made: Mapping[str, Any], names: Mapping[str, str], worker: str) -> Draft:
    ids = (names[each] for each in made.get("finding_ids", ()) if each in names)
    return Draft(
        id=name,
        kind=made["kind"],
        text=remarked(made["text"], names),
        finding_ids=tuple(dict.fromkeys(ids)),
        heading=made.get("heading", ""),
        by=made.get("by") or worker,
    )


def remarked(text: str, names: Mapping[str, str]) -> str:
    """A text whose marks are written in other numbers; one of a finding that is not there leads nowhere."""
    return _MARKS.sub(lambda marks: _MARK.sub(lambda one: names.get(one[0], _NOWHERE), marks[0]), text)


def marks_in(text: str) -> set[str]:
    """The ids of the findings that a text cites."""
    return {name for marks in _MARKS.findall(text) for name in _MARK.findall(marks)}


def plainly_marked(value: Any) -> Any:
    """A JSON value whose texts have every mark in the one form that is read, such as `[f1, f2]`.

    Models write `[f1; f2]`, `[f1 and f2]` or `(f1)` too, which would be taken for plain text.
    """
    match value:
        case str():
            return _WRITTEN.sub(lambda found: f"[{', '.join(_MARK.findall(found[1]))}]", value)
        case list():
            return [plainly_marked(each) for each in cast("list[Any]", value)]
        case dict():
            return {key: plainly_marked(each) for key, each in cast("dict[str, Any]", value).items()}
        case _:
            return value


def handed_over(found: Evidence) -> dict[str, Any]:
    """What a team that works for another begins with, as a result."""
    drafts = [
        {"kind": each.kind, "text": each.text, "finding_ids": list(each.finding_ids),
         "heading": each.heading, "by": each.by}
        for each in found.drafts
    ]  # fmt: skip
    return {
        "ok": True, "worker": "given", "goal": "", "findings": list(found.raw), "gaps": [], "dropped": [],
        "drafts": drafts,
    }  # fmt: skip


def cited_only(drafts: Sequence[dict[str, Any]], found: Evidence) -> dict[str, Any]:
    """Drafts that cite `found`, as the findings they cite and themselves, in numbers of their own."""
    wanted = {name for each in drafts for name in each.get("finding_ids", ())}
    wanted |= {name for each in drafts for name in marks_in(each["text"])}
    kept = [(f.id, raw) for f, raw in zip(found.findings, found.raw, strict=True) if f.id in wanted]
    names = {name: f"f{number}" for number, (name, _) in enumerate(kept, start=1)}
    own = [
        {
            **each,
            "text": remarked(each["text"], names),
            "finding_ids": [names[name] for name in each.get("finding_ids", ()) if name in names],
        }
        for each in drafts
    ]
    return {"findings": [raw for _, raw in kept], "drafts": own}


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
    best: dict[str, Sequence[Any]] = {name: [_NO_ANSWER] for name in _PROSE}
    return _draft(team, best | {"open_questions": [[question]], "limits": [[_NO_ANSWER]]}, _NO_ANSWER)


def bare_draft(team: Team, question: str, found: Evidence) -> dict[str, Any]:
    """What is handed back when nothing is left to compose with: the findings and drafts themselves."""
    findings = found.findings
    quoted = [f"{finding.quote} [{finding.id}]" for finding in findings[:_QUOTED]]
    short = [" ".join(quoted[:most]) for most in range(len(quoted), 0, -1)]
    claims = [{"text": finding.quote, "finding_ids": [finding.id]} for finding in findings]
    sections = [f"## {each.heading}\n\n{each.text}" for each in found.drafts if each.kind == "section"]
    best: dict[str, Sequence[Any]] = {
        **dict.fromkeys(_PROSE, short),
        "document": ["\n\n".join(sections)] if sections else ["\n\n".join(quoted)],
        "claims": [claims],
        "findings": [[_statement(number, each) for number, each in enumerate(found.drafts, 1)]],
        "open_questions": [[question]],
        "limits": [[_NOT_COMPOSED]],
        "title": [question[:160]],
    }
    return _draft(team, best, _NOT_COMPOSED)


def _statement(number: int, draft: Draft) -> dict[str, Any]:
    return {
        "id": f"n{number}", "statement": draft.text, "kind": draft.heading or "finding", "confidence": None,
        "evidence": list(draft.finding_ids),
    }  # fmt: skip


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
