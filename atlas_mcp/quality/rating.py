"""What a piece of work is worth: what was measured of it and what judges say, kept apart, set against a gate.

`truth` is measured and `quality` is judged; the work is worth the smaller of the two. A part that is absent
is named, and counts neither for nor against it. Pure: the same findings give the same rating.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from atlas_mcp.quality.rubric import BEST, score, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from atlas_mcp.quality.judging import Judgement
    from atlas_mcp.quality.measured import Measures, Part
    from atlas_mcp.quality.rubric import About, Criterion, Rubric
    from atlas_mcp.quality.texts import Measured

__all__ = [
    "HARD",
    "MEASURED",
    "MOST_REVISIONS",
    "NEAR",
    "Gate",
    "Rated",
    "Rating",
    "Revision",
    "agreement",
    "best",
    "better",
    "needs_panel",
    "rate",
]

HARD = ("dangling_citations", "verbatim_quotes", "numbers")
"""Measures of which one fault is enough: work that has one is revised, whatever it scores."""

NEAR = 0.25
"""How near to the minimum a score is in doubt, so that a panel is worth its price."""

MOST_REVISIONS = 12
"""Instructions that a writer is given at once, the gravest first."""

MEASURED = "measured"
"""Who answered a criterion that nobody was asked for."""

_HOPELESS = 1.0
"""Below this score work is not mended sentence by sentence: it fails."""

_DENIED = BEST / 2
"""The score up to which a criterion about truth counts as found untrue."""

Gate: TypeAlias = Literal["pass", "revise", "fail"]

_RANKS: dict[Gate, int] = {"fail": 0, "revise": 1, "pass": 2}


@dataclass(frozen=True, slots=True)
class Rated:
    """One criterion: its `score` (0 to 5, 5 as it should be), who said so (`measured` if nobody), and why."""

    name: str
    score: float
    points: float
    rationale: str
    judge: str
    evidence: str = ""
    about: About = "quality"


@dataclass(frozen=True, slots=True)
class Revision:
    """One thing to mend: where it stands, the sentence, and what is wrong with it."""

    where: str
    quote: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rating:
    """What work is worth, 0 to 5; None is a score that nobody could give, and `absent` says why.

    `agreement` is the share of criteria on which all judges say the same, None with fewer than two of them.
    `why` is the gate's reason; `blocked` names the measures whose faults alone keep the work from passing;
    `revise` is what to mend, empty when the gate is passed.
    """

    overall: float | None
    truth: float | None
    quality: float | None
    measures: dict[str, Any]
    criteria: tuple[Rated, ...]
    agreement: float | None
    gate: Gate
    why: str
    revise: tuple[Revision, ...] = ()
    blocked: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON, every field by its name."""
        lists = ("criteria", "revise", "blocked", "absent", "judges")
        told = asdict(self)
        return {name: [*kept] if name in lists else kept for name, kept in told.items()}


def rate(rubric: Rubric, measured: Measured, said: Sequence[Judgement] = (), minimum: float = 3.5) -> Rating:
    """The rating of a work from its measures and from what one or several judges said of it.

    `truth` is the measures' score. `quality` is the score of the criteria about quality, the measured ones
    among them, once a judge has answered one. A criterion about truth that judges find unmet is part of no
    score: it is shown, and the work is revised. Several judges count by their median.
    """
    measures = measured.measures
    asked = {each.name for each in rubric.asked}
    answers = [each for each in said if each.criterion in asked]
    found = list(_found(rubric, measures, answers))
    rated = tuple(entry for _, _, entry in found)
    truth = _rounded(measures.score)
    judged = any(criterion.about == "quality" and criterion.name in asked for criterion, _, _ in found)
    quality = _quality(found) if judged else None
    overall = min((each for each in (truth, quality) if each is not None), default=None)
    blocked = tuple(name for name in HARD if (part := _part(measures, name)) and part.reasons)
    denied = [
        each.name
        for each in rated
        if each.about == "truth" and each.judge != MEASURED and each.score <= _DENIED
    ]
    gate, why = _gate(overall, minimum, blocked, denied)
    coverage = _part(measures, "citation_coverage")
    cites = coverage is not None and coverage.applies
    absent = tuple(_absent(rubric, rated, truth, quality, cites=cites))
    return Rating(
        overall=overall,
        truth=truth,
        quality=quality,
        measures=measured.to_dict(),
        criteria=rated,
        agreement=agreement(answers),
        gate=gate,
        why="; ".join((why, *absent)),
        revise=() if gate == "pass" else _revisions(measures, found),
        blocked=blocked,
        absent=absent,
        judges=tuple(dict.fromkeys(each.judge for each in answers)),
    )


def agreement(said: Iterable[Judgement]) -> float | None:
    """The share of criteria, of those that several judges answered, on which all of them say the same.

    None where there is no such criterion. Who judged first does not matter.
    """
    answers: dict[str, dict[str, float]] = {}
    for each in said:
        answers.setdefault(each.criterion, {})[each.judge] = each.met
    shared = [set(by_judge.values()) for by_judge in answers.values() if len(by_judge) > 1]
    if not shared:
        return None
    return round(sum(len(verdicts) == 1 for verdicts in shared) / len(shared), 2)


