"""The librarian: a score from 0 to 5 of a text that cites, made from measures alone, with no model.

Pure: the same work is given the same score by everybody. What it cannot see it says with every score
(`BLIND_SPOTS`); the score speaks of whether a text is carried by what it cites, never of whether it is true.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from atlas_mcp.quality.measured import MOST, Measures, Part, Reason
from atlas_mcp.quality.statements import Statement, statements
from atlas_mcp.text.verbatim import locate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PARTS", "Assigned", "Work", "measure"]

PARTS = (
    "citation_coverage", "dangling_citations", "verbatim_quotes", "numbers", "lexical_support", "negation",
    "duplication", "completeness",
)  # fmt: skip

_COMPLETE = 0.2
"""How much of the score completeness is: a plan is a guess of what there is to find."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """One assignment of a plan: its goal, the findings made for it, and why there are none, if known."""

    id: str
    goal: str
    finding_ids: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What is measured: claims `{text, finding_ids}` and an answer with markers such as `[f2]`.

    `quotes` maps finding ids to quotes, `stored` to the text of each one's source where it is said to stand;
    without `stored` nobody can tell whether quotes are verbatim. Without a plan completeness does not apply.
    """

    claims: Sequence[Mapping[str, Any]]
    answer: str
    quotes: Mapping[str, str]
    stored: Mapping[str, str] = field(default_factory=dict[str, str])
    plan: Sequence[Assigned] = ()


def measure(work: Work) -> Measures:
    """The work's score, its parts, and what is wrong where."""
    torn = {
        name: quote
        for name, quote in work.quotes.items()
        if name in work.stored and locate(quote, work.stored[name]) is None
    }
    said = statements(work.claims, work.answer, work.quotes, torn.keys())
    parts = {name: _of_statements(name, said) for name in PARTS}
    parts["verbatim_quotes"] = _quotes(work, torn, said)
    parts["completeness"] = _completeness(work.plan, said)
    return Measures(_score(said, parts["completeness"]), tuple(parts.values()))


def _score(said: Sequence[Statement], complete: Part) -> float | None:
    """How the parts combine; here and nowhere else.

    A sentence is worth what the worst of its measures says (`Statement.value`), since one fault is enough to
    mislead. The text is worth the mean of its sentences, since the others are not made wrong by one; so each
    part weighs as much as the sentences it speaks of, and one that applies to none does not count at all.
    Completeness speaks of the whole: it joins by a weighted geometric mean, in which neither makes good for
    the other; without a plan the sentences stand alone. With no sentence there is nothing to score.
    """
    if not said:
        return None
    carried = sum(statement.value for statement in said) / len(said)
    if complete.share is None:
        return MOST * carried
    return MOST * carried ** (1 - _COMPLETE) * complete.share**_COMPLETE


def _of_statements(name: str, said: Sequence[Statement]) -> Part:
    found = [(statement, statement.found[name]) for statement in said if name in statement.found]
    if not found:
        return Part(name, None, 0)
    reasons = tuple(Reason(each.where, each.text, what.problem) for each, what in found if what.problem)
    return Part(name, sum(what.value for _, what in found) / len(found), len(found), reasons)


def _quotes(work: Work, torn: Mapping[str, str], said: Sequence[Statement]) -> Part:
    """Of the quotes themselves, and of what sentences put in quotation marks."""
    own = _of_statements("quotations", said)
    of = own.of + sum(name in work.stored for name in work.quotes)
    if not of:
        return Part("verbatim_quotes", None, 0)
    reasons = [Reason(name, quote, "it does not stand in its source") for name, quote in torn.items()]
    reasons.extend(own.reasons)
    return Part("verbatim_quotes", 1 - len(reasons) / of, of, tuple(reasons))


def _completeness(plan: Sequence[Assigned], said: Sequence[Statement]) -> Part:
    """The share of assignments of which the text uses a finding."""
    if not plan:
        return Part("completeness", None, 0)
    cited = {name for statement in said for name in statement.finding_ids}
    reasons = tuple(
        Reason(f"assignment {each.id}", each.goal, _unanswered(each))
        for each in plan
        if cited.isdisjoint(each.finding_ids)
    )
    return Part("completeness", 1 - len(reasons) / len(plan), len(plan), reasons)


def _unanswered(assigned: Assigned) -> str:
    if assigned.finding_ids:
        return f"what was found for it is cited nowhere ({', '.join(assigned.finding_ids)})"
    return assigned.failure or "nothing was found for it"
