"""What a story says of each event within a step or within somebody's work; pure, it draws nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.cli.words import lasting, spent, tallied
from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import (
    answered,
    counted,
    escalated,
    fitted,
    learned,
    outcome,
    rated,
    recovery,
    remembered,
    review,
    scored,
    server_noted,
    shortened,
    suspected,
    tool_words,
    unmade,
    version,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_mcp.events import Event

__all__ = ["Data", "Line", "Part", "called", "detail"]

Data: TypeAlias = "Mapping[str, Any]"
Part: TypeAlias = tuple[str, str]
"""A piece of a line and its style."""

CUT_FROM = 60
"""Characters from which on a quote of a suspicious passage may have been cut off in a word."""

LONGEST = 300
"""Characters of what somebody else wrote, such as a reason or an error."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a story: `took` says how long it lasted, `marked` that it led to the run's failure."""

    kind: Kind
    parts: tuple[Part, ...]
    took: str = ""
    depth: int = 0
    marked: bool = False

    @property
    def said(self) -> str:
        """Its words, without how long it took: two lines that say the same may be told as one."""
        return "".join(text for text, _ in self.parts)


def detail(event: Event, *, told: str = "") -> list[Line]:
    """The lines of an event, which lacks no key; none where it says nothing to a person.

    `told` is the error message that stands just above and need not be said again.
    """
    say = _DETAILS.get(event.kind)
    if say is None:
        return []
    data: Data = {**event.data, "told": told} if event.kind in _OF_ERRORS else event.data
    first, *further = say(data)
    took = lasting(data["seconds"]) if event.kind in _TIMED else ""
    return [
        Line(event.kind, tuple(first), took),
        *(Line(event.kind, tuple(parts), depth=1) for parts in further),
    ]


def called(data: Data) -> tuple[Part, ...]:
    """A tool with what it was given."""
    given = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in data["arguments"].items()
    )
    tool = tool_words(data["tool"]) if "__" in data["tool"] else data["tool"]
    return ((tool, "cyan"), (f" {shortened(given, 200)}" if given else "", "dim"))


Said: TypeAlias = "list[list[Part]]"
"""The first line of an event, and those below it."""


def _error(data: Data) -> str:
    """An error's message and code, the message only where it was not just told."""
    error: Data = data["error"]
    if error["message"] == data["told"]:
        return str(error["code"])
    return f"{shortened(error['message'], LONGEST)} ({error['code']})"


def _skipped(data: Data) -> Said:
    return [[("skipped ", "yellow"), (f"{data['uri']}: {data['reason']}", "")]]


def _step(data: Data) -> Said:
    told = [
        tallied(value, name) for name, value in data.items()
        if name not in {"step", "seconds"} and isinstance(value, int) and value
    ]  # fmt: skip
    lost: Said = [[(f"✗ {unmade(data)}", "yellow")]] if data.get("lost") else []
    return [[(", ".join(told), "dim")], *lost]


def _refused(data: Data) -> Said:
    return [[(f"refused {tool_words(data['tool'])}: ", "yellow"), (data["reason"], "")]]


def _noted(data: Data) -> Said:
    style = {"started": "dim", "failed": "red"}.get(data["what"], "yellow")
    return [[(server_noted(data), style)]]


def _suspected(data: Data) -> Said:
    quotes = [[(f"“…{_whole(each['quote'])}…”", "dim")] for each in data["found"] if each["quote"]]
    return [[(suspected(data), "yellow")], *quotes]


def _whole(quote: str) -> str:
    """What was cut out of a text, without the pieces of words at its end."""
    words = shortened(quote, 200).split(" ")
    return " ".join(words[:-1] if len(quote) >= CUT_FROM and len(words) > 1 else words).strip("…")


