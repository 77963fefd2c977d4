"""One sentence for each kind of event that means something to the person who waits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from atlas_mcp.events import Kind
from atlas_mcp.observe.older import completed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_mcp.events import Event

__all__ = [
    "PASSING", "SILENT", "answered", "counted", "escalated", "fitted", "learned", "outcome", "rated",
    "recovery", "remembered", "review", "revision", "scored", "sentence", "server_noted", "shortened",
    "suspected", "tool_words", "unmade", "version", "within",
]  # fmt: skip

MOST_FOUND = 3
"""Things that a suspicious passage does, of which a person is told."""

_QUOTED = re.compile(r""": (?:'.*'|".*")\Z""", re.DOTALL)
LONGEST = 120
"""Characters of a goal, or of what a model says, that are shown."""


def sentence(event: Event, team: str = "") -> str | None:
    """What a person is told of an event; None where it says nothing to them.

    `team` names the child run that it happened in, seen from the run that a person follows.
    """
    say = _SENTENCES.get(event.kind)
    if say is None or (team and _told_by_the_parent(event)):
        return None
    return within(team, say(completed(event)))


def within(team: str, said: str) -> str:
    """What was said or done inside of a team that works for another, after that team's name."""
    return f"{team} \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} {said}" if team else said


def _told_by_the_parent(event: Event) -> bool:
    """Whether a child run's event says nothing that its parent's own events do not say."""
    return event.kind in _OF_A_WHOLE_RUN or (
        event.kind is Kind.STEP_STARTED and event.data.get("step") == "recall"
    )


def counted(number: int | None, noun: str) -> str:
    """A number with its noun: `1 finding`, `4 findings`; `findings` where nobody knows how many."""
    if number is None:
        return f"{noun}s"
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shortened(text: str, most: int = LONGEST, *, from_end: bool = False) -> str:
    """A text on one line, at most `most` characters of its beginning or its end; whole words of it."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    if from_end:
        return f"…{line[1 - most :]}"
    # A word that is longer than half of the room is cut all the same.
    space = line.rfind(" ", most // 2, most)
    return f"{(line[: most - 1] if space < 0 else line[:space]).rstrip(' ,;:')}…"


def unmade(data: Mapping[str, Any]) -> str:
    """Which file was not made, and why; of a step that made one, nothing."""
    return shortened(f"{data['lost']} was not made: {data['problem']}", 300) if data.get("lost") else ""


def scored(data: Mapping[str, Any]) -> str:
    """What a check measured, to end a sentence with; nothing where nothing was, or by an older version."""
    score = data.get("score")
    return "" if score is None else f", measured {score:.1f} of 5"


def outcome(data: Mapping[str, Any]) -> str:
    """What work gave, such as `2 findings, 3 statements`; of a rating what it says."""
    told = [counted(data["findings"], "finding")] if data["findings"] else []
    kinds: Mapping[str, int] = data.get("kinds") or {"": data.get("drafts", 0)}
    told += [counted(number, _DRAFTS.get(kind, "draft")) for kind, number in kinds.items() if number]
    if verdicts := data.get("verdicts"):
        told.append(counted(verdicts, "verdict"))
    if rating := data.get("rating"):
        # A rating that was cut short decides nothing.
        said = _of_five(rating["score"]) if data.get("partial") else rated(rating)
        told.append(said if rating["score"] is None else f"rated {said}")
    if not told:
        found = "done" if data["findings"] is None else counted(0, "finding")
        told.append("no verdicts" if "verdicts" in data else found)
    return ", ".join([*told, "partial"] if data.get("partial") else told)


def recovery(data: Mapping[str, Any]) -> str:
    """What is tried after an attempt failed."""
    way: str = data["way"]
    return f"attempt {data['attempt'] + 1}, {_WAYS.get(way, way.replace('_', ' '))}"


def escalated(data: Mapping[str, Any]) -> str:
    """Who hears of failures that could not be mended."""
    failures = counted(data["failures"], "failure")
    who = "a person" if data["level"] == "person" else f"the {data['level']}"
    return f"{who} is told of {failures}: {data['reason'].replace('_', ' ')}"


def review(data: Mapping[str, Any]) -> str:
    """Whether what came back is enough, and why."""
    reason = f": {shortened(data['reason'])}" if data.get("reason") else ""
    gaps = f", {counted(data['gaps'], 'gap')} named" if data.get("gaps") else ""
    said = "done" if data["enough"] is None else "enough" if data["enough"] else "not enough"
    return f"{said}{gaps}{reason}"


def revision(data: Mapping[str, Any]) -> str:
    """Why another version is made."""
    asked = "" if data.get("minimum") is None else f", {data['minimum']:g} is asked for"
    best = "has no score" if data["score"] is None else f"is {_of_five(data['score'])}"
    return f"revision {data['revision']}: the best {best}{asked}"


def version(data: Mapping[str, Any]) -> str:
    """What a version was rated, and which is kept."""
    number = data["revision"] + 1
    said = f"version {number}: {rated(data)}"
    if data["better"] is None:
        return said
    if not data["better"]:
        return f"{said}; an earlier one is kept"
    return f"{said}; kept" if data["gate"] == "pass" or number > 1 else said


def rated(data: Mapping[str, Any]) -> str:
    """A score and what it means for the work: `3.1 of 5, to be revised`."""
    gate = _GATES.get(data["gate"], data["gate"])
    return f"{_of_five(data['score'])}{f', {gate}' if gate else ''}"


def _of_five(score: float | None) -> str:
    return "no score" if score is None else f"{round(score, 2):g} of 5"


def answered(answer: Mapping[str, Any]) -> str:
    """What a person answered, on one line: a decision with its note, else the answer's values."""
    if "decision" in answer:
        note = answer.get("note")
        return f"{answer['decision']}{f', {shortened(note)}' if note else ''}"
    return shortened(", ".join(f"{name} {value}" for name, value in answer.items()))


