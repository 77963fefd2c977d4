"""From a draft and its evidence to the team's output: what is not supported is set aside and shown."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from atlas_mcp.messages import TaskType
from atlas_mcp.orchestration.gate import UNSUPPORTED, prose, supported
from atlas_mcp.orchestration.output_schema import is_computed
from atlas_mcp.orchestration.report import Unread, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from atlas_mcp.messages import Finding
    from atlas_mcp.orchestration.context import RunContext
    from atlas_mcp.orchestration.evidence import Evidence
    from atlas_mcp.quality.measured import Measures

__all__ = ["UNSUPPORTED", "assemble"]

_ALL_READ = Unread()
_MEASURED = "No language model judged this: what is said of it was measured, from its words and its sources."
_HEADING = re.compile(r"^#{1,4}\s+(.+?)\s*#*$", re.MULTILINE)
_MARK = re.compile(r"\bf\d+\b(?=[^\[\]]*\])")
_WORD = re.compile(r"\w[\w'\u2019-]*")


def assemble(
    context: RunContext,
    draft: dict[str, Any],
    found: Evidence,
    lost: Sequence[Finding],
    *,
    measures: Measures,
    partial: bool,
    unread: Unread = _ALL_READ,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The team's output; it keeps of `draft` what is supported and adds what the run itself knows.

    `lost` are findings whose quote is not in the stored source; what cites one of them is unsupported.
    Unsupported claims and disagreements are left out; a sentence of the answer stays,
    marked, and is listed. `measures` are those of what is released; `unread` could not be read.
    `more` is what the run computed for this kind of team alone.
    """
    gone = {finding.id for finding in lost}
    quotes = {finding.id: finding.quote for finding in found.findings if finding.id not in gone}
    properties = context.team.output_schema["properties"]
    longest = {name: shape["maxLength"] for name, shape in properties.items() if "maxLength" in shape}
    kept = supported(draft, quotes, searched=bool(found.findings), longest=longest)
    output, unsupported = kept.draft, kept.unsupported
    unsupported += [{"text": quote, "reason": "not verbatim in any source"} for quote in found.dropped]
    unsupported += [
        {"text": finding.quote, "reason": "not verbatim in its stored source"} for finding in lost
    ]
    shown = [_finding(finding) for finding in found.findings if finding.id in quotes]
    known = {
        "findings": shown,
        "evidence": shown,
        "sources": [{"id": name, **asdict(source)} for name, source in found.sources.items()],
        "unsupported": unsupported,
        "made_with": _made_with(context),
        "measures": measures.to_dict(),
        "run_id": context.row.run_id,
        **_of_document(context, output),
        **(more or {}),
    }
    # The report shows what the run knows, whether or not the team's own output has a place for it.
    known["report"] = written(
        context.team, context.row.input, {**known, **output}, partial=partial,
        # A run that works for another reads what that one opened, which tells of it.
        unread=replace(unread, run_id=context.row.parent_run_id or context.row.run_id),
    )  # fmt: skip
    computed = {name for name, shape in properties.items() if is_computed(shape)}
    return output | {name: value for name, value in known.items() if name in computed}


def _of_document(context: RunContext, output: Mapping[str, Any]) -> dict[str, Any]:
    """What a document says of itself: its form, its length in words, its sections and what they cite."""
    document = output.get("document")
    if not isinstance(document, str):
        return {}
    return {
        "format": context.row.input.get("format") or "markdown",
        "words": sum(len(_WORD.findall(paragraph)) for paragraph in prose(document)),
        "sections": list(_sections(document)),
    }


def _sections(document: str) -> Iterator[dict[str, Any]]:
    headings = list(_HEADING.finditer(document))
    for number, heading in enumerate(headings):
        end = headings[number + 1].start() if number + 1 < len(headings) else len(document)
        cited = dict.fromkeys(_MARK.findall(document[heading.end() : end]))
        yield {"heading": heading[1], "finding_ids": list(cited)}


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
    note = _MEASURED if context.team.task is TaskType.RATING and not info.judges else info.note
    return made | ({"note": note} if note else {})