def _answered(data: Data) -> Said:
    used = spent({**data["usage"], "calls": 1}).removeprefix("1 call")
    short = {"length": ", cut off by its length", "refused": ", refused to answer"}.get(data["stopped"], "")
    again = ", replayed: paid before and not again" if data.get("replayed") else ""
    parts: list[Part] = [
        (f"{data['model']} answered", "cyan"),
        (used, ""),
        (short, "yellow"),
        (again, "blue"),
    ]
    return [[part for part in parts if part[0]]]


def _model_failed(data: Data) -> Said:
    return [[(f"{data['provider']} failed: ", "red"), (_error(data), "")]]


def _detected(data: Data) -> Said:
    sure = "" if data["confidence"] is None else f"confidence {data['confidence']:.2g}"
    why = ", ".join(part for part in (data["reason"], sure) if part)
    kind = " ".join(part for part in (data["complexity"], data["task"]) if part)
    return [[(f"takes it as {kind} ", "cyan"), (f"({why})" if why else "", "dim")]]


def _fitted(data: Data) -> Said:
    lost = f", left out: {shortened(', '.join(data['left_out']), 200)}" if data["left_out"] else ""
    shorter = f", {counted(len(data['condensed']), 'result')} condensed" if data["condensed"] else ""
    return [[(fitted(data), "yellow"), (shorter + lost, "dim")]]


def _chosen(data: Data) -> Said:
    others = f"; next would be {', '.join(data['others'])}" if data["others"] else ""
    group = f" of {data['group']}" if data["group"] else ""
    reason = data["reason"] or "nothing says why"
    return [[(f"asks {data['member']}{group} ", "cyan"), (f"({reason}{others})", "dim")]]


def _switched(data: Data) -> Said:
    again = data["left"] == data["joined"]
    said = f"{data['joined']} tries again" if again else f"{data['joined']} goes on for {data['left']}"
    way = _WAYS_ON.get(data["way"], f"by {data['way']}" if data["way"] else "")
    failure = f" ({data['failure']})" if data["failure"] else ""
    return [[(f"{said}{f', {way}' if way else ''}: ", "yellow"), (f"{data['reason']}{failure}", "")]]


def _sent_back(data: Data) -> Said:
    problems = shortened("; ".join(data["problems"]), LONGEST) or "it does not fit"
    return [[(f"answer sent back to be mended, time {data['attempt']}: ", "yellow"), (problems, "")]]


def _asked(data: Data) -> Said:
    return [[("asks a person: ", "magenta"), (data["text"], "")]]


def _said(data: Data) -> Said:
    waited = f" after {data['waited']}" if data.get("waited") else ""
    words = answered(data["answer"]) or "nothing that is known"
    return [[(f"{data['by']} answered{waited}: ", "magenta"), (words, "")]]


def _worked(data: Data) -> Said:
    lost = f", {data['dropped']} dropped as not verbatim" if data["dropped"] else ""
    return [[(f"→ {outcome(data)}{lost}", "yellow" if data.get("partial") else "green")]]


def _work_failed(data: Data) -> Said:
    return [[("failed: ", "red"), (_error(data), "")]]


def _child(data: Data) -> Said:
    return [[(f"the {data['team']} team, run ", "cyan"), (data["run"], "")]]


def _recovered(data: Data) -> Said:
    error: Data = data["error"]
    after = "" if error["message"] == data["told"] else f" after {_error(data)}"
    why = f" ({data['reason']})" if data["reason"] else ""
    return [[(f"{recovery(data)}{after}", "yellow"), (why, "dim")]]


def _reviewed(data: Data) -> Said:
    return [[("review: ", "cyan"), (review({**data, "reason": None}), ""), _reason(data)]]


def _reason(data: Data) -> Part:
    return (f": {shortened(data['reason'], LONGEST)}" if data["reason"] else "", "")


def _escalated(data: Data) -> Said:
    return [[(escalated(data), "yellow")]]


def _version(data: Data) -> Said:
    return [[(version(data), "green" if data["gate"] == "pass" else "yellow")]]


