"""A run's events as a Mermaid flow chart of who did what, what was decided, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import (
    answered,
    counted,
    escalated,
    outcome,
    rated,
    recovery,
    review,
    sentence,
    shortened,
    tool_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from atlas_mcp.events import Event

__all__ = ["picture"]

REASONS = 2
"""Reasons to revise that are shown of a version."""


@dataclass(slots=True)
class _Drawn:
    """What was seen of one assignment; `run` is that of the team that does it."""

    worker: str
    goal: str
    after: list[str]
    run: str = ""
    outcome: str = "not begun"
    style: str = ""
    tried: list[str] = field(default_factory=list[str])
    calls: dict[str, int] = field(default_factory=dict[str, int])
    refused: int = 0
    suspected: int = 0
    servers: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class _Part:
    """A node with what hangs from it: a plan or a revision has `work`, a `decision` or a step has none."""

    lines: list[str]
    decision: bool = False
    style: str = ""
    work: list[str] = field(default_factory=list[str])

    def add(self, line: str) -> None:
        """Say something more, once: what is taken up again is told again."""
        if line not in self.lines:
            self.lines.append(line)


@dataclass(slots=True)
class _Story:
    question: str = ""
    documents: int = 0
    remembered: int = 0
    learned: set[str] = field(default_factory=set[str])
    parts: dict[str, _Part] = field(default_factory=dict[str, _Part])
    work: dict[str, _Drawn] = field(default_factory=dict[str, _Drawn])
    revision: int = 0
    kept: str = ""
    ends: list[str] = field(default_factory=lambda: ["not finished"])
    style: str = ""

    @property
    def reviewed(self) -> _Part:
        """The decision on what came back for the latest plan or revision."""
        stages = sum(1 for name in self.parts if name.startswith(("plan", "revise")))
        return self.parts.setdefault(f"review{stages}", _Part(["review"], decision=True))

    def step(self, name: str) -> str:
        """A step that each version takes anew."""
        return f"{name}{self.revision + 1 if self.revision else ''}"


def picture(events: Iterable[Event]) -> str:
    """The Mermaid text of a run, as far as its events go; the same events give the same text."""
    story = _Story()
    for event in events:
        _take_in(story, event)
        _take_in_decision(story, event)
        _take_in_work(story, event)
        _take_in_tools(story, event)
    return _Drawing().drawn(story)


def _take_in(story: _Story, event: Event) -> None:
    data = event.data
    match event.kind:
        case Kind.RUN_QUEUED:
            story.question = str(next(iter(data["input"].values()), data["team"]))
        case Kind.DOCUMENTS_READ:
            story.documents = data["total"]
        case Kind.MEMORY_RECALLED if event.span_id == "recall":
            story.remembered = len(data["items"])
        case Kind.LEARNING_KEPT if data["new"]:
            story.learned.add(data["id"])
        case Kind.PLAN_MADE:
            _take_in_plan(story, data)
        case Kind.STEP_STARTED if data["step"] == "compose":
            story.parts.setdefault(story.step("compose"), _Part(["compose"]))
        case Kind.CHECK_FINISHED:
            story.parts[story.step("check")] = _Part([sentence(event) or ""])
        case Kind.RUN_FINISHED:
            limit = f"{data['limit']} reached" if data.get("limit") else ""
            story.ends = [data["state"] + (", partial" if data["partial"] else ""), limit]
            story.style = "failed" if data["state"] == "failed" else "partial" if data["partial"] else ""
        case _:
            pass


def _take_in_plan(story: _Story, data: Mapping[str, Any]) -> None:
    number = data["round"]
    name = f"revise{data['revision']}" if data.get("revision") else f"plan{number}"
    part = story.parts.setdefault(name, _Part([f"plan, round {number}"]))
    part.work = [each["id"] for each in data["assignments"]]
    for each in data["assignments"]:
        story.work[each["id"]] = _Drawn(each["worker"], each["goal"], each["after"])


def _take_in_decision(story: _Story, event: Event) -> None:
    data = event.data
    match event.kind:
        case Kind.QUESTION_ASKED if story.parts:
            story.parts[next(reversed(story.parts))].add("a person is asked")
        case Kind.QUESTION_ANSWERED if story.parts:
            story.parts[next(reversed(story.parts))].add(f"a person answers: {answered(data['answer'])}")
        case Kind.ESCALATED:
            story.reviewed.add(escalated(data))
        case Kind.REVIEW_MADE:
            story.reviewed.add(review(data))
        case Kind.VERSION_KEPT:
            name = f"version{data['revision'] + 1}"
            story.parts[name] = _Part([f"version {data['revision'] + 1}", rated(data)], decision=True)
            story.kept = name if data["better"] else story.kept
        case Kind.REVISION_STARTED:
            story.revision = data["revision"]
            asked = "" if data.get("minimum") is None else f"{data['minimum']:g} of 5 is asked for"
            lines = [f"revision {story.revision}", asked, *data["reasons"][:REASONS]]
            story.parts.setdefault(f"revise{story.revision}", _Part(lines))
        case _:
            pass


def _take_in_work(story: _Story, event: Event) -> None:
    data = event.data
    drawn = story.work.get(data.get("assignment") or event.actor.rpartition("#")[2])
    if drawn is None:
        return
    match event.kind:
        case Kind.WORK_STARTED:
            # Work that is taken up again is told again from its beginning.
            drawn.outcome = "at work"
            drawn.calls.clear()
            drawn.tried.clear()
            drawn.servers.clear()
            drawn.refused = drawn.suspected = 0
        case Kind.WORK_FINISHED:
            drawn.outcome, drawn.style = outcome(data), "partial" if data.get("partial") else ""
        case Kind.WORK_FAILED:
            drawn.outcome, drawn.style = f"failed: {data['error']['message']}", "failed"
        case Kind.CHILD_STARTED:
            drawn.run = data["run"]
        case Kind.RECOVERY_TRIED:
            drawn.tried.append(f"{data['error']['code'].replace('_', ' ')}: {recovery(data)}")
        case Kind.TOOL_STARTED:
            tool = tool_words(data["tool"]) if "__" in data["tool"] else data["tool"]
            drawn.calls[tool] = drawn.calls.get(tool, 0) + 1
        case _:
            pass


def _take_in_tools(story: _Story, event: Event) -> None:
    data = event.data
    # What a server did is told under the server's name, in the step that met it.
    named = event.span_id.removeprefix("work/").partition("/")[0]
    drawn = story.work.get(named if event.kind is Kind.SERVER_NOTED else event.actor.rpartition("#")[2])
    if drawn is None:
        return
    match event.kind:
        case Kind.TOOL_REFUSED:
            drawn.refused += 1
        case Kind.RESULT_SUSPECTED:
            drawn.suspected += 1
        case Kind.SERVER_NOTED if data["what"] in {"failed", "changed"} and data["text"] not in drawn.servers:
            drawn.servers.append(data["text"])
        case _:
            pass


class _Drawing:
    """Lines of a chart that grows downwards: each new node hangs from the `tips`."""

    def __init__(self) -> None:
        self.lines = ["flowchart TD"]
        self.tips: list[str] = []

    def drawn(self, story: _Story) -> str:
        """The whole chart."""
        self._add("question", f"([{_label(story.question)}])")
        if story.documents:
            self._add("documents", f"[/{_label(counted(story.documents, 'document'))}/]")
        if story.remembered:
            self._add("memory", f"[({_label(counted(story.remembered, 'learning') + ' recalled')})]")
        for name, part in story.parts.items():
            kept = name == story.kept
            label = _label(*part.lines, "kept" if kept else "")
            self._add(name, f"{{{label}}}" if part.decision else f"[{label}]", "kept" if kept else "")
            if part.work:
                self._add_work(story, name, part.work)
        learned = f"{counted(len(story.learned), 'learning')} kept" if story.learned else ""
        self._add("finish", f"([{_label(*story.ends, learned)}])", story.style)
        self.lines += [
            "  classDef failed stroke:#c0392b,stroke-width:2px",
            "  classDef partial stroke:#b9770e,stroke-width:2px",
            "  classDef kept stroke:#1e8449,stroke-width:2px",
        ]
        return "\n".join(self.lines) + "\n"

    def _add(self, node: str, shape: str, style: str = "", tips: list[str] | None = None) -> None:
        self.lines.append(f"  {node}{shape}{f':::{style}' if style else ''}")
        self.lines += [f"  {tip} --> {node}" for tip in (self.tips if tips is None else tips)]
        self.tips = [node]

    def _add_work(self, story: _Story, head: str, names: list[str]) -> None:
        work = {name: story.work[name] for name in names}
        for name, drawn in work.items():
            here = [_node(each) for each in drawn.after if each in work]
            self._add(_node(name), _shape(name, drawn), drawn.style, here or [head])
            # What a revision goes by is plain, and so many lines from far above would hide everything else.
            if head.startswith("plan"):
                earlier = [each for each in drawn.after if each in story.work and each not in work]
                self.lines += [f"  {_node(each)} -.-> {_node(name)}" for each in earlier]
        waited_for = {each for drawn in work.values() for each in drawn.after}
        self.tips = [_node(name) for name in work if name not in waited_for] or [head]


def _shape(name: str, drawn: _Drawn) -> str:
    calls = ", ".join(
        f"{count} × {tool}"  # noqa: RUF001 - a label, read by people
        for tool, count in drawn.calls.items()
    )
    run = f"run {drawn.run}" if drawn.run else ""
    worker = drawn.worker.removeprefix("team:") if drawn.run else drawn.worker
    refused = f"{counted(drawn.refused, 'call')} refused" if drawn.refused else ""
    suspect = f"{counted(drawn.suspected, 'suspicious passage')}" if drawn.suspected else ""
    told = (calls, refused, suspect, *drawn.servers, *drawn.tried, drawn.outcome)
    label = _label(f"{worker} {name}", drawn.goal, run, *told)
    return f"[[{label}]]" if drawn.run else f"[{label}]"


def _node(name: str) -> str:
    return f"work_{name}"


def _label(*parts: str) -> str:
    """A quoted label, one line a part; Mermaid reads entities where a sign would mean something to it."""
    lines = (shortened(part) for part in parts if part)
    text = "<br/>".join(line.translate(_SIGNS) for line in lines)
    return f'"{text}"'


_SIGNS = str.maketrans({sign: f"#{ord(sign)};" for sign in '"#<>&`;[]{}|\\'})