def remembered(data: Mapping[str, Any]) -> str:
    """What was recalled for somebody: `remembers 3 learnings`."""
    left = sum(each["reason"] == "no room" for each in data["left_out"])
    return f"remembers {counted(len(data['items']), 'learning')}{f', {left} did not fit' if left else ''}"


def learned(data: Mapping[str, Any]) -> str:
    """What is kept of a run, and what it takes the place of; by its id where its text is not at hand."""
    again = "" if data["new"] else " (known before)"
    closes = f"; {counted(len(data['closes']), 'earlier one')} no longer holds" if data["closes"] else ""
    said = shortened(data["text"]) if "text" in data else f"{data['kind']} {data['id']}"
    return f"learned{again}: {said}{closes}"


def tool_words(name: str) -> str:
    """A tool as people call it: of a server `tavily/tavily_search`, of our own `search documents`."""
    return name.replace("__", "/", 1) if "__" in name else name.replace("_", " ")


def server_noted(data: Mapping[str, Any]) -> str:
    """What a server did that a person should know; not the words by which a tool would steer a model."""
    server, text = data["server"], shortened(_QUOTED.sub("", data["text"]), 240)
    match data["what"]:
        case "started":
            return f"{server}: started, {text}"
        case "changed":
            return f"{text}; to look at it: atlas-mcp servers approve {server}"
        case "failed":
            return text
        case _:
            return f"{server}: {text}"


def suspected(data: Mapping[str, Any]) -> str:
    """A result that reads like an instruction to a model: what it does, and what became of it."""
    does = " and ".join(dict.fromkeys(each["name"] for each in data["found"][:MOST_FOUND]))
    became = "noticed" if data["left_out"] is None else "left out" if data["left_out"] else "kept"
    of = f" of {shortened(data['uri'], 80)}" if data.get("uri") else ""
    what = f"a passage{of} from {tool_words(data['tool'])}"
    return f"{what} {does or 'reads like an instruction to a model'}: {became}"


def _checked(event: Event) -> str:
    data = event.data
    if "gate" in data:
        return f"check: rated {rated(data)}"
    lost = f", {data['unsupported']} not supported" if data["unsupported"] else ""
    verified = f"{counted(data['claims'], 'claim')}, {counted(data['quotes'], 'quote')} verified"
    return f"check: {verified}{lost}{scored(data)}"


