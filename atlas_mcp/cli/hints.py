"""One line that a person may need beside what a run gives: what it reads, and how a text becomes a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.app import Atlas
    from atlas_mcp.orchestration.team import Team

__all__ = ["of_file", "of_handbook"]

_FILES = (
    (re.compile(r"\.docx\b|\bword[ -](?:file|document)", re.IGNORECASE), "Word", "word", "memo.docx"),
    (
        re.compile(r"\.xlsx\b|\bexcel[ -](?:file|workbook|spreadsheet)", re.IGNORECASE),
        "Excel", "excel", "figures.xlsx",
    ),
)  # fmt: skip
"""Files that people wish for in words: how, what they call it, which server writes it, and a name for one."""


async def of_handbook(atlas: Atlas, team: Team) -> str:
    """That the handbook is read, where a run names no documents and none were taken in."""
    memory = await atlas.memory()
    if not team.handbook or await memory.documents(scope=f"user:{atlas.user}"):
        return ""
    return "No documents named: the handbook of ATLAS is read; for your own add --documents ."


def of_file(team: Team, given: Mapping[str, Any]) -> str:
    """How a file is had that somebody asked for in words alone, where the team can write one."""
    if given.get("file") or "file" not in team.input:
        return ""
    words = " ".join(value for value in given.values() if isinstance(value, str))
    for wished, title, server, name in _FILES:
        if wished.search(words):
            return f"For a {title} file: atlas-mcp servers enable {server}, then --input file={name}"
    return ""
