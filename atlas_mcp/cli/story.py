"""`runs show`: a run told as a story: what was asked, planned, done by whom with what, and how it ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from atlas_mcp.cli.live import STATE_STYLES
from atlas_mcp.cli.words import ago, seconds_between, spent
from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import counted, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.text import Text

    from atlas_mcp.events import Event
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["tell_story"]


def tell_story(console: Console, row: RunRow, events: Sequence[Event]) -> None:
    """Print the story of a run."""
    teller = _Teller(console, events)
    teller.head(row)
    for event in events:
        teller.tell(event)
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
            case Kind.PLAN_MADE:
                self._plan(data)
            case _:
                self._detail(1, event)

    def _plan(self, data: Mapping[str, Any]) -> None:
        if data.get("reason"):
            self._line(1, (f"because {data['reason']}", "italic"))
        for given in data["assignments"]:
            after = f", after {', '.join(given['after'])}" if given["after"] else ""
            self._line(1, (f"{given['id']} ", "bold"), (f"{given['worker']}{after}: ", "cyan"), (given["goal"], ""))
            for event in self._work.pop(f"work/{given['id']}", ()):
                self._detail(2, event)

    def _detail(self, depth: int, event: Event) -> None:
        data = event.data
        match event.kind:
            case Kind.DOCUMENT_SKIPPED:
                self._line(depth, ("skipped ", "yellow"), (f"{data['uri']}: {data['reason']}", ""))
            case Kind.STEP_FINISHED if data["step"] != "plan":
                told = [f"{value} {name}" for name, value in data.items() if name not in ("step", "seconds") and value]
                self._line(depth, (", ".join([*told, _seconds(data)]), "dim"))
            case Kind.TOOL_FINISHED:
                given = data["error"] or counted(data["passages"], "passage")
                self._line(depth + 1, (given, "red" if data["error"] else ""), _took(data))
            case Kind.TOOL_STARTED:
                self._line(depth, (f"{data['tool']} ", "cyan"), (_arguments(data["arguments"]), "dim"))
            case Kind.MODEL_FINISHED:
                self._line(depth, (f"{data['model']} answered", "cyan"), (_usage(data), ""), _took(data))
            case Kind.MODEL_FAILED:
                self._line(depth, (f"{data['provider']} failed: ", "red"), (data["error"]["message"], ""), _took(data))
            case Kind.OUTPUT_REPAIRED:
                self._line(depth, ("sent back: ", "yellow"), (shortened("; ".join(data["problems"]), 300), ""))
            case Kind.WORK_FINISHED:
                lost = f", {data['dropped']} dropped as not verbatim" if data["dropped"] else ""
                self._line(depth, (f"{counted(data['findings'], 'finding')}{lost}", "green"), _took(data))
            case Kind.WORK_FAILED:
                self._line(depth, ("failed: ", "red"), (data["error"]["message"], ""))
            case Kind.CHECK_FINISHED:
                aside = f", {data['unsupported']} not supported" if data["unsupported"] else ""
                told = f"{counted(data['claims'], 'claim')} cite {counted(data['quotes'], 'verified quote')}{aside}"
                self._line(depth, (told, "green"))
            case Kind.BUDGET_SPENT:
                self._line(depth, (f"the limit of {data['limit']} was reached", "yellow"))
            case _:
                pass

    def _timed(self, event: Event, *parts: tuple[str, str]) -> None:
        self._console.print()
        self._line(0, (f"{seconds_between(self._began, event.at):6.1f} s  ", "dim"), *parts)

    def _line(self, depth: int, *parts: tuple[str, str]) -> None:
        from rich.padding import Padding
        from rich.text import Text

        text: Text = Text.assemble(*parts)
        indent = 10 + 3 * (depth - 1) if depth else 0
        self._console.print(Padding(text, (0, 0, 0, indent), expand=False))


def _why(data: Mapping[str, Any]) -> str:
    reason = data.get("reason") or (data.get("error") or {}).get("message")
    return f": {reason}" if reason else ""


def _took(data: Mapping[str, Any]) -> tuple[str, str]:
    return (f"  {_seconds(data)}" if "seconds" in data else "", "dim")


def _seconds(data: Mapping[str, Any]) -> str:
    return f"{data['seconds']:.1f} s"


def _usage(data: Mapping[str, Any]) -> str:
    return spent({**data["usage"], "calls": 1}).removeprefix("1 call")


def _arguments(arguments: Mapping[str, Any]) -> str:
    return shortened(", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items()), 200)
