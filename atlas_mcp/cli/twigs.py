"""A run as a tree: its steps, its members' work, their model and tool calls, folded from its events.

Pure; it draws nothing. What was taken up again after a crash stands twice: as far as it came, and anew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.chunks import Usage
from atlas_mcp.cli.words import seconds_between, tallied
from atlas_mcp.events import Kind
from atlas_mcp.observe.older import completed
from atlas_mcp.observe.sentences import (
    answered,
    counted,
    outcome,
    recovery,
    review,
    sentence,
    shortened,
    tool_words,
    unmade,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from atlas_mcp.events import Event

__all__ = ["Mark", "Twig", "grown", "usage_of"]

Data: TypeAlias = "Mapping[str, Any]"


class Mark(Enum):
    """How far something came; `TOLD` is what merely happened."""

    WAITING = "not begun"
    OPEN = "under way"
    DONE = "done"
    PARTIAL = "partial"
    REPLAYED = "replayed"
    FAILED = "failed"
    CUT = "cut off"
    TOLD = ""


@dataclass(slots=True, eq=False)
class Twig:
    """Something that was done, and what was done for it.

    `note` says what it was about, `gave` what came of it; `since` is the moment it began (ISO 8601), `error`
    holds code and message of what made it fail. The `usage` of a `run` is that of all within.
    """

    title: str
    note: str = ""
    gave: str = ""
    mark: Mark = Mark.OPEN
    since: str = ""
    seconds: float | None = None
    usage: Usage | None = None
    error: Data | None = None
    twigs: list[Twig] = field(default_factory=list["Twig"])
    run: bool = False

    @property
    def used(self) -> Usage:
        """What it took now, with all that was done for it; what was paid before is not counted again."""
        if self.mark is Mark.REPLAYED:
            return Usage()
        if self.run and self.usage is not None:
            return self.usage
        return sum((twig.used for twig in self.twigs), start=self.usage or Usage())

    def open(self) -> Iterator[Twig]:
        """Everything below it that has not ended, but for what is a run's own that works for it."""
        for twig in self.twigs:
            if not twig.run:
                if twig.mark is Mark.OPEN:
                    yield twig
                yield from twig.open()

    def end(self, mark: Mark, at: str, *, seconds: float | None = None, error: Data | None = None) -> None:
        """It ended, after so many seconds, else after those since it began."""
        self.mark, self.error, self.seconds = mark, error, seconds
        if seconds is None and self.since:
            self.seconds = seconds_between(self.since, at)


def grown(events: Sequence[Event], runs: Mapping[str, Twig]) -> list[Twig]:
    """What stands below a run; `runs` are those that work for it, by id, as trees of their own."""
    growth = _Growth(runs)
    for event in map(completed, events):
        growth.take(event)
    return growth.root.twigs


