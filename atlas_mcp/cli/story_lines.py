"""The lines of a story: a tool's call and its result as one, what repeats told once with how often, a crash.

Pure; `story` prints them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from atlas_mcp.cli.story_details import Line, called, detail
from atlas_mcp.cli.words import lasting, seconds_between
from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import counted, shortened

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from atlas_mcp.events import Event

__all__ = ["folded", "lines_of", "work_lines"]

LONGEST_PATTERN = 4
"""Lines that are told once where they follow each other again and again, at most."""

MOST_ALIKE = 3
"""Things of one kind that are told one by one, where each of them says little."""

_MANY = {Kind.DOCUMENT_SKIPPED: "skipped", Kind.LEARNING_DROPPED: "not kept"}

_CALLS = {Kind.MODEL_FINISHED, Kind.TOOL_STARTED, Kind.TOOL_FINISHED, Kind.MODEL_CHOSEN, Kind.TASK_DETECTED,
          Kind.MEMORY_RECALLED, Kind.TOOL_REFUSED, Kind.RESULT_SUSPECTED, Kind.CONTEXT_FITTED,
          Kind.OUTPUT_REPAIRED}  # fmt: skip
"""What is there again, word for word, where a call is read from the ledger."""


def lines_of(
    events: Iterable[Event], marked: Container[int] = (), choices: set[str] | None = None
) -> list[Line]:
    """The lines of what happened at one place, in order; `marked` are the events that led to a failure.

    `choices` are those of a group that were told before; the same choice is not told again.
    """
    weaving = _Weaving(marked, set() if choices is None else choices)
    for event in events:
        weaving.take(event)
    return weaving.lines


def work_lines(
    events: Sequence[Event], began: str, marked: Container[int] = (), choices: set[str] | None = None
) -> list[Line]:
    """The lines of somebody's work, which a crash may have cut off; `began` is when the run did."""
    parts: list[list[Event]] = []
    for event in events:
        if event.kind is Kind.WORK_STARTED or not parts:
            parts.append([])
        parts[-1].append(event)
    lines: list[Line] = []
    for number, part in enumerate(parts):
        fresh = part
        if number:
            before = seconds_between(began, parts[number - 1][-1].at)
            again = seconds_between(began, part[0].at)
            replayed, fresh = _replayed(part)
            said = f"✂ cut off at {lasting(before)}; taken up again at {lasting(again)}{replayed}"
            lines.append(Line(Kind.WORK_STARTED, ((said, "blue"),)))
        lines += lines_of(fresh, marked, choices)
    return lines


def _replayed(part: Sequence[Event]) -> tuple[str, Sequence[Event]]:
    """What of a work that was taken up again came from the ledger, in words, and what did not."""
    last = max(
        (place for place, event in enumerate(part)
         if event.kind is Kind.MODEL_FINISHED and event.data.get("replayed")), default=-1,
    )  # fmt: skip
    if last < 0:
        return "", part
    again = part[: last + 1]
    models = sum(event.kind is Kind.MODEL_FINISHED for event in again)
    tools = sum(event.kind is Kind.TOOL_FINISHED for event in again)
    told = [counted(models, "model call")] + ([counted(tools, "tool call")] if tools else [])
    fresh = [event for event in again if event.kind not in _CALLS] + list(part[last + 1 :])
    return f", {' and '.join(told)} replayed from the ledger and not paid again", fresh


