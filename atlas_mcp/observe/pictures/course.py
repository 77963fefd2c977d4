"""What a picture of a run shows: who did what, what was decided, and what hangs from what.

It is gathered from the run's events and drawn elsewhere, as Mermaid and as SVG.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.events import Kind
from atlas_mcp.observe.older import completed
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

__all__ = ["Line", "Node", "Shape", "Tone", "course"]

REASONS = 2
"""Reasons to revise that are shown of a version."""

Line: TypeAlias = "tuple[str, Tone]"
"""What a node says, a line each."""


class Shape(Enum):
    """What kind of thing a node stands for; `TEAM` is work that is done in a run of its own."""

    END = "end"
    DOCUMENTS = "documents"
    MEMORY = "memory"
    STEP = "step"
    DECISION = "decision"
    WORK = "work"
    TEAM = "team"


class Tone(Enum):
    """How a line of a node is said: as its name, plainly, by the way, or as what came of it."""

    NAME = "name"
    PLAIN = "plain"
    ASIDE = "aside"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in a picture: `after` names those that lead to it, `earlier` those that it also goes on from.

    `style` is empty, `failed`, `partial` or `kept`. No line is empty.
    """

    name: str
    shape: Shape
    lines: tuple[Line, ...]
    after: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    style: str = ""


def course(events: Iterable[Event]) -> list[Node]:
    """The nodes of a run in their order, as far as its events go; the same events give the same nodes."""
    story = _Story()
    for event in map(completed, events):
        _take_in(story, event)
        _take_in_decision(story, event)
        _take_in_work(story, event)
        _take_in_tools(story, event)
    return _Chart().made(story)


@dataclass(slots=True)
class _Done:
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
    work: dict[str, _Done] = field(default_factory=dict[str, _Done])
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


def _take_in(story: _Story, event: Event) -> None:
    data = event.data
    match event.kind:
        case Kind.RUN_QUEUED:
            story.question = str(next(iter(data["input"].values()), data["team"]))
        case Kind.DOCUMENTS_READ if not data["label"].startswith("embedding"):
            # What is embedded are their passages, of which there are more.
            story.documents = data["total"]
        case Kind.STEP_FINISHED if data.get("documents"):
            story.documents = data["documents"]
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
        story.work[each["id"]] = _Done(each["worker"], each["goal"], each["after"])


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
    done = story.work.get(data.get("assignment") or event.actor.rpartition("#")[2])
    if done is None:
        return
    match event.kind:
        case Kind.WORK_STARTED:
            # Work that is taken up again is told again from its beginning.
            done.outcome = "at work"
            done.calls.clear()
            done.tried.clear()
            done.servers.clear()
            done.refused = done.suspected = 0
        case Kind.WORK_FINISHED:
            done.outcome, done.style = outcome(data), "partial" if data.get("partial") else ""
        case Kind.WORK_FAILED:
            done.outcome, done.style = f"failed: {data['error']['message']}", "failed"
        case Kind.CHILD_STARTED:
            done.run = data["run"]
        case Kind.RECOVERY_TRIED:
            done.tried.append(f"{data['error']['code'].replace('_', ' ')}: {recovery(data)}")
        case Kind.TOOL_STARTED:
            tool = tool_words(data["tool"]) if "__" in data["tool"] else data["tool"]
            done.calls[tool] = done.calls.get(tool, 0) + 1
        case _:
            pass


def _take_in_tools(story: _Story, event: Event) -> None:
    data = event.data
    # What a server did is told under the server's name, in the step that met it.
    named = event.span_id.removeprefix("work/").partition("/")[0]
    done = story.work.get(named if event.kind is Kind.SERVER_NOTED else event.actor.rpartition("#")[2])
    if done is None:
        return
    match event.kind:
        case Kind.TOOL_REFUSED:
            done.refused += 1
        case Kind.RESULT_SUSPECTED:
            done.suspected += 1
        case Kind.SERVER_NOTED if data["what"] in {"failed", "changed"} and data["text"] not in done.servers:
            done.servers.append(data["text"])
        case _:
            pass


