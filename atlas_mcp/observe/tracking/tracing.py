"""A run and those that work for it as one trace: events go in, spans that ended come out.

Nothing but the journal goes into it, and ids are made of it, so that whoever reads the journal again makes
the same spans: one that was sent twice is the same span at its receiver. What a crash left open is closed,
as interrupted, when the run is taken up again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.tracking.attributes import answered, memory_took, paid, spent, tool_name
from atlas_mcp.observe.tracking.spans import (
    Asked,
    Attribute,
    Moment,
    Span,
    SpanType,
    nanoseconds,
    span_id,
    trace_id,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Trace"]

INTERRUPTED = "interrupted"
TEAM_WORKER = "team:"

_MOMENTS = frozenset({
    Kind.DOCUMENT_SKIPPED, Kind.PLAN_MADE, Kind.RECOVERY_TRIED, Kind.ESCALATED, Kind.REVIEW_MADE,
    Kind.REVISION_STARTED, Kind.VERSION_KEPT, Kind.TASK_DETECTED, Kind.CONTEXT_FITTED, Kind.MODEL_CHOSEN,
    Kind.MODEL_SWITCHED, Kind.TOOL_REFUSED, Kind.SERVER_NOTED, Kind.RESULT_SUSPECTED, Kind.OUTPUT_REPAIRED,
    Kind.CHECK_FINISHED, Kind.MEMORY_FAILED, Kind.LEARNING_KEPT, Kind.LEARNING_DROPPED, Kind.RUN_PAUSED,
    Kind.RUN_CONTINUED, Kind.RUN_INTERRUPTED, Kind.RUN_RESUMED, Kind.CONTROL_RECEIVED, Kind.ALERT_RAISED,
})  # fmt: skip
"""What is a moment of the span it happened in."""

_NAMES = frozenset(
    (  # noqa: SIM905 - one word under the other would take the page
        "after alert assignment attempt before better call cause claims complexity confidence enough "
        "evidence failure failures gaps gate group id joined kind left left_out level measured member "
        "minimum new quotes revision round score seconds server step task threshold tool unsupported verb "
        "way what"
    ).split()
)
"""Keys of an event's data that are names, ids or numbers, and never what somebody said."""


@dataclass(slots=True)
class _Open:
    """A span that has not ended."""

    id: str
    parent: str
    name: str
    type: SpanType
    start_ns: int
    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])
    moments: list[Moment] = field(default_factory=list[Moment])
    inputs: Any = None
    outputs: Any = None
    asked: Asked | None = None

    def pay(self, usd: float) -> None:
        self.attributes["atlas.cost_usd"] = float(self.attributes.get("atlas.cost_usd", 0.0)) + usd


@dataclass(slots=True)
class _Journey:
    """What is known of one run of the trace."""

    run_id: str
    team: str
    root: _Open
    steps: dict[str, _Open] = field(default_factory=dict[str, _Open])
    work: dict[str, _Open] = field(default_factory=dict[str, _Open])
    models: dict[str, _Open] = field(default_factory=dict[str, _Open])
    tools: dict[str, _Open] = field(default_factory=dict[str, _Open])
    questions: dict[str, _Open] = field(default_factory=dict[str, _Open])
    numbers: dict[str, int] = field(default_factory=dict[str, int])
    paid: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    last_ns: int = 0

    def around(self, event: Event) -> _Open:
        """The innermost open span that an event's path lies in."""
        head, _, rest = event.span_id.partition("/")
        if head == "work" and (work := self.work.get(rest.partition("/")[0].partition("~")[0])):
            return work
        if step := self.steps.get(head):
            return step
        return next(reversed(self.steps.values()), self.root)


