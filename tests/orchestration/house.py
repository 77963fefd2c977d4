"""A small team of teams as files: a house that lets the tides team work twice at once, and its script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.orchestration.folders import SCHEMA, TOML, sound
from tests.orchestration.talk import SPRING, TABLE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ASKED", "SCRIPT", "build_house"]

ASKED = "What should visitors know of the tides?"

_SCHEMA: dict[str, Any] = {
    **SCHEMA,
    "properties": {
        **SCHEMA["properties"],
        **{name: {"type": "array", "x-atlas-computed": True} for name in ("evidence", "sources")},
        "measures": {"type": "object", "x-atlas-computed": True},
    },
}

_READER = """\
---
description: Reads documents.
tools: [search_documents]
---
You read.
"""


def build_house(config: Path) -> None:
    """Write the teams `house` and `tides` to the user's configuration."""
    teams = config / "teams"
    tides = sound(teams, schema=_SCHEMA)
    (tides / "reader.md").write_text(_READER, "utf-8")
    sound(teams, "house", toml=TOML.replace('["reader"]', '["team:tides"]'), schema=_SCHEMA)


def _told(quote: str, mark: str = "f1") -> str:
    return f'{{ answer = "{quote} [{mark}]", claims = [{{ text = "{quote}", finding_ids = ["{mark}"] }}] }}'


SCRIPT = f"""
[[reply]]
when = {{ intent = "plan", contains = "team:tides" }}
json = {{ assignments = [
  {{ id = "a1", worker = "team:tides", goal = "When do spring tides come?", after = [] }},
  {{ id = "a2", worker = "team:tides", goal = "Who publishes the tide table?", after = [] }},
] }}

[[reply]]
when = {{ intent = "plan", contains = "When do spring tides come?" }}
json = {{ assignments = [{{ id = "a1", worker = "reader", goal = "When do they come?", after = [] }}] }}

[[reply]]
when = {{ intent = "plan", contains = "Who publishes" }}
json = {{ assignments = [{{ id = "a1", worker = "reader", goal = "Who publishes the table?", after = [] }}] }}

[[reply]]
when = {{ intent = "gather", contains = "Your goal: When do" }}
json = {{ findings = [{{ passage = "p1", quote = "{SPRING}" }}], gaps = [] }}

[[reply]]
when = {{ intent = "gather", contains = "Your goal: Who publishes" }}
json = {{ findings = [{{ passage = "p1", quote = "{TABLE}" }}], gaps = [] }}

[[reply]]
when = {{ intent = "compose", contains = "{ASKED}" }}
json = {_told(SPRING)}

[[reply]]
when = {{ intent = "compose", contains = "Who publishes" }}
json = {_told(TABLE)}

[[reply]]
when = {{ intent = "compose" }}
json = {_told(SPRING)}
"""
"""Both teams find a sentence each; TOML as the scripted provider reads it."""
