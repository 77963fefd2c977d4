"""What teams that make more than a brief ask for: the composed part of their outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["ANALYSIS", "ATLAS", "WRITING"]


def composed(team: str) -> dict[str, Any]:
    """A team's output schema without what the run computes."""
    file = Path(__file__).parents[2] / "teams" / team / "output.schema.json"
    schema = json.loads(file.read_text("utf-8"))
    properties = {
        name: shape for name, shape in schema["properties"].items() if not shape.get("x-atlas-computed")
    }
    required = [name for name in schema["required"] if name in properties]
    return {**schema, "properties": properties, "required": required}


ANALYSIS = composed("analysis")
WRITING = composed("writing")
ATLAS: dict[str, Any] = {
    "type": "object",
    "required": ["final_output"],
    "properties": {"final_output": {"type": "string", "minLength": 1, "maxLength": 60000}},
}
