"""A run's events as a Mermaid flow chart of who did what, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import counted, sentence, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from atlas_mcp.events import Event

__all__ = ["picture"]


@dataclass(slots=True)
class _Drawn:
    """What was seen of one assignment."""

    worker: str
    goal: str
    after: list[str]
    outcome: str = "not begun"
    style: str = ""
    calls: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(slots=True)
class _Story:
    question: str = ""
    documents: int = 0
    rounds: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    work: dict[str, _Drawn] = field(default_factory=dict[str, _Drawn])
    composed: str = ""
    checked: str = ""
    state: str = "not finished"
    style: str = ""


def picture(events: Iterable[Event]) -> str:
    """The Mermaid text of a run, as far as its events go; the same events give the same text."""
    story = _Story()
    for event in events:
        _take_in(story, event)
    return _Drawing().drawn(story)


def _take_in(story: _Story, event: Event) -> None:
    data = event.data
    match event.kind:
        case Kind.RUN_QUEUED:
            story.question = str(next(iter(data["input"].values()), data["team"]))
        case Kind.DOCUMENTS_READ:
            story.documents = data["total"]
        case Kind.PLAN_MADE:
            _take_in_plan(story, data)
        case Kind.STEP_STARTED if data["step"] == "compose":
            story.composed = "compose"
        case Kind.CHECK_FINISHED:
            story.checked = sentence(event) or ""
        case Kind.RUN_FINISHED:
            story.state = data["state"] + (", partial" if data["partial"] else "")
            story.style = "failed" if data["state"] == "failed" else "partial" if data["partial"] else ""
        case _:
            _take_in_work(story, event)


def _take_in_plan(story: _Story, data: dict[str, Any]) -> None:
    story.rounds[data["round"]] = [each["id"] for each in data["assignments"]]
    for each in data["assignments"]:
        story.work[each["id"]] = _Drawn(each["worker"], each["goal"], each["after"])


def _take_in_work(story: _Story, event: Event) -> None:
    drawn = story.work.get(event.actor.rpartition("#")[2])
    if drawn is None:
        return
    match event.kind:
        case Kind.WORK_STARTED:
            # Work that is taken up again is told again from its beginning.
            drawn.outcome = "at work"
            drawn.calls.clear()
        case Kind.WORK_FINISHED:
            drawn.outcome = counted(event.data["findings"], "finding")
        case Kind.WORK_FAILED:
            drawn.outcome, drawn.style = f"failed: {event.data['error']['message']}", "failed"
        case Kind.TOOL_STARTED:
            tool = event.data["tool"]
            drawn.calls[tool] = drawn.calls.get(tool, 0) + 1
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
        for number, names in story.rounds.items():
            self._add(f"plan{number}", f"[{_label(f'plan, round {number}')}]")
            self._add_work({name: story.work[name] for name in names}, f"plan{number}")
        for name, text in (("compose", story.composed), ("check", story.checked)):
            if text:
                self._add(name, f"[{_label(text)}]")
        self._add("finish", f"([{_label(story.state)}])", story.style)
        self.lines += [
            "  classDef failed stroke:#c0392b,stroke-width:2px",
            "  classDef partial stroke:#b9770e,stroke-width:2px",
        ]
        return "\n".join(self.lines) + "\n"

    def _add(self, node: str, shape: str, style: str = "", tips: list[str] | None = None) -> None:
        self.lines.append(f"  {node}{shape}{f':::{style}' if style else ''}")
        self.lines += [f"  {tip} --> {node}" for tip in (self.tips if tips is None else tips)]
        self.tips = [node]

    def _add_work(self, work: dict[str, _Drawn], plan: str) -> None:
        for name, drawn in work.items():
            calls = ", ".join(
                f"{count} × {tool}"  # noqa: RUF001 - a label, read by people
                for tool, count in drawn.calls.items()
            )
            label = _label(f"{drawn.worker} {name}", drawn.goal, calls, drawn.outcome)
            self._add(_node(name), f"[{label}]", drawn.style, [_node(each) for each in drawn.after] or [plan])
        waited_for = {each for drawn in work.values() for each in drawn.after}
        self.tips = [_node(name) for name in work if name not in waited_for] or [plan]


def _node(name: str) -> str:
    return f"work_{name}"


def _label(*parts: str) -> str:
    """A quoted label, one line a part; Mermaid reads entities where a sign would mean something to it."""
    lines = (shortened(part) for part in parts if part)
    text = "<br/>".join(line.translate(_SIGNS) for line in lines)
    return f'"{text}"'


_SIGNS = str.maketrans({sign: f"#{ord(sign)};" for sign in '"#<>&`;[]{}|\\'})