def _ended(event: Event) -> str:
    data = event.data
    limit = f" ({data['limit']} reached)" if data.get("limit") else ""
    return f"run: {data['state']}{', partial' if data['partial'] else ''}{limit}"


def _switched(event: Event) -> str:
    left, joined = event.data["left"], event.data["joined"]
    how = f"{joined} goes on" if joined != left else f"{joined} tries again"
    return f"{event.actor}: {how} ({event.data['failure'].replace('_', ' ') or 'paused'})"


def fitted(data: Mapping[str, Any]) -> str:
    """That a prompt was made smaller, and by how much."""
    if data["before"] is None or data["after"] is None:
        return "makes its prompt smaller"
    return f"fits {data['before']:,} tokens into {data['after']:,}"


def _fitted(event: Event) -> str:
    left_out = event.data["left_out"]
    without = f", {counted(len(left_out), 'piece')} left out" if left_out else ""
    return f"{event.actor}: {fitted(event.data)}{without}"


_SENTENCES: dict[Kind, Callable[[Event], str]] = {
    Kind.RUN_QUEUED: lambda _: "run: queued",
    Kind.RUN_RESUMED: lambda _: "run: taken up where it was",
    Kind.ALERT_RAISED: lambda event: f"warning: {event.data['text']}",
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
    Kind.WORK_FINISHED: lambda event: f"{event.actor}: {outcome(event.data)}",
    Kind.WORK_FAILED: lambda event: f"{event.actor}: failed: {event.data['error']['message']}",
    Kind.CHILD_STARTED: lambda event: f"{event.data['team']}: begins as run {event.data['run']}",
    Kind.RECOVERY_TRIED: lambda event: (
        f"{event.actor}: {recovery(event.data)}: {shortened(event.data['error']['message'])}"
    ),
    Kind.ESCALATED: lambda event: f"review: {escalated(event.data)}",
    Kind.REVIEW_MADE: lambda event: f"review: {review(event.data)}",
    Kind.REVISION_STARTED: lambda event: revision(event.data),
    Kind.VERSION_KEPT: lambda event: version(event.data),
    Kind.TASK_DETECTED: lambda event: f"{event.actor}: takes it as {event.data['task']}",
    Kind.CONTEXT_FITTED: _fitted,
    Kind.MODEL_SWITCHED: _switched,
    Kind.TOOL_STARTED: lambda event: f"{event.actor}: {tool_words(event.data['tool'])}",
    Kind.TOOL_REFUSED: lambda event: (
        f"{event.actor}: {tool_words(event.data['tool'])} was refused: {shortened(event.data['reason'])}"
    ),
    Kind.SERVER_NOTED: lambda event: server_noted(event.data),
    Kind.RESULT_SUSPECTED: lambda event: f"{event.actor}: {suspected(event.data)}",
    Kind.OUTPUT_REPAIRED: lambda event: f"{event.actor}: corrects its answer",
    Kind.CHECK_FINISHED: _checked,
    Kind.MEMORY_RECALLED: lambda event: f"{event.actor}: {remembered(event.data)}",
    Kind.MEMORY_FAILED: lambda event: f"memory: {event.data['error']['message']}",
    Kind.LEARNING_KEPT: lambda event: learned(event.data),
}

_DRAFTS = {"statement": "statement", "section": "section", "work": "text"}
_GATES = {"pass": "good enough", "revise": "to be revised", "fail": "rejected"}
_WAYS = {
    "retry": "the same again", "other_member": "by another model", "smaller_task": "with less material",
    "other_worker": "by another worker",
}  # fmt: skip

_OF_A_WHOLE_RUN = frozenset({Kind.RUN_QUEUED, Kind.RUN_RESUMED, Kind.RUN_FINISHED})

PASSING = frozenset({Kind.DOCUMENTS_READ, Kind.TOOL_STARTED})
"""Events of which there are many alike; the newest speaks for those before it."""

SILENT = frozenset(Kind) - _SENTENCES.keys()
"""Events that only a reader of the journal cares for."""
