"""A small sound team as files, for tests that then break or use it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from atlas_mcp.orchestration.team import Team, load_team

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SCHEMA", "TOML", "sound", "team_of"]

TOML = """\
description = "Answers questions on tides."
supervisor = "lead"
workers = ["reader"]

[input.question]
description = "What you want to know."

[input.depth]
type = "integer"
description = "How deep."
required = false
default = 2

[input.style]
description = "How it is written."
required = false
enum = ["plain", "formal"]
"""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["answer", "claims", "report"],
    "additionalProperties": False,
    "properties": {
        "answer": {"type": "string", "minLength": 1},
        "claims": {"type": "array", "items": {"$ref": "#/$defs/claim"}},
        "report": {"type": "string", "x-atlas-computed": True},
    },
    "$defs": {
        "claim": {
            "type": "object",
            "required": ["text", "finding_ids"],
            "properties": {
                "text": {"type": "string", "x-atlas-fill": "quote"},
                "finding_ids": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}

CARD = "---\ndescription: Does its part.\n---\nYou do your part.\n"


def sound(parent: Path, name: str = "tides", *, toml: str = TOML, schema: object = SCHEMA) -> Path:
    """The folder of a team in which all is well."""
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "team.toml").write_text(toml, "utf-8")
    (folder / "output.schema.json").write_text(json.dumps(schema), "utf-8")
    for card in ("lead", "reader"):
        (folder / f"{card}.md").write_text(CARD, "utf-8")
    return folder


def team_of(parent: Path, properties: dict[str, Any], **more: Any) -> Team:
    """A team whose output has these properties, all of them required."""
    schema = {"type": "object", "required": list(properties), "properties": properties, **more}
    return load_team(sound(parent, schema=schema))
