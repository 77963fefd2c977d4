"""What a run tells those who learn from it: its words, its output, and how it went by its events.

It decides nothing: what is worth keeping is judged elsewhere, from what stands here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from atlas_mcp.events import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.events import Event

__all__ = ["Course", "Done", "RunTold", "course_of"]

PASSED = "pass"


@dataclass(frozen=True, slots=True)
class RunTold:
    """A run that ended: what it was asked, gave, and went through.

    `input` is what it was started with, by field; `output` the team's output, whole; `events` its journal, or
    as much of it as there is yet; `rating` is `{overall: 0 to 5 or None, gate: pass | revise | fail}` of the
    version that was handed out, None where nothing was rated; `at` is when it ended, ISO 8601 UTC. `failure`
    says why it gave nothing, where it failed.
    """

    run_id: str
    team: str
    question: str
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    events: Sequence[Event]
    rating: Mapping[str, Any] | None
    partial: bool
    at: str
    failure: str = ""

    @property
    def uri(self) -> str:
        """The run as a source."""
        return f"atlas://runs/{self.run_id}"

    @property
    def overall(self) -> float | None:
        """What it was rated, 0 to 5."""
        return None if self.rating is None else self.rating.get("overall")

    @property
    def gate(self) -> str | None:
        """Whether it passed, is to be revised, or failed; None where nothing was rated."""
        return None if self.rating is None else self.rating.get("gate")

    @property
    def measured(self) -> float | None:
        """What the output's own measures say, 0 to 5: how far it is carried by what it cites."""
        measures: Mapping[str, Any] = self.output.get("measures") or {}
        return measures.get("score")

    @property
    def by_model(self) -> bool:
        """Whether a language model made it."""
        made_with: Mapping[str, Any] = self.output.get("made_with") or {}
        return bool(made_with.get("language_model", True))

    @property
    def by_person(self) -> bool:
        """Whether a person may have started it: a run that another run started has no person's words."""
        return all(event.parent_run_id is None for event in self.events)


@dataclass(slots=True)
class Done:
    """One assignment of a run, and what came of it; `searches` maps queries to the passages they found."""

    id: str
    worker: str
    goal: str
    findings: int = 0
    drafts: int = 0
    failure: str = ""
    ways: list[str] = field(default_factory=list[str])
    searches: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def gave(self) -> bool:
        """Whether it gave anything."""
        return not self.failure and bool(self.findings or self.drafts)


@dataclass(slots=True)
class Course:
    """How a run went: its assignments in order, and how much it took."""

    work: list[Done] = field(default_factory=list[Done])
    rounds: int = 0
    revisions: int = 0
    escalated: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0
    added: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    removed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    answers: list[str] = field(default_factory=list[str])


def course_of(events: Sequence[Event]) -> Course:
    """How a run went, read from its events in their order.

    `added` and `removed` are (worker, goal) by which a person changed a plan; `answers` their other words.
    """
    course = Course()
    work: dict[str, Done] = {}
    opened: dict[tuple[str, str], list[str]] = {}
    for event in events:
        if event.kind in (Kind.TOOL_STARTED, Kind.TOOL_FINISHED):
            _searched(event, work, opened)
        elif "assignment" in event.data:
            _worked(event, work)
        elif event.kind is Kind.QUESTION_ANSWERED:
            _answered(course, work, event.data.get("answer") or {})
        else:
            _taken(course, event)
        if event.kind is Kind.PLAN_MADE:
            for each in event.data.get("assignments", ()):
                work[each["id"]] = Done(each["id"], each["worker"], each.get("goal", ""))
    course.work = list(work.values())
    if len(events) > 1 and not course.seconds:
        course.seconds = _between(events[0].at, events[-1].at)
    return course


def _worked(event: Event, work: Mapping[str, Done]) -> None:
    """What came of an assignment."""
    data, done = event.data, work.get(event.data["assignment"])
    if done is None:
        return
    match event.kind:
        case Kind.WORK_FINISHED:
            done.findings, done.drafts = data.get("findings", 0), data.get("drafts", 0)
            done.failure = ""
        case Kind.WORK_FAILED:
            done.failure = _said(data.get("error")) or "it failed"
        case Kind.RECOVERY_TRIED:
            way = str(data.get("way")).replace("_", " ")
            done.ways.append(f"{way} after: {_said(data.get('error'))}")
        case _:
            pass


def _searched(event: Event, work: Mapping[str, Done], opened: dict[tuple[str, str], list[str]]) -> None:
    """Which query found how many passages; `opened` are those that have no answer yet, by step and tool."""
    key = (event.span_id, str(event.data.get("tool")))
    if event.kind is Kind.TOOL_STARTED:
        arguments: Mapping[str, Any] = event.data.get("arguments") or {}
        opened.setdefault(key, []).append(str(arguments.get("query") or ""))
        return
    query = opened[key].pop(0) if opened.get(key) else ""
    done = work.get(event.span_id.removeprefix("work/").partition("~")[0])
    if done and query and event.data.get("passages"):
        done.searches[query] = max(done.searches.get(query, 0), event.data["passages"])


def _answered(course: Course, work: dict[str, Done], answer: Mapping[str, Any]) -> None:
    """What a person said to a question; a plan that they changed is compared with the one they were shown."""
    if answer.get("decision") == "edit":
        wanted = Counter((each["worker"], each.get("goal", "")) for each in answer.get("assignments") or ())
        shown = Counter((each.worker, each.goal) for each in work.values())
        course.added += (wanted - shown).elements()
        course.removed += (shown - wanted).elements()
        for done in list(work.values()):
            if (done.worker, done.goal) in course.removed:
                del work[done.id]
    course.answers += [
        value for key, value in answer.items()
        if isinstance(value, str) and key != "decision" and value.strip()
    ]  # fmt: skip


def _taken(course: Course, event: Event) -> None:
    """What was used up, and how often it was begun anew."""
    data = event.data
    match event.kind:
        case Kind.PLAN_MADE:
            course.rounds = max(course.rounds, data.get("round") or 0)
        case Kind.REVISION_STARTED:
            course.revisions = max(course.revisions, data.get("revision") or 0)
        case Kind.ESCALATED:
            course.escalated += 1
        case Kind.MODEL_FINISHED:
            usage: Mapping[str, Any] = data.get("usage") or {}
            course.calls += 1
            course.cost_usd += usage.get("cost_usd") or 0.0
        case Kind.TOOL_CHARGED:
            course.cost_usd += data.get("cost_usd") or 0.0
        case Kind.RUN_FINISHED:
            course.seconds = data.get("seconds") or 0.0
        case _:
            pass


def _said(error: Mapping[str, Any] | None) -> str:
    """An error's message on one line, its first sentence."""
    message = str((error or {}).get("message", ""))
    return " ".join(message.split()).partition(". ")[0].rstrip(".")[:160]


def _between(start: str, end: str) -> float:
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
