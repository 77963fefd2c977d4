"""A run's events as a Mermaid flow chart of who did what, what was decided, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.observe.pictures.course import Shape, course

if TYPE_CHECKING:
    from collections.abc import Iterable

    from atlas_mcp.events import Event
    from atlas_mcp.observe.pictures.course import Node

__all__ = ["picture"]

_SHAPES = {
    Shape.END: ("([", "])"),
    Shape.DOCUMENTS: ("[/", "/]"),
    Shape.MEMORY: ("[(", ")]"),
    Shape.STEP: ("[", "]"),
    Shape.DECISION: ("{", "}"),
    Shape.WORK: ("[", "]"),
    Shape.TEAM: ("[[", "]]"),
}
_SIGNS = str.maketrans({sign: f"#{ord(sign)};" for sign in '"#<>&`;[]{}|\\'})


def picture(events: Iterable[Event]) -> str:
    """The Mermaid text of a run, as far as its events go; the same events give the same text."""
    lines = ["flowchart TD"]
    for node in course(events):
        before, behind = _SHAPES[node.shape]
        style = f":::{node.style}" if node.style else ""
        lines.append(f"  {node.name}{before}{_label(node)}{behind}{style}")
        lines += [f"  {each} --> {node.name}" for each in node.after]
        lines += [f"  {each} -.-> {node.name}" for each in node.earlier]
    lines += [
        "  classDef failed stroke:#c0392b,stroke-width:2px",
        "  classDef partial stroke:#b9770e,stroke-width:2px",
        "  classDef kept stroke:#1e8449,stroke-width:2px",
    ]
    return "\n".join(lines) + "\n"


def _label(node: Node) -> str:
    """A quoted label, one line a part; Mermaid reads entities where a sign would mean something to it."""
    text = "<br/>".join(line.translate(_SIGNS) for line, _tone in node.lines)
    return f'"{text}"'
