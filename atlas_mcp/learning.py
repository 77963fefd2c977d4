"""One thing worth remembering, with the evidence it rests on and the score it earned.

This module knows no store, no model and no run: a learning is the same whoever makes it and wherever it is
kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

__all__ = ["EVIDENCE", "KEEP", "MOST_TEXT", "Evidence", "Learning", "LearningKind"]

KEEP = 4.0
"""A learning of a run is kept from this score on; what a person says is kept as it is."""

MOST_TEXT = 2_000
"""Characters that one learning may have: longer than that is a document."""

EVIDENCE = ("quote", "rating", "run", "person", "memory")
"""What evidence may be: words in a source, a rating, how a run went, a person's word, another memory."""


class LearningKind(StrEnum):
    """What kind of thing was learned."""

    FACT = "fact"
    PROCEDURE = "procedure"
    PREFERENCE = "preference"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a learning rests on: its kind, the words or figures, and where they stand.

    `source` is a document's uri, `atlas://runs/ID` or `atlas://memory/ID`, or empty for a person's word;
    `sha256` names the snapshot in which a quote stands; `score` is a rating's, 0 to 5.
    """

    kind: Literal["quote", "rating", "run", "person", "memory"]
    text: str = ""
    source: str = ""
    sha256: str = ""
    score: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The evidence as JSON, without what is empty."""
        every = {
            "kind": self.kind, "text": self.text, "source": self.source, "sha256": self.sha256,
            "score": self.score,
        }  # fmt: skip
        return {key: value for key, value in every.items() if value not in ("", None)}


@dataclass(frozen=True, slots=True)
class Learning:
    """Something worth remembering.

    `score`, 0 to 5, is earned by its evidence; `valid_from` and `valid_to` (ISO 8601 UTC; None: from now on,
    for good) say when it is so in the world. `team` limits a learning to one team's runs; `run_id` is the run
    that made it; `origin` who brought it in. `shared` gives it to the project's members.
    """

    kind: LearningKind
    text: str
    evidence: tuple[Evidence, ...] = ()
    score: float = KEEP
    run_id: str | None = None
    team: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    origin: Literal["run", "person", "agent", "import"] = "run"
    shared: bool = False
