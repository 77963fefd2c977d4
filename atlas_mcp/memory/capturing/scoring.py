"""What a candidate's evidence is worth, 0 to 5: points for what can be checked, none for what anyone claims.

| of | points |
|---|---|
| a fact | 3 x the share of it that verbatim quotes carry |
| | run: 1 x rating / 5; not rated 0.6 x measure / 5; without a model 0.3 x measure / 5; half if partial |
| | 0.5 if a second source carries it by itself; 0.5 if it names a number, a name or code |
| | 0.5 x (1 - likeness to what is stored of it); -1 if something contradicts it and neither wins |
| a procedure | 3.5 x (rating - 2.5) / 2.5; 1 x the share of assignments that gave something |
| | 0.5 / (1 + failures, recoveries, escalations and revisions after the first); 0.5 if new |
| an outcome | 3 for its own events; 1 if rated, 0.5 if measured |
| | 0.5 if it found something, or something stayed open, failed or was recovered; 0.5 if new |
| a preference | 3 for a person's own words; 0.5 if new |
| | 1 if they are meant for later too; a wish for this run 0.25 for each earlier run with the same, up to 1 |

The sum is cut to 0 to 5, and kept from 4.0 on; what is stored already is not kept again. Whatever its
points, a fact or procedure of a run that did not pass is not kept, nor a procedure of one that was not rated,
ended in part, or had no model to plan it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas_mcp.memory.capturing.refusing import is_specific
from atlas_mcp.memory.capturing.told import PASSED

if TYPE_CHECKING:
    from atlas_mcp.memory.capturing.candidates import Candidate
    from atlas_mcp.memory.capturing.supporting import Carried
    from atlas_mcp.memory.capturing.told import Course, RunTold

__all__ = ["Score", "of_fact", "of_outcome", "of_preference", "of_procedure", "unearned"]

SUPPORT, RUN, UNRATED, COPIED, AGREES, SPECIFIC, NEW, AGAINST = 3.0, 1.0, 0.6, 0.3, 0.5, 0.5, 0.5, -1.0
RATED, RATED_FROM, YIELD, UNAIDED = 3.5, 2.5, 1.0, 0.5
EVENTS, SCORED, MEASURED, TELLS = 3.0, 1.0, 0.5, 0.5
WORDS, STANDS, WISHED = 3.0, 1.0, 0.25
MOST = 5.0


@dataclass(frozen=True, slots=True)
class Score:
    """Points by what they are for; `total` is their sum within 0 to 5."""

    points: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def total(self) -> float:
        """The score."""
        return round(min(max(sum(self.points.values()), 0.0), MOST), 2)

    def told(self) -> str:
        """The points as a person reads them."""
        return ", ".join(f"{name} {value:+.2f}" for name, value in self.points.items() if value)


def unearned(told: RunTold, kind: str) -> str:
    """Why a run of this kind earns no such learning, whatever it says; empty where it may."""
    if kind in ("fact", "procedure") and told.gate not in (None, PASSED):
        return f"the run did not pass: its gate is {told.gate}"
    if kind == "procedure":
        if told.overall is None:
            return "the run was not rated, so it is not known to have worked"
        if told.partial:
            return "the run ended in part, so its way is not known to work"
        if not told.by_model:
            return "no language model planned it: a later run would plan the same by itself"
    return ""


def of_fact(told: RunTold, candidate: Candidate, carried: Carried, likeness: float) -> Score:
    """The points of a fact."""
    return Score({
        "support": SUPPORT * carried.share,
        "run": _run(told),
        "agreement": AGREES if carried.sources > 1 else 0.0,
        "specific": SPECIFIC if is_specific(candidate.text) else 0.0,
        "novelty": NEW * (1 - likeness),
        "contradiction": AGAINST if candidate.disputed else 0.0,
    })  # fmt: skip


def _run(told: RunTold) -> float:
    """What the run that says it is worth: its rating, or what is measured of it, which is less.

    Without a model sentences are copied, and copies measure full by themselves: that says little of the run.
    """
    if not told.by_model:
        points = COPIED * (told.measured or 0.0) / MOST
    elif told.overall is not None:
        points = RUN * told.overall / MOST
    else:
        points = UNRATED * (told.measured or 0.0) / MOST
    return points / 2 if told.partial else points


def of_procedure(told: RunTold, course: Course) -> Score:
    """The points of a procedure."""
    gave = sum(done.gave for done in course.work) / max(len(course.work), 1)
    troubles = sum(bool(done.failure or done.ways) for done in course.work) + course.escalated
    troubles += max(course.revisions - 1, 0)
    return Score({
        "rating": RATED * max((told.overall or 0.0) - RATED_FROM, 0.0) / (MOST - RATED_FROM),
        "yield": YIELD * gave,
        "unaided": UNAIDED / (1 + troubles),
        "novelty": NEW,
    })  # fmt: skip


def of_outcome(told: RunTold, candidate: Candidate, course: Course) -> Score:
    """The points of an outcome."""
    found = sum(done.findings + done.drafts for done in course.work)
    happened = any(done.failure or done.ways for done in course.work) or course.revisions
    tells = bool(found or candidate.notes or happened or told.failure)
    # That a run failed is as certain as a rating.
    certain = told.overall is not None or bool(told.failure)
    scored = SCORED if certain else MEASURED if told.measured is not None else 0.0
    return Score({
        "events": EVENTS, "rated": scored, "tells": TELLS if tells else 0.0, "novelty": NEW,
    })  # fmt: skip


def of_preference(candidate: Candidate) -> Score:
    """The points of a preference."""
    again = max(candidate.asked - 1, 0)
    return Score({
        "words": WORDS,
        "standing": STANDS if candidate.standing else min(WISHED * again, STANDS),
        "novelty": NEW,
    })  # fmt: skip
