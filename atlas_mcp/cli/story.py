"""`runs show`: a run told as a story: what was asked, planned, done by whom with what, and how it ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.cli.branches import tell_branches
from atlas_mcp.cli.live import STATE_STYLES
from atlas_mcp.cli.words import ago, seconds_between, spent, tallied
from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import (
    answered,
    counted,
    escalated,
    learned,
    outcome,
    rated,
    recovery,
    remembered,
    review,
    revision,
    scored,
    server_noted,
    shortened,
    suspected,
    tool_words,
    version,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console
    from rich.text import Text

    from atlas_mcp.cli.branches import Branch
    from atlas_mcp.events import Event
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["tell_story"]

Data: TypeAlias = "Mapping[str, Any]"
Part: TypeAlias = tuple[str, str]
"""A piece of a line and its style."""


def tell_story(
    console: Console, row: RunRow, events: Sequence[Event], branches: Sequence[Branch] = ()
) -> None:
    """Print the story of a run, and as a tree the runs that worked for it."""
    teller = _Teller(console, events)
    teller.head(row)
    for event in events:
        teller.tell(event)
    if branches:
        console.print()
        tell_branches(console, branches)
    teller.end(row)


class _Teller:
    """Tells events in order, except that what a worker did stands together, under its assignment."""

    def __init__(self, console: Console, events: Sequence[Event]) -> None:
        self._console = console
        self._began = events[0].at if events else ""
        self._work: dict[str, list[Event]] = {}
        for event in events:
            if event.span_id.startswith("work/"):
                self._work.setdefault(event.span_id, []).append(event)

    def head(self, row: RunRow) -> None:
        """Who was asked what, and where it stands."""
        self._line(
            0, (f"{row.run_id}  ", "bold"), (row.state, STATE_STYLES.get(row.state, "")),
            (", partial" if row.partial else "", "yellow"), (f"  {row.team}, {ago(row.created_at)}", "dim"),
        )  # fmt: skip
        if row.parent_run_id:
            self._line(0, ("part of run ", "dim"), (row.parent_run_id, ""))
        for name, value in row.input.items():
            self._line(0, (f"{name}: ", "dim"), (str(value), ""))
        for document in row.options.get("documents", ()):
            self._line(0, ("document: ", "dim"), (shortened(document), ""))

    def end(self, row: RunRow) -> None:
        """What it took and, where it failed, why."""
        self._console.print()
        if row.usage:
            self._line(0, ("used: ", "dim"), (spent(row.usage), ""))
        if row.error:
            self._line(0, (f"{row.error['code']}: ", "red"), (row.error["message"], ""))
            if row.error.get("remedy"):
                self._line(1, (row.error["remedy"], ""))
        if row.state == "waiting":
            self._line(0, (f"Answer it: atlas-mcp runs answer {row.run_id}", "magenta"))
        if row.output is not None:
            self._line(0, (f"The brief: atlas-mcp runs export {row.run_id} --format markdown", "dim"))

    def tell(self, event: Event) -> None:
        """One event, unless it belongs to a worker."""
        if event.span_id.startswith("work/"):
            return
        data = event.data
        match event.kind:
            case Kind.RUN_STARTED | Kind.RUN_RESUMED:
                verb = "started" if event.kind is Kind.RUN_STARTED else "taken up again"
                model = "" if data["language_model"] else ", no language model"
                self._timed(event, (f"{verb} with {data['provider']}{model}", "bold"))
            case Kind.RUN_PAUSED | Kind.RUN_CONTINUED | Kind.RUN_INTERRUPTED | Kind.RUN_FINISHED:
                said = data.get("state") or event.kind.value.removeprefix("run.")
                self._timed(event, (said, "bold"), (_why(data), ""))
            case Kind.CONTROL_RECEIVED:
                self._timed(event, (f"told to {data['verb']}", "yellow"), (_why(data), ""))
            case Kind.STEP_STARTED:
                self._timed(event, (data["label"], "bold"))
            case Kind.REVISION_STARTED:
                self._timed(event, (revision(data), "bold"))
                for reason in data["reasons"]:
                    self._line(1, (shortened(reason, 300), ""))
            case Kind.PLAN_MADE:
                self._plan(data)
            case Kind.STEP_FINISHED if data["step"] == "plan":
                pass
            case _:
                self._detail(1, event)

    def _plan(self, data: Data) -> None:
        if data.get("reason"):
            self._line(1, (f"because {data['reason']}", "italic"))
        for given in data["assignments"]:
            after = f", after {', '.join(given['after'])}" if given["after"] else ""
            self._line(
                1, (f"{given['id']} ", "bold"), (f"{given['worker']}{after}: ", "cyan"), (given["goal"], "")
            )
            for event in self._work.pop(f"work/{given['id']}", ()):
                self._detail(2, event)

    def _detail(self, depth: int, event: Event) -> None:
        if say := _DETAILS.get(event.kind):
            further = event.kind is Kind.TOOL_FINISHED
            self._line(depth + further, *say(event.data))

    def _timed(self, event: Event, *parts: Part) -> None:
        self._console.print()
        self._line(0, (f"{seconds_between(self._began, event.at):6.1f} s  ", "dim"), *parts)

    def _line(self, depth: int, *parts: Part) -> None:
        from rich.padding import Padding
        from rich.text import Text

        text: Text = Text.assemble(*parts)
        indent = 10 + 3 * (depth - 1) if depth else 0
        self._console.print(Padding(text, (0, 0, 0, indent), expand=False))


def _why(data: Data) -> str:
    error: Data = data.get("error") or {}
    reason = data.get("reason") or error.get("message")
    return f": {reason}" if reason else ""


def _took(data: Data) -> Part:
    return f"  {data['seconds']:.1f} s", "dim"


def _skipped(data: Data) -> list[Part]:
    return [("skipped ", "yellow"), (f"{data['uri']}: {data['reason']}", "")]


def _step(data: Data) -> list[Part]:
    told = [tallied(value, name) for name, value in data.items() if name not in {"step", "seconds"} and value]
    return [(", ".join([*told, f"{data['seconds']:.1f} s"]), "dim")]


def _tool(data: Data) -> list[Part]:
    given = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in data["arguments"].items()
    )
    tool = tool_words(data["tool"]) if "__" in data["tool"] else data["tool"]
    return [(f"{tool} ", "cyan"), (shortened(given, 200), "dim")]


def _tool_result(data: Data) -> list[Part]:
    if data["error"]:
        return [(data["error"], "red"), _took(data)]
    return [(counted(data["passages"], "passage"), ""), _took(data)]


def _refused(data: Data) -> list[Part]:
    return [(f"refused {tool_words(data['tool'])}: ", "yellow"), (data["reason"], "")]


def _noted(data: Data) -> list[Part]:
    style = {"started": "dim", "failed": "red"}.get(data["what"], "yellow")
    return [(server_noted(data), style)]


def _suspected(data: Data) -> list[Part]:
    quotes = [(f"\n   {each['name']}: {shortened(each['quote'])}", "dim") for each in data["found"]]
    return [(suspected(data), "yellow"), *quotes]


def _answered(data: Data) -> list[Part]:
    used = spent({**data["usage"], "calls": 1}).removeprefix("1 call")
    return [(f"{data['model']} answered", "cyan"), (used, ""), _took(data)]


def _detected(data: Data) -> list[Part]:
    return [(f"takes it as {data['complexity']} {data['task']} ", "cyan"), (f"({data['reason']})", "dim")]


def _fitted(data: Data) -> list[Part]:
    lost = f", left out: {shortened(', '.join(data['left_out']), 200)}" if data["left_out"] else ""
    shorter = f", {counted(len(data['condensed']), 'result')} condensed" if data["condensed"] else ""
    return [(f"fits {data['before']:,} tokens into {data['after']:,}", "yellow"), (shorter + lost, "dim")]


def _chosen(data: Data) -> list[Part]:
    return [(f"asks {data['member']} ", "cyan"), (f"({data['reason']})", "dim")]


def _switched(data: Data) -> list[Part]:
    again = data["left"] == data["joined"]
    said = f"{data['joined']} tries again" if again else f"{data['joined']} goes on for {data['left']}"
    return [(f"{said}, by {data['way']}: ", "yellow"), (data["reason"], "dim")]


def _model_failed(data: Data) -> list[Part]:
    return [(f"{data['provider']} failed: ", "red"), (data["error"]["message"], "")]


def _sent_back(data: Data) -> list[Part]:
    return [("sent back: ", "yellow"), (shortened("; ".join(data["problems"]), 300), "")]


def _asked(data: Data) -> list[Part]:
    return [("asks a person: ", "magenta"), (data["text"], "")]


def _said(data: Data) -> list[Part]:
    return [(f"{data['by']} answered: ", "magenta"), (answered(data["answer"]), "")]


def _worked(data: Data) -> list[Part]:
    lost = f", {data['dropped']} dropped as not verbatim" if data["dropped"] else ""
    return [(f"{outcome(data)}{lost}", "green"), _took(data)]


def _child(data: Data) -> list[Part]:
    return [(f"the {data['team']} team, run ", "cyan"), (data["run"], "")]


def _recovered(data: Data) -> list[Part]:
    return [
        (f"{recovery(data)}: ", "yellow"),
        (data["error"]["message"], ""),
        (f" ({data['reason']})", "dim"),
    ]


def _reviewed(data: Data) -> list[Part]:
    return [("review: ", "cyan"), (review(data), "")]


def _escalated(data: Data) -> list[Part]:
    return [(escalated(data), "yellow")]


def _version(data: Data) -> list[Part]:
    return [(version(data), "green" if data["gate"] == "pass" else "yellow")]


def _work_failed(data: Data) -> list[Part]:
    return [("failed: ", "red"), (data["error"]["message"], "")]


def _checked(data: Data) -> list[Part]:
    if "gate" in data:
        return [(f"rated {rated(data)}", "green"), (f" ({data['why']})" if data.get("why") else "", "dim")]
    quotes = counted(data["quotes"], "verified quote")
    aside = f", {data['unsupported']} not supported" if data["unsupported"] else ""
    return [(f"{counted(data['claims'], 'claim')}, {quotes}{aside}{scored(data)}", "green")]


def _remembered(data: Data) -> list[Part]:
    told = [(f"\n   {each['id']}  {shortened(each.get('text', ''))}", "dim") for each in data["items"]]
    return [(remembered(data), "cyan"), *told]


def _memory_failed(data: Data) -> list[Part]:
    return [(f"memory could not {data['step']}: ", "yellow"), (data["error"]["message"], "")]


def _kept(data: Data) -> list[Part]:
    return [(learned(data), "green"), (f"  {data['id']}, score {data['score']:g}", "dim")]


def _dropped(data: Data) -> list[Part]:
    said = shortened(data["text"]) if "text" in data else data["kind"]
    return [("not kept: ", "dim"), (said, "dim"), (f" ({data['reason']})", "dim")]


_DETAILS: dict[Kind, Callable[[Data], list[Part]]] = {
    Kind.DOCUMENT_SKIPPED: _skipped,
    Kind.STEP_FINISHED: _step,
    Kind.TOOL_STARTED: _tool,
    Kind.TOOL_FINISHED: _tool_result,
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
}
"""What a story tells of what happened within a step."""
