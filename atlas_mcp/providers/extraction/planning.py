"""A question broken down into assignments, by its own parts and in its own words.

It knows which workers may be asked, what kind of work each does and what was tried before, and nothing of
what they can find.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.messages import TaskType
from atlas_mcp.providers.extraction.questions import read_question
from atlas_mcp.providers.extraction.wishes import Wish, subject, wishes
from atlas_mcp.text.words import content_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["plan", "tried_goals"]

_TRIED = re.compile(r"^Already tried:[ \t]*\n((?:[ \t]*-[^\n]*(?:\n|\Z))+)", re.MULTILINE)
_WORD = re.compile(r"[^\W_][\w./'-]*")
_A_TEAM = "team:"
"""How the name of a worker begins that is a team, and is sent only for what is asked for."""

_WORK = {
    TaskType.ANALYSIS: Wish.ANALYSIS,
    TaskType.REASONING: Wish.ANALYSIS,
    TaskType.WRITING: Wish.WRITING,
    TaskType.SUMMARISING: Wish.WRITING,
    TaskType.RATING: Wish.RATING,
}
"""What a worker with a task does; whoever has another task finds."""

_FEEDS = {
    Wish.FINDING: (),
    Wish.ANALYSIS: (Wish.FINDING,),
    Wish.WRITING: (Wish.FINDING, Wish.ANALYSIS),
    Wish.RATING: (Wish.WRITING,),
}
"""Whose work each goes on from."""

_GIVEN_UP = (Wish.RATING, Wish.ANALYSIS, Wish.WRITING)
"""What a plan does without first where it has no room."""

_Pairs: TypeAlias = "list[tuple[str, str]]"


def tried_goals(message: str) -> tuple[str, ...]:
    """The goals a message names as tried: the `- goal` lines under a line `Already tried:`."""
    return tuple(
        line.strip().removeprefix("-").strip()
        for match in _TRIED.finditer(message)
        for line in match[1].splitlines()
        if line.strip()
    )


def plan(
    about: str,
    workers: Sequence[str],
    *,
    least: int,
    most: int,
    tried: Iterable[str] = (),
    tasks: Mapping[str, str] | None = None,
    product: bool = False,
) -> dict[str, Any]:
    """`least` to `most` assignments: every goal to all who find, what they find to those who go on from it.

    The goals are the question's facets, or the whole question where there is no room for each of them. Goals
    that were tried before give way to narrower ones made of the question's content words; with none of those
    left the plan is as short as it may be, and repeats the question. `tasks` say what kind of work each
    worker does; by default all find. Those who analyse, write or rate come after those who feed them, and a
    team that does so is sent only where the question asks for it; `product` says that a text is wished for,
    whatever the question says.
    """
    asked = wishes(about).union((Wish.WRITING, Wish.RATING) if product else ())
    stages = _stages(asked, workers, tasks or {}, most)
    finders = stages.pop(Wish.FINDING, [])
    whole = subject(about) if stages or any(map(_is_team, finders)) else about
    known = [_key(goal) for goal in tried]
    made = {Wish.FINDING: _finding(whole, finders, most - len(stages), known)}
    room = most - len(made[Wish.FINDING])
    for place, (wish, chosen) in enumerate(stages.items(), start=1):
        made[wish] = _going_on(wish, about, chosen, room - (len(stages) - place))
        room -= len(made[wish])
    first = finders or next(iter(stages.values()))
    missing = least - sum(map(len, made.values()))
    made[Wish.FINDING] += [(about, first[number % len(first)]) for number in range(missing)]
    return {"assignments": _numbered(made)[: max(1, most)], "reason": None}


def _is_team(worker: str) -> bool:
    return worker.startswith(_A_TEAM)


def _stages(
    asked: frozenset[Wish], workers: Sequence[str], tasks: Mapping[str, str], most: int
) -> dict[Wish, list[str]]:
    """Who takes part, by what they do, in the order in which it is done; no more kinds than have room."""
    stages: dict[Wish, list[str]] = {wish: [] for wish in Wish}
    for worker in workers:
        wish = _WORK.get(TaskType(tasks[worker]), Wish.FINDING) if worker in tasks else Wish.FINDING
        if wish in asked or not _is_team(worker):
            stages[wish].append(worker)
    taking = {wish: chosen for wish, chosen in stages.items() if chosen} or {Wish.FINDING: list(workers)}
    for wish in _GIVEN_UP:
        if len(taking) > max(1, most):
            taking.pop(wish, None)
    return taking


def _finding(whole: str, finders: list[str], most: int, known: list[str]) -> _Pairs:
    """Every goal for all who find."""
    chosen = finders[: max(1, most)]
    if not chosen:
        return []
    room = max(1, most // len(chosen))
    facets = [facet.query for facet in read_question(whole).facets]
    if known:
        goals = _narrower(facets, whole, known)[:room]
    elif all(map(_is_team, chosen)):
        goals = [whole]  # a team breaks it down itself
    else:
        goals = facets if len(facets) <= room else [whole]
    return [(goal, worker) for goal in goals for worker in chosen]


def _going_on(wish: Wish, about: str, chosen: list[str], most: int) -> _Pairs:
    """The whole for each who goes on from what was found; writers write a section for each part."""
    facets = [facet.query for facet in read_question(subject(about)).facets]
    if wish is Wish.WRITING and not any(map(_is_team, chosen)):
        sections = facets if 1 < len(facets) <= most else [about]
        return [(each, chosen[number % len(chosen)]) for number, each in enumerate(sections)]
    return [(about, worker) for worker in chosen[: max(1, most)]]


def _numbered(made: Mapping[Wish, _Pairs]) -> list[dict[str, Any]]:
    """Assignments of pairs of goal and worker, each after all who feed it."""
    ids: dict[Wish, list[str]] = {}
    assignments: list[dict[str, Any]] = []
    for wish, pairs in made.items():
        after = [name for kind in _FEEDS[wish] for name in ids.get(kind, [])]
        if wish is Wish.RATING and not after:  # with nothing written it rates what there is
            after = [each["id"] for each in assignments]
        for goal, worker in pairs:
            name = f"a{len(assignments) + 1}"
            ids.setdefault(wish, []).append(name)
            assignments.append({"id": name, "worker": worker, "goal": goal, "after": list(after)})
    return assignments


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
