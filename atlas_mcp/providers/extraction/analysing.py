"""An analysis from findings: which to state, of what kind each says it is, and what stands beside what.

Every statement is a finding's own sentence; two that disagree are one statement of both. A question that
names things to compare has theirs set side by side. It knows findings and the question, and no schema.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from atlas_mcp.providers.extraction.choosing import answered_facets, distinct, open_facets
from atlas_mcp.providers.extraction.composing import apart, compose, disagreements, ended, measured
from atlas_mcp.providers.extraction.facets import compared_things, split_question
from atlas_mcp.providers.extraction.relevance import judge
from atlas_mcp.providers.extraction.telling import told
from atlas_mcp.providers.extraction.wishes import compares, subject
from atlas_mcp.text.words import content_words, stems

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from atlas_mcp.providers.extraction.questions import Question
    from atlas_mcp.providers.extraction.relevance import Relevance, Vectors
    from atlas_mcp.providers.extraction.units import Unit

__all__ = ["Statement", "analyse", "opposed", "sides", "summary", "worth_stating"]

CONTRADICTION = "contradiction"
_WORTH_STATING = 0.5  # of the best
_MOST_DISAGREEING = 2
_SUMMARY_SENTENCES = 4
_HALF = 0.5
_ELSEWHERE = 0.4  # what a word in title or heading counts, against one in the sentence
_CHOICE = re.compile(
    r"(?:^|[,:;]\s*|\b(?:either|use|choose|prefer|take)\s+)([^,:;]+?)\s+or\s+([^,:;?]+)", re.IGNORECASE
)
_RECORD = re.compile(r"[^:;]{1,60}: [^;]*(?:; [^:;]{1,60}: [^;]*)+")
_LONGEST = 1_000


class Statement(NamedTuple):
    """One statement: its kind, its text, what it rests on, how sure it is (0 to 0.8; None: unmeasured)."""

    kind: str
    text: str
    finding_ids: list[str]
    confidence: float | None


def sides(about: str) -> list[frozenset[str]]:
    """The things that a text compares, each by the stems that no other has; none where it does not."""
    if not compares(about):
        return []
    topic = subject(about)[:_LONGEST]
    choice = _CHOICE.search(topic)
    named = compared_things(topic) or ([choice[1], choice[2]] if choice else [])
    if not named and topic != about:  # "a comparison of A and B" is about "A and B"
        named = [part.query for part in split_question(topic)]
    words = [frozenset(stems(each)) for each in named]
    shared = frozenset[str].intersection(*words) if len(words) > 1 else frozenset[str]()
    apart = [each - shared for each in words]
    return apart if len(apart) > 1 and all(apart) else []


def analyse(
    question: Question,
    units: Sequence[Unit],
    vectors: Vectors | None,
    *,
    most: int = 12,
    longest: int = 600,
    kinds: Collection[str] | None = None,
    framework: str | None = None,
    compared: Sequence[frozenset[str]] = (),
) -> tuple[list[Statement], list[str]]:
    """At most `most` statements of at most `longest` characters, and what stays open in the question's words.

    `kinds` are those that a statement may be of, any by default. Where things are `compared` (see `sides`),
    what speaks of several comes first, then what is said of each, in turn; else the most relevant is first.
    """
    relevance = judge(question, units, vectors)
    against = _against(units, vectors, kinds, longest, most)
    room = most - len(against)
    merged = distinct(question, units, vectors, worth_stating(units, relevance, longest))
    order = _side_by_side(list(merged), units, vectors, compared) if compared else list(merged)
    statements = [
        Statement(
            told(units[index], kinds, framework),
            units[index].plain,
            [units[twin].id for twin in merged[index]][:6],
            measured(units, relevance, index, merged[index]),
        )
        for index in order[:room]
    ]
    return [*statements, *against], open_facets(question, units, relevance)


def worth_stating(units: Sequence[Unit], relevance: Relevance, longest: int) -> list[int]:
    """What is worth stating and has room, the most relevant first; something wherever words are."""
    total = relevance.total
    ranked = sorted(range(len(units)), key=lambda index: -float(total[index]))
    winners = [index for index in answered_facets(relevance) if index is not None]
    least = _WORTH_STATING * float(total.max(initial=0.0))
    saying = [index for index in ranked if content_words(units[index].plain)]
    fitting = [index for index in saying if len(units[index].plain) <= longest] or saying[:1]
    worth = [index for index in fitting if index in winners or total[index] >= least]
    return worth or fitting[:1]


def opposed(units: Sequence[Unit], vectors: Vectors | None) -> list[dict[str, Any]]:
    """Pairs of findings that disagree, as `{text: null, finding_ids}`; two records of a table never do."""
    records = {unit.id for unit in units if unit.text.startswith("|") or _RECORD.fullmatch(unit.plain)}
    return [each for each in disagreements(units, vectors) if not records.issuperset(each["finding_ids"])]


def summary(
    question: Question,
    units: Sequence[Unit],
    vectors: Vectors | None,
    compared: Sequence[frozenset[str]],
    longest: int,
) -> str:
    """What the findings come to, in their own sentences with marks: of what is compared, each side first."""
    if not compared:
        return compose(question, units, vectors, longest)["answer"]
    relevance = judge(question, units, vectors)
    merged = distinct(question, units, vectors, worth_stating(units, relevance, longest))
    order = _side_by_side(list(merged), units, vectors, compared)
    spoken = [(index, _sides_of(units[index], compared)) for index in order]
    first = [index for index, named in spoken if len(named) > 1][:1]
    each = [[index for index, named in spoken if named == [side]][:1] for side in range(len(compared))]
    winners = [index for index in answered_facets(relevance) if index in merged]
    chosen = dict.fromkeys([*first, *(found for one in each for found in one), *(winners or order[:1])])
    said: list[str] = []
    for index in list(chosen)[:_SUMMARY_SENTENCES]:
        sentence = f"{ended(units[index].plain)} [{units[index].id}]"
        if not said or len(apart([*said, sentence])) <= longest:
            said.append(sentence)
    return apart(said)


def _against(
    units: Sequence[Unit], vectors: Vectors | None, kinds: Collection[str] | None, longest: int, most: int
) -> list[Statement]:
    """Findings that disagree, as statements of both sentences."""
    if kinds is not None and CONTRADICTION not in kinds:
        return []
    plain = {unit.id: unit.plain for unit in units}
    pairs = [each["finding_ids"] for each in opposed(units, vectors)]
    both = [(pair, " ".join(ended(plain[name]) for name in pair)) for pair in pairs]
    fitting = [Statement(CONTRADICTION, text, pair, None) for pair, text in both if len(text) <= longest]
    return fitting[: min(_MOST_DISAGREEING, most - 1)]


def _side_by_side(
    ranked: list[int], units: Sequence[Unit], vectors: Vectors | None, compared: Sequence[frozenset[str]]
) -> list[int]:
    """What speaks of several sides, then what is said of each, most alike beside one another; others last."""
    groups: dict[int | None, list[int]] = {number: [] for number in range(len(compared))}
    several: list[int] = []
    for index in ranked:
        spoken = _sides_of(units[index], compared)
        if len(spoken) > 1:
            several.append(index)
        else:
            groups.setdefault(spoken[0] if spoken else None, []).append(index)
    rest = groups.pop(None, [])
    return [
        *several,
        *_in_turn(list(groups.values()), units, vectors, frozenset[str]().union(*compared)),
        *rest,
    ]


def _sides_of(unit: Unit, compared: Sequence[frozenset[str]]) -> list[int]:
    """Which of the sides a unit speaks of: all that its sentence names, else the one it stands under."""
    said, around = set(stems(unit.plain)), set(stems(f"{unit.title} {unit.heading}"))
    inside = [len(side & said) / len(side) for side in compared]
    named = [number for number, share in enumerate(inside) if share >= _HALF]
    if named:
        return named
    near = [
        share + _ELSEWHERE * len(side & around) / len(side)
        for share, side in zip(inside, compared, strict=True)
    ]
    best = int(np.argmax(near))
    return [best] if near[best] > 0 and near.count(near[best]) == 1 else []


def _in_turn(
    groups: list[list[int]], units: Sequence[Unit], vectors: Vectors | None, names: frozenset[str]
) -> list[int]:
    """One of the first group, then of each other the one most like it; and so on until none is left."""
    left = [list(group) for group in groups if group]
    order: list[int] = []
    while left:
        first = left[0].pop(0)
        order.append(first)
        for group in left[1:]:
            best = max(group, key=lambda each: _likeness(units, vectors, first, each, names))
            group.remove(best)
            order.append(best)
        left = [group for group in left if group]
    return order


def _likeness(
    units: Sequence[Unit], vectors: Vectors | None, one: int, other: int, names: frozenset[str]
) -> float:
    """How far two units speak of the same, whatever they say it of."""
    mine, theirs = (set(stems(units[index].plain)) - names for index in (one, other))
    shared = len(mine & theirs) / max(1, len(mine | theirs))
    meaning = 0.0 if vectors is None else float(vectors.units[one] @ vectors.units[other])
    return shared + meaning