class _Chart:
    """Nodes that grow downwards: each new one hangs from the `tips`."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._tips: tuple[str, ...] = ()

    def made(self, story: _Story) -> list[Node]:
        """All of them."""
        self._hang("question", Shape.END, _said(Tone.NAME, story.question))
        if story.documents:
            told = counted(story.documents, "document")
            self._hang("documents", Shape.DOCUMENTS, _said(Tone.PLAIN, told))
        if story.remembered:
            told = f"{counted(story.remembered, 'learning')} recalled"
            self._hang("memory", Shape.MEMORY, _said(Tone.PLAIN, told))
        for name, part in story.parts.items():
            kept = "kept" if name == story.kept else ""
            title, *more = part.lines
            # A check is told in one sentence.
            first = Tone.PLAIN if name.startswith("check") else Tone.NAME
            lines = _said(first, title) + _said(Tone.PLAIN, *more) + _said(Tone.OUTCOME, kept)
            self._hang(name, Shape.DECISION if part.decision else Shape.STEP, lines, kept)
            if part.work:
                self._hang_work(story, name, part.work)
        state, *more = story.ends
        learned = f"{counted(len(story.learned), 'learning')} kept" if story.learned else ""
        lines = _said(Tone.NAME, state) + _said(Tone.PLAIN, *more, learned)
        self._hang("finish", Shape.END, lines, story.style)
        return list(self._nodes.values())

    def _hang(self, name: str, shape: Shape, lines: tuple[Line, ...], style: str = "") -> None:
        self._add(Node(name, shape, lines, self._tips, style=style))
        self._tips = (name,)

    def _hang_work(self, story: _Story, head: str, names: list[str]) -> None:
        work = {name: story.work[name] for name in names}
        for name, done in work.items():
            here = tuple(_node(each) for each in done.after if each in work) or (head,)
            # What a revision goes by is plain, and so many lines from far above would hide everything else.
            known = story.work.keys() - work.keys() if head.startswith("plan") else set[str]()
            earlier = tuple(_node(each) for each in done.after if each in known)
            shape = Shape.TEAM if done.run else Shape.WORK
            self._add(Node(_node(name), shape, _lines(name, done), here, earlier, done.style))
        waited_for = {each for done in work.values() for each in done.after}
        self._tips = tuple(_node(name) for name in work if name not in waited_for) or (head,)

    def _add(self, node: Node) -> None:
        if known := self._nodes.get(node.name):
            # Planned twice, it is there once and hangs from both.
            after = tuple(dict.fromkeys(known.after + node.after))
            earlier = tuple(dict.fromkeys(known.earlier + node.earlier))
            node = replace(node, after=after, earlier=earlier)
        self._nodes[node.name] = node


def _lines(name: str, done: _Done) -> tuple[Line, ...]:
    calls = ", ".join(
        f"{count} × {tool}"  # noqa: RUF001 - a label, read by people
        for tool, count in done.calls.items()
    )
    run = f"run {done.run}" if done.run else ""
    worker = done.worker.removeprefix("team:") if done.run else done.worker
    refused = f"{counted(done.refused, 'call')} refused" if done.refused else ""
    suspect = f"{counted(done.suspected, 'suspicious passage')}" if done.suspected else ""
    return (
        *_said(Tone.NAME, f"{worker} {name}"),
        *_said(Tone.PLAIN, done.goal),
        *_said(Tone.ASIDE, run, calls, refused, suspect, *done.servers, *done.tried),
        *_said(Tone.OUTCOME, done.outcome),
    )


def _said(tone: Tone, *texts: str) -> tuple[Line, ...]:
    lines = (shortened(text) for text in texts)
    return tuple((line, tone) for line in lines if line)


def _node(name: str) -> str:
    return f"work_{name}"
