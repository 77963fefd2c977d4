"""The numbers of a run that were computed: read back from the computed lines that its workers quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.computing.calculation import is_computed, read

if TYPE_CHECKING:
    from atlas_mcp.orchestration.evidence import Evidence

__all__ = ["computed"]


def computed(found: Evidence) -> list[dict[str, Any]]:
    """Each computed result `{expression, value, inputs}` once, with the finding that holds it."""
    made: dict[str, dict[str, Any]] = {}
    for finding in found.findings:
        if is_computed(found.sources[finding.source_id]):
            for each in read(finding.quote):
                made.setdefault(each.expression, {**each.to_dict(), "finding_id": finding.id})
    return list(made.values())
