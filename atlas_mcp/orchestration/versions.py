"""Versions of what a team made: what each is worth, which is better, and how another is begun."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from atlas_mcp.messages import TaskType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.orchestration.team import Team

__all__ = ["Rated", "Version", "rated_by_measures", "rated_by_team", "rework"]

_GATES = ("fail", "revise", "pass")
_REASONS = 12
_AS_A_WHOLE = "Make it better as a whole."


class Rated(TypedDict):
    """What a version is worth: `score` 0 to 5, None where nothing could be rated; `reasons` to revise it.

    `of` is the assignment that made it, empty where the supervisor composed it.
    """

    score: float | None
    gate: str
    reasons: list[str]
    of: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of what a team makes: its `draft`, the output made of it, and what it was rated, if it was.

    State keeps the draft alone: an output also tells of versions that came later.
    """

    output: dict[str, Any]
    rated: Rated | None = None
    draft: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> Version | None:
        """A version as state keeps it."""
        return cls({}, kept["rated"], kept["draft"]) if kept else None

    def to_dict(self) -> dict[str, Any]:
        """As state keeps it."""
        return {"draft": self.draft, "rated": self.rated}

    @property
    def wants_revision(self) -> bool:
        """Whether it was found wanting."""
        return self.rated is not None and self.rated["gate"] != "pass"

    def better_than(self, other: Version) -> bool:
        """Whether this one, which is newer, is worth more; of two that are worth the same the older stays."""
        return self._worth > other._worth

    @property
    def _worth(self) -> tuple[int, float]:
        if self.rated is None:
            return (-1, 0.0)
        return (_GATES.index(self.rated["gate"]), self.rated["score"] or 0.0)


def rated_by_team(rating: Mapping[str, Any]) -> Rated:
    """What a rating team said; a rating that was cut short passes nothing, and is below every whole one."""
    reasons = [
        f"{each['where']}: {each['quote']!r}: {each['reason']}" if each.get("quote") else
        f"{each['where']}: {each['reason']}"
        for each in rating.get("revise", ())
    ]  # fmt: skip
    cut = rating["partial"]
    return {
        "score": None if cut else rating.get("overall"),
        "gate": "revise" if cut and rating["gate"] == "pass" else rating["gate"],
        "reasons": reasons[:_REASONS],
        "of": rating["of"],
    }


def rated_by_measures(score: float | None, minimum: float, reasons: Sequence[str]) -> Rated:
    """What measures alone say: whether enough of it is carried by what it cites."""
    enough = score is None or score >= minimum
    return {
        "score": None if score is None else round(score, 2),
        "gate": "pass" if enough else "revise",
        "reasons": list(reasons[:_REASONS]),
        "of": "",
    }


def rework(
    team: Team,
    assignments: Sequence[Mapping[str, Any]],
    best: Rated,
) -> list[dict[str, Any]]:
    """The assignments by which the best version is made anew and rated again; none where no team rated it.

    Whoever made it is told what is wrong and handed what it made, beside all that it was handed before.
    """
    maker = next((each for each in assignments if each["id"] == best["of"]), None)
    raters = [each for each in assignments if _rates(team, each) and best["of"] in each["after"]]
    if maker is None or not raters:
        return []
    last = raters[-1]
    number = max(int(each["id"][1:]) for each in assignments)
    again, rating = f"a{number + 1}", f"a{number + 2}"
    return [
        {
            "id": again, "worker": maker["worker"], "goal": maker["goal"],
            "after": list(dict.fromkeys([*maker["after"], maker["id"]])),
            "input": list(maker.get("input", ())),
            "instructions": "\n".join(f"- {each}" for each in best["reasons"]) or _AS_A_WHOLE,
        },
        {"id": rating, "worker": last["worker"], "goal": last["goal"], "after": [
            *(each for each in last["after"] if each != maker["id"]), again
        ]},
    ]  # fmt: skip


def _rates(team: Team, assignment: Mapping[str, Any]) -> bool:
    return assignment["worker"] in team.workers and team.task_of(assignment["worker"]) is TaskType.RATING