class Trace:
    """The spans of a run and of all that work for it; `session` groups the runs of one conversation."""

    def __init__(self, run_id: str, *, user: str = "", project: str = "") -> None:
        self.id = trace_id(run_id)
        self.over = False
        """Whether the run has ended, and with it its trace."""
        self._run_id = run_id
        self._about: dict[str, Attribute] = {"user.id": user, "atlas.project": project}
        self._journeys: dict[str, _Journey] = {}
        self._parents: dict[str, str] = {}
        self._ended: set[str] = set()

    @property
    def at_work(self) -> frozenset[str]:
        """The runs that work for this one and have not ended."""
        return frozenset(self._journeys) - {self._run_id} - self._ended

    @property
    def children(self) -> frozenset[str]:
        """The runs that are known to work for this one."""
        return frozenset(self._parents)

    def take(self, event: Event) -> list[Span]:
        """The spans that end with an event; those of a run come in the order of its journal."""
        ended: list[Span] = []
        journey = self._journeys.get(event.run_id)
        if journey is None:
            if event.kind is Kind.RUN_QUEUED:
                self._begin(event)
            return ended
        if event.kind is Kind.RUN_RESUMED:
            self._close_all(journey, ended, journey.last_ns, INTERRUPTED)
        journey.last_ns = nanoseconds(event.at, event.seq)
        if event.kind in _MOMENTS:
            self._note(journey, event)
        self._take_step(journey, event, ended)
        self._take_call(journey, event, ended)
        self._take_run(journey, event, ended)
        return ended

    def _begin(self, event: Event) -> None:
        team, ours = event.data["team"], event.run_id == self._run_id
        root = self._opened(
            event, f"team.{team}", SpanType.WORKFLOW, parent="",
            attributes={"atlas.team": team, "atlas.team_version": event.data["team_version"][:12]},
        )  # fmt: skip
        if ours:
            session = event.data.get("session", "")
            root.attributes |= {name: value for name, value in self._about.items() if value}
            root.attributes |= {"session.id": session} if session else {}
        root.inputs = event.data["input"]
        self._journeys[event.run_id] = _Journey(event.run_id, team, root)

    def _take_run(self, journey: _Journey, event: Event, ended: list[Span]) -> None:
        data = event.data
        match event.kind:
            case Kind.RUN_STARTED | Kind.RUN_RESUMED:
                journey.root.attributes["atlas.provider"] = data["provider"]
            case Kind.RUN_INTERRUPTED:
                self._close_all(journey, ended, journey.last_ns, INTERRUPTED)
            case Kind.CHILD_STARTED:
                work = journey.work.get(data["assignment"], journey.root)
                self._parents.setdefault(data["run"], work.id)
            case Kind.RUN_FINISHED:
                failed = data["state"] != "done"
                self._close_all(journey, ended, journey.last_ns, data["state"] if failed else "")
                root = journey.root
                root.attributes |= {"atlas.state": data["state"], "atlas.partial": data["partial"]}
                root.attributes |= spent(data.get("usage") or {})
                if limit := data.get("limit"):
                    root.attributes["atlas.limit"] = limit
                root.parent = self._above(journey.run_id)
                root.asked = Asked(journey.run_id, "output", "", 0, event.at)
                self._close(root, ended, journey.last_ns, data["error"])
                self._ended.add(event.run_id)
                self.over = self._run_id in self._ended
            case _:
                pass

    def _above(self, run_id: str) -> str:
        """The span that a run hangs from: its assignment, or the whole where nobody told of it."""
        whole = self._journeys.get(self._run_id)
        if run_id == self._run_id or whole is None:
            return ""
        return self._parents.get(run_id, whole.root.id)

    def _take_step(self, journey: _Journey, event: Event, ended: list[Span]) -> None:
        data = event.data
        match event.kind:
            case Kind.STEP_STARTED:
                name = data["step"]
                if before := journey.steps.pop(name, None):
                    self._close(before, ended, journey.last_ns, None)
                kind = SpanType.EVALUATOR if name == "check" else SpanType.TASK
                journey.steps[name] = self._opened(event, f"step.{name}", kind, parent=journey.root.id)
            case Kind.STEP_FINISHED if step := journey.steps.pop(data["step"], None):
                counted = {key: value for key, value in data.items() if isinstance(value, int | float)}
                step.attributes |= {f"atlas.{key}": value for key, value in counted.items()}
                self._close(step, ended, journey.last_ns, None)
            case Kind.WORK_STARTED:
                self._begin_work(journey, event, ended)
            case Kind.WORK_FINISHED if work := journey.work.pop(data["assignment"], None):
                counted = {key: value for key, value in data.items() if isinstance(value, int | float)}
                work.attributes |= {f"atlas.{key}": value for key, value in counted.items()}
                work.outputs = {
                    key: data[key] for key in ("kinds", "verdicts", "rating") if key in data
                } or None
                self._close_calls(journey, data["assignment"], ended)
                self._close(work, ended, journey.last_ns, None)
            case Kind.WORK_FAILED if work := journey.work.pop(data["assignment"], None):
                self._close_calls(journey, data["assignment"], ended)
                self._close(work, ended, journey.last_ns, data["error"])
            case Kind.QUESTION_ASKED:
                asked = self._opened(event, "ask.person", SpanType.TASK, parent=journey.around(event).id)
                asked.inputs = data["text"]
                journey.questions[data["id"]] = asked
            case Kind.QUESTION_ANSWERED if asked := journey.questions.pop(data["id"], None):
                asked.outputs = data["answer"]
                self._close(asked, ended, journey.last_ns, None)
            case Kind.MEMORY_RECALLED | Kind.MEMORY_MEASURED:
                self._take_memory(journey, event, ended)
            case _:
                pass

    def _begin_work(self, journey: _Journey, event: Event, ended: list[Span]) -> None:
        identity, worker = event.data["assignment"], event.data["worker"]
        if before := journey.work.pop(identity, None):
            self._close(before, ended, journey.last_ns, {"code": INTERRUPTED})
        team = worker.removeprefix(TEAM_WORKER)
        whole = worker.startswith(TEAM_WORKER)
        work = self._opened(
            event, f"assign.{team}" if whole else f"agent.{journey.team}.{worker}",
            SpanType.TASK if whole else SpanType.AGENT, parent=journey.root.id,
            attributes={"atlas.assignment": identity, "atlas.team": journey.team, "atlas.agent": team},
        )  # fmt: skip
        work.inputs = event.data["goal"]
        journey.work[identity] = work

    def _take_call(self, journey: _Journey, event: Event, ended: list[Span]) -> None:
        data, place = event.data, f"{event.span_id} {event.actor}"
        match event.kind:
            case Kind.MODEL_STARTED:
                self._end_call(journey.models.pop(place, None), ended, journey.last_ns)
                journey.models[place] = self._model(journey, event)
            case Kind.MODEL_FINISHED if model := journey.models.pop(place, None):
                model.attributes |= answered(data)
                again = bool(data.get("replayed"))
                call = (event.span_id, data["call"])
                if again:
                    model.attributes["atlas.replayed"] = True
                if not again or call not in journey.paid:
                    # One that ended with the process was paid, and nobody told so before it was told again.
                    model.attributes |= paid(data.get("usage") or {})
                journey.paid.add(call)
                model.asked = Asked(journey.run_id, "model", event.span_id, data["call"], event.at)
                self._close(model, ended, journey.last_ns, None)
            case Kind.MODEL_FAILED if model := journey.models.pop(place, None):
                model.attributes |= paid(data.get("usage") or {})
                self._close(model, ended, journey.last_ns, data["error"])
            case Kind.TOOL_STARTED:
                self._end_call(journey.tools.pop(place, None), ended, journey.last_ns)
                name = tool_name(data["tool"])
                tool = self._opened(
                    event, name, SpanType.TOOL, parent=journey.around(event).id,
                    attributes={
                        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name,
                        **_who(journey, event),
                    },
                )  # fmt: skip
                tool.inputs = data["arguments"]
                journey.tools[place] = tool
            case Kind.TOOL_CHARGED:
                # The calls that make a file are told as one step, and so is what they cost.
                charged = journey.tools.get(place) or journey.around(event)
                charged.pay(data["cost_usd"])
            case Kind.TOOL_FINISHED if tool := journey.tools.pop(place, None):
                number = journey.numbers[event.span_id] = journey.numbers.get(event.span_id, 0) + 1
                tool.attributes["atlas.passages"] = data["passages"]
                tool.asked = Asked(journey.run_id, "tool", f"{event.span_id}/tools", number, event.at)
                failed = {"code": "tool_failed", "message": data["error"]} if data["error"] else None
                self._close(tool, ended, journey.last_ns, failed)
            case _:
                pass

    def _model(self, journey: _Journey, event: Event) -> _Open:
        data = event.data
        vendor, _, model = data["provider"].partition(":")
        return self._opened(
            event, f"chat.{journey.team}.{_agent(event)}", SpanType.CHAT_MODEL,
            parent=journey.around(event).id,
            attributes={
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": vendor,
                "gen_ai.request.model": model or vendor, "mlflow.llm.model": model or vendor,
                "mlflow.llm.provider": vendor, "atlas.intent": data["intent"], "atlas.task": data["task"],
                "atlas.call": data["call"], **_who(journey, event),
            },
        )  # fmt: skip

    def _take_memory(self, journey: _Journey, event: Event, ended: list[Span]) -> None:
        if event.kind is Kind.MEMORY_RECALLED:
            self._recalled(journey, event, ended)
        else:
            self._measured(journey, event, ended)

    def _recalled(self, journey: _Journey, event: Event, ended: list[Span]) -> None:
        data = event.data
        memory = self._opened(
            event, "memory.recall", SpanType.MEMORY, parent=journey.around(event).id,
            attributes={
                "atlas.memory.operation": "recall", "atlas.memory.items": len(data["items"]),
                "atlas.memory.left_out": len(data["left_out"]), "atlas.memory.tokens": data["tokens"],
                "atlas.seconds": data["seconds"], **_who(journey, event),
            },
        )  # fmt: skip
        memory.start_ns -= round(data["seconds"] * 1e9)
        memory.inputs, memory.outputs = data["query"], data["items"]
        self._close(memory, ended, journey.last_ns, None)

    def _measured(self, journey: _Journey, event: Event, ended: list[Span]) -> None:
        """A span for each operation and store; what was recalled has had its own."""
        for took in event.data["operations"]:
            if (operation := took["operation"]) == "recall":
                continue
            memory = self._opened(
                event, f"memory.{operation}", SpanType.MEMORY, parent=journey.around(event).id,
                attributes={**memory_took(took), **_who(journey, event)},
            )  # fmt: skip
            memory.id = span_id(event.run_id, event.seq, f"{operation} {took['store']}")
            memory.start_ns -= round(took["seconds"] * 1e9)
            self._close(memory, ended, journey.last_ns, None)

    def _note(self, journey: _Journey, event: Event) -> None:
        """Make what happened a moment of the span that it happened in."""
        names = {
            f"atlas.{key}": value for key, value in event.data.items()
            if key in _NAMES and isinstance(value, str | int | float)
        }  # fmt: skip
        texts = {
            key: str(value) for key, value in event.data.items()
            if key not in _NAMES and value not in (None, "", [], {})
        }  # fmt: skip
        moment = Moment(event.kind.value, nanoseconds(event.at, event.seq), names, texts)
        place = f"{event.span_id} {event.actor}"
        within = journey.models.get(place) if event.kind in _OF_A_CALL else None
        (within or journey.around(event)).moments.append(moment)

    def _opened(
        self, event: Event, name: str, kind: SpanType, *, parent: str,
        attributes: Mapping[str, Attribute] | None = None,
    ) -> _Open:  # fmt: skip
        about: dict[str, Attribute] = {"atlas.run_id": event.run_id, **(attributes or {})}
        start = nanoseconds(event.at, event.seq)
        return _Open(span_id(event.run_id, event.seq), parent, name, kind, start, about)

    def _close_calls(self, journey: _Journey, assignment: str, ended: list[Span]) -> None:
        """Close what an assignment's calls left open, such as one that was refused."""
        for calls in (journey.models, journey.tools):
            for place in [each for each in calls if _assignment(each) == assignment]:
                self._end_call(calls.pop(place), ended, journey.last_ns)

    def _end_call(self, call: _Open | None, ended: list[Span], at_ns: int) -> None:
        if call is not None:
            self._close(call, ended, at_ns, {"code": "no_answer"})

    def _close_all(self, journey: _Journey, ended: list[Span], at_ns: int, code: str) -> None:
        """Close everything but the run itself, innermost first."""
        error = {"code": code} if code else None
        for spans in (journey.tools, journey.models, journey.questions, journey.work, journey.steps):
            for each in spans.values():
                self._close(each, ended, at_ns, error)
            spans.clear()
        journey.numbers.clear()

    def _close(self, span: _Open, ended: list[Span], at_ns: int, error: Mapping[str, Any] | None) -> None:
        code = str(error.get("code", "failed")) if error else ""
        if code:
            span.attributes["error.type"] = code
        ended.append(
            Span(
                trace_id=self.id, span_id=span.id, parent_id=span.parent, name=span.name, type=span.type,
                start_ns=span.start_ns, end_ns=max(at_ns, span.start_ns), attributes=span.attributes,
                moments=tuple(span.moments), error=code, cause=str((error or {}).get("message", "")),
                inputs=span.inputs, outputs=span.outputs, asked=span.asked,
            )
        )  # fmt: skip


_OF_A_CALL = frozenset({Kind.MODEL_CHOSEN, Kind.MODEL_SWITCHED})


def _agent(event: Event) -> str:
    return event.actor.partition("#")[0]


def _who(journey: _Journey, event: Event) -> dict[str, Attribute]:
    return {"atlas.team": journey.team, "atlas.agent": _agent(event)}


def _assignment(place: str) -> str:
    path = place.partition(" ")[0]
    return path.split("/")[1].partition("~")[0] if path.startswith("work/") else ""