def needs_panel(rating: Rating, minimum: float, near: float = NEAR) -> bool:
    """Whether one judge alone is not enough: further ones could change whether the work passes.

    So it is where quality lies within `near` of the minimum, and neither truth nor a hard fault has decided.
    """
    if rating.quality is None or len(rating.judges) != 1 or rating.blocked:
        return False
    decided = rating.truth is not None and rating.truth < minimum
    # Scores have two decimals; a sum of binary fractions must not decide.
    return not decided and round(abs(rating.quality - minimum), 2) <= near


def better(one: Rating, other: Rating) -> bool:
    """Whether `one` is strictly better than `other`: by gate, then by overall score, then by truth.

    A score that nobody could give is below every score. Of equals neither is better: keep the earlier.
    """
    return _order(one) > _order(other)


def best(ratings: Sequence[Rating]) -> int:
    """The place of the best of several versions, the earliest of equals.

    Raises:
        ValueError: there is none.
    """
    # The first of equal maxima is what max gives.
    return max(range(len(ratings)), key=lambda number: _order(ratings[number]))


def _order(rating: Rating) -> tuple[int, float, float]:
    overall, truth = rating.overall, rating.truth
    return _RANKS[rating.gate], -1.0 if overall is None else overall, -1.0 if truth is None else truth


_Found: TypeAlias = "tuple[Criterion, float, Rated]"


def _found(rubric: Rubric, measures: Measures, said: Sequence[Judgement]) -> Iterable[_Found]:
    """Each criterion that was answered, how far it is met, and what is shown of it."""
    for criterion in rubric.criteria:
        if criterion.measure:
            part = _part(measures, criterion.measure)
            if part is None or part.share is None:
                continue
            met = part.share if criterion.points > 0 else 1 - part.share
            faults = f"{len(part.reasons)} of {part.of} are not as they should be"
            entry = ("all are as they should be" if not part.reasons else faults, MEASURED, "")
        else:
            answers = [each for each in said if each.criterion == criterion.name]
            if not answers:
                continue
            met = float(median(each.met for each in answers))
            # Whoever said what the median says speaks for the panel.
            voice = min(answers, key=lambda each: abs(each.met - met))
            entry = (
                voice.rationale,
                ", ".join(dict.fromkeys(each.judge for each in answers)),
                voice.evidence,
            )
        rationale, judge, evidence = entry
        shown = round(value(criterion, met), 2)
        yield (
            criterion,
            met,
            Rated(criterion.name, shown, criterion.points, rationale, judge, evidence, criterion.about),
        )


def _quality(found: Sequence[_Found]) -> float | None:
    return _rounded(score((criterion, met) for criterion, met, _ in found if criterion.about == "quality"))


def _gate(
    overall: float | None, minimum: float, blocked: Sequence[str], denied: Sequence[str]
) -> tuple[Gate, str]:
    if overall is None:
        return "revise", "nothing was scored, so nothing is passed"
    if overall < _HOPELESS:
        return "fail", f"{overall:g} of 5 is too little to mend sentence by sentence"
    if blocked:
        return "revise", f"faults that no score outweighs: {', '.join(blocked).replace('_', ' ')}"
    if denied:
        return "revise", f"found untrue: {', '.join(denied)}"
    if overall < minimum:
        return "revise", f"{overall:g} of 5 is below {minimum:g}"
    return "pass", f"{overall:g} of 5 reaches {minimum:g}"


def _absent(
    rubric: Rubric, rated: Sequence[Rated], truth: float | None, quality: float | None, *, cites: bool
) -> Iterable[str]:
    """What the rating is without, in words."""
    answered = {each.name for each in rated}
    if truth is None:
        yield "truth is not scored: there is nothing to measure it by"
    elif not cites:
        yield "it cites nothing: each sentence was held against the nearest passages by its words alone"
    open_ones = [each.name for each in rubric.asked if each.name not in answered]
    if quality is None:
        yield "quality is not scored: nobody judged it"
    elif open_ones:
        yield f"no judge answered: {', '.join(open_ones)}"
    unmeasured = [each.name for each in rubric.criteria if each.measure and each.name not in answered]
    if unmeasured:
        yield f"nothing to measure for: {', '.join(unmeasured)}"


def _revisions(measures: Measures, found: Sequence[_Found]) -> tuple[Revision, ...]:
    """What to mend: hard faults, then what judges miss, most points first, then what else was measured."""
    hard = [part for name in HARD if (part := _part(measures, name))]
    soft = [part for part in measures.parts if part.name not in HARD]
    lost = sorted(
        (each for each in found if not each[0].measure and each[2].score < BEST),
        key=lambda each: abs(each[0].points) * (each[2].score - BEST),
    )
    wanted = [
        *_of_parts(hard),
        *(Revision(f"criterion {each.name}", each.evidence, each.rationale) for _, _, each in lost),
        *_of_parts(soft),
    ]
    once: dict[tuple[str, str], Revision] = {}
    for each in wanted:
        once.setdefault((each.quote, each.reason), each)
    return tuple(once.values())[:MOST_REVISIONS]


def _of_parts(parts: Iterable[Part]) -> list[Revision]:
    return [Revision(each.where, each.quote, each.reason) for part in parts for each in part.reasons]


def _part(measures: Measures, name: str) -> Part | None:
    return next((part for part in measures.parts if part.name == name), None)


def _rounded(given: float | None) -> float | None:
    """Two decimals, so that what is shown is what is compared."""
    return None if given is None else round(given, 2)
