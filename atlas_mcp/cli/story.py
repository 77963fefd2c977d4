"""`runs show`: a run told as a story: how it ended and why, what was planned, done by whom with what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.cli.branches import tell_branches
from atlas_mcp.cli.live import STATE_STYLES
from atlas_mcp.cli.story_details import Line, detail
from atlas_mcp.cli.story_lines import folded, lines_of, work_lines
from atlas_mcp.cli.story_members import members_table
from atlas_mcp.cli.story_printing import Printing
from atlas_mcp.cli.story_verdict import judged, took
from atlas_mcp.cli.words import ago, clock, lasting, seconds_between, spent
from atlas_mcp.events import Kind
from atlas_mcp.observe.older import completed
from atlas_mcp.observe.sentences import escalated, revision, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from atlas_mcp.cli.branches import Branch
    from atlas_mcp.cli.story_details import Part
    from atlas_mcp.cli.story_verdict import Verdict
    from atlas_mcp.events import Event
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["tell_story"]

Data: TypeAlias = "Mapping[str, Any]"

LONGEST_INPUT = 600
"""Characters of what a run was given; the whole is in its JSON."""

_LONG = 999
"""Seconds from which on a moment is told in hours, minutes and seconds."""


def tell_story(
    console: Console, row: RunRow, events: Sequence[Event], branches: Sequence[Branch] = ()
) -> None:
    """Print the story of a run, and as a tree the runs that worked for it."""
    events = [completed(event) for event in events]
    verdict = judged(row, events)
    _Head(console).tell(row, events, verdict)
    _Teller(console, events, verdict).tell()
    if branches:
        console.print()
        tell_branches(console, branches)
    _End(console).tell(row, events, branches, verdict)


class _Head(Printing):
    """Who was asked what, how it ended and why."""

    def tell(self, row: RunRow, events: Sequence[Event], verdict: Verdict) -> None:
        """Print it."""
        lasted = f", took {took(events)}" if row.final and events else ""
        self.line(
            (f"{row.run_id}  ", "bold"), (row.state, STATE_STYLES.get(row.state, "")),
            (", partial" if row.partial else "", "yellow"),
            (f"  {row.team}, {ago(row.created_at)}{lasted}", "dim"),
        )  # fmt: skip
        if verdict.said:
            self.line(
                (verdict.said, verdict.style), indent=2, before=(f"{verdict.sign} ", verdict.style), deeper=0
            )
        if verdict.next:
            self.line((verdict.next, ""), indent=2, before=("→ ", "bold"), deeper=0)
        if verdict.marked:
            self.line(("What led there is marked ✗ below.", "dim"), indent=2)
        if row.parent_run_id:
            self.line(("part of run ", "dim"), (row.parent_run_id, ""))
        for name, value in row.input.items():
            self.line((f"{name}: ", "dim"), (_given(str(value)), ""))
        for document in row.options.get("documents", ()):
            self.line(("document: ", "dim"), (shortened(document), ""))


def _given(value: str) -> str:
    """What was given, its lines kept where it is not long."""
    return value.strip() if len(value) <= LONGEST_INPUT else shortened(value, LONGEST_INPUT)


class _End(Printing):
    """Who took what, what it took in all, and where to go on from here."""

    def tell(
        self, row: RunRow, events: Sequence[Event], branches: Sequence[Branch], verdict: Verdict
    ) -> None:
        """Print it."""
        self.gap()
        if table := members_table(events, branches, self.console.width):
            for line in table:
                self.console.print(line, soft_wrap=True)
            self.gap()
        if row.usage:
            self.line(("used: ", "dim"), (spent(row.usage), ""))
        if row.error:
            code, message = row.error.get("code", "failed"), row.error.get("message", "")
            self.line((f"{code}: ", "red"), (message, ""))
            if verdict.next:
                self.line((verdict.next, ""), indent=2, before=("→ ", "bold"), deeper=0)
        if row.state == "waiting":
            self.line((f"Answer it: atlas-mcp runs answer {row.run_id}", "magenta"))
        if row.output is not None:
            sure = row.output.get("confidence")
            if isinstance(sure, int | float):
                self.line(("confidence: ", "dim"), (f"{sure:g} of 1, by the team's own judgement", ""))
            self.line((f"The brief: atlas-mcp runs export {row.run_id} --format markdown", "dim"))


class _Teller(Printing):
    """Tells events in order, except that what a worker did stands together, under its assignment."""

    def __init__(self, console: Console, events: Sequence[Event], verdict: Verdict) -> None:
        super().__init__(console)
        self._events = events
        self._marked = verdict.marked
        self._began = events[0].at if events else ""
        self._stretch: list[Event] = []
        self._work: dict[str, list[Event]] = {}
        self._plans: dict[str, Data] = {}
        self._owed: list[Data] = []
        self._failed: dict[tuple[str, str], str] = {}
        self._asked: dict[str, str] = {}
        self._choices: set[str] = set()
        self._left = False
        for event in events:
            if name := _of_work(event):
                self._work.setdefault(name, []).append(event)

    def tell(self) -> None:
        """Print everything."""
        last = ""
        for event in self._events:
            if name := _of_work(event):
                self._tell_owed(name)
            elif event.kind in _HEADINGS:
                self._flush()
                self._heading(self._waited(event), last)
            elif event.kind is Kind.PLAN_MADE:
                self._flush()
                self._plan(event.data)
            elif event.kind is not Kind.STEP_FINISHED or event.data["step"] != "plan":
                self._stretch.append(self._waited(event))
            last = event.at
        self._tell_owed("")
        self._flush()

    def _waited(self, event: Event) -> Event:
        """An answer with how long it was waited for."""
        data = event.data
        if event.kind is Kind.QUESTION_ASKED:
            self._asked[data["id"]] = event.at
        elif event.kind is Kind.QUESTION_ANSWERED and (asked := self._asked.get(data["id"])):
            return replace(event, data={**data, "waited": lasting(seconds_between(asked, event.at))})
        return event

    def _flush(self) -> None:
        """Print what was gathered since the last heading."""
        stretch, self._stretch = self._stretch, []
        self._lines(lines_of(stretch, self._marked, self._choices), 10)

    def _lines(self, lines: Sequence[Line], indent: int) -> None:
        for line in folded(lines):
            if not line.said and not line.took:
                continue
            gap = "  " if line.said and line.took else ""
            self.line(
                *line.parts, (f"{gap}{line.took}", "dim"), indent=indent + 3 * line.depth,
                before=("✗ ", "bold red") if line.marked else ("", ""),
            )  # fmt: skip

    def _heading(self, event: Event, last: str) -> None:
        data = event.data
        match event.kind:
            case Kind.RUN_RESUMED:
                silent = lasting(seconds_between(last, event.at)) if last else ""
                died = (
                    "" if self._left else f"; the process before had died, nothing was written for {silent}"
                )
                parts: list[Part] = [(f"taken up again with {_by(data)}", "bold"), (died, "yellow")]
            case Kind.STEP_STARTED:
                parts = [(data["label"], "bold"), (self._lasted(event), "dim")]
            case Kind.QUESTION_ASKED | Kind.QUESTION_ANSWERED:
                parts = list(detail(event)[0].parts)
            case _:
                parts = _HEADINGS[event.kind](data)
        self._left = event.kind is Kind.RUN_INTERRUPTED
        self._timed(event, *parts)
        for reason in data["reasons"] if event.kind is Kind.REVISION_STARTED else ():
            self.line((shortened(reason, 300), ""), indent=10)

    def _lasted(self, begun: Event) -> str:
        """How long a step took that begins here, if it ended."""
        step = begun.data["step"]
        for event in self._events:
            same = event.seq > begun.seq and event.data.get("step") == step
            if same and event.kind is Kind.STEP_FINISHED:
                return f"  {lasting(event.data['seconds'])}"
            if same and event.kind is Kind.STEP_STARTED:
                break
        return ""

    def _timed(self, event: Event, *parts: Part) -> None:
        self.gap()
        seconds = seconds_between(self._began, event.at)
        time = f" {seconds:5.1f} s  " if seconds < _LONG else f" {clock(seconds):>7}  "
        mark = "✗" if event.seq in self._marked else " "
        self.line(
            *parts, indent=len(time), before=(f"{mark}{time[1:]}", "bold red" if mark == "✗" else "dim"),
            deeper=0,
        )  # fmt: skip

    # What was planned, and what came of it

    def _plan(self, data: Data) -> None:
        """A plan, with the work below each assignment; a person who is asked first is told of before it."""
        self._tell_owed("")
        new = [each for each in data["assignments"] if self._plans.get(each["id"]) != each]
        if data["assignments"] and not new:
            self.line(("the same plan again", "dim"), indent=10)
            return
        for each in new:
            self._plans[each["id"]] = each
        if data.get("reason"):
            self.line((f"because {data['reason']}", "italic"), indent=10)
        if data["round"] > 1 and not data.get("revision"):
            self.line((f"round {data['round']} of the plan:", "dim"), indent=10)
        self._owed = list(new)
        if self._asks_first():
            for each in new:
                self._assignment(each)

    def _asks_first(self) -> bool:
        """Whether something else than work comes after the plan, such as a question to a person."""
        names = {each["id"] for each in self._owed}
        begun = min((each.seq for name in names for each in self._work.get(name, ())), default=0)
        plan = max(
            (event.seq for event in self._events if event.kind is Kind.PLAN_MADE
             and names & {each["id"] for each in event.data["assignments"]}
             and (not begun or event.seq < begun)), default=0,
        )  # fmt: skip
        return not begun or any(
            event.kind is Kind.QUESTION_ASKED for event in self._events if plan < event.seq < begun
        )

    def _assignment(self, given: Data) -> None:
        after = f", after {', '.join(given['after'])}" if given["after"] else ""
        who = f"{given['worker']}{after}: "
        self.line((f"{given['id']} ", "bold"), (who, "cyan"), (shortened(given["goal"], 300), ""), indent=10)

    def _tell_owed(self, begun: str) -> None:
        """Print the assignments that were planned, with their work, once the first of them is begun."""
        if not begun:
            # Nobody began them; they were told where they were planned.
            owed = [each for each in self._owed if self._work.get(each["id"])]
        elif begun in self._work and not any(each["id"] == begun for each in self._owed):
            owed = [_unplanned(begun, self._work[begun])]
        else:
            owed = self._owed
        if not begun or owed is self._owed:
            self._owed = []
        if owed and self._stretch:
            self._flush()
        for given in owed:
            work = self._work.pop(given["id"], [])
            if work or given in self._plans.values():
                self._assignment(given)
                self._lines(self._done(given["id"], [self._waited(each) for each in work]), 13)

    def _done(self, name: str, work: Sequence[Event]) -> list[Line]:
        """What was done for an assignment; what failed like another in one line."""
        lines = work_lines(work, self._began, self._marked, self._choices)
        if not work:
            return [Line(Kind.WORK_STARTED, (("not begun", "dim"),))]
        end = next((event for event in reversed(work) if event.kind in _ENDS), work[-1])
        if end.kind is not Kind.WORK_FAILED:
            return lines
        error: Data = end.data["error"]
        key = (str(error["code"]), str(error["message"]))
        first = self._failed.setdefault(key, name)
        lasted = lasting(seconds_between(work[0].at, end.at))
        if first == name or _is_special(work):
            return [*lines[:-1], _with_time(lines[-1], lasted)]
        attempts = 1 + sum(event.kind is Kind.RECOVERY_TRIED for event in work)
        tried = f", at each of {attempts} attempts" if attempts > 1 else ""
        said = f"failed like {first}: "
        parts: tuple[Part, ...] = ((said, "red"), (f"{error['code']}{tried}", ""))
        return [Line(Kind.WORK_FAILED, parts, lasted, marked=end.seq in self._marked)]


_ENDS = {Kind.WORK_FINISHED, Kind.WORK_FAILED}


def _is_special(work: Sequence[Event]) -> bool:
    """Whether something happened in work that a reader has to know beside how it failed."""
    special = {Kind.RESULT_SUSPECTED, Kind.TOOL_REFUSED, Kind.SERVER_NOTED, Kind.QUESTION_ASKED,
               Kind.CHILD_STARTED, Kind.MODEL_SWITCHED}  # fmt: skip
    return any(event.kind in special for event in work)


def _with_time(line: Line, lasted: str) -> Line:
    return Line(line.kind, line.parts, lasted, line.depth, line.marked)


def _unplanned(name: str, work: Sequence[Event]) -> Data:
    """Work of which no plan is in the journal, as an assignment."""
    begun = [event.data for event in work if event.kind is Kind.WORK_STARTED]
    worker = begun[0]["worker"] if begun else work[0].actor.partition("#")[0]
    return {"id": name, "worker": worker, "goal": begun[0]["goal"] if begun else "", "after": []}


def _of_work(event: Event) -> str:
    """The assignment in whose work it happened."""
    first, _, rest = event.span_id.partition("/")
    return rest.partition("/")[0].partition("~")[0] if first == "work" else ""


def _by(data: Data) -> str:
    return f"{data['provider']}{'' if data['language_model'] else ', no language model'}"


def _why(data: Data) -> str:
    error: Data = data.get("error") or {}
    reason = data.get("reason") or error.get("message")
    return f": {reason}" if reason else ""


def _finished(data: Data) -> list[Part]:
    partial = ", partial" if data["partial"] else ""
    limit = f": the {data['limit'].removeprefix('the ')} was reached" if data.get("limit") else ""
    error: Data = data["error"] or {}
    return [(f"{data['state']}{partial}", "bold"), (limit or (f": {error['code']}" if error else ""), "")]


_HEADINGS: dict[Kind, Callable[[Data], list[Part]]] = {
    Kind.RUN_STARTED: lambda data: [(f"started with {_by(data)}", "bold")],
    Kind.RUN_FINISHED: _finished,
    Kind.RUN_INTERRUPTED: lambda data: [("the process that worked on it left", "bold"), (_why(data), "")],
    Kind.RUN_PAUSED: lambda data: [("paused", "bold"), (_why(data), "")],
    Kind.RUN_CONTINUED: lambda data: [("goes on", "bold"), (_why(data), "")],
    Kind.CONTROL_RECEIVED: lambda data: [(f"told to {data['verb']}", "yellow"), (_why(data), "")],
    Kind.ESCALATED: lambda data: [(escalated(data), "bold yellow")],
    Kind.ALERT_RAISED: lambda data: [("warning: ", "bold yellow"), (data["text"], "")],
    Kind.REVISION_STARTED: lambda data: [(revision(data), "bold")],
    **dict.fromkeys(
        (Kind.RUN_RESUMED, Kind.STEP_STARTED, Kind.QUESTION_ASKED, Kind.QUESTION_ANSWERED), lambda _: []
    ),
}  # fmt: skip
"""What begins a paragraph, with its time; empty here where the story itself says it."""
