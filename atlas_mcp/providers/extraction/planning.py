"""A question broken down into assignments, by its own parts and in its own words.

It knows which workers may be asked and what was tried before, and nothing of what they can find.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from atlas_mcp.providers.extraction.questions import read_question
from atlas_mcp.text.words import content_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["plan", "tried_goals"]

_TRIED = re.compile(r"^Already tried:[ \t]*\n((?:[ \t]*-[^\n]*(?:\n|\Z))+)", re.MULTILINE)
_WORD = re.compile(r"[^\W_][\w./'-]*")


def tried_goals(message: str) -> tuple[str, ...]:
    """The goals a message names as tried: the `- goal` lines under a line `Already tried:`."""
    return tuple(
        line.strip().removeprefix("-").strip()
        for match in _TRIED.finditer(message)
        for line in match[1].splitlines()
        if line.strip()
    )


def plan(
    about: str, workers: Sequence[str], *, least: int, most: int, tried: Iterable[str] = ()
) -> dict[str, Any]:
    """`least` to `most` assignments: every goal to every worker, all of them at once.

    The goals are the question's facets, or the whole question where there is no room for each of them. Goals
    that were tried before give way to narrower ones made of the question's content words; with none of those
    left the plan is as short as it may be, and repeats the question.
    """
    chosen = workers[: max(1, most)]
    room = max(1, most // max(1, len(chosen)))
    known = [_key(goal) for goal in tried]
    facets = [facet.query for facet in read_question(about).facets]
    goals = _narrower(facets, about, known)[:room] if known else facets if len(facets) <= room else [about]
    pairs = [(goal, worker) for goal in goals for worker in chosen]
    pairs += [(about, chosen[number % len(chosen)]) for number in range(len(pairs), least)]
    assignments: list[dict[str, Any]] = [
        {"id": f"a{number}", "worker": worker, "goal": goal, "after": []}
        for number, (goal, worker) in enumerate(pairs[:most], start=1)
    ]
    return {"assignments": assignments, "reason": None}


def _key(goal: str) -> str:
    return " ".join(word.strip("?!.,;:()").lower() for word in goal.split())


def _narrower(facets: list[str], about: str, known: list[str]) -> list[str]:
    """Untried goals, from the whole to the small: facets, all content words, runs of them, single words."""
    runs = _runs(about)
    words = [word for run in runs for word in run]
    candidates = [
        *facets,
        " ".join(words),
        *(" ".join(run) for run in runs if len(run) > 1),
        *(f"{first} {second}" for first, second in pairwise(words)),
        *words,
    ]
    fresh: dict[str, str] = {}
    for each in candidates:
        if each and _key(each) not in known:
            fresh.setdefault(_key(each), each)
    return list(fresh.values())


def _runs(text: str) -> list[list[str]]:
    """The question's content words as they are written, in runs that no other word or mark interrupts."""
    runs: list[list[str]] = [[]]
    last = 0
    for match in _WORD.finditer(text):
        word = match[0].rstrip(".'-/")
        if re.search(r"[^\s]", text[last : match.start()]) or not content_words(word):
            runs.append([])
        if content_words(word):
            runs[-1].append(word)
        last = match.start() + len(word)
    return [run for run in runs if run]