class _Growth:
    """Takes the events of one run in order and hangs each where it belongs, which its `span_id` says."""

    def __init__(self, runs: Mapping[str, Twig]) -> None:
        self.root = Twig("")
        self._runs = runs
        self._steps: dict[str, Twig] = {}
        self._work: dict[str, Twig] = {}
        self._attempts: dict[str, Twig] = {}
        self._calls: dict[tuple[str, ...], Twig] = {}
        self._tools: dict[tuple[str, ...], deque[Twig]] = {}
        self._asked: dict[str, Twig] = {}

    def take(self, event: Event) -> None:
        """Take in the next event."""
        self._take_step(event)
        self._take_work(event)
        self._take_model(event)
        self._take_tool(event)
        self._take_rest(event)

    def _at(self, span_id: str) -> Twig:
        """Where something happened: an attempt, a member's work, a step, else the run itself."""
        first, _, rest = span_id.partition("/")
        name = rest.partition("/")[0]
        if first == "work" and (work := self._work.get(name.partition("~")[0])):
            return self._attempts.get(name, work)
        if step := self._steps.get(first):
            return step
        under_way = (step for step in reversed(self._steps.values()) if step.mark is Mark.OPEN)
        return next(under_way, self.root)

    def _take_step(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.STEP_STARTED:
                step = Twig(data["step"], since=event.at)
                # The newest stands last, whatever was taken before under its name.
                self._steps.pop(data["step"], None)
                self._steps[data["step"]] = step
                self.root.twigs.append(step)
            case Kind.STEP_FINISHED if step := self._steps.get(data["step"]):
                step.end(Mark.PARTIAL if data.get("lost") else Mark.DONE, event.at, seconds=data["seconds"])
                step.note = step.note or unmade(data) or _told(data)
            case Kind.CHECK_FINISHED:
                self._at("check").note = (sentence(event) or "").removeprefix("check: ")
            case Kind.REVIEW_MADE if step := self._steps.get("review"):
                step.note = review(data)
            case Kind.RUN_RESUMED:
                for twig in self.root.open():
                    twig.mark = Mark.CUT
                self._tools.clear()
                self.root.twigs.append(Twig("taken up again", f"with {data['provider']}", mark=Mark.TOLD))
            case _:
                pass

    def _take_work(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.PLAN_MADE:
                # A person's plan takes the place of the one that they were shown.
                self.root.twigs = [each for each in self.root.twigs if each.mark is not Mark.WAITING]
                for given in data["assignments"]:
                    twig = Twig(
                        f"{given['id']} {given['worker']}", shortened(given["goal"]), mark=Mark.WAITING
                    )
                    self._work[given["id"]] = twig
                    self.root.twigs.append(twig)
            case Kind.WORK_STARTED:
                self._begin_work(event)
            case Kind.CHILD_STARTED:
                self._hang_run(event)
            case Kind.RECOVERY_TRIED:
                self._try_again(event)
            case Kind.WORK_FINISHED if work := self._work.get(data["assignment"]):
                mark = Mark.PARTIAL if data.get("partial") else Mark.DONE
                self._end_work(work, data["assignment"], mark, event)
                work.gave = outcome(data)
            case Kind.WORK_FAILED if work := self._work.get(data["assignment"]):
                self._end_work(work, data["assignment"], Mark.FAILED, event)
            case _:
                pass

    def _begin_work(self, event: Event) -> None:
        data = event.data
        name, work = data["assignment"], self._work.get(data["assignment"])
        if work is None or work.mark is not Mark.WAITING:
            if work is not None and work.mark is Mark.OPEN:
                work.mark = Mark.CUT
            work = self._work[name] = Twig(f"{name} {data['worker']}", shortened(data["goal"]))
            self.root.twigs.append(work)
        work.mark, work.since = Mark.OPEN, event.at
        self._attempts = {
            path: twig for path, twig in self._attempts.items() if path.partition("~")[0] != name
        }

    def _try_again(self, event: Event) -> None:
        data = event.data
        name, number = data["assignment"], data["attempt"]
        if (work := self._work.get(name)) is None:
            return
        if before := self._attempts.get(f"{name}~{number}"):
            before.end(Mark.FAILED, event.at, error=data["error"])
            error = None
        else:
            error = data["error"]
        title, _, way = recovery(data).partition(", ")
        attempt = Twig(title, f"{way}, after {_failure(error)}" if error else way, since=event.at)
        self._attempts[f"{name}~{number + 1}"] = attempt
        work.twigs.append(attempt)

    def _end_work(self, work: Twig, name: str, mark: Mark, event: Event) -> None:
        work.end(mark, event.at, seconds=event.data.get("seconds"), error=event.data.get("error"))
        for path, attempt in self._attempts.items():
            if path.partition("~")[0] == name and attempt.mark is Mark.OPEN:
                attempt.end(mark, event.at)

    def _hang_run(self, event: Event) -> None:
        run_id = event.data["run"]
        twig = self._runs.get(run_id) or Twig(event.data["team"], f"{run_id}, forgotten", mark=Mark.TOLD)
        for other in self._work.values():
            # The same run goes on where its assignment is taken up again.
            other.twigs = [each for each in other.twigs if each is not twig]
        self._at(event.span_id).twigs.append(twig)

    def _take_model(self, event: Event) -> None:
        data = event.data
        key = (event.span_id, event.actor, str(data.get("call")))
        match event.kind:
            case Kind.MODEL_STARTED:
                asked = "" if "#" in event.actor else f"asked by {event.actor}"
                note = ", ".join(
                    part for part in (data.get("intent") or data.get("task") or "", asked) if part
                )
                call = self._calls[key] = Twig(f"model {data['provider']}", note, since=event.at)
                self._at(event.span_id).twigs.append(call)
            case Kind.MODEL_CHOSEN if call := self._calls.get(key):
                call.note = f"{call.note}, answered by {data['member']}"
            case Kind.MODEL_SWITCHED if call := self._calls.get(key):
                call.twigs.append(Twig(sentence(event) or "", shortened(data["reason"]), mark=Mark.TOLD))
            case Kind.MODEL_FINISHED if call := self._calls.get(key):
                refused, short = data.get("stopped") == "refused", data.get("stopped") == "length"
                mark = Mark.FAILED if refused else Mark.PARTIAL if short else Mark.DONE
                mark = Mark.REPLAYED if data.get("replayed") else mark
                call.end(mark, event.at, seconds=data["seconds"])
                call.usage = _usage(data)
                call.gave = "refused to answer" if refused else "ended by its length" if short else ""
            case Kind.MODEL_FAILED if call := self._calls.get(key):
                call.end(Mark.FAILED, event.at, error=data["error"])
                call.usage = _usage(data)
            case _:
                pass

    def _take_tool(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.TOOL_STARTED:
                given = ", ".join(f"{name}={value}" for name, value in data["arguments"].items())
                tool = Twig(f"tool {tool_words(data['tool'])}", shortened(given), since=event.at)
                key = (event.span_id, event.actor, data["tool"])
                self._tools.setdefault(key, deque()).append(tool)
                self._at(event.span_id).twigs.append(tool)
            case Kind.TOOL_CHARGED:
                waiting = self._tools.get((event.span_id, event.actor, data["tool"]))
                # The calls that make a file are told as one step, and so is what they cost.
                paid = waiting[0] if waiting else self._at(event.span_id)
                paid.usage = (paid.usage or Usage()) + Usage(cost_usd=data["cost_usd"])
            case Kind.TOOL_FINISHED:
                waiting = self._tools.get((event.span_id, event.actor, data["tool"]))
                if waiting:
                    tool = waiting.popleft()
                    mark = Mark.FAILED if data["error"] else Mark.DONE
                    tool.end(mark, event.at, seconds=data["seconds"])
                    found = "" if data["passages"] is None else counted(data["passages"], "passage")
                    tool.gave = data["error"] or found
            case _:
                pass

    def _take_rest(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.QUESTION_ASKED:
                asked = self._asked[data["id"]] = Twig("person", shortened(data["text"]), since=event.at)
                self.root.twigs.append(asked)
            case Kind.QUESTION_ANSWERED if asked := self._asked.get(data["id"]):
                asked.end(Mark.DONE, event.at)
                asked.gave = answered(data["answer"])
            case Kind.MEMORY_FAILED:
                self._at(event.span_id).twigs.append(Twig("memory", mark=Mark.FAILED, error=data["error"]))
            case Kind.SERVER_NOTED if data["what"] in {"failed", "changed"}:
                mark = Mark.FAILED if data["what"] == "failed" else Mark.TOLD
                self._at(event.span_id).twigs.append(
                    Twig(f"server {data['server']}", sentence(event) or "", mark=mark)
                )
            case kind if kind in _TOLD:
                self._at(event.span_id).twigs.append(Twig(sentence(event) or kind.value, mark=Mark.TOLD))
            case _:
                pass


_TOLD = {
    Kind.RUN_PAUSED, Kind.RUN_CONTINUED, Kind.RUN_INTERRUPTED, Kind.ALERT_RAISED, Kind.ESCALATED,
    Kind.REVISION_STARTED, Kind.VERSION_KEPT, Kind.TOOL_REFUSED, Kind.RESULT_SUSPECTED, Kind.OUTPUT_REPAIRED,
}  # fmt: skip
"""What is told in a sentence, where it happened."""


def _told(data: Data) -> str:
    """What a step counted: `documents=6, skipped=0` is `6 documents`."""
    return ", ".join(tallied(value, name) for name, value in data.items() if isinstance(value, int) and value)


def usage_of(told: Data) -> Usage:
    """Usage as it was told, maybe by another version, of which only what is known here is taken."""
    known = {each.name for each in fields(Usage)}
    return Usage(**{key: value for key, value in told.items() if key in known})


def _usage(data: Data) -> Usage | None:
    """What a call took; None where nobody measured it."""
    if not data.get("usage"):
        return None
    usage = usage_of(data["usage"])
    return usage if usage.calls else replace(usage, calls=1)


def _failure(error: Data) -> str:
    return f"{error['code']}: {error['message']}"