class _Weaving:
    """Makes lines of events; a tool's result joins the line of its call."""

    def __init__(self, marked: Container[int], choices: set[str]) -> None:
        self.lines: list[Line] = []
        self._marked = marked
        self._open: dict[tuple[str, ...], deque[int]] = {}
        self._refused: set[int] = set()
        self._charged: dict[int, str] = {}
        self._choices = choices
        self._told = ""

    def take(self, event: Event) -> None:
        match event.kind:
            case Kind.TOOL_STARTED:
                self._open.setdefault(_key(event), deque()).append(len(self.lines))
                self.lines.append(Line(event.kind, called(event.data)))
            case Kind.TOOL_REFUSED if waiting := self._open.get(_key(event)):
                self._refused.add(waiting[0])
                self._join(waiting[0], event, "refused: ", event.data["reason"], "yellow")
            case Kind.TOOL_CHARGED if waiting := self._open.get(_key(event)):
                self._charged[waiting[0]] = f"${event.data['cost_usd']:.4f}"
            case Kind.TOOL_FINISHED if waiting := self._open.get(_key(event)):
                self._end(waiting.popleft(), event)
            case Kind.MODEL_CHOSEN:
                if (said := _choice(event)) not in self._choices:
                    self._choices.add(said)
                    self._add(event)
            case _:
                self._add(event)

    def _add(self, event: Event) -> None:
        lines = detail(event, told=self._told)
        if event.seq in self._marked and lines:
            lines[0] = replace(lines[0], marked=True)
        self.lines += lines
        error = event.data.get("error")
        if event.kind in {Kind.MODEL_FAILED, Kind.WORK_FAILED, Kind.RECOVERY_TRIED} and error:
            self._told = str(error["message"])
        elif event.kind is Kind.MODEL_FINISHED:
            self._told = ""

    def _end(self, place: int, event: Event) -> None:
        data = event.data
        took = lasting(data["seconds"])
        self.lines[place] = replace(self.lines[place], took=took)
        if place in self._refused:
            return
        if data["error"]:
            self._forget_notice(place, str(data["error"]))
            self._join(place, event, "", shortened(str(data["error"]), 300), "red")
            return
        gave = [] if data["passages"] is None else [counted(data["passages"], "passage")]
        gave += [self._charged[place]] if place in self._charged else []
        if gave:
            self._join(place, event, "", ", ".join(gave), "")

    def _join(self, place: int, event: Event, how: str, said: str, style: str) -> None:
        line = self.lines[place]
        parts = (*line.parts, (" → ", "dim"), (how, style), (said, style))
        self.lines[place] = replace(line, parts=parts, marked=line.marked or event.seq in self._marked)

    def _forget_notice(self, place: int, error: str) -> None:
        """A server that failed in a call is told of by the call's error, once."""
        for number in range(len(self.lines) - 1, place, -1):
            line = self.lines[number]
            if line.kind is Kind.SERVER_NOTED and line.said.rstrip("…")[:60] in error:
                del self.lines[number]


def _key(event: Event) -> tuple[str, ...]:
    return event.span_id, event.actor, event.data["tool"]


def _choice(event: Event) -> str:
    data = event.data
    return f"{data['group']} {data['member']} {data['reason']} {data['others']}"


def folded(lines: Sequence[Line]) -> list[Line]:
    """The lines, but what repeats is told once and how often it came; nothing that is marked is left out."""
    told: list[Line] = []
    place = 0
    while place < len(lines):
        size, times = _repeats(lines, place)
        told += lines[place : place + size]
        if times > 1:
            more = times - 1
            said = "the same once more" if more == 1 else f"the same {more} times more"
            told.append(Line(lines[place].kind, ((f"… {said}", "dim"),), depth=lines[place].depth))
        place += size * times
    return _without_the_many(told)


def _repeats(lines: Sequence[Line], place: int) -> tuple[int, int]:
    """How many lines from here on come again at once, and how often; where none do, one line, once."""
    best = (1, 1)
    for size in range(1, LONGEST_PATTERN + 1):
        pattern = [line.said for line in lines[place : place + size]]
        times = 1
        while [line.said for line in lines[place + size * times : place + size * (times + 1)]] == pattern:
            times += 1
        if len(pattern) == size and times > 1 and size * times > best[0] * best[1]:
            best = (size, times)
    return best


def _without_the_many(lines: Sequence[Line]) -> list[Line]:
    """The first few of what says little, such as skipped documents, and how many more there were."""
    kept: list[Line] = []
    seen: dict[Kind, int] = {}
    last: dict[Kind, int] = {}
    for line in lines:
        number = seen[line.kind] = seen.get(line.kind, 0) + 1
        if line.kind not in _MANY or number <= MOST_ALIKE:
            last[line.kind] = len(kept)
            kept.append(line)
    for kind, place in sorted(last.items(), key=lambda each: -each[1]):
        if kind in _MANY and (more := seen[kind] - MOST_ALIKE) > 0:
            kept.insert(place + 1, Line(kind, ((f"… and {more:,} more {_MANY[kind]}", "dim"),)))
    return kept