def _checked(data: Data) -> Said:
    if "gate" in data:
        why = f" ({data['why']})" if data.get("why") else ""
        return [[(f"rated {rated(data)}", "green"), (why, "dim")]]
    quotes = counted(data["quotes"], "verified quote")
    aside = f", {data['unsupported']} not supported" if data["unsupported"] else ""
    weak = [
        f"{each['name'].replace('_', ' ')} {each['share']:.0%}" for each in data.get("parts") or ()
        if each.get("applies") and each.get("share") is not None and each["share"] < 1
    ]  # fmt: skip
    lost = f" ({', '.join(weak)})" if weak else ""
    said = f"{counted(data['claims'], 'claim')}, {quotes}{aside}{scored(data)}"
    problems = [[("dropped as not verbatim: ", "yellow"), (shortened(each), "dim")]
                for each in data.get("problems") or ()]  # fmt: skip
    return [[(said, "green"), (lost, "dim")], *problems]


def _remembered(data: Data) -> Said:
    told = [[(f"{each['id']}  ", "dim"), (shortened(each.get("text", "")), "dim")] for each in data["items"]]
    return [[(remembered(data), "cyan")], *told]


def _memory_failed(data: Data) -> Said:
    return [[(f"memory could not {data['step']}: ", "yellow"), (_error(data), "")]]


def _kept(data: Data) -> Said:
    score = "" if data["score"] is None else f", score {data['score']:g}"
    said = learned({**data, "closes": ()})
    texts: Data = data.get("closed") or {}
    closes = [
        [
            ("no longer holds because of it: ", "yellow"),
            (f"{shortened(texts.get(each, ''))}  {each}".strip(), "dim"),
        ]
        for each in data["closes"]
    ]
    return [[(said, "green"), (f"  {data['id']}{score}", "dim")], *closes]


def _dropped(data: Data) -> Said:
    said = shortened(data["text"]) if "text" in data else data["kind"]
    return [[("not kept: ", "dim"), (said, "dim"), (f" ({data['reason']})", "dim")]]


def _warned(data: Data) -> Said:
    return [[("warning: ", "bold yellow"), (data["text"], "")]]


_WAYS_ON = {
    "prefill": "from where it was",
    "retell": "shown what was said",
    "restart": "from the beginning",
}

_OF_ERRORS = {Kind.MODEL_FAILED, Kind.WORK_FAILED, Kind.RECOVERY_TRIED, Kind.MEMORY_FAILED}

_TIMED = {Kind.MODEL_FINISHED, Kind.WORK_FINISHED}

_DETAILS: dict[Kind, Callable[[Data], Said]] = {
    Kind.DOCUMENT_SKIPPED: _skipped,
    Kind.STEP_FINISHED: _step,
    Kind.TOOL_REFUSED: _refused,
    Kind.SERVER_NOTED: _noted,
    Kind.RESULT_SUSPECTED: _suspected,
    Kind.TASK_DETECTED: _detected,
    Kind.CONTEXT_FITTED: _fitted,
    Kind.MODEL_CHOSEN: _chosen,
    Kind.MODEL_SWITCHED: _switched,
    Kind.MODEL_FINISHED: _answered,
    Kind.MODEL_FAILED: _model_failed,
    Kind.OUTPUT_REPAIRED: _sent_back,
    Kind.QUESTION_ASKED: _asked,
    Kind.QUESTION_ANSWERED: _said,
    Kind.CHILD_STARTED: _child,
    Kind.RECOVERY_TRIED: _recovered,
    Kind.ESCALATED: _escalated,
    Kind.REVIEW_MADE: _reviewed,
    Kind.VERSION_KEPT: _version,
    Kind.WORK_FINISHED: _worked,
    Kind.WORK_FAILED: _work_failed,
    Kind.CHECK_FINISHED: _checked,
    Kind.MEMORY_RECALLED: _remembered,
    Kind.MEMORY_FAILED: _memory_failed,
    Kind.LEARNING_KEPT: _kept,
    Kind.LEARNING_DROPPED: _dropped,
    Kind.ALERT_RAISED: _warned,
}
"""What a story tells of what happened within a step."""
