"""One sentence for each kind of event that means something to the person who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.events import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_mcp.events import Event

__all__ = ["PASSING", "SILENT", "answered", "counted", "scored", "sentence", "shortened"]

LONGEST = 120
"""Characters of a goal, or of what a model says, that are shown."""


def sentence(event: Event) -> str | None:
    """What a person is told of an event; None where it says nothing to them."""
    say = _SENTENCES.get(event.kind)
    return say(event) if say else None


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 finding`, `4 findings`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shortened(text: str, most: int = LONGEST, *, from_end: bool = False) -> str:
    """A text on one line, at most `most` characters of its beginning or its end."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    return f"…{line[1 - most :]}" if from_end else f"{line[: most - 1]}…"


def scored(data: Mapping[str, Any]) -> str:
    """What a check measured, to end a sentence with; nothing where nothing was, or by an older version."""
    score = data.get("score")
    return "" if score is None else f", measured {score:.1f} of 5"


def answered(answer: Mapping[str, Any]) -> str:
    """What a person answered, on one line: a decision with its note, else the answer's values."""
    if "decision" in answer:
        note = answer.get("note")
        return f"{answer['decision']}{f', {shortened(note)}' if note else ''}"
    return shortened(", ".join(f"{name} {value}" for name, value in answer.items()))


def _checked(event: Event) -> str:
    data = event.data
    lost = f", {data['unsupported']} not supported" if data["unsupported"] else ""
    verified = f"{counted(data['claims'], 'claim')}, {counted(data['quotes'], 'quote')} verified"
    return f"check: {verified}{lost}{scored(data)}"


def _ended(event: Event) -> str:
    return f"run: {event.data['state']}{', partial' if event.data['partial'] else ''}"


def _switched(event: Event) -> str:
    left, joined = event.data["left"], event.data["joined"]
    how = f"{joined} goes on" if joined != left else f"{joined} tries again"
    return f"{event.actor}: {how} ({event.data['failure'].replace('_', ' ') or 'paused'})"


def _fitted(event: Event) -> str:
    data = event.data
    without = f", {counted(len(data['left_out']), 'piece')} left out" if data["left_out"] else ""
    return f"{event.actor}: fits {data['before']:,} tokens into {data['after']:,}{without}"


_SENTENCES: dict[Kind, Callable[[Event], str]] = {
    Kind.RUN_QUEUED: lambda _: "run: queued",
    Kind.RUN_RESUMED: lambda _: "run: taken up where it was",
    Kind.RUN_PAUSED: lambda _: "run: paused",
    Kind.RUN_CONTINUED: lambda _: "run: goes on",
    Kind.RUN_INTERRUPTED: lambda _: "run: interrupted",
    Kind.RUN_FINISHED: _ended,
    Kind.QUESTION_ASKED: lambda event: f"asks a person: {event.data['text']}",
    Kind.QUESTION_ANSWERED: lambda event: f"answered: {answered(event.data['answer'])}",
    Kind.STEP_STARTED: lambda event: event.data["label"],
    Kind.DOCUMENTS_READ: lambda event: f"documents: {event.data['label']}",
    Kind.DOCUMENT_SKIPPED: lambda event: f"documents: skipped {event.data['uri']}: {event.data['reason']}",
    Kind.PLAN_MADE: lambda event: f"plan: {counted(len(event.data['assignments']), 'assignment')}",
    Kind.WORK_STARTED: lambda event: f"{event.actor}: {shortened(event.data['goal'])}",
    Kind.WORK_FINISHED: lambda event: f"{event.actor}: {counted(event.data['findings'], 'finding')}",
    Kind.WORK_FAILED: lambda event: f"{event.actor}: failed: {event.data['error']['message']}",
    Kind.TASK_DETECTED: lambda event: f"{event.actor}: takes it as {event.data['task']}",
    Kind.CONTEXT_FITTED: _fitted,
    Kind.MODEL_SWITCHED: _switched,
    Kind.TOOL_STARTED: lambda event: f"{event.actor}: {event.data['tool'].replace('_', ' ')}",
    Kind.OUTPUT_REPAIRED: lambda event: f"{event.actor}: corrects its answer",
    Kind.CHECK_FINISHED: _checked,
}

PASSING = frozenset({Kind.DOCUMENTS_READ, Kind.TOOL_STARTED})
"""Events of which there are many alike; the newest speaks for those before it."""

SILENT = frozenset(Kind) - _SENTENCES.keys()
"""Events that only a reader of the journal cares for."""
