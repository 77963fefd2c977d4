"""What kind of task this is, how hard it looks, and what that asks of a model.

A card may say what its agent is for; else the step's intent says it, unless that is broad and the text tells
more. Cues in English and the shape of what is wished for decide, so the same task is always taken alike and
the reason can be told. A guess too weak to act on is not acted on.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, cast

from atlas_mcp.messages import Intent, Material, Prompt, TaskType
from atlas_mcp.providers.capabilities import Capability, Strength

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.agents.agent import Task
    from atlas_mcp.agents.card import Card
    from atlas_mcp.providers.capabilities import Capabilities

__all__ = ["SURE", "Complexity", "Detection", "detected", "effort_for", "in_text"]

SURE = 0.6
"""The confidence from which on the text says more than a broad intent."""


class Complexity(StrEnum):
    """How hard a task looks from outside."""

    SIMPLE = "simple"
    MODERATE = "moderate"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Detection:
    """What kind of task it is, who said so and why, how sure that is (0 to 1), and how hard it looks."""

    task: TaskType
    source: Literal["card", "intent", "text"]
    reason: str
    confidence: float
    complexity: Complexity


def detected(card: Card, task: Task) -> Detection:
    """What kind of task an agent is given.

    A plan is planning whoever makes it; for the rest the card goes first. What the card says counts as said
    by the step where the step says the same.
    """
    intent = task.intent
    usual = Prompt((), intent, "").kind_of_task
    kind, source, reason, confidence = usual, "intent", f"the step is to {intent.value}", 1.0
    if intent is not Intent.PLAN and card.task is not None:
        if card.task is not usual:
            kind, source, reason = card.task, "card", f"the card of {card.name} says so"
    elif others := _left_open(task):
        guess, why, sure = in_text(task.about)
        if guess in others and guess is not usual and sure >= SURE:
            kind, source, reason, confidence = guess, "text", why, sure
    complexity = _complexity(kind, task.about, task.material)
    return Detection(kind, source, reason, confidence, complexity)


def in_text(text: str) -> tuple[TaskType, str, float]:
    """The kind of task that a text asks for, the words that say so, and how sure that is.

    A text without a cue is conversation, of which nothing is sure.
    """
    looked_at = text if len(text) <= _LOOKED_AT else f"{text[:_LOOKED_AT]}\n{text[-_LOOKED_AT // 4 :]}"
    points: Counter[TaskType] = Counter()
    words: dict[TaskType, str] = {}
    for kind, pattern, weight in _CUES:
        if found := pattern.search(looked_at):
            points[kind] += weight
            words.setdefault(kind, " ".join(found[0].split()))
    ranked = points.most_common(2)
    if not ranked:
        return TaskType.CONVERSATION, "nothing in it says more", 0.0
    (best, most), second = ranked[0], ranked[1][1] if len(ranked) > 1 else 0
    return best, f"it says {words[best][:60]!r}", round(most / (most + second + 1), 2)


def effort_for(
    complexity: Complexity, capabilities: Capabilities, sampling: Mapping[str, Any]
) -> Literal["low", "high"] | None:
    """How hard a model that is known to reason well should; None leaves it to the model, or to the card."""
    if (capabilities.strength(Capability.REASONING) or 0) < Strength.STRONG or not _OWN.isdisjoint(sampling):
        return None
    match complexity:
        case Complexity.SIMPLE:
            return "low"
        case Complexity.MODERATE:
            return None
        case Complexity.HARD:
            return "high"


_OWN = frozenset({"effort", "output_config", "reasoning", "reasoning_effort", "think", "thinking"})
"""Parameters by which a card says itself how hard to reason."""

_LOOKED_AT = 2_000
"""Characters from the beginning of a text in which cues are looked for, and a quarter from its end."""

_OPEN = {
    # Who composes from findings extracts nothing, and talks to nobody.
    Intent.COMPOSE: frozenset(TaskType) - {TaskType.EXTRACTION, TaskType.CONVERSATION},
    Intent.GATHER: frozenset(TaskType) - {TaskType.CONVERSATION},
}


def _left_open(task: Task) -> frozenset[TaskType]:
    """The kinds that the intent leaves open; who is to give quotes extracts, whatever the text says."""
    if task.intent is Intent.GATHER and _asks_for_quotes(task.schema):
        return frozenset()
    return _OPEN.get(task.intent, frozenset())


def _asks_for_quotes(schema: object) -> bool:
    if isinstance(schema, dict):
        shape = cast("dict[str, object]", schema)
        return shape.get("x-atlas-fill") == "quote" or any(map(_asks_for_quotes, shape.values()))
    return isinstance(schema, list) and any(map(_asks_for_quotes, cast("list[object]", schema)))


def _first(verbs: str) -> re.Pattern[str]:
    """A verb that the text, or one of its lines, begins with."""
    return re.compile(
        rf"^\W*(?:(?:please|now|then|first|can you|could you|i want you to|your goal:?)\s+)?(?:{verbs})\b",
        re.IGNORECASE | re.MULTILINE,
    )


def _anywhere(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


_CUES: tuple[tuple[TaskType, re.Pattern[str], int], ...] = (
    (TaskType.CODE, re.compile(r"^```", re.MULTILINE), 2),
    (
        TaskType.CODE,
        _first(
            r"(?:write|implement|fix|debug|refactor|port|test)\b[^.\n]{0,60}?"
            r"\b(?:function|class|script|program|code|unit tests?|sql|query|regex|bug|module|api)"
        ),
        4,
    ),
    (TaskType.CODE, _anywhere("python|sql|javascript|typescript|traceback|compiler"), 1),
    (TaskType.SUMMARISING, _first("summari[sz]e|condense|shorten|abridge|recap|boil down"), 3),
    (TaskType.SUMMARISING, _anywhere("summary of|an? (?:short )?(?:summary|overview)|tl;dr|in brief"), 1),
    (TaskType.CLASSIFICATION, _first("classify|categori[sz]e|label|sort\\b[^.\n]{0,60}\\binto"), 3),
    (TaskType.CLASSIFICATION, _anywhere("which (?:category|class|kind|type)|into (?:categories|classes)"), 1),
    (TaskType.EXTRACTION, _first("extract|list|find|quote|pull out|collect|look up|search"), 2),
    (TaskType.EXTRACTION, _anywhere("all (?:the )?(?:names|dates|numbers|amounts|quotes)"), 1),
    (TaskType.ANALYSIS, _first("analy[sz]e|compare|contrast|assess|evaluate|weigh|examine|investigate"), 3),
    (
        TaskType.ANALYSIS,
        _anywhere(
            "pros and cons|swot|trade-?offs?|strengths and weaknesses|root causes?|differences? between"
            "|compared (?:to|with)|contradictions?|causes? and effects?"
        ),
        2,
    ),
    (TaskType.RATING, _first("rate|score|grade|judge|rank|critique|review"), 3),
    (TaskType.RATING, _anywhere("out of (?:5|10|100)|on a scale|rubric"), 1),
    (TaskType.REASONING, _first("calculate|compute|prove|derive|solve|deduce|work out"), 3),
    (TaskType.REASONING, _anywhere("step by step|probability (?:that|of)|proof|if and only if"), 1),
    (TaskType.REASONING, re.compile(r"\d\s*[-+*/=^]\s*\d"), 1),
    (TaskType.PLANNING, _first("plan|schedule|organi[sz]e|prioriti[sz]e|break\\b[^.\n]{0,60}\\bdown"), 3),
    (TaskType.PLANNING, _anywhere("roadmap|milestones?|action plan|project plan|itinerary"), 1),
    (TaskType.WRITING, _first("write|draft|compose|rewrite|rephrase|translate|polish|edit"), 2),
    (TaskType.WRITING, _anywhere("essay|letter|e-?mail|blog post|article|memo|press release|speech"), 1),
    (TaskType.CONVERSATION, _first("hi|hello|hey|thanks|thank you|good (?:morning|evening)"), 2),
)  # fmt: skip
"""What speaks for a kind of task, and how much: a command more than a word."""

_WEIGHTS = {
    TaskType.PLANNING: 2, TaskType.ANALYSIS: 2, TaskType.REASONING: 2, TaskType.CODE: 2,
    TaskType.WRITING: 1, TaskType.RATING: 1,
}  # fmt: skip
"""How hard a kind of task is by itself; the others are not."""

_LONG, _VERY_LONG = 200, 800
"""Characters of what is asked."""
_MUCH, _VERY_MUCH = 6_000, 30_000
"""Characters of material."""
_MODERATE, _HARD = 2, 4
_MANY_PARTS = 4

_PART = re.compile(r"\?|;|^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
"""What ends or begins a part of a question."""


def _complexity(kind: TaskType, about: str, material: Material) -> Complexity:
    parts = len(_PART.findall(about))
    size = sum(len(passage.text) for passage in material.passages)
    size += sum(len(finding.quote) for finding in material.findings)
    size += sum(len(draft.text) for draft in material.drafts)
    points = (
        _WEIGHTS.get(kind, 0)
        + (len(about) > _LONG) + (len(about) > _VERY_LONG)
        + (parts > 1) + (parts >= _MANY_PARTS)
        + (size > _MUCH) + (size > _VERY_MUCH)
    )  # fmt: skip
    if points >= _HARD:
        return Complexity.HARD
    return Complexity.MODERATE if points >= _MODERATE else Complexity.SIMPLE
