"""A run of atlas in which four teams and nine agents work, as a script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["AGENTS", "DOCUMENT", "INPUT", "SCRIPT", "TEAMS"]

INPUT: dict[str, Any] = {
    "task": "Write a notice on the lock of Arnby for skippers.",
    "rubric": "- It names the price of a passage (2 points)",
}

DOCUMENT = """
# The lock of Arnby

The lock of Arnby is open from sunrise to sunset on every day but Sunday.
A passage through the lock costs 3 guilders for each mast.
"""

TEAMS = ("atlas", "analysis", "rating", "research", "writing")
AGENTS = (
    "analysis.analyst", "analysis.reader", "analysis.supervisor", "atlas.supervisor", "rating.judge",
    "research.documents", "research.supervisor", "writing.supervisor", "writing.writer",
)  # fmt: skip

SCRIPT = Path(__file__).with_suffix(".toml")
