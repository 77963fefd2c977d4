"""Where a document says otherwise than memory: the document counts, and the brief tells what memory said.

What was remembered before and a source that was read since contradicts is not composed from, so that no
answer rests on it. It stays among the findings, and stands beside the other where the whole tells what
contradicts what. For statements in English, and by their words alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_mcp.memory.lifecycle import uri_of
from atlas_mcp.observe.sentences import shortened
from atlas_mcp.orchestration.gate import POINTERS, pointed
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atlas_mcp.messages import Finding
    from atlas_mcp.orchestration.evidence import Evidence

__all__ = ["current", "outdated", "with_outdated"]

MEMORY = uri_of("")
MOST_QUOTE = 300
_DAY = 10
"""Characters of a time up to its day."""


def outdated(found: Evidence) -> list[tuple[Finding, Finding]]:
    """Each finding of memory that a document contradicts which was read no earlier, and that document's."""
    remembered = [each for each in found.findings if _is_remembered(each, found)]
    if not remembered:
        return []
    from atlas_mcp.memory.capturing.contradicting import conflict

    read = [each for each in found.findings if each not in remembered]
    told: list[tuple[Finding, Finding]] = []
    for old in remembered:
        since = found.sources[old.source_id].retrieved_at[:_DAY]
        against = next((
            each for each in read
            if found.sources[each.source_id].retrieved_at[:_DAY] >= since and conflict(each.quote, old.quote)
        ), None)  # fmt: skip
        if against is not None:
            told.append((old, against))
    return told


def current(found: Evidence, against: list[tuple[Finding, Finding]]) -> Evidence:
    """What was found, without what is outdated; where drafts may cite that already, it stays."""
    gone = {old.id for old, _ in against}
    if not gone or found.drafts:
        return found
    kept = [place for place, each in enumerate(found.findings) if each.id not in gone]
    return replace(
        found,
        findings=tuple(found.findings[place] for place in kept),
        raw=tuple(found.raw[place] for place in kept) if found.raw else (),
    )


def with_outdated(
    draft: dict[str, Any], schema: Mapping[str, Any], found: Evidence, against: list[tuple[Finding, Finding]]
) -> dict[str, Any]:
    """A draft that says what memory said otherwise, where its schema has a place for that."""
    for old, new in reversed(against):
        day = found.sources[old.source_id].retrieved_at[:_DAY]
        says = f"Memory said otherwise, as of {day}: “{shortened(old.quote, MOST_QUOTE)}”"
        ways = _told(draft, says, [new.id, old.id])
        draft = next((way for way in ways if not misfits(schema, way)), draft)
    return draft


def _told(draft: dict[str, Any], says: str, ids: list[str]) -> Iterator[dict[str, Any]]:
    """The draft with that at the head of each list that may hold it; the last of a full one makes room."""
    for name in POINTERS:
        if isinstance(draft.get(name), list):
            item: dict[str, Any] = {"text": says, "finding_ids": ids}
            others = [each for each in draft[name] if pointed(each) != ids]
            yield {**draft, name: [item, *others]}
            yield {**draft, name: [item, *others[:-1]]}
    if isinstance(draft.get("limits"), list):
        yield {**draft, "limits": [says, *draft["limits"]]}


def _is_remembered(finding: Finding, found: Evidence) -> bool:
    return found.sources[finding.source_id].uri.startswith(MEMORY)
