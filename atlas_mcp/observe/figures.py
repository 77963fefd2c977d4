"""How a run stands, in figures: state, step, members at work, what it used, how fast its models answer.

Folded from events one by one, so that whoever looks again and again reads each event once. Times that are
compared are seconds since the epoch. It knows no clock, no journal and no terminal.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.sentences import tool_words

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LATELY_SECONDS",
    "PACE_SECONDS",
    "Call",
    "Calls",
    "Doing",
    "Figures",
    "seconds_of",
    "tokens_a_second",
]

LATELY_SECONDS = 60.0
"""How long a model call that ended is remembered."""

PACE_SECONDS = 10.0
"""The shortest time over which the tokens of a call are counted as so many a second."""


def seconds_of(at: str) -> float:
    """A moment (ISO 8601) in seconds since the epoch."""
    return datetime.fromisoformat(at).timestamp()


@dataclass(frozen=True, slots=True)
class Call:
    """A model call that ended: by whom it was answered, or with which `failure`, and how long that took.

    `seconds` is None where that is not known; `tokens` are those of the answer, which flowed for `flowed`
    seconds.
    """

    provider: str
    ended: float
    seconds: float | None = None
    flowed: float = 0.0
    tokens: int = 0
    failure: str = ""


def tokens_a_second(calls: Iterable[Call], now: float) -> float:
    """How fast models speak: tokens of answers a second.

    What is under way nobody outside of its process knows. So a call counts once it has ended, at its own
    pace and for as long as it took, ten seconds at least and a minute at most: in sum every token once.
    """
    pace = 0.0
    for each in calls:
        over = min(max(each.flowed, PACE_SECONDS), LATELY_SECONDS)
        if now - each.ended < over:
            pace += each.tokens / over
    return pace


class Calls:
    """The model calls of a run that ended lately, each under the name of the member that answered it."""

    def __init__(self) -> None:
        self._ended: deque[Call] = deque()
        self._answering: dict[tuple[str, int], str] = {}

    def hear(self, event: Event) -> None:
        """Take in the next event; one that is not about a model call says nothing."""
        data = event.data
        match event.kind:
            case Kind.MODEL_CHOSEN:
                self._answering[event.span_id, data["call"]] = data["member"]
            case Kind.MODEL_SWITCHED:
                self._answering[event.span_id, data["call"]] = data["joined"]
                if data["failure"]:
                    self._add(Call(data["left"], seconds_of(event.at), failure=data["failure"]))
            case Kind.MODEL_FINISHED:
                provider = self._answered(event)
                if not data.get("replayed"):
                    self._add(_finished(event, provider))
            case Kind.MODEL_FAILED:
                code = str(data["error"].get("code", "unknown"))
                self._add(Call(self._answered(event), seconds_of(event.at), failure=code))
            case _:
                pass

    def since(self, moment: float) -> list[Call]:
        """Those that ended after a moment of the last minute."""
        return [each for each in self._ended if each.ended > moment]

    def _answered(self, event: Event) -> str:
        return self._answering.pop((event.span_id, event.data["call"]), event.data["provider"])

    def _add(self, call: Call) -> None:
        while self._ended and self._ended[0].ended < call.ended - LATELY_SECONDS:
            self._ended.popleft()
        self._ended.append(call)


def _finished(event: Event, provider: str) -> Call:
    data = event.data
    seconds: float = data["seconds"]
    usage: dict[str, Any] = data.get("usage") or {}
    flowed = seconds - (data.get("first_token") or 0.0)
    return Call(
        provider, seconds_of(event.at), seconds, max(0.0, flowed), tokens=usage.get("output_tokens", 0)
    )


@dataclass(slots=True)
class Doing:
    """A member at work since a moment (ISO 8601): the `model` that it asked, the `tool` that it uses.

    Both are empty while it waits for neither. One that `speaks` is at work for a single model call, as a
    supervisor is in a step.
    """

    actor: str
    since: str
    model: str = ""
    tool: str = ""
    speaks: bool = False


@dataclass(slots=True)
class Figures:
    """One run, without those that work for it; `hear` takes in its events in order.

    `seq` is the last event's, `children` are the runs that work for it with their assignments, `questions`
    what a person is asked now, by id. `cost_usd` is None where a price is not known.
    """

    run_id: str
    seq: int = 0
    team: str = ""
    began: str = ""
    ended: str = ""
    note: str = ""
    """How far the reading of documents is, while it goes on."""
    calls: int = 0
    tokens: int = 0
    cost_usd: float | None = 0.0
    lately: Calls = field(default_factory=Calls)
    steps: list[str] = field(default_factory=list[str])
    members: dict[str, Doing] = field(default_factory=dict[str, Doing])
    questions: dict[str, str] = field(default_factory=dict[str, str])
    alerts: dict[str, str] = field(default_factory=dict[str, str])
    children: dict[str, str] = field(default_factory=dict[str, str])
    _state: str = "queued"
    _counted: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])

    @property
    def state(self) -> str:
        """Where it stands as far as it tells itself: that its process died it cannot."""
        return "waiting" if self._state == "running" and self.questions else self._state

    @property
    def step(self) -> str:
        """The step that is under way; between steps it is work, if anybody works."""
        return self.steps[-1] if self.steps else "work" if self.members else ""

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return bool(self.ended)

    def hear(self, event: Event) -> None:
        """Take in the next event."""
        self.seq = event.seq
        self.began = self.began or event.at
        self._hear_of_run(event)
        self._hear_of_step(event)
        self._hear_of_work(event)
        self._hear_of_model(event)
        self.lately.hear(event)

    def _hear_of_run(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.RUN_QUEUED:
                self.team = data["team"]
            case Kind.RUN_STARTED | Kind.RUN_RESUMED:
                self.team = data["team"]
                self._rest("running")
            case Kind.RUN_PAUSED | Kind.RUN_INTERRUPTED:
                self._state = event.kind.value.removeprefix("run.")
                if event.kind is Kind.RUN_INTERRUPTED:
                    self._rest("interrupted")
            case Kind.RUN_CONTINUED:
                self._state = "running"
            case Kind.RUN_FINISHED:
                self.ended = event.at
                self._rest(data["state"])
                self.questions.clear()
            case Kind.QUESTION_ASKED:
                self.questions[data["id"]] = data["text"]
            case Kind.QUESTION_ANSWERED:
                self.questions.pop(data["id"], None)
            case Kind.ALERT_RAISED:
                self.alerts[data["alert"]] = data["text"]
            case _:
                pass

    def _rest(self, state: str) -> None:
        """Whatever was under way is not any more, whether or not anybody said so."""
        self._state, self.note = state, ""
        self.steps.clear()
        self.members.clear()

    def _hear_of_step(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.STEP_STARTED:
                self.steps.append(data["step"])
            case Kind.STEP_FINISHED:
                self.note = ""
                if data["step"] in self.steps:
                    self.steps.remove(data["step"])
            case Kind.DOCUMENTS_READ:
                self.note = data["label"]
            case _:
                pass

    def _hear_of_work(self, event: Event) -> None:
        data, doing = event.data, self.members.get(event.actor)
        match event.kind:
            case Kind.WORK_STARTED:
                self.members[event.actor] = Doing(event.actor, event.at)
            case Kind.WORK_FINISHED | Kind.WORK_FAILED:
                self.members.pop(event.actor, None)
            case Kind.CHILD_STARTED:
                self.children[data["run"]] = data["assignment"]
            case Kind.TOOL_STARTED if doing:
                doing.tool = tool_words(data["tool"])
            case Kind.TOOL_FINISHED | Kind.TOOL_REFUSED if doing:
                doing.tool = ""
            case _:
                pass

    def _hear_of_model(self, event: Event) -> None:
        data, doing = event.data, self.members.get(event.actor)
        match event.kind:
            case Kind.MODEL_STARTED:
                if doing is None:
                    doing = self.members[event.actor] = Doing(event.actor, event.at, speaks=True)
                doing.model, doing.tool = data["provider"], ""
            case Kind.MODEL_CHOSEN if doing:
                doing.model = data["member"]
            case Kind.MODEL_SWITCHED if doing:
                doing.model = data["joined"]
            case Kind.TOOL_CHARGED:
                self._pay(data["cost_usd"])
            case Kind.MODEL_FINISHED | Kind.MODEL_FAILED:
                self._count(event)
                if doing is not None and doing.speaks:
                    del self.members[event.actor]
                elif doing is not None:
                    doing.model = ""
            case _:
                pass

    def _count(self, event: Event) -> None:
        """Count what a call took; one that was paid before a crash and is read again counts once."""
        call = (event.span_id, event.data["call"])
        if event.data.get("replayed") and call in self._counted:
            return
        self._counted.add(call)
        usage: dict[str, Any] = event.data.get("usage") or {}
        self.calls += usage.get("calls", 0)
        self.tokens += usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        self._pay(usage.get("cost_usd", 0.0))

    def _pay(self, cost: float | None) -> None:
        self.cost_usd = None if cost is None or self.cost_usd is None else self.cost_usd + cost
