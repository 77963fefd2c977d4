"""A run as a person watches it: steps and workers, folded from its events. Pure; draws nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from atlas_mcp.cli.words import seconds_between, tallied
from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import (
    answered,
    counted,
    escalated,
    outcome,
    rated,
    recovery,
    review,
    revision,
    scored,
    server_noted,
    shortened,
    suspected,
    tool_words,
    version,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_mcp.events import Event

__all__ = ["Line", "RunView"]

Progress: TypeAlias = Literal["waiting", "working", "done", "failed"]

_USED = ("input_tokens", "output_tokens", "calls")


@dataclass(slots=True)
class Line:
    """One step, or one worker with its goal: how far it is and what there is to say of it.

    `since` is the moment it began (ISO 8601), `seconds` what it took once it has ended; `run` is the child
    run in which a team does the work.
    """

    title: str
    actor: str
    goal: str = ""
    progress: Progress = "working"
    note: str = ""
    since: str = ""
    seconds: float | None = None
    run: str = ""


@dataclass(slots=True)
class RunView:
    """What has happened so far; `hear` takes the events of a run, and of those that work for it, in order."""

    run_id: str
    team: str = ""
    provider: str = ""
    state: str = "queued"
    began: str = ""
    ended: str = ""
    asked: set[str] = field(default_factory=set[str])
    usage: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_USED, 0))
    lines: dict[str, Line] = field(default_factory=dict[str, Line])
    children: dict[str, RunView] = field(default_factory=dict[str, "RunView"])

    @property
    def used(self) -> dict[str, int]:
        """What the run used until now, and all that work for it."""
        parts = [self.usage, *(child.used for child in self.children.values())]
        return {key: sum(part[key] for part in parts) for key in _USED}

    def shown(self, depth: int = 0) -> Iterator[tuple[int, RunView, Line]]:
        """The lines that are to be seen: under a team at work its own; each with its depth and its run."""
        for line in self.lines.values():
            yield depth, self, line
            if line.progress == "working" and (child := self.children.get(line.run)):
                yield from child.shown(depth + 1)

    def hear(self, event: Event) -> None:
        """Take in the next event."""
        if event.run_id != self.run_id:
            for child in self.children.values():
                child.hear(event)
            return
        self.began = self.began or event.at
        self._hear_of_run(event)
        self._hear_of_step(event)
        self._hear_of_work(event)
        self._hear_of_worker(event)
        self._hear_of_decision(event)
        self._hear_of_person(event)

    def _hear_of_run(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.RUN_QUEUED:
                self.team = data["team"]
            case Kind.RUN_STARTED | Kind.RUN_RESUMED:
                self.state, self.provider = "running", data["provider"]
            case Kind.RUN_PAUSED | Kind.RUN_INTERRUPTED:
                self.state = event.kind.value.removeprefix("run.")
            case Kind.RUN_CONTINUED:
                self.state = "running"
            case Kind.RUN_FINISHED:
                self.state, self.ended = data["state"], event.at
            case Kind.MODEL_FINISHED if not data.get("replayed"):
                for key in _USED:
                    self.usage[key] += data["usage"].get(key, 0)
            case _:
                pass

    def _hear_of_person(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.QUESTION_ASKED:
                self.asked.add(data["id"])
                self.lines[data["id"]] = Line("person", "person", data["text"], since=event.at)
                self.state = "waiting"
            case Kind.QUESTION_ANSWERED:
                self.asked.discard(data["id"])
                line = self.lines[data["id"]]
                line.progress, line.note = "done", answered(data["answer"])
                line.seconds = seconds_between(line.since, event.at)
                self.state = self.state if self.asked else "running"
            case Kind.RUN_STARTED | Kind.RUN_RESUMED | Kind.RUN_CONTINUED if self.asked:
                self.state = "waiting"
            case _:
                pass

    def _hear_of_step(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.STEP_STARTED:
                again = sum(1 for line in self.lines.values() if line.title == data["step"])
                key = data["step"] if not again else f"{data['step']}/{again + 1}"
                self.lines[key] = Line(data["step"], data["step"], since=event.at)
            case Kind.STEP_FINISHED:
                line = self._latest(data["step"])
                line.progress, line.seconds = "done", data["seconds"]
                # A check has said in words what it counted.
                line.note = (line.note if line.title == "check" else "") or _told(data) or line.note
            case Kind.DOCUMENTS_READ:
                self._latest("recall").note = data["label"]
            case Kind.CHECK_FINISHED:
                aside = f", {data['unsupported']} set aside" if data["unsupported"] else ""
                verified = f"{counted(data['claims'], 'claim')}, {counted(data['quotes'], 'quote')} verified"
                told = f"rated {rated(data)}" if "gate" in data else f"{verified}{aside}{scored(data)}"
                self._latest("check").note = told
            case _:
                pass

    def _latest(self, step: str) -> Line:
        return next(line for line in reversed(self.lines.values()) if line.title == step)

    def _hear_of_work(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.PLAN_MADE:
                # A person's plan takes the place of the one that they were shown.
                self.lines = {key: line for key, line in self.lines.items() if line.progress != "waiting"}
                for given in data["assignments"]:
                    actor = f"{given['worker']}#{given['id']}"
                    self.lines[given["id"]] = Line(given["worker"], actor, given["goal"], "waiting")
            case Kind.WORK_STARTED:
                line = self.lines[data["assignment"]]
                line.progress, line.since, line.note = "working", event.at, ""
            case Kind.WORK_FINISHED:
                line = self.lines[data["assignment"]]
                line.progress, line.seconds = "done", data["seconds"]
                line.note = outcome(data)
            case Kind.WORK_FAILED:
                line = self.lines[data["assignment"]]
                line.progress, line.note = "failed", data["error"]["message"]
                line.seconds = seconds_between(line.since, event.at)
            case _:
                pass

    def _hear_of_worker(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.CHILD_STARTED:
                self.lines[data["assignment"]].run = data["run"]
                self.children.setdefault(data["run"], RunView(data["run"]))
            case Kind.RECOVERY_TRIED:
                self.lines[data["assignment"]].note = recovery(data)
            case Kind.MODEL_STARTED if (line := self._step_at_work()) and "#" not in event.actor:
                # Whoever speaks in a step is heard under it.
                line.actor = event.actor
            case Kind.TOOL_STARTED:
                self._doing(event.actor, tool_words(data["tool"]))
            case Kind.TOOL_REFUSED:
                self._doing(event.actor, f"refused {tool_words(data['tool'])}: {data['reason']}")
            case Kind.RESULT_SUSPECTED:
                self._doing(event.actor, suspected(data))
            case Kind.TOOL_FINISHED:
                self._doing(event.actor, data["error"] or f"reading {counted(data['passages'], 'passage')}")
            case Kind.OUTPUT_REPAIRED:
                self._doing(event.actor, "corrects its answer")
            case _:
                pass

    def _hear_of_decision(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.REVIEW_MADE if (line := self._step_at_work()) and line.title == "review":
                line.note = review(data)
            case Kind.REVIEW_MADE:
                self._decided(event, "review", review(data))
            case Kind.ESCALATED:
                self._decided(event, "review", escalated(data))
            case Kind.REVISION_STARTED:
                first = shortened(data["reasons"][0]) if data["reasons"] else ""
                self._decided(event, "revise", revision(data), first)
            case Kind.VERSION_KEPT:
                self._decided(event, "version", version(data))
            case Kind.SERVER_NOTED if data["what"] != "started":
                # A server fails for everybody who asks it; told once it is enough.
                said = server_noted(data)
                if all(line.goal != said for line in self.lines.values()):
                    self._decided(event, "server", said)
            case _:
                pass

    def _decided(self, event: Event, title: str, said: str, note: str = "") -> None:
        self.lines[f"{title}@{event.seq}"] = Line(title, title, said, "done", note)

    def _step_at_work(self) -> Line | None:
        """The step that has begun and not ended; neither work nor a person's question is one."""
        for line in reversed(self.lines.values()):
            if line.progress == "working" and "#" not in line.actor and line.actor != "person":
                return line
        return None

    def _doing(self, actor: str, note: str) -> None:
        for line in self.lines.values():
            if line.actor == actor and line.progress == "working":
                line.note = note


def _told(data: dict[str, object]) -> str:
    """What a step counted: `documents=6, skipped=0` is `6 documents`."""
    return ", ".join(tallied(value, name) for name, value in data.items() if isinstance(value, int) and value)
