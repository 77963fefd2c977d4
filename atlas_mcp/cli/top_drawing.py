"""A frame of `atlas-mcp top` as lines of text: runs first, then providers, processes, and runs that ended."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rich.text import Text

from atlas_mcp.cli.aligned import Column, aligned, listed, whole_words
from atlas_mcp.cli.live import STATE_STYLES
from atlas_mcp.cli.providers import BREAKER_STATES, lately, spent_today
from atlas_mcp.cli.words import ago, clock, seconds_between, spent
from atlas_mcp.observe.health import EVERY_SECONDS
from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from atlas_mcp.cli.top_frame import Ended, Frame, Live, Process, Told

__all__ = ["drawn"]

LEAST_RUN_LINES = 6
"""Lines that runs keep where the terminal is too low for everything: these, or half of it if they need it."""

LEAST_WIDTH = 60
"""Columns for which lines are set where the terminal has fewer."""

WIDE = 110
"""From this width on a run's id stands in its line; else below."""

TROUBLE_LINES = 3

SILENT_SECONDS = 3 * EVERY_SECONDS
"""A process that has not told of itself for longer is pointed out."""

NEXT_TO_NOTHING, LITTLE, ALL = range(3)
"""How much is told below each run."""

VERY_WIDE = 150
"""From this width on it is shown what runs used that have ended."""

_RUNS = (
    Column("run", gives=True), Column("state"), Column("step", always=True, dear=False),
    Column("time", right=True), Column("calls", right=True, always=True, dear=False),
    Column("tokens", right=True, always=True), Column("tokens/s", right=True, always=True, dear=False),
    Column("cost", right=True, always=True), Column("id"),
)  # fmt: skip
_PROVIDERS = (
    Column("provider"), Column("state"), Column("last minute", dear=False),
    Column("lately", gives=True, parts=True, dear=False),
)  # fmt: skip
_PROCESSES = (
    Column("process"), Column("memory", right=True), Column("CPU", right=True), Column("runs", right=True),
    *(
        Column(title, right=True, dear=False)
        for title in ("queued", "agents", "calls/min", "failed", "answers in", "files", "sockets")
    ),
)  # fmt: skip
_ENDED = (
    Column("state"), Column("team"), Column("run"), Column("ended", right=True),
    Column("took", right=True, dear=False), Column("used"), Column("", gives=True, dear=False),
)  # fmt: skip


def drawn(frame: Frame, width: int, height: int | None = None) -> list[Text]:
    """The frame as lines of at most `width` columns; at most `height` of them, where that is given.

    Where there is too little room, runs are told in fewer lines each, then fewer of them, and what stands at
    the end is left out.
    """
    width = max(LEAST_WIDTH, width)
    rest = [
        part for part in (
            _providers(frame.providers, width), _processes(frame.processes, width),
            _told(frame.told, width, frame.at), _ended(frame.ended, width),
        ) if part
    ]  # fmt: skip
    head = [*_head(frame, width), Text()]
    if height is None:
        return _joined([head, _runs(frame, width, None), *rest], width)
    left = height - len(head)
    least = min(max(LEAST_RUN_LINES, left // 2), len(_runs(frame, width, None)))
    while rest and left - sum(len(part) + 1 for part in rest) < least:
        rest.pop()
    runs = _runs(frame, width, left - sum(len(part) + 1 for part in rest))
    return _joined([head, runs, *rest], width)[:height]


def _joined(parts: Sequence[Sequence[Text]], width: int) -> list[Text]:
    """The head, and the parts with an empty line between two."""
    head, first, *others = parts
    lines = [*head, *first]
    for part in others:
        lines += [Text(), *part]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _head(frame: Frame, width: int) -> list[Text]:
    """How much there is of everything, on one line, and the time."""
    states = [run.state for run in frame.runs]
    parts = [Text(counted(len(states), "live run"), "bold")]
    parts += [
        Text(f"{number} {state}", STATE_STYLES[state])
        for state in ("running", "waiting", "paused") if (number := states.count(state))
    ]  # fmt: skip
    if queued := len(frame.queue.waiting):
        parts.append(Text(f"{queued} queued", "yellow"))
    if pace := sum(run.tokens_a_second for run in frame.runs):
        parts.append(Text(f"{pace:,.0f} tokens/s", "cyan"))
    costs = [run.cost_usd for run in frame.runs]
    if known := sum(cost or 0.0 for cost in costs):
        parts.append(Text(f"${known:.4f}{' and more' if None in costs else ''}", "green"))
    time = Text(f"{frame.at[11:19]} UTC", "dim")
    while len(parts) > 1 and sum(each.cell_len + 2 for each in parts) + time.cell_len > width:
        parts.pop()
    line = Text("  ").join(parts)
    return [line.append(" " * (width - line.cell_len - time.cell_len)).append_text(time)]


def _runs(frame: Frame, width: int, most: int | None) -> list[Text]:
    """The runs, each with what it waits for and who is at work, in as many lines as there are."""
    if not frame.runs:
        return [Text("Nobody works on a run now.", style="dim")]
    flat = [each for run in frame.runs for each in _with_depth(run)]
    rows = [_row(run, depth, width) for run, depth in flat]
    title, *lines = aligned(_RUNS, rows, width)
    blocks: list[list[Text]] = []
    for much in (ALL, LITTLE, NEXT_TO_NOTHING):
        blocks = []
        for (run, depth), line in zip(flat, lines, strict=True):
            told = _details(run, depth, width, much)
            if depth:
                blocks[-1] += [line, *told]
            else:
                blocks.append([line, *told])
        if most is None or 1 + sum(map(len, blocks)) <= most:
            return [title, *(line for block in blocks for line in block)]
    return [title, *_some(blocks, most - 1)]


def _some(blocks: Sequence[Sequence[Text]], most: int) -> list[Text]:
    """As many whole runs as fit, and how many there are beside."""
    shown: list[Text] = []
    for number, block in enumerate(blocks):
        if len(shown) + len(block) >= most:
            left = len(blocks) - number
            return [*shown, Text(f"… and {left} more {'run' if left == 1 else 'runs'}", "dim")]
        shown += block
    return shown


def _with_depth(run: Live, depth: int = 0) -> Iterator[tuple[Live, int]]:
    yield run, depth
    for child in run.children:
        yield from _with_depth(child, depth + 1)


def _row(run: Live, depth: int, width: int) -> list[str | Text]:
    branch = f"{'  ' * (depth - 1)}└ " if depth else ""
    name = Text.assemble((branch, "dim"), (run.team, "" if depth else "bold"))
    if run.assignment:
        name.append(f" {run.assignment}", "dim")
    if run.alerts:
        name.append(" !", "yellow")
    style = STATE_STYLES.get(run.state, "")
    cost = "unknown" if run.cost_usd is None else f"${run.cost_usd:.4f}" if run.cost_usd else ""
    return [
        name, Text(run.state, style), run.step, clock(run.seconds), f"{run.calls:,}" if run.calls else "",
        _short(run.tokens), f"{run.tokens_a_second:,.0f}" if run.tokens_a_second else "", cost,
        Text(run.run_id if width >= WIDE else "", "dim"),
    ]  # fmt: skip


def _short(number: float) -> str:
    """A number in at most six characters; nothing for none."""
    for size, unit in ((10_000_000, "M"), (100_000, "k")):
        if number >= size:
            return f"{number / (1_000_000 if unit == 'M' else 1_000):,.0f}{unit}"
    return f"{number:,}" if number else ""


def _details(run: Live, depth: int, width: int, much: int) -> list[Text]:
    """What stands below a run: what was asked, who waits for what, of what was warned.

    What a person is asked, and of which run, is told however little room there is.
    """
    indent = " " * (2 * depth + 2)
    room = width - len(indent)
    lines: list[tuple[str, str]] = []
    if much >= ALL or (run.state == "waiting" and not depth):
        name = "" if width >= WIDE else f"{run.run_id}  "
        if about := f"{name}{whole_words(run.asked, room - len(name))}".rstrip():
            lines.append((about, "dim"))
    if run.state == "waiting":
        lines += [(whole_words(f"waits for {each}", room), "magenta") for each in run.waits_for]
    at_work = [_said(each.actor, each.tool or each.model) for each in run.members if _has_no_run(each.actor)]
    if run.note and run.state == "running":
        at_work.insert(0, f"documents: {run.note}")
    if at_work and run.state != "paused" and much >= LITTLE:
        lines.append((listed(at_work, room, between="  ", more="and {} more"), ""))
    if much >= LITTLE:
        lines += [(whole_words(f"! {text}", room), "yellow") for text in run.alerts.values()]
    return [Text(indent).append(said, style) for said, style in lines]


def _has_no_run(actor: str) -> bool:
    """A team at work is a run of its own, and stands below."""
    return not actor.startswith("team:")


def _said(actor: str, waits_for: str) -> str:
    return f"{actor} → {whole_words(waits_for, 32, from_end=True)}" if waits_for else actor


def _providers(told: dict[str, Any], width: int) -> list[Text]:
    rows: list[list[str | Text]] = []
    for one in told["members"]:
        said, style = BREAKER_STATES[one["breaker"]]
        name = Text(whole_words(one["name"], width // 2 - 9, from_end=True))
        # A vendor alone is whichever model of it answers.
        if one["name"] == told["default"] or one["name"].startswith(f"{told['default']}:"):
            name.append("  default", "green")
        until = f" {one['ready_in']:.0f} s" if one["ready_in"] else ""
        after = Text(f"after {one['reason'].replace('_', ' ')}" if one["reason"] else "", style)
        minute = after if one["breaker"] != "closed" else _minute(one["minute"])
        rows.append([name, Text(said + until, style), minute, lately(one["record"])])
    lines = aligned(_PROVIDERS, rows, width)
    if (default := told["default"]).startswith("group:"):
        lines.append(Text(f"default: {default}", style="green"))
    today = told["today"]
    if today["calls"] or today["limit_tokens"] or today["limit_usd"]:
        said = whole_words(f"Today: {spent_today(today)}", width)
        lines.append(Text(said, style=_of_the_day(today)))
    return lines


def _minute(minute: dict[str, Any]) -> str | Text:
    failures: dict[str, int] = minute["failures"]
    if not minute["calls"]:
        return ""
    said = Text(counted(minute["calls"], "call"))
    if failures:
        told = ", ".join(f"{number} {code.replace('_', ' ')}" for code, number in failures.items())
        said.append(f", {told}", "red")
    return said


def _of_the_day(today: dict[str, Any]) -> str:
    """In which colour it is said how much of a day's limit is spent."""
    parts = ((today["tokens"], today["limit_tokens"]), (today["cost_usd"] or 0.0, today["limit_usd"]))
    share = max((taken / limit for taken, limit in parts if limit), default=0.0)
    return "red" if share >= 1.0 else "yellow" if share >= 0.8 else ""  # noqa: PLR2004 - four fifths


def _processes(processes: Sequence[Process], width: int) -> list[Text]:
    here = {each.host for each in processes}
    return aligned(_PROCESSES, [_process(each, several=len(here) > 1) for each in processes], width)


def _process(process: Process, *, several: bool) -> list[str | Text]:
    of = {name.removeprefix("system/"): value for name, value in process.figures.items()}

    def said(name: str, form: str = "{:,.0f}") -> str:
        return form.format(of[name]) if of.get(name) else ""

    memory = f"{of['memory_bytes'] / 1_000_000:,.0f} MB" if "memory_bytes" in of else ""
    runs = f"{of.get('runs', 0):.0f}{said('places', ' of {:.0f}')}"
    failed = Text(said("error_rate", "{:.0%}"), "red")
    name = Text(f"{process.pid}{f' {process.host}' if several else ''}")
    if process.seconds_ago > SILENT_SECONDS:
        name.append(f" silent for {clock(process.seconds_ago)}", "yellow")
    return [
        name, memory, f"{of['cpu_percent']:.0f}%" if "cpu_percent" in of else "", runs, said("queued"),
        said("agents"), said("calls"), failed, said("response_seconds", "{:.1f} s"), said("files"),
        said("connections"),
    ]  # fmt: skip


def _told(told: Sequence[Told], width: int, at: str) -> list[Text]:
    lines: list[Text] = []
    for each in told:
        if each.trouble:
            said = each.trouble if each.address in each.trouble else f"{each.address}: {each.trouble}"
            lines += [
                Text("  " if number else "✗ ", "red").append(line)
                for number, line in enumerate(_wrapped(said, width - 2))
            ]
            continue
        said, style = _telling(each, at)
        mark = ("✓ ", "green") if each.pid and style == "dim" else ("· ", style)
        line = Text.assemble(mark, (each.address, "bold"), "  ")
        lines.append(line.append(whole_words(said, width - line.cell_len), style))
    if not lines:
        return [Text("Runs are told of nowhere; `atlas-mcp mlflow` shows them in MLflow.", style="dim")]
    return [Text("runs are told of at", style="dim"), *lines]


def _telling(told: Told, at: str) -> tuple[str, str]:
    """How far an address was told, when last and by whom, and in which colour that is said."""
    parts, style = [told.progress] if told.progress else list[str](), "dim"
    if told.pid is not None:
        parts.append(f"by process {told.pid}")
        if (silent := told.seconds_ago or 0.0) > SILENT_SECONDS:
            parts.append(f"silent for {clock(silent)}")
            style = "yellow"
    if told.last:
        parts.append(f"the last {ago(told.last)}")
    said = ", ".join(parts)
    # One that told just now may have had no time yet to say who it is.
    if told.pid is not None or (told.last and seconds_between(told.last, at) < SILENT_SECONDS):
        return said, style
    return f"{said}; no process tells now" if said else "no process tells now; it is kept", style


def _wrapped(said: str, room: int) -> list[str]:
    return wrap(said, room, max_lines=TROUBLE_LINES, placeholder="…", break_on_hyphens=False)


def _ended(ended: Sequence[Ended], width: int) -> list[Text]:
    rows: list[list[str | Text]] = []
    for each in ended:
        state = Text(f"{each.state}{', partial' if each.partial else ''}", STATE_STYLES.get(each.state, ""))
        used = spent(each.usage) if each.usage and width >= VERY_WIDE else ""
        about = each.error or each.asked if width >= WIDE else ""
        told = Text(" ".join(about.split()), "red" if each.error else "dim")
        rows.append([state, each.team, each.run_id, ago(each.ended), clock(each.seconds), used, told])
    lines: list[Text] = []
    for line, one in zip(aligned(_ENDED, rows, width), (None, *ended), strict=False):
        lines.append(line)
        if one is not None and one.error and width < WIDE:
            lines.append(Text(f"  {whole_words(one.error, width - 2)}", "red"))
    return lines
